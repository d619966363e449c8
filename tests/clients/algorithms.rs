//! `[ssh]`: which clients can connect with each policy, and what `check` says of a policy with which none could.

use testkit::server::TestServer;
use testkit::stock::{By, run};

const OLD_KEX: [&str; 5] = [
    "KexAlgorithms=ecdh-sha2-nistp256",
    "KexAlgorithms=ecdh-sha2-nistp384",
    "KexAlgorithms=ecdh-sha2-nistp521",
    "KexAlgorithms=diffie-hellman-group14-sha256",
    "KexAlgorithms=diffie-hellman-group16-sha512",
];

/// Signs in with OpenSSH's client and these options, and returns its message if that fails.
fn signs_in(server: &TestServer, options: &[&str]) -> Result<(), String> {
    // Each client starts without known keys, because it would request a known one.
    let _ = std::fs::remove_file(server.path().join("known_hosts"));
    let mut command = server.client("ssh", "alice", By::Key);
    for option in options {
        command.args(["-o", option]);
    }
    command.args(["-s", "alice@127.0.0.1", "sftp"]);
    let output = run(command, "");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn start(settings: &str) -> TestServer {
    TestServer::start_with(&[("ssh", settings)], &["alice"])
}

/// Asserts that the client can or cannot sign in, with each of these options by itself.
fn check(server: &TestServer, must_connect: bool, options: &[&[&str]]) {
    for options in options {
        let outcome = signs_in(server, options);
        assert_eq!(outcome.is_ok(), must_connect, "{options:?}: {outcome:?}");
    }
}

#[test]
fn the_default_policy_accepts_clients_without_gcm_and_etm() {
    let server = start("");
    check(
        &server,
        true,
        &[
            &["Ciphers=aes256-ctr", "MACs=hmac-sha2-256"],
            &["Ciphers=aes128-ctr", "MACs=hmac-sha2-256"],
            &["Ciphers=aes128-ctr", "MACs=hmac-sha2-512-etm@openssh.com"],
            &["HostKeyAlgorithms=ssh-ed25519"],
        ],
    );
    check(&server, false, &OLD_KEX.each_ref().map(std::slice::from_ref));
    check(
        &server,
        false,
        &[
            &["Ciphers=aes256-ctr", "MACs=hmac-sha1"],
            &["HostKeyAlgorithms=rsa-sha2-512"],
            &["HostKeyAlgorithms=ecdsa-sha2-nistp256"],
        ],
    );
}

#[test]
fn the_compatible_policy_accepts_clients_without_curve25519() {
    let server = start("policy = \"compatible\"");
    check(&server, true, &OLD_KEX.each_ref().map(std::slice::from_ref));
    check(
        &server,
        true,
        &[
            &[],
            &["KexAlgorithms=curve25519-sha256"],
            &["HostKeyAlgorithms=ecdsa-sha2-nistp256"],
        ],
    );
    // Keys are also exchanged again in the middle of a transfer.
    let file = crate::clients::local_file(&server, "large", 3 << 20);
    for kex in OLD_KEX {
        let mut command = server.client("sftp", "alice", By::Key);
        command.args(["-o", kex, "-o", "RekeyLimit=512K", "-b", "-", "alice@127.0.0.1"]);
        let output = run(command, &format!("put {}\nget large back", file.display()));
        assert!(output.status.success(), "{kex}: {output:?}\n{}", server.log());
        crate::clients::assert_same(&file, &server.path().join("back"));
    }
}

#[test]
fn fips_offers_only_what_it_allows() {
    let server = start("policy = \"fips\"");
    check(&server, true, &OLD_KEX.each_ref().map(std::slice::from_ref));
    check(&server, true, &[&["HostKeyAlgorithms=ecdsa-sha2-nistp256"]]);
    check(
        &server,
        false,
        &[
            &["KexAlgorithms=curve25519-sha256"],
            &["HostKeyAlgorithms=ssh-ed25519"],
            &["Ciphers=chacha20-poly1305@openssh.com"],
        ],
    );
}

#[test]
fn explicit_lists_replace_those_of_the_policy() {
    let server = start(
        "policy = \"compatible\"\nkex = [\"ecdh-sha2-nistp384\"]\nhost_key_algorithms = [\"ecdsa-sha2-nistp256\"]\nciphers = [\"aes128-ctr\"]\nmacs = [\"hmac-sha2-256\"]",
    );
    check(&server, true, &[&[]]);
    check(
        &server,
        false,
        &[
            &["KexAlgorithms=ecdh-sha2-nistp256"],
            &["HostKeyAlgorithms=ssh-ed25519"],
            &["Ciphers=aes256-ctr"],
            &["MACs=hmac-sha2-256-etm@openssh.com"],
        ],
    );
}

#[test]
fn an_rsa_host_key_is_used_only_if_generated_and_is_reported() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    server.admin_ok(&["hostkey", "generate", "--type", "rsa"], "");
    server.admin_ok(&["hostkey", "generate", "--type", "ed25519"], "");
    let said = server.admin_ok(&["check"], "");
    assert!(said.contains("RUSTSEC-2023-0071"), "{said}");
    server.serve();
    check(
        &server,
        true,
        &[
            &["HostKeyAlgorithms=rsa-sha2-512"],
            &["HostKeyAlgorithms=rsa-sha2-256"],
        ],
    );
    check(&server, false, &[&["HostKeyAlgorithms=ssh-rsa"]]);
}

#[test]
fn a_server_without_a_usable_host_key_does_not_start() {
    let server = TestServer::new(&[("ssh", "policy = \"fips\"")]);
    server.admin_ok(&["hostkey", "generate", "--type", "ed25519"], "");
    let sentence =
        "no client could connect: the host keys are ssh-ed25519, and [ssh] offers only ecdsa-sha2-nistp256";
    for command in ["check", "serve"] {
        let output = server.admin(&[command], "");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            !output.status.success() && said.contains(sentence),
            "{command}: {said}"
        );
        assert!(
            said.contains("homeportd hostkey generate --type ecdsa"),
            "{command}: {said}"
        );
    }
}

#[test]
fn a_reload_applies_the_policy_unless_no_client_could_connect() {
    let server = start("");
    let old: &[&[&str]] = &[&["KexAlgorithms=ecdh-sha2-nistp256"]];
    check(&server, false, old);
    let config = std::fs::read_to_string(server.config()).unwrap();
    let with = |line: &str| {
        let text = config.replace("[ssh]", &format!("[ssh]\n{line}"));
        std::fs::write(server.config(), text).unwrap();
        server.signal("HUP");
    };
    with("policy = \"compatible\"");
    server.wait_for_log("the configuration was read again");
    check(&server, true, old);
    with("host_key_algorithms = [\"rsa-sha2-512\"]");
    server.wait_for_log("no client could connect");
    check(&server, true, old);
}
