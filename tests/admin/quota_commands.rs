//! `quota show` and `quota scan`: beside a running server, without one, and after one that was killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use testkit::packets::{CREAT, WRITE, nth, open, write};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::wait_for;

fn shown(server: &TestServer, command: &str, user: &str) -> Value {
    serde_json::from_str(&server.admin_ok(&[command, "show", user, "--json"], "")).unwrap()
}

/// Asserts that both commands report this usage of a user's home. A measurement that has begun may not be over yet.
fn check(server: &TestServer, user: &str, bytes: u64, files: u64) {
    for command in ["quota", "user"] {
        let mut last = Value::Null;
        wait_for("the usage to be exact", || {
            last = shown(server, command, user);
            last["usage_exact"] == true
        });
        assert_eq!(last["used_bytes"], bytes, "{command}: {last}");
        assert_eq!(last["used_files"], files, "{command}: {last}");
    }
}

/// Runs a command that must fail, and returns its errors.
fn fails(server: &TestServer, args: &[&str]) -> String {
    let output = server.admin(args, "");
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_running_server_reports_the_usage_of_homes_while_it_changes() {
    let server = TestServer::start(&["alice", "bob"]);
    server.admin_ok(&["user", "set", "alice", "--quota", "1MiB"], "");
    let mut alice = server.raw("alice");
    let handle = alice.handle(&open("f", WRITE | CREAT));
    let mut append = |at: u64, bytes: &[u8]| {
        let reply = alice.ask_about(&write(nth(0), at, bytes), &handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    };
    append(0, &[b'x'; 1000]);
    check(&server, "alice", 1000, 1);
    // A file that another program wrote is found while another file is open and grows.
    fs::write(server.home("alice").join("put"), [0; 500]).unwrap();
    check(&server, "alice", 1000, 1);
    let message = server.admin_ok(&["quota", "scan", "alice"], "");
    assert_eq!(
        message,
        "alice: 1000 B, 1 file -> 1.5 KiB, 2 files (1500 bytes)\n"
    );
    check(&server, "alice", 1500, 2);
    append(1000, &[b'x'; 24]);
    check(&server, "alice", 1524, 2);
    let message = server.admin_ok(&["quota", "scan"], "");
    assert!(
        message.contains("alice: 1.5 KiB, 2 files (1524 bytes), as before\n"),
        "{message}"
    );
    assert!(message.contains("bob: "), "{message}");
    let all: Value = serde_json::from_str(&server.admin_ok(&["quota", "show", "--json"], "")).unwrap();
    assert_eq!(all[0]["used_bytes"], 1524);
    assert_eq!(all[0]["quota_bytes"], 1 << 20);
    assert_eq!(all[1]["name"], "bob");
}

#[test]
fn what_cannot_be_measured_is_an_error_and_changes_nothing() {
    let server = TestServer::start(&["alice", "bob"]);
    server.sftp_ok("alice", "mkdir d\n");
    let away = server.path().join("away");
    fs::rename(server.home("alice"), &away).unwrap();
    let message = fails(&server, &["quota", "scan", "alice"]);
    assert!(message.contains("is missing (hint: "), "{message}");
    let message = fails(&server, &["quota", "scan"]);
    assert!(
        message.contains("1 of 2 homes and folders could not be measured:\n  the home "),
        "{message}"
    );
    fs::rename(&away, server.home("alice")).unwrap();
    // The account still works.
    server.sftp_ok("alice", "mkdir e\n");
    check(&server, "alice", 0, 2);
    let nobody = server.admin(&["quota", "scan", "nobody"], "");
    assert_eq!(nobody.status.code(), Some(3));
    let message = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(
        message,
        "homeportd: there is no user \"nobody\" (hint: homeportd user list)\n"
    );
    let wrong = server.admin(&["quota", "measure"], "");
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_home_that_cannot_be_read_stops_growing_until_it_can() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--quota", "1MiB"], "");
    let home = server.home("alice");
    // The home can be entered, but not listed.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o300)).unwrap();
    let message = fails(&server, &["quota", "scan", "alice"]);
    assert!(
        message.contains("cannot measure the home") && message.to_lowercase().contains("permission denied"),
        "{message}"
    );
    let shown = shown(&server, "quota", "alice");
    assert_eq!(shown["standing"], "unmeasurable");
    assert_eq!(shown["usage_exact"], false);
    let report = server.admin(&["check"], "");
    assert_eq!(report.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&report.stdout).contains("user alice may be kept from storing anything"));
    let put = format!(
        "put {} f\n",
        crate::clients::local_file(&server, "local", 1000).display()
    );
    assert!(!server.sftp("alice", &put).status.success());
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    server.admin_ok(&["quota", "scan", "alice"], "");
    // The upload made the file before it was refused.
    check(&server, "alice", 0, 1);
    server.sftp_ok("alice", &put);
}

#[test]
fn a_directory_that_cannot_be_read_counts_as_one_file() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--quota", "1MiB"], "");
    let directory = server.home("alice").join("d");
    fs::create_dir_all(directory.join("inside")).unwrap();
    // The directory can neither be entered nor listed; only listed; only entered.
    for mode in [0o000, 0o600, 0o300] {
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let message = server.admin_ok(&["quota", "scan", "alice"], "");
        assert!(
            message.contains("the server cannot enter") && message.contains("alice/d"),
            "{mode:o}: {message}"
        );
        check(&server, "alice", 0, 1);
        assert_eq!(shown(&server, "quota", "alice")["unreadable_entries"], 1);
    }
    let put = format!(
        "put {} f\n",
        crate::clients::local_file(&server, "local", 1000).display()
    );
    server.sftp_ok("alice", &put);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    server.admin_ok(&["quota", "scan", "alice"], "");
    check(&server, "alice", 1000, 3);
    assert_eq!(shown(&server, "quota", "alice").get("unreadable_entries"), None);
}

