//! Signing in to `homeportd` by every method.

use base::secret::Secret;
use homeport::connect::{ConnectError, Credentials, SignInError, UnknownKeys};

use crate::client::connect::prompts::ScriptedPrompts;
use crate::client::connect::{Connector, keygen, public};
use testkit::server::{TestServer, password};
use testkit::sign_in_talk::{Device, expire_password};

/// Starts a server that does not delay refusals, because the tests have many.
fn start(users: &[&str]) -> TestServer {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    let banner = "banner = \"Welcome \\u001b[31mto us\\nand behave\"";
    TestServer::start_with(&[("auth", throttle), ("server", banner)], users)
}

fn with_password(text: &str) -> Credentials {
    Credentials::new(Some(Secret::new(text.to_owned())))
}

const PASSWORD: &str = "PreferredAuthentications password\n";
const KEYBOARD_INTERACTIVE: &str = "PreferredAuthentications keyboard-interactive\n";

#[tokio::test]
async fn a_password_is_asked_for_until_it_is_right_and_then_kept() {
    let server = start(&["alice"]);
    for (config, label) in [
        (PASSWORD, "alice@127.0.0.1's password: "),
        (KEYBOARD_INTERACTIVE, "(alice@127.0.0.1) Password: "),
    ] {
        let connector = Connector::new("alice", server.port(), config);
        let prompts = ScriptedPrompts::with_answers(&["wrong", &password("alice")]);
        let credentials = Credentials::default();
        connector.connect_ok(&credentials, &prompts).await;
        assert_eq!(prompts.labels(), [label, label], "{config}");
        let messages = prompts.messages();
        assert!(messages.contains("That was not right."), "{messages}");
        assert!(
            messages.contains("Welcome \\u{1b}[31mto us\nand behave\n"),
            "{messages}"
        );
        // A new connection needs no prompt.
        let no_prompts = ScriptedPrompts::without_answers();
        connector.connect_ok(&credentials, &no_prompts).await;
        assert_eq!(no_prompts.labels(), [""; 0]);
    }
}

