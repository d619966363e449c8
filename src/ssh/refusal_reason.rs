//! Why a connection was refused before the sign-in, in one sentence that tells an operator what to change.
//!
//! What a peer sent is cut to a bounded length here; the log escapes control characters.

use russh::keys::{Algorithm, HashAlg};
use russh::{AlgorithmKind, Error, Mismatch};

use super::proxy_header;
use crate::auth::{PresentedKey, keys};
use base::visible::sample;

/// The most bytes that are shown of a peer's first line: enough to recognise HTTP, TLS or mail.
const LONGEST_LINE: usize = 64;
/// The most names of one list: real clients have at most about twenty.
const MOST_NAMES: usize = 24;
/// The longest name of an algorithm, in bytes (RFC 4251, section 6).
const LONGEST_NAME: usize = 64;

/// The most keys of one sentence: an agent has about five.
const MOST_KEYS: usize = 8;

/// Why a connection or a sign-in was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalReason<'a> {
    /// The fixed word, by which programs that read the audit log know the reason.
    pub code: &'static str,
    /// The sentence for people.
    pub sentence: &'a str,
}

impl<'a> RefusalReason<'a> {
    /// Creates the reason from a fixed word and a sentence.
    pub const fn new(code: &'static str, sentence: &'a str) -> Self {
        Self { code, sentence }
    }
}

/// Why a connection is refused that begins with a PROXY header which nobody has asked for. It quotes nothing, so that the
/// headers of one proxy are counted together.
const UNTRUSTED_PROXY: RefusalReason<'static> = RefusalReason::new(
    "untrusted_proxy",
    "the peer has sent a PROXY header, which was not trusted: one is read at the beginning, and only from the addresses in \
     [server] proxy_from, which do not include this one (hint: if it is your proxy, name it there and restart the server)",
);

/// The word for a key that does not belong to the user, which is the most frequent reason by far.
const UNKNOWN_KEY: &str = "unknown_key";

/// Returns why no user may sign with this algorithm, or `None` if a user may.
pub(super) fn weak_signature(algorithm: &Algorithm) -> Option<RefusalReason<'static>> {
    const SHA1: RefusalReason<'static> = RefusalReason::new(
        "weak_signature",
        "signed with SHA-1 (ssh-rsa), which is not accepted: use rsa-sha2-256 or rsa-sha2-512",
    );
    (*algorithm == Algorithm::Rsa { hash: None }).then_some(SHA1)
}

/// A key that was refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum RefusedKey<'a> {
    /// The key could be read.
    Presented(&'a PresentedKey),
    /// The key could not be read; the client wants to sign with this algorithm.
    Unreadable(&'a str),
}

impl RefusedKey<'_> {
    /// Returns why no user could have such a key, or `None` if one could.
    pub fn unsupported(self) -> Option<String> {
        match self {
            RefusedKey::Presented(presented) => keys::unsupported(presented.key()),
            RefusedKey::Unreadable(algorithm) => keys::unsupported_type(algorithm),
        }
    }
}

/// Keys that were offered for one name and refused. An agent offers several until one fits, so they are one attempt.
pub(super) struct RefusedKeys {
    /// The name that the keys were offered for.
    pub user: String,
    keys: Vec<String>,
    more: usize,
    code: &'static str,
}

impl RefusedKeys {
    /// Creates a list without keys for this name.
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            keys: Vec::new(),
            more: 0,
            code: UNKNOWN_KEY,
        }
    }

    /// Adds a key.
    pub fn add(&mut self, key: RefusedKey<'_>, reason: RefusalReason<'_>) {
        // Of several keys, one that could have been the right one says more than those of other users.
        if reason.code != UNKNOWN_KEY {
            self.code = reason.code;
        }
        if self.keys.len() >= MOST_KEYS {
            self.more += 1;
            return;
        }
        let named = match key {
            RefusedKey::Presented(key) => key_name(key),
            RefusedKey::Unreadable(algorithm) => sample(algorithm.as_bytes(), LONGEST_NAME),
        };
        self.keys.push(format!("{named}: {}", reason.sentence));
    }

    /// Returns the fixed word for the refusal of these keys.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the sentence for the log: what was offered, and why each key was refused.
    pub fn sentence(&self) -> String {
        let mut sentence = self.keys.join("; ");
        if self.more > 0 {
            sentence.push_str(&format!("; and {} more", self.more));
        }
        sentence
    }
}