#[test]
fn after_a_crash_usage_is_an_upper_bound_until_the_home_is_measured() {
    let mut server = TestServer::start(&["alice"]);
    let file = crate::clients::local_file(&server, "local", 100_000);
    server.sftp_ok("alice", &format!("put {} f\n", file.display()));
    check(&server, "alice", 100_000, 1);
    let socket = format!("data/control.{}.sock", server.pid());
    server.signal("KILL");
    server.wait_for_exit();
    // The socket still exists, but nothing answers.
    assert!(server.path().join(socket).exists());
    let shown = shown(&server, "quota", "alice");
    assert_eq!(shown["usage_exact"], false);
    assert_eq!(shown["standing"], "at_most");
    assert!(shown["used_bytes"].as_u64().unwrap() >= 100_000, "{shown}");
    assert!(
        server
            .admin_ok(&["user", "show", "alice"], "")
            .contains("at most ")
    );
    let message = server.admin_ok(&["quota", "scan", "alice"], "");
    assert!(message.starts_with("alice: at most "), "{message}");
    assert!(
        message.ends_with(" -> 97.7 KiB, 1 file (100000 bytes)\n"),
        "{message}"
    );
    check(&server, "alice", 100_000, 1);
}

#[test]
fn a_clean_shutdown_leaves_exact_usage() {
    let mut server = TestServer::start(&["alice"]);
    let file = crate::clients::local_file(&server, "local", 100_000);
    server.sftp_ok("alice", &format!("mkdir d\nput {} d/f\n", file.display()));
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    check(&server, "alice", 100_000, 2);
}

#[test]
fn an_existing_home_is_measured_at_the_first_sign_in() {
    let server = TestServer::start(&["alice"]);
    assert_eq!(shown(&server, "quota", "alice")["standing"], "unknown");
    fs::write(server.home("alice").join("old"), [0; 700]).unwrap();
    let _alice = server.raw("alice");
    wait_for("the home to be measured", || {
        shown(&server, "quota", "alice")["usage_exact"] == true
    });
    check(&server, "alice", 700, 1);
}

#[test]
fn new_users_get_the_configured_quota() {
    let server = TestServer::start_with(
        &[("quota", "default_bytes = \"8KiB\"\ndefault_files = 5")],
        &["alice"],
    );
    let shown = shown(&server, "quota", "alice");
    assert_eq!(
        (&shown["quota_bytes"], &shown["quota_files"]),
        (&8192.into(), &5.into())
    );
    let file = crate::clients::local_file(&server, "local", 9000);
    let output = server.sftp("alice", &format!("put {} f\n", file.display()));
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("quota exceeded: "), "{message}");
    server.wait_for_audit("over_quota");
    // A client sees the same numbers as the administrator.
    let df = server.sftp_ok("alice", "df -h\n");
    assert!(df.contains("8.0KB"), "{df}");
}

#[test]
fn a_reload_puts_the_quota_of_users_without_one_in_force() {
    let server = TestServer::start(&["alice", "bob"]);
    server.admin_ok(&["user", "set", "bob", "--quota", "unlimited"], "");
    let config = fs::read_to_string(server.config()).unwrap();
    let reload = |quota: &str| {
        fs::write(server.config(), format!("{config}\n[quota]\n{quota}\n")).unwrap();
        server.admin_ok(&["reload"], "")
    };
    let mut sessions = ["alice", "bob"].map(|user| {
        let mut session = server.raw(user);
        let handle = session.handle(&open("f", WRITE | CREAT));
        (session, handle)
    });
    let mut codes = |at: u64| {
        sessions.each_mut().map(|(session, handle)| {
            match session.ask_about(&write(nth(0), at, [b'x'; 6000]), handle) {
                Reply::Status { code, .. } => code,
                other => panic!("{other:?}"),
            }
        })
    };
    assert_eq!(codes(0), [0, 0]);
    let said = reload("default_bytes = \"8KiB\"");
    assert!(said.contains("[quota] default_bytes"), "{said}");
    assert_eq!(shown(&server, "quota", "alice")["quota_bytes"], 8192);
    assert_eq!(codes(6000), [4, 0]);
    // Nobody has to sign in again when it is raised.
    reload("default_bytes = \"20KiB\"");
    assert_eq!(codes(6000), [0, 0]);
}
