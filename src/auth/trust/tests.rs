use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJNM52vydpi1r8D6nvjQcQnulTGFj/Q4flZ4ZzKVpN74";

fn said(fault: ListFault) -> String {
    fault.of_file(Path::new("f")).to_string()
}

#[test]
fn lists_of_authorities_are_read() {
    let text = format!("# ours\n\n{KEY} one\r\n\t cert-authority,from=\"10.0.0.0/8\" {KEY} two\n");
    let authorities = parse_authorities(text.as_bytes()).unwrap();
    let comments: Vec<_> = authorities.iter().map(AuthorizedKey::comment).collect();
    assert_eq!(comments, ["one", "two"]);
    assert!(parse_authorities(b"").unwrap().is_empty());
    let marked = format!("\u{feff}{KEY}");
    assert_eq!(parse_authorities(marked.as_bytes()).unwrap().len(), 1);
}

#[test]
fn faults_of_lists_of_authorities_have_a_place() {
    let check = |text: &[u8], place: &str, says: &str| {
        let error = said(parse_authorities(text).unwrap_err());
        assert!(error.starts_with(place) && error.contains(says), "{error}");
    };
    check(b"# a\n  nonsense", "f:2:3: ", "nonsense");
    check(b"ssh-dss AAAA", "f:1:1: ", "too weak");
    check(b"a\xff", "f:1:2: ", "UTF-8");
    let principals = format!("cert-authority,principals=\"x\" {KEY}");
    check(principals.as_bytes(), "f:1:1: ", "every user");
}

#[test]
fn faults_of_texts_of_revoked_keys_have_a_place() {
    let check = |text: &str, place: &str, says: &str| {
        let error = said(parse_revoked(text.as_bytes()).unwrap_err());
        assert!(
            error.starts_with(place) && error.contains(says),
            "{text:?}: {error}"
        );
    };
    check("serial: 1\nserial: x", "f:2:9: ", "serial number");
    check("serial: 5-4", "f:1:9: ", "ends before");
    check("serial: 0", "f:1:9: ", "without one");
    check("serial: 1-2-3", "f:1:9: ", "serial number");
    check("serial: -1", "f:1:9: ", "serial number");
    check("serial: 18446744073709551616", "f:1:9: ", "serial number");
    check("id:", "f:1:4: ", "id of a certificate");
    check("  key: ssh-ed25519 AAAA", "f:1:8: ", "not a public key");
    check("ca: nonsense", "f:1:5: ", "not a public key");
    check("hash: SHA256:short", "f:1:7: ", "fingerprint");
    check("hash: MD5:00:11", "f:1:7: ", "fingerprint");
    check("serail: 1", "f:1:1: ", "\"serail:\" is not known");
    check("nonsense", "f:1:1: ", "not a public key");
    check(&format!("from=\"a:b\" {KEY}"), "f:1:1: ", "not a public key");
}

/// Builds lists as PROTOCOL.krl describes them.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn list() -> Self {
        let header = Self::default()
            .u32(1)
            .u64(3)
            .u64(0)
            .u64(0)
            .string(b"")
            .string(b"comment");
        Self([krl::MAGIC, &header.0].concat())
    }
    fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }
    fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }
    fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }
    fn string(mut self, bytes: &[u8]) -> Self {
        self = self.u32(u32::try_from(bytes.len()).unwrap());
        self.0.extend(bytes);
        self
    }
    fn section(self, kind: u8, content: Self) -> Self {
        self.byte(kind).string(&content.0)
    }
    fn certificates(self, content: Self) -> Self {
        let section = Self::default().string(b"").string(b"");
        let section = Self([section.0, content.0].concat());
        self.section(1, section)
    }
}