/// Returns the type and fingerprint of a key as `ssh-keygen -l` and `homeportd user key list` show them, and the id and
/// serial number of its certificate.
pub(super) fn key_name(presented: &PresentedKey) -> String {
    let key = presented.key();
    let algorithm = sample(key.algorithm().as_str().as_bytes(), LONGEST_NAME);
    let key = format!("{algorithm} {}", key.fingerprint(HashAlg::Sha256));
    match presented.certificate() {
        None => key,
        Some(certificate) => format!(
            "{key} with certificate \"{}\" (serial {})",
            sample(certificate.key_id().as_bytes(), LONGEST_NAME),
            certificate.serial()
        ),
    }
}

/// Returns why a signed-in connection ended, if it ended by an error. `None` means that the client just left; many
/// programs close the connection without a message.
pub(super) fn fault(error: &Error) -> Option<String> {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        Error::Disconnect | Error::HUP => None,
        Error::IO(error) => match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => None,
            _ => Some(format!("the connection was lost: {error}")),
        },
        error => Some(format!("the client broke the SSH protocol: {}", handshake(error))),
    }
}

/// Returns the fixed word for why a handshake failed.
pub(super) fn handshake_code(error: &Error) -> &'static str {
    match error {
        Error::NotSsh { first_bytes } if proxy_header::begins(first_bytes) => UNTRUSTED_PROXY.code,
        Error::NotSsh { .. } => "not_ssh",
        Error::NothingInCommon(_) => "no_common_algorithm",
        Error::Disconnect | Error::HUP | Error::IO(_) => "connection_lost",
        _ => "protocol_error",
    }
}

/// Returns why a handshake failed, as a sentence.
pub(super) fn handshake(error: &Error) -> String {
    match error {
        Error::NotSsh { first_bytes } if proxy_header::begins(first_bytes) => {
            UNTRUSTED_PROXY.sentence.to_owned()
        }
        Error::NotSsh { first_bytes } => {
            let line = first_bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next();
            format!(
                "the client does not speak SSH 2, it began with \"{}\"",
                sample(line.unwrap_or_default(), LONGEST_LINE)
            )
        }
        Error::NothingInCommon(mismatches) => {
            let lists: Vec<String> = mismatches.iter().map(list).collect();
            lists.join("; ")
        }
        Error::Disconnect | Error::HUP | Error::IO(_) => {
            "the connection was lost before the client had sent its identification".to_owned()
        }
        error => error.to_string(),
    }
}

/// Describes one list of algorithms without a common name, and the setting that could change it.
fn list(mismatch: &Mismatch) -> String {
    let (what, setting) = match mismatch.kind {
        AlgorithmKind::Kex => ("key exchange", "\"policy\" or \"kex\" in [ssh]"),
        AlgorithmKind::Key => (
            "host key",
            "\"policy\" or \"host_key_algorithms\" in [ssh], or another host key",
        ),
        AlgorithmKind::Cipher => ("cipher", "\"ciphers\" in [ssh]"),
        AlgorithmKind::Mac => ("MAC", "\"macs\" in [ssh]"),
        AlgorithmKind::Compression => ("compression", "nothing here"),
    };
    format!(
        "no {what} in common: the client offers {}, this server {} (changed by {setting})",
        names(&mismatch.theirs),
        names(&mismatch.ours)
    )
}

