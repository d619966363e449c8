//! The machine's own `sshd`, one process for each connection, and its `ssh-agent`.
//!
//! The user who runs the tests signs in as the same user, by key, which works for root and for other users.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use homeport::connect::destination::IdentityFile;
use homeport::connect::{ConnectError, Credentials, SignInError, UnknownKeys};

use crate::client::commands::script;
use crate::client::connect::Connector;
use crate::client::connect::prompts::ScriptedPrompts;
use crate::client::terminal::KillOnDrop;
use testkit::sshd::{Sshd, keygen, public};
use testkit::wait_for;

/// Returns a connector that signs in with these keys.
fn connector_to(sshd: &Sshd, keys: &[&Path]) -> Connector {
    let user = sshd.user();
    let mut connector = Connector::new(&user, sshd.port, "");
    let named = |path: &&Path| IdentityFile {
        path: path.to_path_buf(),
        named: true,
    };
    connector.destination.sign_in.files = keys.iter().map(named).collect();
    connector
}

/// Starts a real agent with these keys, and returns its socket.
fn agent(sshd: &Sshd, keys: &[&Path]) -> (KillOnDrop, PathBuf) {
    agent_with(sshd, keys, "-q", Path::new("/nonexistent"))
}

/// The same with this option of ssh-add, and this program that asks the user.
fn agent_with(sshd: &Sshd, keys: &[&Path], option: &str, askpass: &Path) -> (KillOnDrop, PathBuf) {
    let socket = sshd.path("agent");
    let agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .env("SSH_ASKPASS", askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let agent = KillOnDrop(agent);
    // The socket is there before the agent listens on it.
    wait_for("the agent", || UnixStream::connect(&socket).is_ok());
    for key in keys {
        let added = Command::new("ssh-add")
            .args(["-q", option])
            .arg(key)
            .env("SSH_AUTH_SOCK", &socket)
            .status();
        assert!(added.unwrap().success());
    }
    (agent, socket)
}

#[tokio::test]
async fn a_key_of_the_agent_signs_in() {
    let sshd = Sshd::start(&["ed25519"], "");
    let inside = sshd.make_key("inside", &["-t", "ed25519"]);
    let rsa = sshd.make_key("rsa", &["-t", "rsa", "-b", "2048"]);
    let other = sshd.path("other");
    keygen(&other, &["-t", "ed25519", "-N", ""]);
    for key in [&inside, &rsa] {
        let (running, socket) = agent(&sshd, &[&other, key]);
        // The private key is only in the agent.
        let away = sshd.path("away");
        std::fs::rename(key, &away).unwrap();
        let mut connector = connector_to(&sshd, &[]);
        connector.destination.sign_in.agent = Some(socket.clone());
        connector
            .connect_ok(&Credentials::default(), &ScriptedPrompts::without_answers())
            .await;

        // With `IdentitiesOnly`, a public key is enough to select a key of the agent.
        connector.destination.sign_in.identities_only = true;
        let prompts = ScriptedPrompts::without_answers();
        let (_, words) = connector.connect_err(&Credentials::default(), &prompts).await;
        assert!(!words.contains("of the agent"), "{words}");
        let with = |path: PathBuf| vec![IdentityFile { path, named: true }];
        for name in [key.clone(), PathBuf::from(format!("{}.pub", key.display()))] {
            connector.destination.sign_in.files = with(name);
            connector
                .connect_ok(&Credentials::default(), &ScriptedPrompts::without_answers())
                .await;
        }
        drop(running);
        std::fs::remove_file(&socket).unwrap();
        let (_, words) = connector.connect_err(&Credentials::default(), &prompts).await;
        assert!(
            words.contains("the agent") && words.contains("cannot be used"),
            "{words}"
        );
        std::fs::rename(&away, key).unwrap();
    }
}

/// The user confirms each signature (`ssh-add -c`), and takes a while for it.
#[tokio::test]
async fn a_key_that_asks_for_each_signature_is_waited_for() {
    let sshd = Sshd::start(&["ed25519"], "");
    let key = sshd.make_key("key", &["-t", "ed25519"]);
    let confirmed = sshd.path("confirmed");
    let askpass = sshd.path("askpass");
    let lines = format!(
        "until [ -e '{0}' ]; do sleep 0.1; done; cat '{0}'",
        confirmed.display()
    );
    script(&askpass, &lines);
    for (answer, signs_in) in [("yes", true), ("no", false)] {
        let _ = std::fs::remove_file(sshd.path("agent"));
        let _ = std::fs::remove_file(&confirmed);
        let (_running, socket) = agent_with(&sshd, &[&key], "-c", &askpass);
        let mut connector = connector_to(&sshd, &[]);
        connector.destination.sign_in.agent = Some(socket);
        let prompts = ScriptedPrompts::without_answers();
        let credentials = Credentials::default();
        let confirming = async {
            let waits = || prompts.messages().contains("waiting for the agent to sign with");
            while !waits() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            std::fs::write(&confirmed, answer).unwrap();
        };
        let (connected, ()) = tokio::join!(connector.connect(&credentials, &prompts), confirming);
        match signs_in {
            true => assert!(connected.is_ok(), "{}", prompts.messages()),
            false => {
                let words = connected.err().unwrap().to_string();
                assert!(words.contains("the agent does not sign with"), "{words}");
            }
        }
    }
}

#[tokio::test]
async fn two_keys_sign_in_where_two_are_required() {
    let sshd = Sshd::start(&["ed25519"], "AuthenticationMethods publickey,publickey");
    let first = sshd.make_key("first", &["-t", "ed25519"]);
    let second = sshd.make_key("second", &["-t", "ecdsa"]);
    let connector = connector_to(&sshd, &[&first, &second]);
    connector
        .connect_ok(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    let connector = connector_to(&sshd, &[&first]);
    let (_, words) = connector
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    assert!(words.contains("tried the key"), "{words}\n{}", sshd.log());
}

#[tokio::test]
async fn the_known_type_of_host_key_is_requested_first() {
    let kinds = ["ed25519", "ecdsa", "rsa"];
    let sshd = Sshd::start(&kinds, "");
    let key = sshd.make_key("key", &["-t", "ed25519"]);
    for kind in kinds {
        let mut connector = connector_to(&sshd, &[&key]);
        connector.destination.host_key.unknown = UnknownKeys::Refuse;
        let line = format!(
            "[127.0.0.1]:{} {}",
            sshd.port,
            public(&sshd.path(&format!("host_{kind}")))
        );
        std::fs::create_dir_all(connector.known_hosts().parent().unwrap()).unwrap();
        std::fs::write(connector.known_hosts(), line).unwrap();
        let hashed = Command::new("ssh-keygen")
            .args(["-H", "-f"])
            .arg(connector.known_hosts())
            .output()
            .unwrap();
        assert!(hashed.status.success());
        connector
            .connect_ok(&Credentials::default(), &ScriptedPrompts::without_answers())
            .await;
    }
}

#[tokio::test]
async fn a_server_with_old_algorithms() {
    for (more, cipher, kex) in [
        (
            "Ciphers aes128-ctr\nMACs hmac-sha2-256\nKexAlgorithms ecdh-sha2-nistp256",
            "aes128-ctr",
            "ecdh-sha2-nistp256",
        ),
        (
            "Ciphers aes256-ctr\nMACs hmac-sha2-512\nKexAlgorithms diffie-hellman-group14-sha256",
            "aes256-ctr",
            "diffie-hellman-group14-sha256",
        ),
        (
            "Ciphers chacha20-poly1305@openssh.com\nKexAlgorithms curve25519-sha256@libssh.org",
            "chacha20-poly1305@openssh.com",
            "curve25519-sha256@libssh.org",
        ),
    ] {
        let sshd = Sshd::start(&["rsa"], more);
        let key = sshd.make_key("key", &["-t", "rsa", "-b", "2048"]);
        let connector = connector_to(&sshd, &[&key]);
        connector
            .connect_ok(&Credentials::default(), &ScriptedPrompts::without_answers())
            .await;
        let agreed = connector.agreed.lock().unwrap().clone().unwrap();
        assert_eq!(agreed, (cipher.to_owned(), kex.to_owned(), true));
    }
    let sshd = Sshd::start(&["ed25519"], "Ciphers aes128-cbc");
    let (error, words) = connector_to(&sshd, &[])
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    assert!(matches!(error, ConnectError::Protocol(_)), "{words}");
    assert!(words.contains("it offers only aes128-cbc"), "{words}");
}

#[tokio::test]
async fn too_many_keys_end_the_connection() {
    let sshd = Sshd::start(&["ed25519"], "MaxAuthTries 2");
    let mut keys: Vec<PathBuf> = Vec::new();
    for index in 0..4 {
        let file = sshd.path(&format!("wrong-{index}"));
        keygen(&file, &["-t", "ed25519", "-N", ""]);
        keys.push(file);
    }
    let paths: Vec<&Path> = keys.iter().map(PathBuf::as_path).collect();
    let (error, words) = connector_to(&sshd, &paths)
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await;
    assert!(
        matches!(error, ConnectError::SignIn(SignInError::Closed(_))),
        "{words}"
    );
    assert!(
        words.contains("closed the connection") && words.contains("IdentitiesOnly"),
        "{words}"
    );
}
