//! User certificates that `ssh-keygen` has signed, presented by OpenSSH's client, and their revocation.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use russh::keys::Certificate;
use serde_json::Value;
use testkit::PATIENCE;
use testkit::raw::{RawSftp, Received};
use testkit::server::TestServer;
use testkit::ssh::{FAILURE, Message, Ssh};
use testkit::stock::{By, run};

/// Starts a server that trusts `ca`, and has an empty list of revoked keys. Its users have a password and no key.
fn start(users: &[&str]) -> TestServer {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    let lists = "user_ca_keys = \"ca.pub\"\nrevoked_keys = \"revoked\"";
    let mut server = TestServer::new(&[("auth", throttle), ("auth", lists)]);
    make_ca(&server, "ca", "ed25519");
    fs::write(server.path().join("revoked"), "").unwrap();
    for user in users {
        server.make_key(user);
        server.admin_ok(&["user", "add", user, "--password-stdin"], "a long secret");
    }
    server.serve();
    server
}

fn keygen(server: &TestServer, args: &[&str]) {
    let done = Command::new("ssh-keygen")
        .arg("-q")
        .args(args)
        .current_dir(server.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ssh-keygen {args:?}: {errors}");
}

fn make_ca(server: &TestServer, name: &str, kind: &str) {
    keygen(server, &["-t", kind, "-N", "", "-C", name, "-f", name]);
}

/// Signs the key of a user with these arguments; returns the certificate's path.
fn sign(server: &TestServer, ca: &str, user: &str, args: &[&str]) -> PathBuf {
    let public = server.key(user).with_extension("pub");
    let public = public.to_str().unwrap();
    keygen(
        server,
        &[&["-s", ca, "-I", "laptop", "-z", "17"][..], args, &[public]].concat(),
    );
    server.path().join(format!("key-{user}-cert.pub"))
}

/// Signs in with the certificate that was signed last.
fn sign_in(server: &TestServer, user: &str) -> Output {
    let certificate = server.path().join(format!("key-{user}-cert.pub"));
    let mut command = server.client("sftp", user, By::Key);
    command
        .args(["-b", "-", "-o"])
        .arg(format!("CertificateFile={}", certificate.display()))
        .arg(format!("{user}@127.0.0.1"));
    run(command, "ls\n")
}

fn welcome(server: &TestServer, user: &str) {
    let output = sign_in(server, user);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{user}: {errors}\n{}", server.audit());
}

/// Asserts that the certificate is refused, and that the log has this word and these words for the reason.
fn refused(server: &TestServer, user: &str, code: &str, says: &str) {
    let before = denials(server).len();
    let output = sign_in(server, user);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{code} {says}");
    // The peer learns nothing about the reason.
    assert!(errors.contains("Permission denied"), "{errors}");
    testkit::wait_for("the denial", || denials(server).len() > before);
    let denial = denials(server).pop().unwrap();
    let reason = denial["reason"].as_str().unwrap();
    assert_eq!(denial["code"], code, "{denial}");
    assert!(reason.contains(says), "{denial}");
}

/// Waits until the server has ended the session.
fn expect_end(session: &mut RawSftp) {
    assert_eq!(session.receive(PATIENCE), Received::Ended);
}

fn denials(server: &TestServer) -> Vec<Value> {
    let events = server.events().into_iter();
    events.filter(|event| event["event"] == "denied").collect()
}

#[test]
fn a_certificate_signs_in_and_is_in_the_log() {
    let server = start(&["alice"]);
    sign(&server, "ca", "alice", &["-n", "alice,ops", "-V", "+1h"]);
    welcome(&server, "alice");
    server.wait_for_audit("\"signed_in\"");
    let events = server.events();
    let event = events.iter().find(|event| event["event"] == "signed_in").unwrap();
    assert_eq!(
        (event["key_id"].as_str(), event["serial"].as_str()),
        (Some("laptop"), Some("17"))
    );
    let shown = Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(server.path().join("ca.pub"))
        .output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(shown.contains(event["ca"].as_str().unwrap()), "{shown}: {event}");
}

#[test]
fn certificates_are_refused_with_the_reason_in_the_log() {
    let server = start(&["alice"]);
    make_ca(&server, "stranger", "ed25519");
    let check = |ca: &str, args: &[&str], code: &str, says: &str| {
        sign(&server, ca, "alice", args);
        refused(&server, "alice", code, says);
    };
    let name = ["-n", "alice"];
    let with = |more: &[&'static str]| [&name[..], more].concat();
    check("ca", &with(&["-V", "-2h:-1h"]), "certificate_time", "expired");
    check(
        "ca",
        &with(&["-V", "+1h:+2h"]),
        "certificate_time",
        "not valid yet",
    );
    check("ca", &["-n", "bob"], "certificate_principal", "other principals");
    check("ca", &[], "certificate_principal", "every user");
    check("stranger", &name, "certificate_authority", "not trusted");
    check(
        "ca",
        &with(&["-O", "critical:made-up@example.com=x"]),
        "certificate_option",
        "made-up@example.com",
    );
    check(
        "ca",
        &with(&["-O", "force-command=internal-sftp"]),
        "certificate_option",
        "force-command",
    );
    check(
        "ca",
        &with(&["-O", "source-address=10.0.0.0/8"]),
        "certificate_address",
        "source-address",
    );
    check(
        "ca",
        &with(&["-O", "verify-required"]),
        "key_not_verified",
        "verify-required",
    );
    sign(
        &server,
        "ca",
        "alice",
        &with(&["-O", "source-address=127.0.0.0/8", "-O", "clear"]),
    );
    welcome(&server, "alice");
}

/// OpenSSH's client does not present the certificate of a host by itself.
#[test]
fn the_certificate_of_a_host_is_not_of_a_user() {
    let server = start(&["alice"]);
    let certificate = sign(&server, "ca", "alice", &["-h", "-n", "alice"]);
    let line = fs::read_to_string(certificate).unwrap();
    let blob = Certificate::from_openssh(&line).unwrap().to_bytes().unwrap();
    let mut ssh = Ssh::connect(server.port());
    ssh.send(&Message::new(5).string("ssh-userauth"));
    ssh.send(
        &Message::new(50)
            .string("alice")
            .string("ssh-connection")
            .string("publickey")
            .byte(0)
            .string("ssh-ed25519-cert-v01@openssh.com")
            .string(blob),
    );
    ssh.wait_for(FAILURE);
    drop(ssh);
    server.wait_for_audit("\"certificate_type\"");
}

#[test]
fn an_unknown_user_has_no_certificate() {
    let server = start(&["alice"]);
    server.make_key("nobody");
    sign(&server, "ca", "nobody", &["-n", "nobody"]);
    refused(&server, "nobody", "unknown_user", "unknown user");
}

#[test]
fn several_authorities_are_trusted_and_none_that_signs_with_sha1() {
    let server = start(&["alice"]);
    make_ca(&server, "rsa", "rsa");
    make_ca(&server, "ecdsa", "ecdsa");
    let keys: Vec<String> = ["ca.pub", "rsa.pub", "ecdsa.pub"]
        .iter()
        .map(|file| fs::read_to_string(server.path().join(file)).unwrap())
        .collect();
    fs::write(server.path().join("ca.pub"), format!("# ours\n{}", keys.concat())).unwrap();
    server.admin_ok(&["reload"], "");
    for args in [
        &["-n", "alice"][..],
        &["-n", "alice", "-t", "rsa-sha2-256"],
        &["-n", "alice", "-t", "rsa-sha2-512"],
    ] {
        sign(&server, "rsa", "alice", args);
        welcome(&server, "alice");
    }
    sign(&server, "rsa", "alice", &["-n", "alice", "-t", "ssh-rsa"]);
    let certificate = fs::read_to_string(server.path().join("key-alice-cert.pub")).unwrap();
    assert!(!certificate.is_empty());
    refused(&server, "alice", "certificate_signature", "ssh-rsa");
    sign(&server, "ecdsa", "alice", &["-n", "alice"]);
    welcome(&server, "alice");
    sign(&server, "ca", "alice", &["-n", "alice"]);
    welcome(&server, "alice");
}

#[test]
fn a_user_may_have_an_authority_of_their_own() {
    let server = start(&["alice", "bob"]);
    make_ca(&server, "own", "ed25519");
    let own = fs::read_to_string(server.path().join("own.pub")).unwrap();
    let lines = format!("cert-authority,principals=\"dev,ops\",from=\"127.0.0.0/8\" {own}");
    let file = server.path().join("alice.keys");
    fs::write(&file, lines).unwrap();
    server.admin_ok(&["user", "key", "add", "alice", file.to_str().unwrap()], "");
    for user in ["alice", "bob"] {
        sign(&server, "own", user, &["-n", "ops,bob"]);
    }
    welcome(&server, "alice");
    refused(&server, "bob", "certificate_authority", "not trusted");
    sign(&server, "own", "alice", &["-n", "alice"]);
    refused(&server, "alice", "certificate_principal", "other principals");
}

#[test]
fn a_reload_ends_the_sessions_of_what_is_revoked() {
    let server = start(&["alice"]);
    let public = fs::read_to_string(server.key("alice").with_extension("pub")).unwrap();
    let ca = fs::read_to_string(server.path().join("ca.pub")).unwrap();
    let reload = |revoked: &str| {
        fs::write(server.path().join("revoked"), revoked).unwrap();
        server.admin_ok(&["reload"], "")
    };
    let says = |said: &str, ended: &str| {
        let changed = "/revoked\" has changed ([auth] revoked_keys), and is in force\n";
        assert!(said.contains(changed) && said.contains(ended), "{said}");
    };
    for (revoked, code) in [
        ("serial: 10-20".to_owned(), "certificate_revoked"),
        ("id: laptop".to_owned(), "certificate_revoked"),
        (format!("key: {public}"), "key_revoked"),
        (ca.clone(), "certificate_revoked"),
        (format!("ca: {ca}\nserial: 17"), "certificate_revoked"),
    ] {
        reload("serial: 1-16\nid: phone");
        sign(&server, "ca", "alice", &["-n", "alice"]);
        // OpenSSH tries the certificate beside the key by itself.
        let mut session = server.raw("alice");
        says(&reload(&revoked), "\n1 session ended\n");
        expect_end(&mut session);
        refused(&server, "alice", code, "revoked");
        assert!(reload(&revoked).contains("no setting has changed, nor a file"));
    }
    // A key without a certificate is revoked as well.
    says(&reload(""), "\n0 sessions ended\n");
    fs::remove_file(server.path().join("key-alice-cert.pub")).unwrap();
    let file = server.key("alice").with_extension("pub");
    server.admin_ok(&["user", "key", "add", "alice", file.to_str().unwrap()], "");
    let mut session = server.raw("alice");
    reload(&public);
    expect_end(&mut session);
    refused(&server, "alice", "key_revoked", "revoked");
}

#[test]
fn lists_that_ssh_keygen_makes_are_understood() {
    let server = start(&["alice"]);
    let specification = server.path().join("specification");
    fs::remove_file(server.path().join("revoked")).unwrap();
    let public = fs::read_to_string(server.key("alice").with_extension("pub")).unwrap();
    for (text, code) in [
        (
            "serial: 16\nserial: 17\nserial: 19\nserial: 1000-2000".to_owned(),
            Some("certificate_revoked"),
        ),
        ("serial: 3\nserial: 16\nserial: 18\nserial: 21".to_owned(), None),
        ("id: laptop".to_owned(), Some("certificate_revoked")),
        (format!("key: {public}"), Some("key_revoked")),
        (format!("sha1: {public}"), Some("key_revoked")),
        (format!("sha256: {public}"), Some("key_revoked")),
    ] {
        fs::write(&specification, &text).unwrap();
        keygen(&server, &["-k", "-f", "revoked", "-s", "ca.pub", "specification"]);
        server.admin_ok(&["reload"], "");
        sign(&server, "ca", "alice", &["-n", "alice"]);
        match code {
            Some(code) => refused(&server, "alice", code, "revoked"),
            None => welcome(&server, "alice"),
        }
    }
}

#[test]
fn a_session_ends_with_its_certificate() {
    let server = start(&["alice"]);
    sign(&server, "ca", "alice", &["-n", "alice", "-V", "-1m:+20s"]);
    let mut session = server.raw("alice");
    expect_end(&mut session);
    server.wait_for_audit("the certificate of this sign-in is not accepted any more");
    refused(&server, "alice", "certificate_time", "expired");
}

#[test]
fn a_broken_list_keeps_the_server_from_starting_and_changes_nothing_later() {
    let mut server = start(&["alice"]);
    sign(&server, "ca", "alice", &["-n", "alice"]);
    for (file, text, says) in [
        (
            "revoked",
            "serial: 1\nserial: many",
            "revoked:2:9: expected a serial number",
        ),
        (
            "ca.pub",
            "# ours\n\n ssh-ed25519 AAAA",
            "ca.pub:3:2: cannot use this public key",
        ),
    ] {
        let path = server.path().join(file);
        let before = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let output = server.admin(&["reload"], "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(says), "{errors}");
        let output = server.admin(&["check"], "");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!output.status.success() && said.contains(says), "{said}");
        welcome(&server, "alice");
        fs::write(&path, before).unwrap();
    }
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    fs::remove_file(server.path().join("revoked")).unwrap();
    let output = server.admin(&["serve"], "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && errors.contains("revoked_keys"),
        "{errors}"
    );
}

#[test]
fn our_own_client_signs_in_by_a_certificate() {
    let server = start(&["alice"]);
    let list = || {
        let home = server.path().join("laptop");
        fs::create_dir_all(&home).unwrap();
        Command::new("setsid")
            .arg("--wait")
            .arg(testkit::programs::homeport())
            .args(["ls", &format!("sftp://alice@127.0.0.1:{}/", server.port())])
            .args(["--accept-new", "--batch", "-i"])
            .arg(server.key("alice"))
            .env("HOME", &home)
            .env_remove("SSH_AUTH_SOCK")
            .output()
            .unwrap()
    };
    sign(&server, "ca", "alice", &["-n", "alice"]);
    let output = list();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    sign(&server, "ca", "alice", &["-n", "bob"]);
    assert!(!list().status.success());
}
