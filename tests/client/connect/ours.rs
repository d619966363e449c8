//! `homeportd` lets people in, by every method.

use base::secret::Secret;
use homeport::connect::{ConnectError, Credentials, SignInError, UnknownKeys};

use crate::client::connect::person::Person;
use crate::client::connect::{Way, keygen, public};
use testkit::server::{TestServer, password};

/// A server that does not hold back its refusals: tests have many.
fn start(users: &[&str]) -> TestServer {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    let banner = "banner = \"Welcome \\u001b[31mto us\\nand behave\"";
    TestServer::start_with(&[("auth", throttle), ("server", banner)], users)
}

fn given(text: &str) -> Credentials {
    Credentials::new(Some(Secret::new(text.to_owned())))
}

const PASSWORD: &str = "PreferredAuthentications password\n";
const QUESTIONS: &str = "PreferredAuthentications keyboard-interactive\n";

#[tokio::test]
async fn a_password_is_asked_for_until_it_is_right_and_never_again() {
    let server = start(&["alice"]);
    for (config, label) in [
        (PASSWORD, "alice@127.0.0.1's password: "),
        (QUESTIONS, "(alice@127.0.0.1) Password: "),
    ] {
        let way = Way::new("alice", server.port(), config);
        let person = Person::who_says(&["wrong", &password("alice")]);
        let credentials = Credentials::default();
        way.arrive(&credentials, &person).await;
        assert_eq!(person.asked(), [label, label], "{config}");
        let told = person.told();
        assert!(told.contains("That was not right."), "{told}");
        assert!(told.contains("Welcome \\u{1b}[31mto us\nand behave\n"), "{told}");
        // The connection breaks, and nobody is there any more.
        let nobody = Person::absent();
        way.arrive(&credentials, &nobody).await;
        assert_eq!(nobody.asked(), [""; 0]);
    }
}