#[tokio::test]
async fn three_wrong_passwords_end_the_sign_in() {
    let server = start(&["alice"]);
    for config in [PASSWORD, KEYBOARD_INTERACTIVE] {
        let connector = Connector::new("alice", server.port(), config);
        let prompts = ScriptedPrompts::with_answers(&["a", "b", "c", "d"]);
        let (error, words) = connector.connect_err(&Credentials::default(), &prompts).await;
        assert!(
            matches!(error, ConnectError::SignIn(SignInError::Refused(_))),
            "{words}"
        );
        assert_eq!((error.exit_code(), error.may_pass()), (3, false));
        assert_eq!(prompts.labels().len(), 3);
        for part in [
            "not signed in as alice at 127.0.0.1",
            "(3 times)",
            "check the user's name and the password",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }
}

#[tokio::test]
async fn a_supplied_password_is_used_once_and_replaces_prompts() {
    let server = start(&["alice"]);
    for config in [PASSWORD, KEYBOARD_INTERACTIVE, ""] {
        let connector = Connector::new("alice", server.port(), config);
        let no_prompts = ScriptedPrompts::without_answers();
        connector
            .connect_ok(&with_password(&password("alice")), &no_prompts)
            .await;
        let (_, words) = connector.connect_err(&with_password("wrong"), &no_prompts).await;
        assert_eq!(no_prompts.labels(), [""; 0], "{config}");
        let times = words.matches("a password").count() + words.matches("answers to its questions").count();
        assert_eq!(times, 1, "{words}");
        assert!(!words.contains("times"), "{words}");
        assert!(!words.contains("wrong"), "{words}");
    }
}

/// What is kept answers the next connection's question for the password, and never the one for a code.
#[tokio::test]
async fn a_code_is_asked_for_on_each_connection() {
    const CODE: &str = "(alice@127.0.0.1) Verification code: ";
    let server = start(&["alice"]);
    let device = Device::enroll(&server, "alice", &[]);
    let mut codes = device.codes.iter().map(String::as_str);
    for (config, label) in [
        (KEYBOARD_INTERACTIVE, "(alice@127.0.0.1) Password: "),
        (
            "PreferredAuthentications password,keyboard-interactive\n",
            "alice@127.0.0.1's password: ",
        ),
    ] {
        let connector = Connector::new("alice", server.port(), config);
        let credentials = Credentials::default();
        let prompts = ScriptedPrompts::with_answers(&[&password("alice"), codes.next().unwrap()]);
        connector.connect_ok(&credentials, &prompts).await;
        assert_eq!(prompts.labels(), [label, CODE], "{config}");
        let prompts = ScriptedPrompts::with_answers(&[codes.next().unwrap()]);
        connector.connect_ok(&credentials, &prompts).await;
        assert_eq!(prompts.labels(), [CODE], "{config}");
    }
    // A password that was supplied is no answer to the question for a code; a wrong code is asked for again.
    let connector = Connector::new("alice", server.port(), "");
    let prompts = ScriptedPrompts::with_answers(&["nonsense", codes.next().unwrap()]);
    connector
        .connect_ok(&with_password(&password("alice")), &prompts)
        .await;
    assert_eq!(prompts.labels(), [CODE, CODE]);
}

/// By either method, a new password replaces an expired one, and the old one is not used again.
#[tokio::test]
async fn an_expired_password_is_changed_at_the_sign_in() {
    let server = TestServer::start_with(&[("auth", "password = { max_age = \"1d\" }")], &["alice"]);
    let mut old = password("alice");
    for (config, labels, kept) in [
        (
            PASSWORD,
            [
                "alice@127.0.0.1's password: ",
                "alice@127.0.0.1's new password: ",
                "alice@127.0.0.1's new password again: ",
            ],
            true,
        ),
        (
            KEYBOARD_INTERACTIVE,
            [
                "(alice@127.0.0.1) Password: ",
                "(alice@127.0.0.1) New password: ",
                "(alice@127.0.0.1) New password again: ",
            ],
            false,
        ),
    ] {
        expire_password(&server, "alice");
        let connector = Connector::new("alice", server.port(), config);
        let nobody = ScriptedPrompts::unattended();
        let (error, words) = connector.connect_err(&with_password(&old), &nobody).await;
        assert!(
            matches!(error, ConnectError::SignIn(SignInError::PasswordExpired(_))),
            "{words}"
        );
        let new = format!("{old}, and more");
        let prompts = ScriptedPrompts::with_answers(&[&old, &new, &new]);
        let credentials = Credentials::default();
        connector.connect_ok(&credentials, &prompts).await;
        assert_eq!(prompts.labels(), labels);
        let messages = prompts.messages();
        assert!(messages.contains("Your password has expired"), "{messages}");
        let prompts = ScriptedPrompts::with_answers(&[&new]);
        connector.connect_ok(&credentials, &prompts).await;
        assert_eq!(prompts.labels().is_empty(), kept, "{config}");
        old = new;
    }
}

#[tokio::test]
async fn a_failed_prompt_is_reported() {
    let server = start(&["alice"]);
    let connector = Connector::new("alice", server.port(), "");
    let (error, words) = connector
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    assert!(
        matches!(error, ConnectError::SignIn(SignInError::CannotAsk { .. })),
        "{words}"
    );
    assert_eq!(error.exit_code(), 3);
    assert!(
        words.contains("nothing was there to try") && words.ends_with("there is no terminal"),
        "{words}"
    );
}

#[tokio::test]
async fn an_encrypted_key_is_unlocked_only_when_the_server_accepts_it() {
    let server = start(&["alice"]);
    let mut connector = Connector::new("alice", server.port(), "PreferredAuthentications publickey\n");
    let (right, wrong) = (
        connector.home.path().join("right"),
        connector.home.path().join("wrong"),
    );
    for file in [&right, &wrong] {
        keygen(file, &["-t", "ed25519", "-N", "open sesame", "-a", "1"]);
    }
    server.admin_ok(
        &["user", "key", "add", "alice", &format!("{}.pub", right.display())],
        "",
    );
    // A private key in OpenSSH's format contains its public part.
    std::fs::remove_file(format!("{}.pub", right.display())).unwrap();
    let file = |path| homeport::connect::destination::IdentityFile { path, named: true };
    connector.destination.sign_in.files = vec![file(wrong), file(right.clone())];
    let prompts = ScriptedPrompts::with_answers(&["close sesame", "open sesame"]);
    let credentials = Credentials::default();
    connector.connect_ok(&credentials, &prompts).await;
    let label = format!("Passphrase for the key \"{}\": ", right.display());
    assert_eq!(prompts.labels(), [label.clone(), label.clone()]);
    let no_prompts = ScriptedPrompts::without_answers();
    connector.connect_ok(&credentials, &no_prompts).await;
    assert_eq!(no_prompts.labels(), [""; 0]);

    let prompts = ScriptedPrompts::with_answers(&["1", "2", "3", "4"]);
    let (_, words) = connector.connect_err(&Credentials::default(), &prompts).await;
    assert_eq!(prompts.labels().len(), 3);
    assert!(words.contains("the passphrase is wrong"), "{words}");
    let (_, words) = connector
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    assert!(
        words.contains("there is no terminal") && words.contains("-i FILE"),
        "{words}"
    );
}

#[tokio::test]
async fn the_second_factor_follows_the_first() {
    let server = start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--require", "publickey,password"], "");
    let key = server.key("alice");
    for methods in [
        "publickey,password",
        "password,publickey",
        "publickey,keyboard-interactive",
    ] {
        let config = format!(
            "IdentityFile {}\nPreferredAuthentications {methods}\n",
            key.display()
        );
        let connector = Connector::new("alice", server.port(), &config);
        let prompts = ScriptedPrompts::with_answers(&["wrong", &password("alice")]);
        let credentials = Credentials::default();
        connector.connect_ok(&credentials, &prompts).await;
        assert_eq!(prompts.labels().len(), 2, "{methods}");
        connector
            .connect_ok(&credentials, &ScriptedPrompts::without_answers())
            .await;
        connector
            .connect_ok(
                &with_password(&password("alice")),
                &ScriptedPrompts::without_answers(),
            )
            .await;
    }
    let config = format!(
        "IdentityFile {}\nPreferredAuthentications publickey\n",
        key.display()
    );
    let connector = Connector::new("alice", server.port(), &config);
    let (_, words) = connector
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    assert!(words.contains("the server takes password"), "{words}");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = start(&["alice"]);
    let key = server.key("alice");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = format!(
        "IdentityFile {}\nIdentityFile /no/such/key\nPreferredAuthentications publickey\n",
        key.display()
    );
    let connector = Connector::new("alice", server.port(), &config);
    let prompts = ScriptedPrompts::without_answers();
    let (_, words) = connector.connect_err(&Credentials::default(), &prompts).await;
    for part in [
        "can be read by others (permissions 0644)",
        "chmod 600",
        "the key \"/no/such/key\" is not there",
    ] {
        assert!(words.contains(part), "{part}: {words}");
        // Where nobody answers, the error says it, and nothing else.
        assert!(
            !prompts.messages().contains(part),
            "{part}: {}",
            prompts.messages()
        );
    }
}

#[tokio::test]
async fn a_new_host_key_is_confirmed_once_and_a_changed_one_is_refused() {
    let server = start(&["alice"]);
    let config = format!("IdentityFile {}\n", server.key("alice").display());
    let mut connector = Connector::new("alice", server.port(), &config);
    connector.destination.host_key.unknown = UnknownKeys::Ask;
    let (error, words) = connector
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    assert!(matches!(error, ConnectError::HostKey(_)), "{words}");
    assert!(
        words.contains("is not known") && words.contains("SHA256:"),
        "{words}"
    );
    assert_eq!((error.exit_code(), error.may_pass()), (3, false));

    let prompts = ScriptedPrompts::with_answers(&["no"]);
    let (_, words) = connector.connect_err(&Credentials::default(), &prompts).await;
    assert!(words.contains("was not confirmed"), "{words}");

    let prompts = ScriptedPrompts::with_answers(&["yes"]);
    connector.connect_ok(&Credentials::default(), &prompts).await;
    assert!(
        prompts.messages().contains("Added the host key"),
        "{}",
        prompts.messages()
    );
    connector.destination.host_key.unknown = UnknownKeys::Refuse;
    connector
        .connect_ok(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    let (cipher, kex, strict) = connector.agreed.lock().unwrap().clone().unwrap();
    assert_eq!((kex.as_str(), strict), ("mlkem768x25519-sha256", true));
    assert!(cipher.contains("gcm") || cipher.contains("chacha20"), "{cipher}");

    let other = connector.home.path().join("other");
    keygen(&other, &["-t", "ed25519", "-N", ""]);
    let line = format!("[127.0.0.1]:{} {}", server.port(), public(&other));
    std::fs::write(connector.known_hosts(), line).unwrap();
    let (error, words) = connector
        .connect_err(&Credentials::default(), &ScriptedPrompts::with_answers(&["yes"]))
        .await;
    assert!(matches!(error, ConnectError::HostKey(_)), "{words}");
    assert!(
        words.contains("has changed") && words.contains("ssh-keygen -f"),
        "{words}"
    );
}

#[tokio::test]
async fn keys_of_every_kind_and_format() {
    let server = start(&["alice"]);
    for (index, args) in [
        &["-t", "ed25519", "-N", ""][..],
        &["-t", "ecdsa", "-b", "256", "-N", ""],
        &["-t", "ecdsa", "-b", "521", "-N", ""],
        &["-t", "rsa", "-b", "2048", "-N", ""],
        &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""],
        &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "sesame"],
        &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "sesame"],
    ]
    .iter()
    .enumerate()
    {
        let key_file = server.path().join(format!("made-{index}"));
        keygen(&key_file, args);
        let public_file = format!("{}.pub", key_file.display());
        server.admin_ok(&["user", "key", "add", "alice", &public_file], "");
        // Without this file, the public part comes from the private file, or from unlocking it.
        std::fs::remove_file(&public_file).unwrap();
        let config = format!(
            "IdentityFile {}\nPreferredAuthentications publickey\n",
            key_file.display()
        );
        let connector = Connector::new("alice", server.port(), &config);
        let encrypted = args.contains(&"sesame");
        let prompts = if encrypted {
            ScriptedPrompts::with_answers(&["sesame"])
        } else {
            ScriptedPrompts::without_answers()
        };
        connector.connect_ok(&Credentials::default(), &prompts).await;
        assert_eq!(prompts.labels().len(), usize::from(encrypted), "{args:?}");
    }
}
