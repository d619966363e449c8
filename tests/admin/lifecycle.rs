//! The running server: changes by the administrator, and signals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use testkit::packets::{CREAT, WRITE, nth, open, stat, write};
use testkit::processes::open_descriptors;
use testkit::programs::homeportd;
use testkit::raw::{RawSftp, Received};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::{PATIENCE, inspectable, wait_for};

/// Waits until the server ends an idle session.
fn ends(session: &mut RawSftp) {
    let end = session.receive(PATIENCE);
    assert_eq!(end, Received::Ended, "the session lives on");
}

#[test]
fn disabling_a_user_ends_the_sessions() {
    let server = TestServer::start(&["alice", "bob"]);
    let (mut alice, mut bob) = (server.raw("alice"), server.raw("bob"));
    server.admin_ok(&["user", "disable", "alice"], "");
    ends(&mut alice);
    assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));
    assert!(!server.sign_in("alice", By::Key, "").status.success());
    server.admin_ok(&["user", "enable", "alice"], "");
    assert!(server.sign_in("alice", By::Key, "").status.success());
}

#[test]
fn removing_a_user_ends_the_sessions() {
    let server = TestServer::start(&["alice"]);
    let mut alice = server.raw("alice");
    server.admin_ok(&["user", "remove", "alice"], "");
    ends(&mut alice);
    assert!(!server.sign_in("alice", By::Key, "").status.success());
}

#[test]
fn sessions_are_listed_and_kicked() {
    let server = TestServer::start(&["alice", "bob"]);
    let (mut alice, mut bob) = (server.raw("alice"), server.raw("bob"));
    let list = server.admin_ok(&["sessions", "list"], "");
    assert!(list.contains("alice") && list.contains("bob"), "{list}");
    let json = server.admin_ok(&["sessions", "list", "--json"], "");
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(parsed.to_string().contains("alice"), "{json}");
    server.admin_ok(&["sessions", "kick", "--user", "alice"], "");
    ends(&mut alice);
    assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));
    wait_for("alice to be gone from the list", || {
        !server.admin_ok(&["sessions", "list"], "").contains("alice")
    });
}

#[test]
fn a_password_changed_while_running_counts_at_the_next_sign_in() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(&["user", "passwd", "alice", "--password-stdin"], "another one");
    let by = By::Password("password");
    assert!(!server.sign_in("alice", by, "secret of alice").status.success());
    assert!(server.sign_in("alice", by, "another one").status.success());
}

#[test]
fn sigterm_lets_transfers_finish() {
    let mut server = TestServer::start_with(&[("server", "drain_secs = 60")], &["alice"]);
    let mut alice = server.raw("alice");
    let handle = alice.handle(&open("f", WRITE | CREAT));
    server.signal("TERM");
    wait_for("the port to close", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    for offset in 0..10 {
        let reply = alice.ask_about(&write(nth(0), offset * 1000, [b'x'; 1000]), &handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    }
    assert_eq!(alice.finish(), Some(0));
    assert_eq!(server.wait_for_exit(), Some(0));
    assert_eq!(
        fs::metadata(server.home("alice").join("f")).unwrap().len(),
        10_000
    );
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let mut server = TestServer::start_with(&[("server", "drain_secs = 1")], &["alice"]);
    let mut alice = server.raw("alice");
    server.signal("TERM");
    ends(&mut alice);
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn sighup_with_a_broken_file_keeps_the_old_one() {
    let mut server = TestServer::start(&["alice"]);
    let mut alice = server.raw("alice");
    let good = fs::read_to_string(server.config()).unwrap();
    fs::write(server.config(), "[limits]\nhandles = \"many\"\n").unwrap();
    server.signal("HUP");
    server.wait_for_log("homeportd.toml");
    assert!(matches!(alice.ask(&stat("/")), Reply::Attrs(_)));
    assert!(server.sign_in("alice", By::Key, "").status.success());
    fs::write(server.config(), format!("{good}\n[limits]\nhandles = 3\n")).unwrap();
    server.signal("HUP");
    // New connections get the new limit.
    wait_for("the new limit", || {
        let mut session = server.raw("alice");
        let opened = (0..4).filter(|_| matches!(session.ask(&open("f", WRITE | CREAT)), Reply::Handle(_)));
        opened.count() == 3
    });
    assert!(server.is_alive());
    // Settings that need a restart are named.
    let more = format!("{good}\n[quota]\nrescan_secs = 3600\n");
    fs::write(server.config(), more.replace("127.0.0.1:0", "127.0.0.1:1")).unwrap();
    server.signal("HUP");
    server.wait_for_log("changes in [server], [quota] need a restart");
}

#[test]
fn reload_waits_for_the_server_and_says_what_has_changed() {
    let server = TestServer::start(&["alice"]);
    let good = fs::read_to_string(server.config()).unwrap();
    let said = server.admin_ok(&["reload"], "");
    assert!(said.contains("no setting has changed"), "{said}");

    let more = format!("{good}\n[limits]\nhandles = 3\n[quota]\nrescan_secs = 3600\n");
    fs::write(server.config(), &more).unwrap();
    let said = server.admin_ok(&["reload"], "");
    assert!(
        said.contains("new connections use changes in [limits]\n"),
        "{said}"
    );
    assert!(said.contains("changes in [quota] need a restart\n"), "{said}");
    // It is in force when the command returns.
    let mut session = server.raw("alice");
    let opened = (0..4).filter(|_| matches!(session.ask(&open("f", WRITE | CREAT)), Reply::Handle(_)));
    assert_eq!(opened.count(), 3);
    // What was applied is not named again; what waits still waits.
    let said = server.admin_ok(&["reload", "--json"], "");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["applied"], serde_json::json!([]));
    assert_eq!(said["waiting_for_restart"], serde_json::json!(["[quota]"]));

    // A broken file changes nothing, and neither does one that only the server can refuse.
    let check = |text: &str, expected: &str| {
        fs::write(server.config(), text).unwrap();
        let output = server.admin(&["reload"], "");
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(expected), "{message}");
        assert!(server.sign_in("alice", By::Key, "").status.success());
    };
    check(
        &more.replace("handles = 3", "handles = \"many\""),
        "\"handles\" in [limits]",
    );
    check(&good.replace("audit.log", "none/audit.log"), "none/audit.log");
    fs::write(server.config(), &good).unwrap();
    server.admin_ok(&["reload"], "");
}

#[test]
fn reload_without_a_server_fails() {
    let server = TestServer::new(&[]);
    let output = server.admin(&["reload"], "");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("no server is running"), "{message}");
}

