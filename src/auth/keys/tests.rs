use russh::keys::ssh_key::Mpint;

use super::*;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJNM52vydpi1r8D6nvjQcQnulTGFj/Q4flZ4ZzKVpN74";
const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCIdaVTuJuzADcHWKh+Sy5mN6dU+BDH+fORcT5MWCStO1ByaNyLsAI9XK57RBGtQYwJI6Z491SPmtIAcBr/U/u0=";

const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1EaAAAABHNzaDo=";

fn now() -> Timestamp {
    "2029-06-01T12:00:00Z".parse().unwrap()
}

fn rsa(bits: usize, exponent: &[u8]) -> String {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] = 0xff >> (modulus.len() * 8 - bits);
    let mpint = |bytes: &[u8]| Mpint::from_positive_bytes(bytes);
    let key = RsaPublicKey::new(mpint(exponent), mpint(&modulus)).unwrap();
    PublicKey::from(key).to_openssh().unwrap()
}

#[test]
fn lines_that_are_taken() {
    let f4: &[u8] = &[1, 0, 1];
    let lines = [
        ED25519.to_owned(),
        P256.to_owned(),
        format!("  {ED25519} calvin@host \r\n"),
        format!("{ED25519}\tcalvin's  key, the \"second\" one"),
        format!("restrict {ED25519}"),
        format!(
            "restrict,pty,No-Port-Forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc {ED25519} c"
        ),
        format!("restrict,command=\"internal-sftp\" {ED25519} c"),
        format!("from=\"10.0.0.0/8, !10.1.0.0/16\",restrict {P256} c"),
        format!("EXPIRY-TIME=\"20300101Z\" \t {ED25519}"),
        format!("cert-authority {ED25519}"),
        format!("cert-authority,principals=\"alice, ops\",verify-required,from=\"10.0.0.0/8\" {ED25519} ca"),
        format!("no-touch-required {ED25519}"),
        SK_ED25519.to_owned(),
        format!("no-touch-required,verify-required {SK_ED25519} token"),
        rsa(2048, f4),
        rsa(8192, f4),
        rsa(3072, &[3]),
    ];
    for line in lines {
        let key = AuthorizedKey::parse(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert_eq!(key.line(), line.trim());
        let again = AuthorizedKey::parse(key.line()).unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
    }
}

#[test]
fn lines_that_are_refused_say_why() {
    let check = |line: &str, says: &str| {
        let error = AuthorizedKey::parse(line).unwrap_err().to_string();
        assert!(error.contains(says), "{line:?}: {error}");
        assert!(!error.contains(['\n', '\x1b']), "{error:?}");
        assert!(error.len() < 250, "{error}");
    };
    let with = |options: &str| format!("{options} {ED25519} c");
    // Options that the server cannot enforce are refused.
    check(&with("command=\"/bin/false\""), "command=");
    check(&with("environment=\"A=B\""), "environment=");
    check(&with("permitopen=\"*:1\""), "permitopen=");
    check(&with("permitlisten=\"1\""), "permitlisten=");
    check(&with("tunnel=\"0\""), "tunnel=");
    check(&with("principals=\"a,b\""), "needs cert-authority");
    check(&with("cert-authority,principals=\"a,,b\""), "an empty name");
    check(&with("cert-authority,principals=\"a\",principals=\"b\""), "twice");
    check(&with("cert-authority,principals"), "needs a value");
    check(&with("cert-authority=\"x\""), "cert-authority=");
    check(&with("verify-required"), "needs a security key");
    check(&with("restrict,command=\"a b\\\" c\""), "command=");
    check(&with("command=\"internal-sftp -R\""), "command=");
    check(&with("command"), "not supported");
    check(&with("restrict=\"x\""), "restrict=");
    check(&with("made-up\x0b"), "control");
    // Options with an invalid form are refused.
    check(&with("from"), "needs a value");
    check(&with("from=10.0.0.1"), "in quotes");
    check(&with("from=\"10.0.0.1\",from=\"10.0.0.2\""), "twice");
    check(&with("from=\"\""), "empty");
    check(&with("from=\"*.example.com\""), "host names");
    check(&with("from=\"10.0.0.1/8\""), "10.0.0.0/8");
    check(&with("expiry-time=\"tomorrow\""), "YYYYMMDD");
    check(&with("restrict,"), "without a name");
    check(&with("from=\"10.0.0.1"), "is not a key");
    // Unsupported key types, and lines without a key, are refused.
    check("", "is not a key");
    check("# comment", "not supported");
    check("ssh-ed25519", "damaged");
    check("ssh-ed25519 !!!!", "damaged");
    check(&ED25519.replace("AAAAC3", "AAAAC4"), "damaged");
    check(&ED25519[..ED25519.len() - 8], "damaged");
    check(&format!("{ED25519}AAAA"), "damaged");
    // The type as text and the type in the key data must agree.
    check(&ED25519.replace("ssh-ed25519", "ssh-rsa"), "damaged");
    check(&P256.replacen("nistp256", "nistp384", 1), "damaged");
    check("ssh-dss AAAAB3NzaC1kc3M= c", "too weak");
    check("sk-ssh-ed25519@openssh.com AAAA c", "damaged");
    check("sk-ecdsa-sha2-nistp256@openssh.com AAAA c", "damaged");
    check("sk-ssh-rsa@openssh.com AAAA c", "not a supported key type");
    check("ssh-ed25519-cert-v01@openssh.com AAAA c", "is a certificate");
    check("restrict ssh-dss AAAA", "too weak");
    check("ssh-made-up AAAA", "not a supported key type");
    check("-----BEGIN OPENSSH PRIVATE KEY-----", "private key");
    check(&format!("{ED25519} a\nssh-rsa b"), "control");
    check(&format!("{ED25519} \x1b[2J"), "control");
    check(&format!("{ED25519} {}", "c".repeat(MAX_LINE)), "longer");
    check(&"a,".repeat(8000), "is not a key");
    check(&"\"".repeat(9999), "is not a key");
}

#[test]
fn rsa_keys_must_be_strong_and_valid() {
    let check = |bits: usize, exponent: &[u8], says: &str| {
        let error = AuthorizedKey::parse(&rsa(bits, exponent))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{bits}: {error}");
    };
    check(1024, &[1, 0, 1], "1024 bits is too weak");
    check(2047, &[1, 0, 1], "2047 bits is too weak");
    check(8193, &[1, 0, 1], "too large");
    check(2048, &[1], "not valid");
    check(2048, &[4], "not valid");
    check(2048, &[1, 0, 0, 0, 1], "not valid");
}

#[test]
fn only_the_keys_data_is_compared() {
    let one = AuthorizedKey::parse(&format!("restrict {ED25519} one")).unwrap();
    let other = PublicKey::from_openssh(&format!("{ED25519} other")).unwrap();
    assert!(one.matches(&other));
    assert!(!one.matches(&PublicKey::from_openssh(P256).unwrap()));
    assert_eq!(one.comment(), "one");
    assert_eq!(one.algorithm(), "ssh-ed25519");
    assert_eq!(one.fingerprint(), other.fingerprint(HashAlg::Sha256).to_string());
    assert!(one.fingerprint().starts_with("SHA256:"));
}

#[test]
fn addresses_and_dates_of_a_key_hold() {
    let check = |options: &str, peer: &str, expected: bool| {
        let key = AuthorizedKey::parse(&format!("{options} {ED25519}")).unwrap();
        assert_eq!(
            key.permits(peer.parse().unwrap(), now()).is_ok(),
            expected,
            "{options} {peer}"
        );
    };
    check("restrict", "192.0.2.1", true);
    check("from=\"192.0.2.*\"", "::ffff:192.0.2.1", true);
    check("from=\"192.0.2.*,!192.0.2.1\"", "192.0.2.1", false);
    check("expiry-time=\"20290602Z\"", "192.0.2.1", true);
    check("expiry-time=\"20290601Z\"", "192.0.2.1", false);
    check("expiry-time=\"202906011200Z\"", "192.0.2.1", false);
    check(
        "expiry-time=\"20300101Z\",from=\"10.0.0.0/8\"",
        "192.0.2.1",
        false,
    );
    check("expiry-time=\"20280101Z\",from=\"192.0.2.1\"", "192.0.2.1", false);
}