#[test]
fn binary_lists_are_read_like_texts() {
    let check = |list: Bytes, text: &str| {
        let expected = parse_revoked(text.as_bytes()).unwrap();
        assert_eq!(parse_revoked(&list.0).unwrap(), expected, "{text}");
    };
    let bytes = Bytes::default;
    check(Bytes::list(), "");
    check(
        Bytes::list().certificates(bytes().section(0x20, bytes().u64(5).u64(7).u64(6))),
        "serial: 5-7",
    );
    check(
        Bytes::list().certificates(bytes().section(0x21, bytes().u64(5).u64(u64::MAX))),
        "serial: 5-0xffffffffffffffff",
    );
    // Bits 0, 1, 9 and 15 of the number, which has a zero in front because its first bit is set.
    check(
        Bytes::list().certificates(bytes().section(0x22, bytes().u64(100).string(&[0, 0x82, 0x03]))),
        "serial: 100-101\nserial: 109\nserial: 115",
    );
    check(
        Bytes::list().certificates(bytes().section(0x23, bytes().string(b"one").string(b"two"))),
        "id: two\nid: one",
    );
    let blob = russh::keys::PublicKey::from_openssh(KEY)
        .unwrap()
        .to_bytes()
        .unwrap();
    check(Bytes::list().section(2, bytes().string(&blob)), KEY);
    check(
        Bytes::list().section(5, bytes().string(&revoked::sha256(&blob))),
        &format!("sha256: {KEY}"),
    );
    // What need not be understood, and a signature, are skipped.
    let extension = bytes().string(b"x@example.com").byte(0).string(b"data");
    let signed = Bytes::list()
        .section(255, extension)
        .section(4, bytes())
        .string(b"signature");
    check(signed, "");
}

#[test]
fn a_hash_by_sha1_revokes_too() {
    use sha1::Digest as _;
    let key = russh::keys::PublicKey::from_openssh(KEY).unwrap();
    let hash = sha1::Sha1::digest(key.to_bytes().unwrap());
    let list = Bytes::list().section(3, Bytes::default().string(&hash));
    assert!(parse_revoked(&list.0).unwrap().has_key(key.key_data()));
}

#[test]
fn a_binary_list_is_understood_as_a_whole_or_refused() {
    let check = |list: Bytes, says: &str| {
        let error = said(parse_revoked(&list.0).unwrap_err());
        assert!(error.contains(says), "{error}");
    };
    let bytes = Bytes::default;
    check(Bytes(krl::MAGIC.to_vec()).u32(2), "version 2");
    check(Bytes::list().section(6, bytes()), "type 6");
    check(
        Bytes::list().certificates(bytes().section(0x24, bytes())),
        "type 0x24",
    );
    check(
        Bytes::list().certificates(bytes().section(0x21, bytes().u64(5).u64(4))),
        "ends before",
    );
    check(
        Bytes::list().certificates(bytes().section(0x22, bytes().u64(u64::MAX).string(&[2]))),
        "64 bits",
    );
    check(
        Bytes::list().certificates(bytes().section(0x22, bytes().u64(1).string(&[0x80]))),
        "negative",
    );
    check(Bytes::list().section(5, bytes().string(b"short")), "5 bytes");
    let critical = bytes().string(b"x@example.com").byte(1).string(b"");
    check(Bytes::list().section(255, critical), "x@example.com");
    // No part of a list is a list.
    let content = bytes()
        .section(0x20, bytes().u64(5))
        .section(0x23, bytes().string(b"one"));
    let whole = Bytes::list().certificates(content).0;
    let shortest = Bytes::list().0.len();
    for length in krl::MAGIC.len()..whole.len() {
        let parsed = parse_revoked(whole.get(..length).unwrap());
        assert_eq!(parsed.is_ok(), length == shortest, "{length}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing");
    for (setting, settings) in [
        (
            "user_ca_keys",
            AuthSettings {
                user_ca_keys: Some(path.clone()),
                ..AuthSettings::default()
            },
        ),
        (
            "revoked_keys",
            AuthSettings {
                revoked_keys: Some(path),
                ..AuthSettings::default()
            },
        ),
    ] {
        let error = KeyTrust::load(&settings).unwrap_err().to_string();
        assert!(error.contains(setting) && error.contains("missing"), "{error}");
    }
}
