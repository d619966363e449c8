//! Which users can sign in by which method, and that refusals do not reveal the reason.

use std::process::Output;

use testkit::server::{TestServer, password};
use testkit::ssh::{FAILURE, Message, SUCCESS, Ssh};
use testkit::stock::By;

const PASSWORD: By = By::Password("password");
const KEYBOARD: By = By::Password("keyboard-interactive");

/// Starts a server that does not delay refusals, because the tests have many.
fn start(users: &[&str]) -> TestServer {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    TestServer::start_with(&[("auth", throttle)], users)
}

/// Returns what a refused client prints.
fn error_output(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_method_signs_in_with_the_right_credentials() {
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
fn refusals_look_the_same() {
    let server = start(&["alice", "disabled", "expired"]);
    server.admin_ok(&["user", "disable", "disabled"], "");
    server.admin_ok(&["user", "set", "expired", "--expires", "2020-01-01"], "");
    server.make_key("stranger");
    let expected = error_output(&server.sign_in("alice", PASSWORD, "wrong")).replace("alice", "NAME");
    assert!(expected.contains("Permission denied"), "{expected}");
    for (name, secret) in [
        ("stranger", "whatever".to_owned()),
        ("disabled", password("disabled")),
        ("expired", password("expired")),
    ] {
        let message = error_output(&server.sign_in(name, PASSWORD, &secret)).replace(name, "NAME");
        assert_eq!(message, expected, "{name}");
    }
    let expected = error_output(&server.sign_in("stranger", By::Key, "")).replace("stranger", "NAME");
    for name in ["disabled", "expired"] {
        assert_eq!(
            error_output(&server.sign_in(name, By::Key, "")).replace(name, "NAME"),
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
        // A refused key costs the same as a refused password, except for the hash.
        ("nobody-here", By::Key, ""),
        ("alice", PASSWORD, "wrong"),
        ("nobody-here", PASSWORD, "wrong"),
        ("disabled", PASSWORD, "wrong"),
        ("disabled", PASSWORD, "secret of disabled"),
    ];
    // The test measures CPU time, in turns, and takes the least of all rounds: a busy machine makes some rounds several
    // times as expensive, but not all.
    let mut least = [u64::MAX; 5];
    // There are so many attempts that the hashes take several steps of the coarsest clock, which advances by four
    // ticks.
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
            // Without a hash, the CPU time would be almost zero. A tick is a third of a hash on a fast machine.
            known >= 3 && hash * 10 >= known * 4 && hash * 10 <= known * 25,
            "the least of four refusals each, in ticks of CPU: {least:?}"
        );
    }
}

#[test]
fn both_factors_are_required() {
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
fn options_of_keys_are_enforced() {
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
fn unsupported_options_refuse_the_line() {
    let server = TestServer::new(&[]);
    server.make_key("k");
    let public = std::fs::read_to_string(server.key("k").with_extension("pub")).unwrap();
    for options in [
        "command=\"date\"",
        "environment=\"A=B\"",
        "cert-authority,command=\"date\"",
        "from=\"10.0.0.0/8\",command=\"x\"",
    ] {
        let file = server.path().join("k.keys");
        std::fs::write(&file, format!("{options} {public}")).unwrap();
        let output = server.admin(&["user", "add", "k", "--key", &file.display().to_string()], "");
        assert!(!output.status.success(), "{options} was accepted");
    }
}

#[test]
fn allowed_addresses_are_enforced() {
    let server = start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--allow-from", "10.0.0.0/8"], "");
    let refused = error_output(&server.sign_in("alice", PASSWORD, &password("alice")));
    assert!(refused.contains("Permission denied"), "{refused}");
    assert!(!server.sign_in("alice", By::Key, "").status.success());
    server.admin_ok(
        &["user", "set", "alice", "--allow-from", "127.0.0.0/8,::1/128"],
        "",
    );
    assert!(server.sign_in("alice", By::Key, "").status.success());
}

/// This includes users of a connection that signs in as another user afterwards.
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
            // The second key is accepted, so nothing is refused.
            ("alice", "bob", false),
            ("alice", "alice", true),
        ] {
            let signed_in = connection.authenticate_publickey(user, key(name)).await.unwrap();
            assert_eq!(signed_in.success(), welcome, "{user} with the key of {name}");
        }
    });
    server.wait_for_audit("signed_in");
    let audit = server.audit();
    let logged: Vec<_> = audit
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["event"] != "started")
        .map(|event| {
            format!(
                "{} {}",
                event["event"].as_str().unwrap(),
                event["user"].as_str().unwrap()
            )
        })
        .take(3)
        .collect();
    assert_eq!(
        logged,
        ["denied bob", "denied carol", "signed_in alice"],
        "{audit}"
    );
}

/// A link may have changed since the user was added.
#[test]
fn a_home_that_is_a_link_to_elsewhere_is_not_served() {
    let server = start(&["alice"]);
    let home = server.home("alice");
    let secret = server.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    let _ = std::fs::remove_dir(&home);
    std::os::unix::fs::symlink(&secret, &home).unwrap();
    let output = server.sign_in("alice", By::Key, "");
    assert!(
        error_output(&output).contains("your home cannot be opened"),
        "{output:?}"
    );
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

/// What an operator changes between a client's question about a key and its signature is in force.
#[test]
fn a_change_between_an_offer_and_its_signature_counts() {
    let server = TestServer::start(&["alice"]);
    let key = server.key("alice");
    let offered = || {
        let mut ssh = Ssh::connect(server.port());
        ssh.send(&Message::new(5).string("ssh-userauth"));
        ssh.offer_key("alice", &key);
        ssh
    };
    let mut unchanged = offered();
    unchanged.sign("alice", &key);
    unchanged.wait_for(SUCCESS);
    let mut before = offered();
    server.admin_ok(&["user", "disable", "alice"], "");
    before.sign("alice", &key);
    before.wait_for(FAILURE);
    server.wait_for_audit("the user is disabled");
}
