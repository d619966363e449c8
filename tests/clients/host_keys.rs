//! Host keys that are replaced while clients come and go: OpenSSH with UpdateHostKeys, and the requests themselves.

use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;

use russh::client::{self, Config, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use serde_json::Value;
use testkit::server::TestServer;
use testkit::stock::{By, run};
use tokio::sync::mpsc;

/// Runs a command of `homeportd hostkey` for the ed25519 key, and returns its JSON.
fn hostkey(server: &TestServer, command: &str) -> Value {
    let printed = server.admin_ok(&["hostkey", command, "--json"], "");
    serde_json::from_str(&printed).unwrap()
}

fn fingerprint(changed: &Value) -> String {
    changed["key"]["fingerprint"].as_str().unwrap().to_owned()
}

/// Signs in with OpenSSH's client, which updates this file of known hosts.
fn connect(server: &TestServer, known_hosts: &str, update: &str) -> Output {
    let usual = server.client("sftp", "alice", By::Key);
    let file = format!("UserKnownHostsFile={}", server.path().join(known_hosts).display());
    let update = format!("UpdateHostKeys={update}");
    // The first value of an option counts.
    let mut command = Command::new("sftp");
    command
        .args(["-o", &file, "-o", &update, "-o", "LogLevel=INFO"])
        .args(usual.get_args())
        .args(["-b", "-", "alice@127.0.0.1"])
        .current_dir(server.path());
    run(command, "ls\nls\n")
}

fn connects(server: &TestServer, known_hosts: &str, update: &str) -> String {
    let output = connect(server, known_hosts, update);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// Returns the fingerprints that a file of known hosts has.
fn known(server: &TestServer, known_hosts: &str) -> String {
    let file = server.path().join(known_hosts);
    let listed = Command::new("ssh-keygen").arg("-lf").arg(file).output();
    String::from_utf8(listed.unwrap().stdout).unwrap()
}

#[test]
fn openssh_learns_a_new_key_and_is_not_warned_when_the_old_one_is_retired() {
    let server = TestServer::start(&["alice"]);
    // OpenSSH learns no other keys in the connection in which it has learnt the first one.
    connects(&server, "learns", "yes");
    connects(&server, "learns", "yes");
    let old: Value = serde_json::from_str(&server.admin_ok(&["hostkey", "list", "--json"], "")).unwrap();
    let keys = ["ssh-ed25519", "ecdsa-sha2-nistp256"];
    for (index, algorithm) in keys.iter().enumerate() {
        assert_eq!(
            (&old[index]["algorithm"], &old[index]["state"]),
            (&(*algorithm).into(), &"in_use".into())
        );
        let shown = old[index]["fingerprint"].as_str().unwrap();
        // A key that no exchange uses is announced, too.
        assert!(known(&server, "learns").contains(shown), "{algorithm}");
    }
    let old = old[0]["fingerprint"].as_str().unwrap().to_owned();
    fs::copy(server.path().join("learns"), server.path().join("ignores")).unwrap();

    let rotated = hostkey(&server, "rotate");
    let new = fingerprint(&rotated);
    assert_eq!(
        (&rotated["changed"], &rotated["confirmed"]),
        (&true.into(), &true.into())
    );
    assert_eq!(rotated["key"]["state"], "next");
    let again = hostkey(&server, "rotate");
    assert_eq!(
        (&again["changed"], fingerprint(&again)),
        (&false.into(), new.clone())
    );

    // The old key is still the one that is used.
    connects(&server, "ignores", "no");
    assert!(!known(&server, "ignores").contains(&new));
    connects(&server, "learns", "yes");
    let both = known(&server, "learns");
    assert!(both.contains(&old) && both.contains(&new), "{both}");

    let retired = hostkey(&server, "retire");
    assert_eq!(
        (&retired["changed"], fingerprint(&retired)),
        (&true.into(), new.clone())
    );
    assert_eq!(hostkey(&server, "retire")["changed"], false);
    let said = connects(&server, "learns", "yes");
    assert!(!said.contains("WARNING"), "{said}");
    // What is not announced any more is forgotten.
    let known_now = known(&server, "learns");
    assert!(
        known_now.contains(&new) && !known_now.contains(&old),
        "{known_now}"
    );
    let warned = connect(&server, "ignores", "yes");
    assert!(!warned.status.success());

    let removed = hostkey(&server, "remove");
    assert_eq!((&removed["changed"], fingerprint(&removed)), (&true.into(), old));
    assert_eq!(hostkey(&server, "remove")["changed"], false);
    connects(&server, "learns", "no");
    server.admin_ok(&["check"], "");
    server.wait_for_audit("hostkey remove");
    let acts: Vec<Value> = server
        .events()
        .into_iter()
        .filter(|event| event["event"] == "admin")
        .collect();
    let acts: Vec<&str> = acts.iter().filter_map(|act| act["what"].as_str()).collect();
    let expected = ["hostkey rotate", "hostkey retire", "hostkey remove"];
    assert_eq!(acts[acts.len() - 3..], expected, "{acts:?}");
}

/// Passes on the keys that are announced.
struct Announced(mpsc::UnboundedSender<Vec<PublicKey>>);

impl client::Handler for Announced {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }

    async fn openssh_ext_host_keys_announced(
        &mut self,
        keys: Vec<PublicKey>,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        let _ = self.0.send(keys);
        Ok(())
    }
}

/// Signs in, and returns the connection and the keys that are announced.
async fn sign_in(server: &TestServer, key: &PrivateKey) -> (Handle<Announced>, Vec<PublicKey>) {
    let (sender, mut announced) = mpsc::unbounded_channel();
    let address = ("127.0.0.1", server.port());
    let connecting = client::connect(Arc::new(Config::default()), address, Announced(sender));
    let mut connection = connecting.await.unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
    let signed_in = connection.authenticate_publickey("alice", key).await.unwrap();
    assert!(signed_in.success());
    (connection, announced.recv().await.unwrap())
}

#[tokio::test]
async fn announced_keys_are_proved_and_no_others() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    for kind in ["ed25519", "ecdsa"] {
        server.admin_ok(&["hostkey", "generate", "--type", kind], "");
    }
    let rsa = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
        .arg(server.path().join("hostkeys/ssh_host_rsa_key"))
        .status();
    assert!(rsa.unwrap().success());
    server.serve();
    server.admin_ok(&["hostkey", "rotate"], "");
    let key = PrivateKey::read_openssh_file(server.key("alice")).unwrap();
    let (connection, keys) = sign_in(&server, &key).await;
    assert_eq!(keys.len(), 4);
    connection.hostkeys_prove(keys.clone()).await.unwrap();
    let foreign = vec![keys[0].clone(), key.public_key().clone()];
    let refused = connection.hostkeys_prove(foreign).await.unwrap_err();
    assert!(matches!(refused, russh::Error::RequestDenied), "{refused}");
    // A client may ask a few times.
    for _ in 0..2 {
        connection.hostkeys_prove(keys.clone()).await.unwrap();
    }
    let refused = connection.hostkeys_prove(keys).await.unwrap_err();
    assert!(matches!(refused, russh::Error::RequestDenied), "{refused}");
    // The session goes on.
    connection.channel_open_session().await.unwrap();

    server.admin_ok(&["hostkey", "retire"], "");
    let (_connection, keys) = sign_in(&server, &key).await;
    assert_eq!(keys.len(), 3);
    let signed_in = testkit::audit::all_events(&server, "alice")
        .into_iter()
        .rfind(|event| event["event"] == "signed_in");
    let signed_in = signed_in.unwrap();
    assert_eq!(signed_in["host_key"], "ssh-ed25519", "{signed_in}");
    for field in ["kex", "cipher"] {
        assert!(signed_in[field].is_string(), "{signed_in}");
    }
}
