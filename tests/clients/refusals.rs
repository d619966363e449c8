//! One sentence for each refused handshake or sign-in, which shows the administrator what to change.

use std::process::Command;

use testkit::server::{TestServer, password};
use testkit::stock::By;
use testkit::wire::{Wire, lists, split_string, userauth};

fn start(settings: &[(&str, &str)]) -> TestServer {
    let auth = "max_attempts = 1000\nthrottle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    TestServer::start_with(&[&[("auth", auth)], settings].concat(), &["alice"])
}

/// Waits until the audit log has this many lines behind the start of the server, and returns the last one.
fn last_line(server: &TestServer, lines: usize) -> String {
    // The tests change users as well, which the log says.
    let others = || -> Vec<String> {
        let audit = server.audit();
        let lines = audit.lines().filter(|line| !line.contains("\"event\":\"admin\""));
        lines.map(str::to_owned).collect()
    };
    testkit::wait_for("a line in the audit log", || others().len() > lines);
    let mut found = others();
    assert_eq!(found.len(), 1 + lines, "{found:?}");
    found.pop().unwrap()
}

/// Makes a key pair, and returns its public line and its fingerprint.
fn make_key(server: &TestServer, name: &str, kind: &[&str]) -> (String, String) {
    let file = server.key(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-f"])
        .arg(&file)
        .args(kind)
        .status();
    assert!(made.unwrap().success());
    let line = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    let print = Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
    let print = String::from_utf8(print.stdout).unwrap();
    (line, print.split(' ').nth(1).unwrap().to_owned())
}

/// Offers a public key for alice, without a signature, on a connection of its own.
fn offer_key(server: &TestServer, algorithm: &str, key: &[u8]) {
    let mut wire = Wire::client(server.port(), &lists());
    wire.send(
        &userauth("alice", "publickey")
            .byte(0)
            .string(algorithm)
            .string(key),
    );
    wire.expect(51);
}

#[test]
fn each_key_is_named_with_the_reason() {
    let server = start(&[]);
    let mut lines = 0;
    // Each key is offered on a connection of its own.
    let mut check = |line: &str, algorithm: &str, expected: &str| {
        let data = line.split(' ').nth(1).unwrap();
        offer_key(&server, algorithm, &decode(data));
        lines += 1;
        let logged = last_line(&server, lines);
        assert!(logged.contains("\"method\":\"publickey\""), "{logged}");
        assert!(logged.contains(expected), "{expected}\n{logged}");
    };
    let (line, print) = make_key(&server, "stranger", &["-t", "ed25519"]);
    check(&line, "ssh-ed25519", &format!("ssh-ed25519 {print}: unknown key"));

    let (line, print) = make_key(&server, "small", &["-t", "rsa", "-b", "1024"]);
    check(
        &line,
        "rsa-sha2-512",
        &format!("ssh-rsa {print}: an RSA key of 1024 bits is too weak, 2048 is the least"),
    );

    let (line, print) = make_key(&server, "rsa", &["-t", "rsa", "-b", "2048"]);
    server.admin_ok(
        &[
            "user",
            "key",
            "add",
            "alice",
            &format!("{}.pub", server.key("rsa").display()),
        ],
        "",
    );
    check(
        &line,
        "ssh-rsa",
        &format!("ssh-rsa {print}: signed with SHA-1 (ssh-rsa)"),
    );

    let (line, print) = make_key(&server, "elsewhere", &["-t", "ed25519"]);
    std::fs::write(
        server.path().join("elsewhere.pub"),
        format!("from=\"192.0.2.1\" {line}"),
    )
    .unwrap();
    server.admin_ok(
        &[
            "user",
            "key",
            "add",
            "alice",
            &format!("{}/elsewhere.pub", server.path().display()),
        ],
        "",
    );
    check(
        &line,
        "ssh-ed25519",
        &format!("ssh-ed25519 {print}: the key may not be used from this address"),
    );
}

#[test]
fn each_unusable_key_is_named_with_the_reason() {
    let server = start(&[]);
    let dss = testkit::wire::Message(Vec::new()).string("ssh-dss");
    let dss = [7, 5, 3, 2]
        .iter()
        .fold(dss, |key, number| key.string([*number]))
        .0;
    let certificate = "ssh-ed25519-cert-v01@openssh.com";
    let rows = [
        ("ssh-dss", dss, "ssh-dss keys are too weak"),
        (
            certificate,
            blob_of(certificate),
            "ssh-ed25519-cert-v01@openssh.com: the key cannot be read",
        ),
        (
            "ssh-ed25519",
            blob_of("ssh-ed25519"),
            "ssh-ed25519: the key cannot be read",
        ),
        ("what", blob_of("what"), "is not a supported key type"),
    ];
    for (index, (algorithm, key, expected)) in rows.into_iter().enumerate() {
        offer_key(&server, algorithm, &key);
        let logged = last_line(&server, index + 1);
        assert!(logged.contains(expected), "{expected}\n{logged}");
    }
}

/// Returns a public key of this type without content.
fn blob_of(kind: &str) -> Vec<u8> {
    testkit::wire::Message(Vec::new()).string(kind).0
}

#[test]
fn a_wrong_signature_and_many_keys_are_one_line_each() {
    let server = start(&[]);
    let line = std::fs::read_to_string(server.key("alice").with_extension("pub")).unwrap();
    let blob = decode(line.split(' ').nth(1).unwrap());
    let signature = testkit::wire::Message(Vec::new())
        .string("ssh-ed25519")
        .string([7; 64])
        .0;
    let mut wire = Wire::client(server.port(), &lists());
    let request = userauth("alice", "publickey")
        .byte(1)
        .string("ssh-ed25519")
        .string(&blob);
    wire.send(&request.string(signature));
    wire.expect(51);
    // The attempts of the first user are over, so this one has another name.
    for number in 0..20u8 {
        let mut other = split_string(&blob).0.to_vec();
        other = testkit::wire::Message(Vec::new())
            .string(other)
            .string([number; 32])
            .0;
        wire.send(
            &userauth("mallory\u{1b}", "publickey")
                .byte(0)
                .string("ssh-ed25519")
                .string(other),
        );
        wire.expect(51);
    }
    drop(wire);
    let last = last_line(&server, 2);
    assert!(
        last.contains("; and 12 more") && last.contains("mallory\\u001b"),
        "{last}"
    );
    assert!(server.audit().contains("wrong signature"), "{}", server.audit());
}

#[test]
fn the_method_is_the_one_that_was_used() {
    let server = start(&[]);
    for (method, line) in [("password", 2), ("keyboard-interactive", 4)] {
        let output = server.sign_in("alice", By::Password(method), &password("alice"));
        assert!(output.status.success(), "{output:?}");
        server.wait_for_audit(&format!("\"method\":\"{method}\""));
        testkit::wait_for("the end", || server.audit().lines().count() > line);
    }
}

#[test]
fn a_handshake_names_every_list_without_a_common_name() {
    let server = start(&[]);
    let mut command = server.client("ssh", "alice", By::Key);
    command.args([
        "-o",
        "KexAlgorithms=ecdh-sha2-nistp256,diffie-hellman-group14-sha1",
    ]);
    command.args([
        "-o",
        "HostKeyAlgorithms=ecdsa-sha2-nistp521",
        "-o",
        "Ciphers=aes128-cbc",
        "-o",
        "MACs=hmac-sha1",
    ]);
    command.args(["-s", "alice@127.0.0.1", "sftp"]);
    assert!(!command.output().unwrap().status.success());
    let logged = last_line(&server, 1);
    for part in [
        "no key exchange in common: the client offers ecdh-sha2-nistp256, diffie-hellman-group14-sha1",
        "this server mlkem768x25519-sha256, curve25519-sha256, curve25519-sha256@libssh.org (changed by \\\"policy\\\" or \\\"kex\\\" in [ssh])",
        "no host key in common: the client offers ecdsa-sha2-nistp521, this server ssh-ed25519",
        "no cipher in common: the client offers aes128-cbc",
        "no MAC in common: the client offers hmac-sha1",
    ] {
        assert!(logged.contains(part), "{part}\n{logged}");
    }
}

/// Base64, as in a public key's file.
fn decode(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    bits.chunks(4)
        .flat_map(|four| {
            let number =
                four.iter().fold(0u32, |sum, digit| sum << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
            let [_, bytes @ ..] = number.to_be_bytes();
            bytes.into_iter().take(four.len() - 1).collect::<Vec<u8>>()
        })
        .collect()
}
