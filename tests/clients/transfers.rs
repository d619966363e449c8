//! The commands of `sftp`, and `scp` in both directions, as users type them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::clients::{assert_same, local_file, noise};
use testkit::server::TestServer;
use testkit::stock::{By, run};

#[test]
fn a_file_is_uploaded_and_downloaded() {
    let server = TestServer::start(&["alice"]);
    for length in [0, 1, 32_767, 32_768, 32_769, 3_000_000] {
        let local = local_file(&server, "local", length);
        server.sftp_ok("alice", "put local remote\nget remote back\n");
        assert_same(&local, &server.home("alice").join("remote"));
        assert_same(&local, &server.path().join("back"));
    }
}

#[test]
fn everyday_commands_work() {
    let server = TestServer::start(&["alice"]);
    let home = server.home("alice");
    local_file(&server, "local", 5000);
    server.sftp_ok(
        "alice",
        "mkdir docs\ncd docs\nput local a.txt\nrename a.txt b.txt\nln b.txt c.txt\nln -s b.txt l\n",
    );
    assert_eq!(fs::metadata(home.join("docs/b.txt")).unwrap().nlink(), 2);
    assert_eq!(
        fs::read_link(home.join("docs/l")).unwrap().to_str(),
        Some("b.txt")
    );

    let listing = server.sftp_ok("alice", "pwd\ncd docs\npwd\nls -la\nls\n");
    assert!(listing.contains("Remote working directory: /\n"), "{listing}");
    assert!(listing.contains("Remote working directory: /docs\n"), "{listing}");
    let file = listing.lines().find(|line| line.ends_with(" b.txt")).unwrap();
    let columns: Vec<_> = file.split_whitespace().collect();
    assert_eq!(columns[0], "-rw-r--r--", "{file}");
    assert_eq!(columns[2], "alice", "{file}");
    assert_eq!(columns[4], "5000", "{file}");
    assert!(
        listing
            .lines()
            .any(|line| line.starts_with('l') && line.contains(" l")),
        "{listing}"
    );

    server.sftp_ok(
        "alice",
        "chmod 600 docs/b.txt\ncp docs/b.txt docs/copy\nrm docs/c.txt\nrm docs/l\n",
    );
    assert_eq!(
        fs::metadata(home.join("docs/b.txt"))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o600
    );
    assert_same(&home.join("docs/b.txt"), &home.join("docs/copy"));

    let full = server.sftp("alice", "rmdir docs\n");
    assert!(!full.status.success(), "a directory that is not empty must stay");
    server.sftp_ok("alice", "rm docs/*\nrmdir docs\n");
    assert!(!home.join("docs").exists());
}

#[test]
fn df_shows_the_quota() {
    let server = TestServer::start(&["alice"]);
    let table = server.sftp_ok("alice", "df\ndf -h\ndf -i\n");
    let numbers = table.lines().nth(2).unwrap_or_default();
    let size: u64 = numbers
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    assert!(size > 0, "{table}");
}

#[test]
fn names_are_bytes() {
    let server = TestServer::start(&["alice"]);
    let home = server.home("alice");
    let local = local_file(&server, "local", 100);
    for name in [
        "with space",
        "ümläut",
        "quo'te",
        "semi;colon",
        "./-dash",
        "emoji\u{1f600}",
    ] {
        server.sftp_ok("alice", &format!("put local \"{name}\"\nget \"{name}\" back\n"));
        assert_same(&local, &home.join(name));
    }
}

#[test]
fn times_and_modes_are_kept_when_asked() {
    let server = TestServer::start(&["alice"]);
    let local = local_file(&server, "local", 100);
    fs::set_permissions(&local, fs::Permissions::from_mode(0o640)).unwrap();
    touch(&local, "2001-09-09T01:46:40Z");
    server.sftp_ok("alice", "put -p local kept\nput local plain\nget -p kept back\n");
    let kept = fs::metadata(server.home("alice").join("kept")).unwrap();
    assert_eq!(kept.mtime(), 1_000_000_000);
    assert_eq!(kept.permissions().mode() & 0o7777, 0o640);
    assert!(fs::metadata(server.home("alice").join("plain")).unwrap().mtime() > 1_500_000_000);
    assert_eq!(
        fs::metadata(server.path().join("back")).unwrap().mtime(),
        1_000_000_000
    );
}

#[test]
fn trees_are_transferred_both_ways() {
    let server = TestServer::start(&["alice"]);
    make_tree(&server);
    server.sftp_ok("alice", "put -r tree\nget -r tree back\n");
    assert_trees_equal(&server, "tree", &server.home("alice").join("tree"));
    assert_trees_equal(&server, "tree", &server.path().join("back"));
}

