//! One-time codes: every combination of factors, message by message, and by the stock client.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::server::{TestServer, password};
use testkit::sign_in_talk::{Answered, CODE, Device, PASSWORD, SignInTalk};
use testkit::ssh::Message;
use testkit::stock::{By, run};

/// Starts a server that does not delay refusals, because the tests have many.
fn start(users: &[&str]) -> TestServer {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    TestServer::start_with(&[("auth", throttle)], users)
}

#[test]
fn a_password_leads_to_the_question_for_a_code() {
    let server = start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    assert_eq!(device.codes.len(), 10);

    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
    assert_eq!(talk.answer(&[password("alice").as_bytes()]), Answered::asks(CODE));
    let code = device.code(0);
    assert_eq!(talk.answer(&[code.as_bytes()]), Answered::SignedIn);

    // By the method password, the conversation is what is left. The code was used before.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(
        talk.by_password(&password("alice")),
        Answered::partly("keyboard-interactive")
    );
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    let refused = Answered::Refused("keyboard-interactive".to_owned());
    assert_eq!(talk.answer(&[code.as_bytes()]), refused);
    // What was proven stays so, and only the code is asked for again.
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    assert_eq!(talk.answer(&[device.wrong().as_bytes()]), refused);
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    assert_eq!(talk.answer(&[device.code(1).as_bytes()]), Answered::SignedIn);

    // The key is enough.
    assert_eq!(
        SignInTalk::begin(&server, "alice").by_key(&server),
        Answered::SignedIn
    );
    server.wait_for_audit("\"code_used\"");
    server.wait_for_audit("\"wrong_code\"");
    server.wait_for_audit("\"password+keyboard-interactive\"");
    let log = server.log() + &server.audit();
    for secret in [&code, device.secret.base32().as_str(), &device.codes[0]] {
        assert!(!log.contains(secret), "a secret is in a log");
    }
}

#[test]
fn every_combination_of_factors_can_be_required() {
    let server = start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    let secret = password("alice");
    let require = |factors: &str| {
        server.admin_ok(&["user", "set", "alice", "--require", factors], "");
    };
    let all = Answered::Refused("publickey,password,keyboard-interactive".to_owned());

    require("publickey,totp");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&secret), all);
    assert_eq!(talk.by_key(&server), Answered::partly("keyboard-interactive"));
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    assert_eq!(talk.answer(&[device.codes[0].as_bytes()]), Answered::SignedIn);

    require("publickey,password");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(
        talk.by_key(&server),
        Answered::partly("password,keyboard-interactive")
    );
    assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
    assert_eq!(talk.answer(&[secret.as_bytes()]), Answered::SignedIn);
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
    assert_eq!(talk.answer(&[secret.as_bytes()]), Answered::partly("publickey"));
    // Questions prove nothing that is missing.
    assert_eq!(talk.by_questions(), Answered::Refused("publickey".to_owned()));
    assert_eq!(talk.by_key(&server), Answered::SignedIn);

    require("password,totp");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_key(&server), all);
    assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
    assert_eq!(talk.answer(&[secret.as_bytes()]), Answered::asks(CODE));
    assert_eq!(talk.answer(&[device.codes[1].as_bytes()]), Answered::SignedIn);

    require("publickey,password,totp");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(
        talk.by_key(&server),
        Answered::partly("password,keyboard-interactive")
    );
    assert_eq!(
        talk.by_password(&secret),
        Answered::partly("keyboard-interactive")
    );
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    assert_eq!(talk.answer(&[device.codes[2].as_bytes()]), Answered::SignedIn);
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
    assert_eq!(talk.answer(&[secret.as_bytes()]), Answered::asks(CODE));
    assert_eq!(
        talk.answer(&[device.codes[3].as_bytes()]),
        Answered::partly("publickey")
    );
    assert_eq!(talk.by_key(&server), Answered::SignedIn);
    let shown: Value =
        serde_json::from_str(&server.admin_ok(&["user", "show", "alice", "--json"], "")).unwrap();
    assert_eq!(
        (&shown["totp"], &shown["recovery_codes_left"]),
        (&true.into(), &6.into())
    );
}

