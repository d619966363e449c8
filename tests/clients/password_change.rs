//! An expired password is changed by the method `password` (RFC 4252, section 8): message by message, and by the stock
//! client.

use std::process::Command;

use testkit::server::{TestServer, password};
use testkit::sign_in_talk::{Answered, CODE, Device, PASSWORD, SignInTalk, expire_password};
use testkit::stock::{By, run};

use crate::client::terminal::Terminal;

/// What a user is told whose password has expired.
const EXPIRED: &str = "Your password has expired, and you must choose a new one.";
const NEW: &str = "quiet rivers of k\u{e4}se";

/// Starts a server on which passwords expire, and which does not delay refusals, because the tests have many.
fn start(users: &[&str]) -> TestServer {
    let settings = "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }\n\
                    password = { max_age = \"1d\" }";
    TestServer::start_with(&[("auth", settings)], users)
}

fn asked() -> Answered {
    Answered::NewPassword(EXPIRED.to_owned())
}

/// Checks that the server asks for another new password, and says why.
fn refused_because(answer: Answered, why: &str) {
    match answer {
        Answered::NewPassword(words) => assert!(words.contains(why) && words.ends_with(EXPIRED), "{words}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_expired_password_is_changed_by_the_method_password() {
    let server = start(&["alice"]);
    let old = password("alice");
    expire_password(&server, "alice");
    // A wrong password does not tell that another one has expired.
    let mut talk = SignInTalk::begin(&server, "alice");
    let all = Answered::Refused("publickey,password,keyboard-interactive".to_owned());
    assert_eq!(talk.by_password("wrong"), all);
    assert_eq!(talk.by_password(&old), asked());
    refused_because(talk.change_password(&old, b"short"), "fewer than 8 characters");
    refused_because(
        talk.change_password(&old, b"password1"),
        "The new password is refused: ",
    );
    assert_eq!(talk.change_password(&old, NEW.as_bytes()), Answered::SignedIn);
    server.wait_for_audit("\"signed_in\"");
    let audit = server.audit();
    assert_eq!(audit.matches("own password").count(), 1, "{audit}");
    assert!(audit.contains("\"method\":\"password\""), "{audit}");
    let written = audit + &server.log();
    assert!(
        !written.contains(NEW) && !written.contains("password1"),
        "{written}"
    );
    // The new one has not expired, and the old one is wrong.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&old), all);
    assert_eq!(talk.by_password(NEW), Answered::SignedIn);
    // A client that only asks is in the audit log.
    expire_password(&server, "alice");
    assert_eq!(SignInTalk::begin(&server, "alice").by_password(NEW), asked());
    server.wait_for_audit("\"code\":\"password_expired\"");
}

#[test]
fn a_new_password_that_cannot_be_one_is_refused_with_the_reason() {
    let server = start(&["alice"]);
    let old = password("alice");
    expire_password(&server, "alice");
    let long = [b'x'; 1025];
    for (new, why) in [
        (&b""[..], "The new password is refused: it is empty (hint: "),
        (old.as_bytes(), "must differ from the old one"),
        (&long[..], "longer than 1024 bytes"),
        (&b"alice"[..], "The new password is refused: "),
    ] {
        let mut talk = SignInTalk::begin(&server, "alice");
        assert_eq!(talk.by_password(&old), asked());
        refused_because(talk.change_password(&old, new), why);
    }
    // A password is bytes.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&old), asked());
    assert_eq!(
        talk.change_password(&old, b"quiet rivers of k\xe4se"),
        Answered::SignedIn
    );
}

#[test]
fn the_old_password_is_checked_again() {
    let server = start(&["alice"]);
    let old = password("alice");
    expire_password(&server, "alice");
    let refused = Answered::Refused("password,keyboard-interactive".to_owned());
    for (wrong, code) in [
        ("wrong".to_owned(), "wrong_password"),
        ("x".repeat(1025), "password_too_long"),
    ] {
        let mut talk = SignInTalk::begin(&server, "alice");
        assert_eq!(talk.by_password(&old), asked());
        assert_eq!(talk.change_password(&wrong, NEW.as_bytes()), refused);
        server.wait_for_audit(&format!("\"code\":\"{code}\""));
        // The client is not asked any more.
        assert_eq!(talk.change_password(&old, NEW.as_bytes()), refused);
        assert_eq!(talk.by_password(&old), asked());
    }
    // An attempt for another name in between changes nothing for this one.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&old), asked());
    talk.user = "nobody";
    assert!(matches!(
        talk.change_password(&old, NEW.as_bytes()),
        Answered::Refused(_)
    ));
    talk.user = "alice";
    assert!(matches!(
        talk.change_password(&old, NEW.as_bytes()),
        Answered::Refused(_)
    ));
    assert_eq!(talk.by_password(&old), asked());
    assert_eq!(talk.change_password(&old, NEW.as_bytes()), Answered::SignedIn);
}

/// Like sshd, the server changes no password that it has not asked to change. It does not even look at it: such requests
/// are no way to guess.
#[test]
fn a_change_that_nobody_has_asked_for_is_refused() {
    let server = start(&["alice", "bob"]);
    expire_password(&server, "bob");
    let all = Answered::Refused("publickey,password,keyboard-interactive".to_owned());
    for user in ["alice", "bob", "nobody", "not a name"] {
        let mut talk = SignInTalk::begin(&server, user);
        for old in [password(user), "wrong".to_owned()] {
            assert_eq!(talk.change_password(&old, NEW.as_bytes()), all, "{user}");
        }
    }
    server.wait_for_audit("the client wants to change a password, and was not asked to");
    let audit = server.audit();
    assert!(
        !audit.contains("wrong_password") && !audit.contains("own password"),
        "{audit}"
    );
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&password("alice")), Answered::SignedIn);
}

