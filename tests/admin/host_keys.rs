//! The commands that replace host keys, without a running server: what they refuse, and what an interruption leaves.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use testkit::server::TestServer;

/// A server that has its keys and does not run.
fn stopped() -> TestServer {
    let server = TestServer::new(&[]);
    for kind in ["ed25519", "ecdsa"] {
        server.admin_ok(&["hostkey", "generate", "--type", kind], "");
    }
    server
}

fn key(server: &TestServer, name: &str) -> PathBuf {
    server.path().join("hostkeys").join(format!("ssh_host_{name}"))
}

fn changed(server: &TestServer, command: &[&str]) -> bool {
    let printed = server.admin_ok(&[&["hostkey"], command, &["--json"]].concat(), "");
    let json: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&json["v"], &json["confirmed"]),
        (&1.into(), &false.into()),
        "{json}"
    );
    json["changed"].as_bool().unwrap()
}

/// Returns what a command says that must fail.
fn refused(server: &TestServer, command: &[&str], code: i32) -> String {
    let output = server.admin(&[&["hostkey"], command].concat(), "");
    assert_eq!(output.status.code(), Some(code), "{command:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_key_is_replaced_in_steps_that_can_be_repeated() {
    let server = stopped();
    assert!(!changed(&server, &["generate"]));
    assert!(!changed(&server, &["retire"]), "there is nothing to switch to");
    assert!(!changed(&server, &["remove"]));
    assert!(changed(&server, &["rotate"]) && !changed(&server, &["rotate"]));
    let said = refused(&server, &["retire", "--without-successor"], 1);
    assert!(said.contains("a new ed25519 host key waits"), "{said}");
    assert!(changed(&server, &["retire"]) && !changed(&server, &["retire"]));
    assert!(changed(&server, &["rotate"]));
    let said = refused(&server, &["retire"], 1);
    assert!(said.contains("homeportd hostkey remove --type ed25519"), "{said}");
    assert!(changed(&server, &["remove"]) && !changed(&server, &["remove"]));
    assert!(changed(&server, &["retire"]));
    let listed = server.admin_ok(&["hostkey", "list"], "");
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.lines().last().unwrap().ends_with(" (retired)"), "{listed}");
    let said = refused(&server, &["rotate", "--type", "rsa"], 3);
    assert!(said.contains("homeportd hostkey generate --type rsa"), "{said}");
    server.admin_ok(&["check"], "");
}

#[test]
fn a_key_that_is_gone_can_be_done_without() {
    let mut server = stopped();
    fs::remove_file(key(&server, "ecdsa_key")).unwrap();
    assert!(!server.admin(&["check"], "").status.success());
    let said = refused(&server, &["retire", "--type", "ecdsa"], 3);
    assert!(said.contains("--without-successor"), "{said}");
    let command = ["retire", "--type", "ecdsa", "--without-successor"];
    assert!(changed(&server, &command) && !changed(&server, &command));
    // The last one stays.
    let said = refused(&server, &["retire", "--without-successor"], 1);
    assert!(said.contains("the ed25519 host key is the only one"), "{said}");
    server.admin_ok(&["check"], "");
    server.serve();
}

#[test]
fn an_interrupted_switch_is_completed() {
    let server = stopped();
    let [in_use, next, retired] =
        ["ed25519_key", "ed25519_key.next", "ed25519_key.retired"].map(|name| key(&server, name));
    // It was interrupted after its first step.
    assert!(changed(&server, &["rotate"]));
    fs::hard_link(&in_use, &retired).unwrap();
    assert!(changed(&server, &["retire"]));
    assert!(changed(&server, &["remove"]));
    server.admin_ok(&["check"], "");
    // It was interrupted after its last step, before the store was told.
    assert!(changed(&server, &["rotate"]));
    fs::rename(&in_use, &retired).unwrap();
    fs::rename(&next, &in_use).unwrap();
    assert!(!server.admin(&["check"], "").status.success());
    assert!(changed(&server, &["retire"]));
    server.admin_ok(&["check"], "");
    // A key that has become another in any other way is not accepted on the way.
    fs::remove_file(&retired).unwrap();
    fs::remove_file(&in_use).unwrap();
    fs::copy(key(&server, "ecdsa_key"), &in_use).unwrap();
    let output = server.admin(&["hostkey", "retire"], "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !output.status.success() || said.starts_with("unchanged"),
        "{said}"
    );
    assert!(!server.admin(&["check"], "").status.success());
}

#[test]
fn a_next_key_that_cannot_be_used_is_an_error_of_check() {
    let server = stopped();
    let next = key(&server, "ed25519_key.next");
    fs::write(&next, "garbage").unwrap();
    let output = server.admin(&["check"], "");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("ssh_host_ed25519_key.next"), "{said}");
}