/// Who exists, who has codes and what is required shows only to peers that have proven something.
#[test]
fn users_with_and_without_codes_look_the_same() {
    let server = start(&["alice", "bob", "carol"]);
    let device = Device::enroll(&server, "alice", &[]);
    Device::enroll(&server, "carol", &[]);
    server.admin_ok(&["user", "set", "carol", "--require", "publickey,totp"], "");
    let all = Answered::Refused("publickey,password,keyboard-interactive".to_owned());
    for user in ["alice", "bob", "carol", "nobody", "not a name"] {
        let mut talk = SignInTalk::begin(&server, user);
        assert_eq!(talk.by_password("wrong"), all, "{user}");
        assert_eq!(talk.by_questions(), Answered::asks(PASSWORD), "{user}");
        assert_eq!(talk.answer(&[b"wrong"]), all, "{user}");
        // A code in place of the password is a wrong password.
        assert_eq!(talk.by_questions(), Answered::asks(PASSWORD), "{user}");
        assert_eq!(talk.answer(&[device.code(0).as_bytes()]), all, "{user}");
    }
    // Proofs of one user count for no other.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(
        talk.by_password(&password("alice")),
        Answered::partly("keyboard-interactive")
    );
    talk.user = "carol";
    assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
    assert_eq!(talk.answer(&[device.code(0).as_bytes()]), all);
}

#[test]
fn answers_that_do_not_fit_the_questions_are_refused() {
    let server = start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    let secret = password("alice");
    let at_the_code = || {
        let mut talk = SignInTalk::begin(&server, "alice");
        assert_eq!(
            talk.by_password(&secret),
            Answered::partly("keyboard-interactive")
        );
        assert_eq!(talk.by_questions(), Answered::asks(CODE));
        talk
    };
    let refused = Answered::Refused("keyboard-interactive".to_owned());
    // It is the next code, so that it is still in force at the end.
    let code = device.code(1);
    let long = [b'1'; 2000];
    let rows: [&[&[u8]]; 5] = [&[], &[b""], &[b"\xff\xfe\x80"], &[code.as_bytes(), b""], &[&long]];
    for answers in rows {
        assert_eq!(at_the_code().answer(answers), refused, "{answers:?}");
    }
    // The message has fewer answers than it says, or more, or ends within one.
    let one = |count: u32| Message::new(61).u32(count).string(&code);
    let malformed = [
        one(0),
        one(2),
        one(u32::MAX),
        one(1).string(""),
        one(1).byte(0),
        one(2).u32(9).byte(0),
        Message::new(61).u32(1).u32(u32::MAX),
        Message::new(61),
    ];
    for messages in malformed.chunks(4) {
        let mut talk = at_the_code();
        for message in messages {
            talk.ssh.send(message);
            assert_eq!(talk.answered(), refused);
            assert_eq!(talk.by_questions(), Answered::asks(CODE));
        }
    }
    server.wait_for_audit("the message does not have as many answers as it says");
    // A second answer to one question.
    let mut talk = at_the_code();
    assert_eq!(talk.answer(&[b"000000"]), refused);
    assert_eq!(talk.answer(&[code.as_bytes()]), refused);
    // Another request in between withdraws the question.
    let mut talk = at_the_code();
    assert!(matches!(talk.by_password("wrong"), Answered::Refused(_)));
    assert_ne!(talk.answer(&[code.as_bytes()]), Answered::SignedIn);
    // The code was not used up by any of it.
    assert_eq!(at_the_code().answer(&[code.as_bytes()]), Answered::SignedIn);
}

#[test]
fn questions_and_failures_of_one_connection_are_limited() {
    let server = start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    // Failures end the connection after [auth] max_attempts.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(
        talk.by_password(&password("alice")),
        Answered::partly("keyboard-interactive")
    );
    let mut refusals = 0;
    while let Answered::Asks(_) = talk.by_questions() {
        match talk.answer(&[device.wrong().as_bytes()]) {
            Answered::Refused(_) => refusals += 1,
            other => {
                assert_eq!(other, Answered::Ended);
                break;
            }
        }
    }
    assert_eq!(refusals, 6);
    // A client that never answers is not asked for ever, nor may it prove the same thing for ever.
    let mut talk = SignInTalk::begin(&server, "alice");
    let asked = (0..100)
        .take_while(|_| matches!(talk.by_questions(), Answered::Asks(_)))
        .count();
    assert_eq!(asked, 30);
    let mut talk = SignInTalk::begin(&server, "alice");
    let passed = (0..100)
        .take_while(|_| matches!(talk.by_password(&password("alice")), Answered::Partly(_)))
        .count();
    assert_eq!(passed, 16);
}