#[test]
fn scp_transfers_both_ways() {
    let server = TestServer::start(&["alice"]);
    make_tree(&server);
    let local = local_file(&server, "local", 1_000_000);
    touch(&local, "2001-09-09T01:46:40Z");
    let scp = |args: &[&str]| {
        let mut command = server.client("scp", "alice", By::Key);
        command.args(["-s", "-q", "-p"]).args(args);
        let output = run(command, "");
        assert!(
            output.status.success(),
            "scp {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    scp(&["local", "alice@127.0.0.1:up"]);
    assert_same(&local, &server.home("alice").join("up"));
    assert_eq!(
        fs::metadata(server.home("alice").join("up")).unwrap().mtime(),
        1_000_000_000
    );
    scp(&["alice@127.0.0.1:up", "down"]);
    assert_same(&local, &server.path().join("down"));
    scp(&["local", "alice@127.0.0.1:~/home-relative"]);
    assert_same(&local, &server.home("alice").join("home-relative"));
    scp(&["-r", "tree", "alice@127.0.0.1:/"]);
    assert_trees_equal(&server, "tree", &server.home("alice").join("tree"));
    scp(&["-r", "alice@127.0.0.1:tree", "back"]);
    assert_trees_equal(&server, "tree", &server.path().join("back"));
    // A shorter file replaces a longer one completely.
    let short = local_file(&server, "short", 10);
    scp(&["short", "alice@127.0.0.1:up"]);
    assert_same(&short, &server.home("alice").join("up"));
}

#[test]
fn users_see_only_their_own_homes() {
    let server = TestServer::start(&["alice", "bob"]);
    local_file(&server, "local", 100);
    server.sftp_ok("alice", "put local secret-of-alice\nmkdir private\n");
    let mut alice = server.raw("alice");
    let mut bob = server.raw("bob");
    use testkit::packets::{READ, lstat, open};
    use testkit::replies::Reply;
    assert!(matches!(alice.ask(&lstat("/secret-of-alice")), Reply::Attrs(_)));
    for path in [
        "/secret-of-alice",
        "../alice/secret-of-alice",
        "/../alice/secret-of-alice",
        "../../data/homes/alice/secret-of-alice",
        "/proc/self/root",
        "/etc/passwd",
        "../../homeportd.toml",
    ] {
        for request in [lstat(path), open(path, READ)] {
            let reply = bob.ask(&request);
            assert!(
                matches!(reply, Reply::Status { code: 2, .. }),
                "bob asks for {path}: {reply:?}"
            );
        }
    }
    assert!(!server.sftp_ok("bob", "ls -la\n").contains("alice"));
}

#[test]
fn ssh_ends_with_0_when_the_subsystem_does() {
    let server = TestServer::start(&["alice"]);
    assert_eq!(server.raw("alice").finish(), Some(0));
    let mut shell = server.client("ssh", "alice", By::Key);
    shell.args(["alice@127.0.0.1", "id"]);
    let output = run(shell, "");
    assert!(!output.status.success(), "there is no shell");
    assert!(output.stdout.is_empty(), "there is no shell");
    let mut subsystem = server.client("ssh", "alice", By::Key);
    subsystem.args(["-s", "alice@127.0.0.1", "no-such-subsystem"]);
    assert!(!run(subsystem, "").status.success());
}

#[test]
fn rekeying_in_the_middle_changes_nothing() {
    let server = TestServer::start(&["alice"]);
    let local = local_file(&server, "local", 20_000_000);
    let mut command = server.client("sftp", "alice", By::Key);
    command.args(["-q", "-o", "RekeyLimit=1M", "-b", "-", "alice@127.0.0.1"]);
    let output = run(command, "put local up\nget up down\n");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_same(&local, &server.home("alice").join("up"));
    assert_same(&local, &server.path().join("down"));
}

fn touch(path: &std::path::Path, date: &str) {
    assert!(
        Command::new("touch")
            .args(["-d", date])
            .arg(path)
            .status()
            .unwrap()
            .success()
    );
}

/// Creates forty small files in four directories, of which one is empty and one is nested.
fn make_tree(server: &TestServer) {
    let tree = server.path().join("tree");
    for directory in 0..4 {
        let directory = tree.join(format!("d{directory}"));
        fs::create_dir_all(directory.join("nested/deep")).unwrap();
        for file in 0..10_u16 {
            let content = noise(usize::from(file) * 700, u64::from(file));
            fs::write(directory.join(format!("file {file}")), content).unwrap();
        }
    }
    fs::create_dir(tree.join("empty")).unwrap();
}

fn assert_trees_equal(server: &TestServer, local: &str, other: &std::path::Path) {
    let diff = Command::new("diff")
        .arg("-r")
        .arg(server.path().join(local))
        .arg(other)
        .output()
        .unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
    assert!(other.join("d3/nested/deep").is_dir() && other.join("empty").is_dir());
}
