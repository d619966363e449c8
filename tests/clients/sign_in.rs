//! Who gets in, by which method, and that those who don't can't tell why.

use std::process::Output;

use testkit::server::{TestServer, password};
use testkit::stock::By;

const PASSWORD: By = By::Password("password");
const KEYBOARD: By = By::Password("keyboard-interactive");

/// A server that does not hold back its refusals: tests have many.
fn start(users: &[&str]) -> TestServer {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    TestServer::start_with(&[("auth", throttle)], users)
}

/// What the refused client gets to see.
fn told(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_method_lets_the_right_one_in() {
    let server = start(&["alice"]);
    for by in [By::Key, PASSWORD, KEYBOARD] {
        let output = server.sign_in("alice", by, &password("alice"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{by:?}: {errors}\n{}", server.log());
    }
    for by in [PASSWORD, KEYBOARD] {
        for wrong in ["", "wrong", "secret of alice ", "Secret of alice"] {
            assert!(
                !server.sign_in("alice", by, wrong).status.success(),
                "{by:?} with {wrong:?}"
            );
        }
    }
}

#[test]
fn refusals_look_alike() {
    let server = start(&["alice", "disabled", "expired"]);
    server.admin_ok(&["user", "disable", "disabled"], "");
    server.admin_ok(&["user", "set", "expired", "--expires", "2020-01-01"], "");
    server.make_key("stranger");
    let expected = told(&server.sign_in("alice", PASSWORD, "wrong")).replace("alice", "NAME");
    assert!(expected.contains("Permission denied"), "{expected}");
    for (name, secret) in [
        ("stranger", "whatever".to_owned()),
        ("disabled", password("disabled")),
        ("expired", password("expired")),
    ] {
        let message = told(&server.sign_in(name, PASSWORD, &secret)).replace(name, "NAME");
        assert_eq!(message, expected, "{name}");
    }
    let expected = told(&server.sign_in("stranger", By::Key, "")).replace("stranger", "NAME");
    for name in ["disabled", "expired"] {
        assert_eq!(
            told(&server.sign_in(name, By::Key, "")).replace(name, "NAME"),
            expected,
            "{name}"
        );
    }
}

#[test]
fn refusals_cost_the_same() {
    let server = start(&["alice", "disabled"]);
    server.admin_ok(&["user", "disable", "disabled"], "");
    server.make_key("nobody-here");
    let cases = [
        // A refused key costs all that a refused password costs, but the hash.
        ("nobody-here", By::Key, ""),
        ("alice", PASSWORD, "wrong"),
        ("nobody-here", PASSWORD, "wrong"),
        ("disabled", PASSWORD, "wrong"),
        ("disabled", PASSWORD, "secret of disabled"),
    ];
    // CPU and not time, each by turns, and the least of all rounds: a neighbour on the same core or a machine short of
    // memory makes a hash several times as dear, but not in each of them.
    let mut least = [u64::MAX; 5];
    // So many at a time that the hashes are several moves of the coarsest clock, which moves by four ticks.
    for _ in 0..3 {
        for ((user, by, secret), least) in cases.iter().zip(&mut least) {
            let before = server.cpu_ticks();
            for _ in 0..4 {
                assert!(!server.sign_in(user, *by, secret).status.success());
            }
            *least = (*least).min(server.cpu_ticks() - before);
        }
    }
    let [key, known, unknown, disabled, right] = least;
    let known = known.saturating_sub(key);
    for dummy in [unknown, disabled, right] {
        let hash = dummy.saturating_sub(key);
        assert!(
            // Without a hash it would be next to nothing. A tick is a third of a hash on a fast machine.
            known >= 3 && hash * 10 >= known * 4 && hash * 10 <= known * 25,
            "the least of four refusals each, in ticks of CPU: {least:?}"
        );
    }
}

#[test]
fn both_means_both() {
    let server = start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--require", "publickey,password"], "");
    assert!(!server.sign_in("alice", By::Key, "").status.success());
    assert!(
        !server
            .sign_in("alice", PASSWORD, &password("alice"))
            .status
            .success()
    );
    assert!(!server.sign_in("alice", By::Both, "wrong").status.success());
    let output = server.sign_in("alice", By::Both, &password("alice"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn keys_with_conditions_hold_them() {
    let server = start(&[]);
    let cases = [
        ("here", "from=\"127.0.0.0/8\"", true),
        ("elsewhere", "from=\"10.0.0.0/8\"", false),
        ("nothere", "from=\"!127.0.0.1,*\"", false),
        ("fresh", "expiry-time=\"20990101\"", true),
        ("stale", "expiry-time=\"20200101\"", false),
        ("restricted", "restrict,no-pty", true),
    ];
    for (name, options, welcome) in cases {
        server.make_key(name);
        let public = std::fs::read_to_string(server.key(name).with_extension("pub")).unwrap();
        let file = server.path().join(format!("{name}.keys"));
        std::fs::write(&file, format!("{options} {public}")).unwrap();
        server.admin_ok(&["user", "add", name, "--key", &file.display().to_string()], "");
        let output = server.sign_in(name, By::Key, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), welcome, "{options}: {errors}");
    }
}

#[test]
fn what_can_not_be_enforced_refuses_the_line() {
    let server = TestServer::new(&[]);
    server.make_key("k");
    let public = std::fs::read_to_string(server.key("k").with_extension("pub")).unwrap();
    for options in [
        "command=\"date\"",
        "environment=\"A=B\"",
        "cert-authority",
        "from=\"10.0.0.0/8\",command=\"x\"",
    ] {
        let file = server.path().join("k.keys");
        std::fs::write(&file, format!("{options} {public}")).unwrap();
        let output = server.admin(&["user", "add", "k", "--key", &file.display().to_string()], "");
        assert!(!output.status.success(), "{options} was accepted");
    }
}

#[test]
fn addresses_of_a_user_are_held() {
    let server = start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--allow-from", "10.0.0.0/8"], "");
    let refused = told(&server.sign_in("alice", PASSWORD, &password("alice")));
    assert!(refused.contains("Permission denied"), "{refused}");
    assert!(!server.sign_in("alice", By::Key, "").status.success());
    server.admin_ok(
        &["user", "set", "alice", "--allow-from", "127.0.0.0/8,::1/128"],
        "",
    );
    assert!(server.sign_in("alice", By::Key, "").status.success());
}

/// Also of those who sign in as somebody else afterwards.
#[test]
fn each_user_whose_keys_were_refused_is_in_the_audit_log() {
    let server = start(&["alice", "bob", "carol"]);
    let key = |name: &str| {
        let key = russh::keys::load_secret_key(server.key(name), None).unwrap();
        russh::keys::PrivateKeyWithHashAlg::new(std::sync::Arc::new(key), None)
    };
    struct Trusting;
    impl russh::client::Handler for Trusting {
        type Error = russh::Error;
        async fn check_server_key(
            &mut self,
            _: &russh::keys::PublicKeyOrCertificate,
        ) -> Result<bool, russh::Error> {
            Ok(true)
        }
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let connecting = russh::client::connect(Default::default(), ("127.0.0.1", server.port()), Trusting);
        let mut connection = connecting.await.unwrap();
        for (user, name, welcome) in [
            ("bob", "alice", false),
            ("bob", "carol", false),
            ("carol", "alice", false),
            // The second key fits: no refusal.
            ("alice", "bob", false),
            ("alice", "alice", true),
        ] {
            let signed_in = connection.authenticate_publickey(user, key(name)).await.unwrap();
            assert_eq!(signed_in.success(), welcome, "{user} with the key of {name}");
        }
    });
    server.wait_for_audit("signed_in");
    let audit = server.audit();
    let told: Vec<_> = audit
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| {
            format!(
                "{} {}",
                event["event"].as_str().unwrap(),
                event["user"].as_str().unwrap()
            )
        })
        .take(3)
        .collect();
    assert_eq!(told, ["denied bob", "denied carol", "signed_in alice"], "{audit}");
}

/// Links may have moved since the user was added.
#[test]
fn a_home_that_leads_elsewhere_is_not_served() {
    let server = start(&["alice"]);
    let home = server.home("alice");
    let secret = server.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    let _ = std::fs::remove_dir(&home);
    std::os::unix::fs::symlink(&secret, &home).unwrap();
    let output = server.sign_in("alice", By::Key, "");
    assert!(told(&output).contains("your home cannot be opened"), "{output:?}");
    server.wait_for_log("cannot be a home");
    std::fs::remove_file(&home).unwrap();
    assert!(server.sign_in("alice", By::Key, "").status.success());
}

#[test]
fn sign_ins_and_refusals_are_in_the_audit_log() {
    let server = start(&["alice"]);
    server.sign_in("alice", PASSWORD, "wrong");
    server.sign_in("alice", By::Key, "");
    server.sign_in("new\nline", PASSWORD, "x");
    server.wait_for_audit("\"denied\",\"user\":\"alice\"");
    server.wait_for_audit("\"signed_in\"");
    let audit = server.audit();
    assert!(!audit.contains("new\nline"), "{audit}");
    assert!(!audit.contains("secret of alice") && !server.log().contains("secret of alice"));
}