#[test]
fn a_start_that_fails_says_why() {
    let server = TestServer::start(&["alice"]);
    let second = server.admin(&["serve"], "");
    assert!(!second.status.success());
    let message = String::from_utf8_lossy(&second.stderr);
    assert!(
        message.contains("another server (process "),
        "two servers on one store: {message}"
    );

    let other = TestServer::new(&[]);
    let config = format!("[server]\nlisten = [\"127.0.0.1:{}\"]\n", server.port());
    fs::write(other.config(), config).unwrap();
    let message = other.admin(&["serve"], "");
    assert_eq!(message.status.code(), Some(1));
    let message = String::from_utf8_lossy(&message.stderr).into_owned();
    assert!(
        message.contains(&server.port().to_string()) && message.contains("in use"),
        "{message}"
    );
}

#[test]
fn a_host_key_that_others_can_read_is_refused() {
    let mut server = TestServer::start(&["alice"]);
    server.signal("TERM");
    server.wait_for_exit();
    let mut keys = 0;
    for entry in fs::read_dir(server.path().join("hostkeys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            keys += 1;
        }
    }
    assert!(keys > 0, "no host key was made");
    for command in ["serve", "check"] {
        let output = server.admin(&[command], "");
        assert_eq!(output.status.code(), Some(1), "{command}");
        let message = [output.stdout, output.stderr].concat();
        assert!(
            String::from_utf8_lossy(&message).contains("chmod 600"),
            "{command}"
        );
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for args in [
        &["no-such-command"][..],
        &["user", "add"],
        &["serve", "--no-such-option"],
    ] {
        let output = std::process::Command::new(homeportd())
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

/// Returns how often the server has read its configuration again.
fn reloads(server: &TestServer) -> usize {
    server.log().matches("the configuration was read again").count()
}

#[test]
fn many_sighups_do_not_pile_up() {
    let mut server = TestServer::start_with(&[inspectable()], &["alice"]);
    server.signal("HUP");
    server.wait_for_log("the configuration was read again");
    let descriptors = || open_descriptors(server.pid());
    let before = descriptors();
    let script = "i=0; while [ $i -lt 150 ]; do kill -HUP \"$1\" || exit 1; sleep 0.02; i=$((i+1)); done
        i=0; while [ $i -lt 2000 ]; do kill -HUP \"$1\" || exit 1; i=$((i+1)); done";
    let mut storm = Command::new("sh")
        .args(["-c", script, "storm", &server.pid().to_string()])
        .spawn()
        .unwrap();
    let mut transfers = 0;
    while storm.try_wait().unwrap().is_none() {
        server.sftp_ok("alice", "ls\n");
        transfers += 1;
    }
    assert!(transfers > 0 && storm.wait().unwrap().success());
    // One reload may be running and another may wait; the lines of some may not have been read yet.
    let ended = reloads(&server);
    server.admin_ok(&["reload"], "");
    let last = reloads(&server);
    assert!(last <= ended + 20, "{ended} reloads, {last} after one more");
    // The store may have opened more connections meanwhile, four of three files at most.
    wait_for("the descriptors to be closed", || descriptors() <= before + 12);
    assert!(server.is_alive());
}
