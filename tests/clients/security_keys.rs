//! Keys of FIDO authenticators (`sk-…`): the tests make the signatures that a token would make.

use std::fs;
use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use russh::keys::ssh_key::Mpint;
use russh::keys::{Certificate, PublicKey};
use sha2::{Digest as _, Sha256};
use testkit::server::TestServer;
use testkit::ssh::{FAILURE, Message, SUCCESS, Ssh};

const TOUCHED: u8 = 1;
const VERIFIED: u8 = 4;

/// What a token contains.
enum Token {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl Token {
    fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }

    fn ecdsa() -> Self {
        Self::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Token::Ed25519(_) => "sk-ssh-ed25519@openssh.com",
            Token::Ecdsa(_) => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    fn blob(&self) -> Vec<u8> {
        let blob = Message(Vec::new()).string(self.algorithm());
        let blob = match self {
            Token::Ed25519(pair) => blob.string(pair.public_key()),
            Token::Ecdsa(pair) => blob.string("nistp256").string(pair.public_key()),
        };
        blob.string("ssh:").0
    }

    fn line(&self) -> String {
        PublicKey::from_bytes(&self.blob()).unwrap().to_openssh().unwrap()
    }

    /// Signs as PROTOCOL.u2f says, for an application, and states these flags.
    fn sign(&self, signed: &[u8], application: &str, flags: u8) -> Message {
        let mut stated = Sha256::digest(application).to_vec();
        stated.extend([flags, 0, 0, 0, 9]);
        stated.extend(Sha256::digest(signed));
        let signature = match self {
            Token::Ed25519(pair) => pair.sign(&stated).as_ref().to_vec(),
            Token::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), &stated).unwrap();
                let bytes: &[u8] = signature.as_ref();
                let (r, s) = bytes.split_at(32);
                let number = |bytes: &[u8]| Mpint::from_positive_bytes(bytes).as_bytes().to_vec();
                Message(Vec::new()).string(number(r)).string(number(s)).0
            }
        };
        let signature = Message(Vec::new()).string(self.algorithm()).string(signature);
        signature.byte(flags).u32(9)
    }
}

fn start() -> TestServer {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    TestServer::start_with(&[("auth", throttle)], &[])
}

/// Whether the server accepts the answer to a sign-in by this public key or certificate.
fn accepts(server: &TestServer, algorithm: &str, public: &[u8], sign: impl FnOnce(&[u8]) -> Message) -> bool {
    let mut ssh = Ssh::connect(server.port());
    ssh.send(&Message::new(5).string("ssh-userauth"));
    ssh.sign_by("alice", algorithm, public, sign);
    loop {
        match ssh.receive().unwrap()[0] {
            SUCCESS => return true,
            FAILURE => return false,
            _ => {}
        }
    }
}

/// Adds the user with this line.
fn add(server: &TestServer, line: &str) {
    let file = server.path().join("alice.keys");
    fs::write(&file, line).unwrap();
    let file = file.to_str().unwrap();
    // A key that exists already gets the new line.
    if !server
        .admin(&["user", "key", "add", "alice", file], "")
        .status
        .success()
    {
        server.admin_ok(&["user", "add", "alice", "--key", file], "");
    }
}

#[test]
fn a_security_key_must_be_touched_unless_its_line_says_otherwise() {
    let server = start();
    for token in [Token::ed25519(), Token::ecdsa()] {
        let check = |options: &str, flags: u8, expected: bool| {
            add(&server, &format!("{options} {}", token.line()));
            let accepted = accepts(&server, token.algorithm(), &token.blob(), |signed| {
                token.sign(signed, "ssh:", flags)
            });
            assert_eq!(accepted, expected, "{} {options} {flags}", token.algorithm());
        };
        check("restrict", TOUCHED, true);
        check("restrict", 0, false);
        check("restrict", VERIFIED, false);
        check("no-touch-required", 0, true);
        check("verify-required", TOUCHED, false);
        check("verify-required", TOUCHED | VERIFIED, true);
        check("verify-required,no-touch-required", VERIFIED, true);
        server.wait_for_audit("\"key_not_touched\"");
        server.wait_for_audit("\"key_not_verified\"");
    }
}

#[test]
fn what_a_token_has_not_signed_is_refused() {
    let server = start();
    for token in [Token::ed25519(), Token::ecdsa()] {
        add(&server, &token.line());
        let attempt =
            |change: &dyn Fn(&[u8]) -> Message| accepts(&server, token.algorithm(), &token.blob(), change);
        assert!(attempt(&|signed| token.sign(signed, "ssh:", TOUCHED)));
        // Another application, other data, other flags than those that were signed, and another counter.
        assert!(!attempt(&|signed| token.sign(
            signed,
            "https://example.com",
            TOUCHED
        )));
        assert!(!attempt(&|signed| token.sign(&signed[1..], "ssh:", TOUCHED)));
        let changed = |back: usize, signed: &[u8]| {
            let mut signature = token.sign(signed, "ssh:", 0);
            let at = signature.0.len() - back;
            signature.0[at] ^= TOUCHED;
            signature
        };
        assert!(!attempt(&|signed| changed(5, signed)));
        assert!(!attempt(&|signed| changed(1, signed)));
        // A signature that is cut off.
        assert!(!attempt(&|signed| {
            let mut signature = token.sign(signed, "ssh:", TOUCHED);
            signature.0.truncate(signature.0.len() - 5);
            signature
        }));
    }
}

#[test]
fn a_certified_security_key_must_be_touched_too() {
    let server = start();
    let keygen = |args: &[&str]| {
        let mut command = Command::new("ssh-keygen");
        let done = command
            .arg("-q")
            .args(args)
            .current_dir(server.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "ssh-keygen {args:?}: {errors}");
    };
    keygen(&["-t", "ed25519", "-N", "", "-f", "ca"]);
    let ca = fs::read_to_string(server.path().join("ca.pub")).unwrap();
    let token = Token::ed25519();
    fs::write(server.path().join("token.pub"), token.line()).unwrap();
    let check = |options: &str, wishes: &[&str], flags: u8, expected: bool| {
        add(&server, &format!("{options} {ca}"));
        let sign = ["-s", "ca", "-I", "token", "-n", "alice"];
        keygen(&[&sign[..], wishes, &["token.pub"]].concat());
        let line = fs::read_to_string(server.path().join("token-cert.pub")).unwrap();
        let blob = Certificate::from_openssh(&line).unwrap().to_bytes().unwrap();
        let algorithm = "sk-ssh-ed25519-cert-v01@openssh.com";
        let accepted = accepts(&server, algorithm, &blob, |signed| {
            token.sign(signed, "ssh:", flags)
        });
        assert_eq!(accepted, expected, "{options} {wishes:?} {flags}");
    };
    let waived = &["-O", "no-touch-required"][..];
    check("cert-authority", &[], TOUCHED, true);
    check("cert-authority", &[], 0, false);
    check("cert-authority", waived, 0, false);
    check("cert-authority,no-touch-required", waived, 0, true);
    check("cert-authority", &["-O", "verify-required"], TOUCHED, false);
    check(
        "cert-authority",
        &["-O", "verify-required"],
        TOUCHED | VERIFIED,
        true,
    );
    check("cert-authority,verify-required", &[], TOUCHED, false);
}