/// OpenSSH asks by SSH_ASKPASS, first for the password and then for the code.
#[test]
fn the_stock_client_signs_in_with_a_code() {
    let server = start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    let askpass = server.path().join("askpass-code");
    let script = "#!/bin/sh\ncase \"$1\" in\n*'ation code'*) echo \"$TEST_CODE\";;\n*) echo \"$TEST_PASSWORD\";;\nesac\n";
    testkit::programs::write_program(&askpass, script);
    let sign_in = |by: By, code: &str| {
        let mut command: Command = server.client("ssh", "alice", by);
        command
            .args(["-s", "alice@127.0.0.1", "sftp"])
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", ":0")
            .env("TEST_PASSWORD", password("alice"))
            .env("TEST_CODE", code);
        run(command, "")
    };
    let by = By::Password("password,keyboard-interactive");
    for (by, code) in [
        (by, device.code(0)),
        (By::Password("keyboard-interactive"), device.code(1)),
        (by, device.codes[0].clone()),
    ] {
        let output = sign_in(by, &code);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{by:?}: {errors}\n{}", server.log());
    }
    assert!(!sign_in(by, &device.wrong()).status.success());
}

/// An expired password is replaced in the conversation, after everything else was proven.
#[test]
fn an_expired_password_is_replaced_in_the_conversation() {
    let settings = "throttle = { first_delay_ms = 1, max_delay_ms = 1 }\npassword = { max_age = \"4s\" }";
    let server = TestServer::start_with(&[("auth", settings)], &["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    let old = password("alice");
    let asked = Answered::Asks(vec![
        "New password: ".to_owned(),
        "New password again: ".to_owned(),
    ]);
    let mut codes = device.codes.iter();
    let mut talk = loop {
        let mut talk = SignInTalk::begin(&server, "alice");
        assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
        assert_eq!(talk.answer(&[old.as_bytes()]), Answered::asks(CODE));
        let code = codes.next().expect("it expires before ten sign-ins");
        match talk.answer(&[code.as_bytes()]) {
            Answered::SignedIn => std::thread::sleep(Duration::from_secs(1)),
            other => {
                assert_eq!(other, asked);
                break talk;
            }
        }
    };
    // A client that cannot answer is in the audit log.
    let mut other = SignInTalk::begin(&server, "alice");
    assert_eq!(other.by_questions(), Answered::asks(PASSWORD));
    assert_eq!(other.answer(&[old.as_bytes()]), Answered::asks(CODE));
    let code = codes.next().expect("it expires before ten sign-ins");
    assert_eq!(other.answer(&[code.as_bytes()]), asked);
    drop(other);
    server.wait_for_audit("\"code\":\"password_expired\"");
    // Two that differ, one that is too short, and the old one; then there were too many.
    assert_eq!(talk.answer(&[b"one of them here", b"another one here"]), asked);
    assert_eq!(talk.answer(&[b"short", b"short"]), asked);
    let refused = Answered::Refused("password,keyboard-interactive".to_owned());
    assert_eq!(talk.answer(&[old.as_bytes(), old.as_bytes()]), refused);
    assert_eq!(talk.by_questions(), asked);
    assert_eq!(talk.answer(&[b"only one answer"]), refused);
    assert_eq!(talk.by_questions(), asked);
    let new = "quiet rivers of k\u{e4}se";
    assert_eq!(talk.answer(&[new.as_bytes(), new.as_bytes()]), Answered::SignedIn);
    server.wait_for_audit("own password");
    assert!(!(server.audit() + &server.log()).contains(new));
    // By the method password, the conversation is what is left; the old password is wrong now.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert!(matches!(talk.by_password(&old), Answered::Refused(_)));
    assert_eq!(talk.by_password(new), Answered::partly("keyboard-interactive"));
    // A key does not expire with the password.
    assert_eq!(
        SignInTalk::begin(&server, "alice").by_key(&server),
        Answered::SignedIn
    );
}