fn names(list: &[String]) -> String {
    let short = |name: &&String| sample(name.as_bytes(), LONGEST_NAME);
    // These names in the list of key exchanges only say what a peer understands (RFC 8308, strict key exchange).
    let is_real = |name: &&String| !name.starts_with("ext-info-") && !name.starts_with("kex-strict-");
    let real: Vec<&String> = list.iter().filter(is_real).collect();
    if real.is_empty() {
        return "none".to_owned();
    }
    let mut shown: Vec<String> = real.iter().take(MOST_NAMES).map(short).collect();
    if real.len() > MOST_NAMES {
        shown.push(format!("and {} more", real.len() - MOST_NAMES));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ssh_is_shown_as_far_as_it_helps() {
        let check = |bytes: &[u8], expected: &str| {
            let error = Error::NotSsh {
                first_bytes: bytes.to_vec(),
            };
            let expected = format!("the client does not speak SSH 2, it began with \"{expected}\"");
            assert_eq!(handshake(&error), expected);
        };
        check(b"GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1");
        check(b"\x16\x03\x01", "\\u{16}\\u{3}\\u{1}");
        check(b"caf\xe9\n", "caf\\xE9");
        check(&[b'x'; 255], &format!("{}…", "x".repeat(64)));
        check(b"", "");
    }

    #[test]
    fn a_header_of_an_unknown_proxy_is_named_with_the_setting() {
        let check = |bytes: &[u8], code: &str| {
            let error = Error::NotSsh {
                first_bytes: bytes.to_vec(),
            };
            assert_eq!(handshake_code(&error), code, "{}", bytes.escape_ascii());
            let names_setting = handshake(&error).contains("[server] proxy_from");
            assert_eq!(names_setting, code == "untrusted_proxy");
        };
        check(b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 22\r\n", "untrusted_proxy");
        check(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "untrusted_proxy");
        check(b"PROXYTCP4\r\n", "not_ssh");
        check(b"\r\n\r\n", "not_ssh");
        check(b"GET / HTTP/1.1\r\n", "not_ssh");
    }

    #[test]
    fn every_list_without_a_common_name_is_named_with_what_changes_it() {
        let mismatch = |kind, theirs: &[&str], ours: &[&str]| Mismatch {
            kind,
            ours: ours.iter().map(ToString::to_string).collect(),
            theirs: theirs.iter().map(ToString::to_string).collect(),
        };
        let error = Error::NothingInCommon(vec![
            mismatch(
                AlgorithmKind::Kex,
                &["ecdh-sha2-nistp256", "ext-info-c", "kex-strict-c-v00@openssh.com"],
                &["curve25519-sha256"],
            ),
            mismatch(AlgorithmKind::Mac, &["hmac-sha1", "hmac-md5"], &["hmac-sha2-256"]),
        ]);
        assert_eq!(
            handshake(&error),
            "no key exchange in common: the client offers ecdh-sha2-nistp256, this server curve25519-sha256 \
             (changed by \"policy\" or \"kex\" in [ssh]); \
             no MAC in common: the client offers hmac-sha1, hmac-md5, this server hmac-sha2-256 \
             (changed by \"macs\" in [ssh])"
        );
    }

    #[test]
    fn keys_are_named_as_their_owners_know_them() {
        let line =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBwiRP8DuHQpDIhlLcAOAZCy0VyMVOBzmpnAJdJLhyCR a comment";
        let key = russh::keys::PublicKey::from_openssh(line).unwrap();
        let print = key.fingerprint(HashAlg::Sha256).to_string();
        let mut keys = RefusedKeys::new("alice");
        let presented = PresentedKey::offered(&key, None);
        keys.add(
            RefusedKey::Presented(&presented),
            RefusalReason::new(UNKNOWN_KEY, "unknown key"),
        );
        assert_eq!(keys.code(), UNKNOWN_KEY);
        let unreadable = RefusalReason::new("bad_key", "the key cannot be read");
        keys.add(RefusedKey::Unreadable("odd\u{1b}\u{fffd}"), unreadable);
        assert_eq!(keys.code(), "bad_key");
        assert_eq!(
            keys.sentence(),
            format!("ssh-ed25519 {print}: unknown key; odd\\u{{1b}}\u{fffd}: the key cannot be read")
        );
        for _ in 0..100 {
            keys.add(RefusedKey::Unreadable(&"x".repeat(10_000)), unreadable);
        }
        let sentence = keys.sentence();
        assert!(sentence.len() < 1024, "{sentence}");
        assert!(sentence.ends_with("; and 94 more"), "{sentence}");
    }

    #[test]
    fn a_peer_cannot_make_a_sentence_long() {
        let many: Vec<String> = (0..1000).map(|i| format!("{i}{}", "x".repeat(10_000))).collect();
        let error = Error::NothingInCommon(vec![Mismatch {
            kind: AlgorithmKind::Kex,
            ours: vec!["curve25519-sha256".to_owned()],
            theirs: many,
        }]);
        let said = handshake(&error);
        assert!(
            said.len() < 2048 && said.contains("and 976 more"),
            "{} {said}",
            said.len()
        );
    }
}