#[tokio::test]
async fn three_wrong_passwords_are_enough() {
    let server = start(&["alice"]);
    for config in [PASSWORD, QUESTIONS] {
        let way = Way::new("alice", server.port(), config);
        let person = Person::who_says(&["a", "b", "c", "d"]);
        let (error, words) = way.fail(&Credentials::default(), &person).await;
        assert!(
            matches!(error, ConnectError::SignIn(SignInError::Refused(_))),
            "{words}"
        );
        assert_eq!((error.exit_code(), error.may_pass()), (3, false));
        assert_eq!(person.asked().len(), 3);
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
async fn a_given_password_is_used_once_and_none_is_asked_for() {
    let server = start(&["alice"]);
    for config in [PASSWORD, QUESTIONS, ""] {
        let way = Way::new("alice", server.port(), config);
        let nobody = Person::absent();
        way.arrive(&given(&password("alice")), &nobody).await;
        let (_, words) = way.fail(&given("wrong"), &nobody).await;
        assert_eq!(nobody.asked(), [""; 0], "{config}");
        let times = words.matches("a password").count() + words.matches("answers to its questions").count();
        assert_eq!(times, 1, "{words}");
        assert!(!words.contains("times"), "{words}");
        assert!(!words.contains("wrong"), "{words}");
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_it_says_so() {
    let server = start(&["alice"]);
    let way = Way::new("alice", server.port(), "");
    let (error, words) = way.fail(&Credentials::default(), &Person::absent()).await;
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
async fn an_encrypted_key_is_unlocked_only_when_the_server_takes_it() {
    let server = start(&["alice"]);
    let mut way = Way::new("alice", server.port(), "PreferredAuthentications publickey\n");
    let (right, wrong) = (way.home.path().join("right"), way.home.path().join("wrong"));
    for file in [&right, &wrong] {
        keygen(file, &["-t", "ed25519", "-N", "open sesame", "-a", "1"]);
    }
    server.admin_ok(
        &["user", "key", "add", "alice", &format!("{}.pub", right.display())],
        "",
    );
    // The public part is in OpenSSH's format, too.
    std::fs::remove_file(format!("{}.pub", right.display())).unwrap();
    let file = |path| homeport::connect::destination::IdentityFile { path, named: true };
    way.destination.sign_in.files = vec![file(wrong), file(right.clone())];
    let person = Person::who_says(&["close sesame", "open sesame"]);
    let credentials = Credentials::default();
    way.arrive(&credentials, &person).await;
    let label = format!("Passphrase for the key \"{}\": ", right.display());
    assert_eq!(person.asked(), [label.clone(), label.clone()]);
    let nobody = Person::absent();
    way.arrive(&credentials, &nobody).await;
    assert_eq!(nobody.asked(), [""; 0]);

    let person = Person::who_says(&["1", "2", "3", "4"]);
    let (_, words) = way.fail(&Credentials::default(), &person).await;
    assert_eq!(person.asked().len(), 3);
    assert!(words.contains("the passphrase is wrong"), "{words}");
    let (_, words) = way.fail(&Credentials::default(), &Person::absent()).await;
    assert!(
        words.contains("there is no terminal") && words.contains("-i FILE"),
        "{words}"
    );
}

#[tokio::test]
async fn after_one_factor_comes_the_other() {
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
        let way = Way::new("alice", server.port(), &config);
        let person = Person::who_says(&["wrong", &password("alice")]);
        let credentials = Credentials::default();
        way.arrive(&credentials, &person).await;
        assert_eq!(person.asked().len(), 2, "{methods}");
        way.arrive(&credentials, &Person::absent()).await;
        way.arrive(&given(&password("alice")), &Person::absent()).await;
    }
    let config = format!(
        "IdentityFile {}\nPreferredAuthentications publickey\n",
        key.display()
    );
    let way = Way::new("alice", server.port(), &config);
    let (_, words) = way.fail(&Credentials::default(), &Person::absent()).await;
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
    let way = Way::new("alice", server.port(), &config);
    let person = Person::absent();
    let (_, words) = way.fail(&Credentials::default(), &person).await;
    for text in [words, person.told()] {
        for part in [
            "can be read by others (permissions 0644)",
            "chmod 600",
            "the key \"/no/such/key\" is not there",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[tokio::test]
async fn a_host_is_learned_once_and_a_changed_one_refused() {
    let server = start(&["alice"]);
    let config = format!("IdentityFile {}\n", server.key("alice").display());
    let mut way = Way::new("alice", server.port(), &config);
    way.destination.host_key.unknown = UnknownKeys::Ask;
    let (error, words) = way.fail(&Credentials::default(), &Person::absent()).await;
    assert!(matches!(error, ConnectError::HostKey(_)), "{words}");
    assert!(
        words.contains("is not known") && words.contains("SHA256:"),
        "{words}"
    );
    assert_eq!((error.exit_code(), error.may_pass()), (3, false));

    let person = Person::who_says(&["no"]);
    let (_, words) = way.fail(&Credentials::default(), &person).await;
    assert!(words.contains("was not confirmed"), "{words}");

    let person = Person::who_says(&["yes"]);
    way.arrive(&Credentials::default(), &person).await;
    assert!(person.told().contains("Added the host key"), "{}", person.told());
    way.destination.host_key.unknown = UnknownKeys::Refuse;
    way.arrive(&Credentials::default(), &Person::absent()).await;
    let (cipher, kex, strict) = way.agreed.lock().unwrap().clone().unwrap();
    assert_eq!((kex.as_str(), strict), ("mlkem768x25519-sha256", true));
    assert!(cipher.contains("gcm") || cipher.contains("chacha20"), "{cipher}");

    let other = way.home.path().join("other");
    keygen(&other, &["-t", "ed25519", "-N", ""]);
    let line = format!("[127.0.0.1]:{} {}", server.port(), public(&other));
    std::fs::write(way.known_hosts(), line).unwrap();
    let (error, words) = way
        .fail(&Credentials::default(), &Person::who_says(&["yes"]))
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
        let way_home = server.path().join(format!("made-{index}"));
        keygen(&way_home, args);
        let public_file = format!("{}.pub", way_home.display());
        server.admin_ok(&["user", "key", "add", "alice", &public_file], "");
        // Without it, the public part must be found in the private file, or a passphrase asked for.
        std::fs::remove_file(&public_file).unwrap();
        let config = format!(
            "IdentityFile {}\nPreferredAuthentications publickey\n",
            way_home.display()
        );
        let way = Way::new("alice", server.port(), &config);
        let encrypted = args.contains(&"sesame");
        let person = if encrypted {
            Person::who_says(&["sesame"])
        } else {
            Person::absent()
        };
        way.arrive(&Credentials::default(), &person).await;
        assert_eq!(person.asked().len(), usize::from(encrypted), "{args:?}");
    }
}
