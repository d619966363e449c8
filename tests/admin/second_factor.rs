//! Second factors: given, replaced and taken away by commands, and restored from a backup.

use homeportd::auth::totp::{TotpSecret, step_at};
use serde_json::Value;
use testkit::server::{TestServer, password};
use testkit::sign_in_talk::{Answered, CODE, Device, SignInTalk};

use crate::admin::metrics::{metrics_port, scrape, value};
use crate::admin::restore::restored_elsewhere;

#[test]
fn a_second_factor_is_given_and_taken_by_commands() {
    let server = TestServer::start(&["alice"]);
    let failed = |args: &[&str], input: &str, code: i32, says: &str| {
        let output = server.admin(args, input);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(code) && errors.contains(says),
            "{args:?}: {errors}"
        );
    };
    failed(&["user", "totp", "enroll", "nobody"], "", 3, "no user");
    let reset = server.admin_ok(&["user", "totp", "reset", "alice", "--json"], "");
    assert!(reset.contains("\"changed\": false"), "{reset}");
    let stdin = ["user", "totp", "enroll", "alice", "--secret-stdin"];
    failed(&stdin, "AAAAAAA\n", 1, "a TOTP secret of 4 bytes is refused");
    failed(
        &["user", "set", "alice", "--require", "totp"],
        "",
        2,
        "alone is not enough",
    );
    // To what is not a terminal, no QR code is drawn.
    let text = server.admin_ok(&stdin, "gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n");
    let url = "otpauth://totp/Homeport:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Homeport";
    assert!(
        text.contains(url) && !text.contains('▀') && !text.contains('\x1b'),
        "{text}"
    );
    failed(&["user", "totp", "enroll", "alice"], "", 4, "--replace");
    let key = server.path().join("data/secrets.key");
    let mode = std::os::unix::fs::MetadataExt::mode(&key.metadata().unwrap());
    assert_eq!(mode & 0o777, 0o600);

    // A session by password and code ends with the secret that it was signed in by; one by key goes on.
    let first = TotpSecret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(
        talk.by_password(&password("alice")),
        Answered::partly("keyboard-interactive")
    );
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    let code = first.code(step_at(jiff::Timestamp::now().as_second()));
    assert_eq!(talk.answer(&[code.as_bytes()]), Answered::SignedIn);
    let by_key = server.raw("alice");
    let replaced: Value = serde_json::from_str(
        &server.admin_ok(&["user", "totp", "enroll", "alice", "--replace", "--json"], ""),
    )
    .unwrap();
    assert_eq!(
        (
            &replaced["changed"],
            &replaced["confirmed"],
            &replaced["sessions_ended"]
        ),
        (&true.into(), &true.into(), &1.into())
    );
    drop(by_key);
    server.wait_for_audit("the second factor of this sign-in is not accepted any more");
    server.wait_for_audit("user totp enroll");

    // Without its key, codes are refused and the log says why; check says so, too.
    let away = key.with_extension("away");
    std::fs::rename(&key, &away).unwrap();
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(
        talk.by_password(&password("alice")),
        Answered::partly("keyboard-interactive")
    );
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    assert!(matches!(talk.answer(&[b"123456"]), Answered::Refused(_)));
    server.wait_for_log("cannot read the key for secrets");
    failed(&["check"], "", 1, "");
    let output = server.admin(&["check"], "");
    let said = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("cannot sign in with a code"));
    std::fs::rename(&away, &key).unwrap();

    server.admin_ok(&["user", "totp", "reset", "alice"], "");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&password("alice")), Answered::SignedIn);
}

/// A password without codes is signed in; when codes come, its session is ended.
#[test]
fn gaining_a_second_factor_ends_sessions_by_password_alone() {
    let server = TestServer::start(&["alice"]);
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&password("alice")), Answered::SignedIn);
    let shown = server.admin_ok(&["user", "totp", "enroll", "alice", "--json"], "");
    let user = server.admin_ok(&["user", "show", "alice"], "");
    assert!(
        user.contains("sign-in needs  a key, or the password and a code\n"),
        "{user}"
    );
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["sessions_ended"], 1);
}

/// Whoever is asked for a code has shown something that is right, and may have stolen it.
#[test]
fn the_audit_log_and_the_metrics_have_what_became_of_second_factors() {
    let server = TestServer::start_with(&[("metrics", "listen = [\"127.0.0.1:0\"]")], &["alice", "bob"]);
    let device = Device::enroll(&server, "alice", &[]);
    // Nothing was right here, and everything there.
    let mut talk = SignInTalk::begin(&server, "bob");
    assert!(matches!(talk.by_password("wrong"), Answered::Refused(_)));
    drop(talk);
    let mut talk = SignInTalk::begin(&server, "alice");
    talk.by_password(&password("alice"));
    talk.by_questions();
    assert_eq!(talk.answer(&[device.codes[0].as_bytes()]), Answered::SignedIn);
    server.wait_for_audit("\"recovery_codes_left\":9");
    drop(talk);
    // A code is missing, or wrong.
    let mut talk = SignInTalk::begin(&server, "alice");
    talk.by_password(&password("alice"));
    drop(talk);
    server.wait_for_audit("\"code\":\"incomplete\"");
    let denied: Vec<Value> = server.events();
    let denied: Vec<&Value> = denied.iter().filter(|event| event["event"] == "denied").collect();
    assert_eq!(denied.len(), 2, "{denied:?}");
    let of_alice = denied.iter().find(|line| line["user"] == "alice").unwrap();
    assert_eq!(of_alice["method"], "password");
    assert!(
        of_alice["reason"]
            .as_str()
            .unwrap()
            .ends_with("before it showed totp"),
        "{of_alice}"
    );
    let mut talk = SignInTalk::begin(&server, "alice");
    talk.by_password(&password("alice"));
    talk.by_questions();
    assert!(matches!(
        talk.answer(&[device.wrong().as_bytes()]),
        Answered::Refused(_)
    ));
    server.wait_for_audit("\"code\":\"wrong_code\"");
    let page = scrape(metrics_port(&server));
    for (series, expected) in [
        ("homeport_recovery_code_logins_total", 1.0),
        ("homeport_denials_total{code=\"wrong_password\"}", 1.0),
        ("homeport_denials_total{code=\"incomplete\"}", 1.0),
        ("homeport_denials_total{code=\"wrong_code\"}", 1.0),
        ("homeport_certificate_logins_total", 0.0),
    ] {
        assert_eq!(value(&page, series), Some(expected), "{series}\n{page}");
    }
}

#[test]
fn a_backup_has_the_key_for_secrets() {
    let server = TestServer::start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let mut other = restored_elsewhere(&server, &backup, &["--take-over"]);
    let key = other.path().join("data/secrets.key");
    let mode = std::os::unix::fs::MetadataExt::mode(&key.metadata().unwrap());
    assert_eq!(mode & 0o777, 0o600);
    other.serve();
    let mut talk = SignInTalk::begin(&other, "alice");
    assert_eq!(
        talk.by_password(&password("alice")),
        Answered::partly("keyboard-interactive")
    );
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    assert_eq!(talk.answer(&[device.code(0).as_bytes()]), Answered::SignedIn);
    // A backup without it, made by hand, is noticed by check.
    std::fs::remove_file(&key).unwrap();
    let output = other.admin(&["check"], "");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("alice cannot sign in with a code"), "{said}");
}
