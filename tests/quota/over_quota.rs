//! What a user sees whose quota is used up, and how to continue.

use super::*;
use testkit::replies::Reply;

fn local(server: &TestServer, name: &str, length: u64) {
    std::fs::write(server.path().join(name), vec![5; length as usize]).unwrap();
}

fn start(users: &[(&str, &[&str])]) -> TestServer {
    let mut server = TestServer::new(&[]);
    for (user, more) in users {
        server.add_user(user, more);
    }
    server.serve();
    server
}

fn status(reply: &Reply) -> String {
    match reply {
        Reply::Status { code, message, .. } => {
            format!("code: {code}, {}", String::from_utf8_lossy(message))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn the_stock_client_shows_the_reason_and_continues_after_space_is_freed() {
    let server = start(&[("alice", &["--quota", "1MiB"]), ("bob", &["--quota", "3MiB"])]);
    local(&server, "old", 300_000);
    local(&server, "big", 1_000_000);
    server.sftp_ok("alice", "put old\n");
    let output = server.sftp("alice", "put big\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(
        errors.matches("quota exceeded: ").count(),
        1,
        "once for each file: {errors}"
    );
    assert!(errors.contains(" of 1.0 MiB used"), "{errors}");
    server.wait_for_audit("quota exceeded");
    let bytes = on_disk(&server.home("alice")).bytes;
    assert!(bytes <= MIB && bytes > MIB - 262_144, "{bytes}");
    let full = server.sftp_ok("alice", "df\n");
    let size = full.lines().nth(2).unwrap_or_default().split_whitespace().next();
    assert_eq!(size, Some("1024"), "{full}");
    server.sftp_ok("alice", "rm old\nreput big\n");
    let big = std::fs::read(server.home("alice").join("big")).unwrap();
    assert!(big == vec![5; 1_000_000]);
    // Another user has a separate limit.
    server.sftp_ok("bob", "put big\nput big second\nput big third\n");
}

#[test]
fn limits_change_while_sessions_run() {
    let server = start(&[("alice", &["--quota", "100"])]);
    let home = server.home("alice");
    let mut sftp = server.raw("alice");
    let handle = sftp.handle(&open("f", READ | WRITE | CREAT));
    let mut resize = |size| {
        let reply = sftp.ask_about(&fsetstat(bogus(&handle), &Attrs::size(size)), b"");
        (home.join("f").metadata().unwrap().len(), status(&reply))
    };
    assert_eq!(resize(100).0, 100);
    assert_eq!(resize(101).0, 100);
    // The limit applies when the command returns.
    let set = |limit: &str| server.admin_ok(&["user", "set", "alice", "--quota", limit], "");
    set("200");
    assert_eq!(resize(150).0, 150);
    set("0");
    let (size, reply) = resize(151);
    assert_eq!(size, 150);
    assert!(reply.contains("quota exceeded: 150 B of 0 B used"), "{reply}");
    assert_eq!(resize(100).0, 100);
    assert_eq!(resize(101).0, 100);
    set("unlimited");
    assert_eq!(resize(5000).0, 5000);
}

#[test]
fn the_number_of_files_is_limited_as_well() {
    let server = start(&[("alice", &["--max-files", "3"])]);
    local(&server, "f", 10);
    server.sftp_ok("alice", "put f a\nmkdir d\nln -s a l\nln a hard\n");
    for batch in ["put f b\n", "mkdir e\n", "ln -s a m\n"] {
        let output = server.sftp("alice", batch);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.contains("quota exceeded: 3 of 3 files used"),
            "{batch}{errors}"
        );
    }
    server.sftp_ok("alice", "rm l\nput f b\n");
}

#[test]
fn two_users_of_one_home_share_it() {
    let mut server = TestServer::new(&[]);
    let home = server.home("shared");
    let home_text = home.to_str().unwrap().to_owned();
    let more = ["--quota", "1MiB", "--home", &home_text];
    server.add_user("alice", &more);
    server.add_user("bob", &more);
    server.serve();
    local(&server, "f", 700_000);
    server.sftp_ok("alice", "put f a\n");
    assert!(!server.sftp("bob", "put f b\n").status.success());
    assert!(on_disk(&home).bytes <= MIB);
    server.sftp_ok("bob", "rm a\nreput f b\n");
    assert_eq!(
        on_disk(&home),
        DiskUse {
            bytes: 700_000,
            files: 1
        }
    );
}

#[test]
fn sizes_out_of_range_change_nothing() {
    let server = start(&[("alice", &["--quota", "1MiB"]), ("bob", &[])]);
    for user in ["alice", "bob"] {
        let mut sftp = server.raw(user);
        let handle = sftp.handle(&open("f", READ | WRITE | CREAT));
        let append = sftp.handle(&open("f", WRITE | APPEND));
        sftp.ask_about(&write(bogus(&append), u64::MAX, b"content"), b"");
        for far in [i64::MAX as u64, 1 << 63, u64::MAX] {
            let size = Attrs::size(far);
            for request in [
                fsetstat(bogus(&handle), &size),
                testkit::packets::setstat("f", &size),
                write(bogus(&handle), far, b"x"),
                write(bogus(&handle), far - 1, b"xyz"),
                copy_data(bogus(&handle), 0, 0, bogus(&append), far),
            ] {
                let reply = status(&sftp.ask_about(&request, b""));
                assert!(
                    !reply.contains("code: 0"),
                    "{user}: {request:?} was answered by {reply}"
                );
            }
        }
        let used = |bytes| DiskUse { bytes, files: 1 };
        assert_eq!(on_disk(&server.home(user)), used(7), "{user}");
        sftp.ask_about(&write(bogus(&handle), 7, b"!"), b"");
        assert_eq!(on_disk(&server.home(user)), used(8), "{user}");
    }
}

#[test]
fn the_first_df_waits_for_the_measurement() {
    let server = start(&[("alice", &["--quota", "8MiB"])]);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    for n in 0..300 {
        std::fs::write(server.home("alice").join(format!("old-{n}")), [1; 4096]).unwrap();
    }
    // The home was never measured: the request waits for that, instead of reporting that there is no space.
    let message = server.sftp_ok("alice", "df\n");
    let numbers: Vec<&str> = message
        .lines()
        .nth(2)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(numbers.get(..3), Some(&["8192", "1200", "6992"][..]), "{message}");
}