#[test]
fn new_passwords_of_one_connection_are_limited() {
    let server = start(&["alice"]);
    let old = password("alice");
    expire_password(&server, "alice");
    let mut talk = SignInTalk::begin(&server, "alice");
    let (mut asked, mut refused) = (0, 0);
    let mut answer = talk.by_password(&old);
    loop {
        answer = match answer {
            Answered::NewPassword(_) => {
                asked += 1;
                talk.change_password(&old, b"short")
            }
            Answered::Refused(_) => {
                refused += 1;
                talk.by_password(&old)
            }
            other => {
                assert_eq!(other, Answered::Ended);
                break;
            }
        };
    }
    // Three tries make a failure, and failures end the connection after [auth] max_attempts.
    assert_eq!((asked, refused), (18, 6));
}

#[test]
fn the_change_comes_after_all_other_factors() {
    let server = start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    let mut old = password("alice");
    let both = "password,keyboard-interactive";
    expire_password(&server, "alice");
    // A password alone, which may be stolen, makes no new one.
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&old), Answered::partly("keyboard-interactive"));
    assert_eq!(
        talk.change_password(&old, NEW.as_bytes()),
        Answered::Refused("keyboard-interactive".to_owned())
    );
    assert_eq!(talk.by_questions(), Answered::asks(CODE));
    let new_password = Answered::Asks(vec![
        "New password: ".to_owned(),
        "New password again: ".to_owned(),
    ]);
    assert_eq!(talk.answer(&[device.code(0).as_bytes()]), new_password);
    // Both methods can go on from there, and the request by one withdraws that by the other.
    assert_eq!(talk.by_password(&old), asked());
    assert_eq!(talk.by_questions(), new_password);
    assert_eq!(
        talk.change_password(&old, NEW.as_bytes()),
        Answered::Refused(both.to_owned())
    );
    assert_eq!(talk.by_password(&old), asked());
    assert_eq!(talk.change_password(&old, NEW.as_bytes()), Answered::SignedIn);
    old = NEW.to_owned();

    // With key and password, in both orders.
    server.admin_ok(&["user", "set", "alice", "--require", "publickey,password"], "");
    expire_password(&server, "alice");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_key(&server), Answered::partly(both));
    assert_eq!(talk.by_password(&old), asked());
    let newer = "other rivers of milk";
    assert_eq!(talk.change_password(&old, newer.as_bytes()), Answered::SignedIn);
    expire_password(&server, "alice");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(newer), Answered::partly("publickey"));
    assert_eq!(talk.by_key(&server), Answered::partly(both));
    assert_eq!(talk.by_password(newer), asked());
    assert_eq!(talk.change_password(newer, NEW.as_bytes()), Answered::SignedIn);
    // A key does not expire with the password.
    server.admin_ok(&["user", "set", "alice", "--require", "any"], "");
    expire_password(&server, "alice");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_key(&server), Answered::SignedIn);
}

/// The question for a new password may be open for as long as a sign-in may take.
#[test]
fn a_user_who_may_not_sign_in_any_more_does_not_by_a_new_password() {
    let server = start(&["alice", "bob"]);
    let changes: [(&str, &[&str]); 2] = [
        ("alice", &["user", "disable", "alice"]),
        ("bob", &["user", "set", "bob", "--allow-from", "192.0.2.0/24"]),
    ];
    for (user, change) in changes {
        let old = password(user);
        expire_password(&server, user);
        let mut by_password = SignInTalk::begin(&server, user);
        assert_eq!(by_password.by_password(&old), asked());
        let mut by_answers = SignInTalk::begin(&server, user);
        assert_eq!(by_answers.by_questions(), Answered::asks("Password: "));
        let question = by_answers.answer(&[old.as_bytes()]);
        assert!(
            matches!(&question, Answered::Asks(prompts) if prompts.len() == 2),
            "{question:?}"
        );
        server.admin_ok(change, "");
        let answer = by_answers.answer(&[NEW.as_bytes(), NEW.as_bytes()]);
        assert!(matches!(answer, Answered::Refused(_)), "{answer:?}");
        let answer = by_password.change_password(&old, NEW.as_bytes());
        assert!(matches!(answer, Answered::Refused(_)), "{answer:?}");
    }
    server.wait_for_audit("\"code\":\"password_not_set\"");
    assert!(!server.audit().contains("own password"), "{}", server.audit());
}

