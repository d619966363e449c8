//! Passwords: hashes of other systems, and the rules for new ones.

use super::backup::errors;
use testkit::packets::stat;
use testkit::raw::{RawSftp, Received};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::{PATIENCE, wait_for};

/// A line of /etc/shadow, of the password "secret", without the user's name.
const SHADOW: &str =
    "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.\n";

const PASSWORD: By = By::Password("password");

fn kind(server: &TestServer, user: &str) -> serde_json::Value {
    let shown = server.admin_ok(&["user", "show", user, "--json"], "");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["has_password"], true);
    shown["password_kind"].clone()
}

#[test]
fn a_hash_of_another_system_is_replaced_when_its_user_signs_in() {
    let mut server = TestServer::new(&[("auth", "throttle = { first_delay_ms = 1, max_delay_ms = 1 }")]);
    server.admin_ok(&["user", "add", "alice", "--password-hash-stdin"], SHADOW);
    server.serve();
    assert_eq!(kind(&server, "alice"), "sha512-crypt");
    let check = || String::from_utf8(server.admin(&["check"], "").stdout).unwrap();
    let counted = "1 user has a password hash of another system: sha512-crypt 1";
    assert!(check().contains(counted), "{}", check());
    assert!(!server.sign_in("alice", PASSWORD, "secrets").status.success());
    assert_eq!(kind(&server, "alice"), "sha512-crypt");

    let mut command = server.client("ssh", "alice", PASSWORD);
    command.args(["-s", "alice@127.0.0.1", "sftp"]);
    let mut session = RawSftp::start(server.with_password(command, "secret"));
    wait_for("the hash to be replaced", || kind(&server, "alice") == "argon2id");
    assert!(!check().contains("another system"));
    // The session goes on, also when the record is read again.
    let said = server.admin_ok(&["user", "set", "alice", "--max-sessions", "5"], "");
    assert!(said.contains("; 0 sessions ended"), "{said}");
    assert!(matches!(session.ask(&stat("/")), Reply::Attrs(_)));
    assert!(server.sign_in("alice", PASSWORD, "secret").status.success());
    assert!(!server.sign_in("alice", PASSWORD, "secrets").status.success());
    let said = server.admin_ok(&["user", "passwd", "alice", "--password-stdin"], "another one");
    assert!(said.contains("; 1 session ended"), "{said}");
    assert_eq!(session.receive(PATIENCE), Received::Ended);
}

#[test]
fn hashes_that_take_too_long_are_refused() {
    let server = TestServer::new(&[]);
    let check = |hash: &str, says: &str| {
        let refused = server.admin(&["user", "add", "alice", "--password-hash-stdin"], hash);
        assert_eq!(refused.status.code(), Some(1));
        assert!(errors(&refused).contains(says), "{}", errors(&refused));
    };
    check(
        &SHADOW.replace("saltstring", "rounds=1000001$saltstring"),
        "at most 1000000",
    );
    check(
        "$2b$15$OEv83hRl.wXtzzbXqTnrTeT.7HummiC94fFChWqB03qz4L4mP2P3e",
        "its cost is 15, and at most 14 is taken",
    );
    check(&SHADOW.replace("YrjCG9", ""), "damaged or cut off");
}

#[test]
fn new_passwords_follow_the_rules() {
    let server = TestServer::new(&[]);
    let refused = |args: &[&str], password: &str, says: &str| {
        let refused = server.admin(args, password);
        assert_eq!(refused.status.code(), Some(1), "{password}");
        assert!(errors(&refused).contains(says), "{}", errors(&refused));
        assert!(!errors(&refused).contains(password));
    };
    let add = ["user", "add", "alice", "--password-stdin"];
    refused(&add, "xK7-tB2", "it has fewer than 8 characters");
    refused(&add, "P@ssw0rd!", "a variation of a common password");
    refused(&add, "Alice2026", "it is the user's name");
    server.admin_ok(&add, "a long password");
    let set = ["user", "passwd", "alice", "--password-stdin"];
    refused(&set, "87654321", "a sequence of keys");
    // What a hash stands for is not known.
    server.admin_ok(&["user", "passwd", "alice", "--password-hash-stdin"], SHADOW);
    // The same password again changes nothing, and so breaks no rule.
    let same = server.admin_ok(&set, "secret");
    assert!(same.starts_with("unchanged"), "{same}");

    let strict = TestServer::new(&[("auth.password", "min_length = 16")]);
    let short = strict.admin(&add, "a long password");
    assert!(errors(&short).contains("fewer than 16"), "{}", errors(&short));
    strict.admin_ok(&add, "a longer password");
    let lax = TestServer::new(&[("auth.password", "min_length = 0")]);
    lax.admin_ok(&add, "xK7");
}

#[test]
fn a_password_is_generated_and_printed_once() {
    let mut server = TestServer::new(&[]);
    let said = server.admin_ok(&["user", "add", "alice", "--generate"], "");
    let first = said.lines().last().unwrap().to_owned();
    assert_eq!(first.len(), 23, "{said}");
    server.serve();
    assert!(server.sign_in("alice", PASSWORD, &first).status.success());
    let said = server.admin_ok(&["user", "passwd", "alice", "--generate", "--json"], "");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["changed"], &said["confirmed"]),
        (&true.into(), &true.into())
    );
    let second = said["password"].as_str().unwrap();
    assert!(!server.sign_in("alice", PASSWORD, &first).status.success());
    assert!(server.sign_in("alice", PASSWORD, second).status.success());
    let log = server.log() + &server.audit();
    assert!(!log.contains(&first) && !log.contains(second));
    let both = server.admin(
        &["user", "passwd", "alice", "--generate", "--password-stdin"],
        "x",
    );
    assert_eq!(both.status.code(), Some(2));
}