/// A success would tell the client that its new password is the one.
#[test]
fn a_password_that_was_set_meanwhile_is_not_changed() {
    let server = start(&["alice"]);
    let old = password("alice");
    expire_password(&server, "alice");
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password(&old), asked());
    let reset = "brown foxes jump";
    server.admin_ok(&["user", "passwd", "alice", "--password-stdin"], reset);
    assert!(matches!(
        talk.change_password(reset, NEW.as_bytes()),
        Answered::Refused(_)
    ));
    server.wait_for_audit("\"code\":\"password_not_set\"");
    assert_eq!(talk.by_password(reset), Answered::SignedIn);
    let mut talk = SignInTalk::begin(&server, "alice");
    assert!(matches!(talk.by_password(NEW), Answered::Refused(_)));
}

/// Where only one of the methods is on, the other is not offered.
#[test]
fn a_method_that_is_off_changes_nothing() {
    for (on, off) in [
        ("password", "keyboard-interactive"),
        ("keyboard-interactive", "password"),
    ] {
        let settings = format!("methods = [\"{on}\"]\npassword = {{ max_age = \"1d\" }}");
        let server = TestServer::start_with(&[("auth", settings.as_str())], &["alice"]);
        let old = password("alice");
        expire_password(&server, "alice");
        let mut talk = SignInTalk::begin(&server, "alice");
        let refused = Answered::Refused(on.to_owned());
        if off == "password" {
            assert_eq!(talk.by_password(&old), refused);
            assert_eq!(talk.change_password(&old, NEW.as_bytes()), refused);
            assert_eq!(talk.by_questions(), Answered::asks(PASSWORD));
            let Answered::Asks(_) = talk.answer(&[old.as_bytes()]) else {
                panic!("it has expired");
            };
            let twice = [NEW.as_bytes(), NEW.as_bytes()];
            assert_eq!(talk.answer(&twice), Answered::SignedIn);
        } else {
            assert_eq!(talk.by_questions(), refused);
            assert_eq!(talk.by_password(&old), asked());
            assert_eq!(talk.change_password(&old, NEW.as_bytes()), Answered::SignedIn);
        }
    }
}

/// Quotes the words of a command for a shell.
fn shell_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| format!("'{}'", word.to_str().unwrap()));
    quoted.collect::<Vec<_>>().join(" ")
}

/// OpenSSH's client says what the server says, and asks for the old password and twice for the new one.
#[test]
fn the_stock_client_changes_an_expired_password_in_a_terminal() {
    let server = start(&["alice"]);
    let old = password("alice");
    expire_password(&server, "alice");
    let mut command = server.client("sftp", "alice", By::Password("password"));
    command.arg("alice@127.0.0.1");
    // Below that level it does not say why it asks.
    let line = shell_line(&command).replace("LogLevel=ERROR", "LogLevel=INFO");
    let mut terminal = Terminal::start(&line, |script| {
        script.current_dir(server.path()).env_remove("SSH_AUTH_SOCK");
    });
    for (prompt, typed) in [
        ("alice@127.0.0.1's password: ", old.as_str()),
        (EXPIRED, ""),
        ("old password: ", old.as_str()),
        ("new password: ", "short"),
        ("new password: ", "short"),
        ("fewer than 8 characters", ""),
        ("old password: ", old.as_str()),
        ("new password: ", "quiet rivers of cheese"),
        ("new password: ", "quiet rivers of cheese"),
        ("sftp> ", "bye"),
    ] {
        terminal.wait_for_output(prompt);
        if !typed.is_empty() {
            terminal.type_keys(&format!("{typed}\n"));
        }
    }
    assert_eq!(terminal.exit_code(), Some(0));
    let output = terminal.output();
    assert!(!output.contains("quiet rivers"), "a password is shown: {output}");
}

/// Programs answer OpenSSH's client by SSH_ASKPASS.
#[test]
fn the_stock_client_changes_an_expired_password_by_a_program() {
    let server = start(&["alice"]);
    expire_password(&server, "alice");
    let askpass = server.path().join("askpass-new");
    let script = "#!/bin/sh\ncase \"$1\" in\n*'new password'*) echo \"$TEST_NEW\";;\n*) echo \"$TEST_PASSWORD\";;\nesac\n";
    testkit::programs::write_program(&askpass, script);
    let mut command = server.client("ssh", "alice", By::Password("password"));
    command
        .args(["-s", "alice@127.0.0.1", "sftp"])
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":0")
        .env("TEST_PASSWORD", password("alice"))
        .env("TEST_NEW", "quiet rivers of cheese");
    let output = run(command, "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", server.log());
    let mut talk = SignInTalk::begin(&server, "alice");
    assert_eq!(talk.by_password("quiet rivers of cheese"), Answered::SignedIn);
}
