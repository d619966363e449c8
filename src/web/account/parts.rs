//! The parts of an account: keys, browsers and sessions as their user sees them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::auth::keys::AuthorizedKey;
use crate::domain::event::Protocol;
use crate::domain::user::Factor;
use crate::session::Session;
use crate::session::work::WorkSnapshot;
use crate::store::web::BrowserSessionRecord;
use base::visible;

/// The most files of one session that are shown.
const FILES_SHOWN: usize = 4;

/// A key of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKey {
    /// The type: `ssh-ed25519`; empty if the line cannot be parsed any more.
    pub kind: String,
    /// The fingerprint, `SHA256:…`; empty if the line cannot be parsed any more.
    pub fingerprint: String,
    /// The comment behind the key.
    pub comment: String,
    /// The options before the key.
    pub options: String,
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnBrowser {
    /// What identifies it among the user's: the beginning of its hash in hexadecimal digits.
    pub id: String,
    /// What is stored of it.
    pub record: BrowserSessionRecord,
    /// Whether it is the one that asks.
    pub is_this_one: bool,
}

/// A session of the user that is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// Its number.
    pub id: u64,
    /// The protocol.
    pub protocol: Protocol,
    /// The time of the sign-in.
    pub since: Timestamp,
    /// Where it comes from.
    pub address: IpAddr,
    /// The program.
    pub client: String,
    /// The factors that were passed: `password+totp`; empty for a token.
    pub method: String,
    /// What is done with some of its files, the busiest first.
    pub work: Vec<OwnWork>,
    /// The number of open files.
    pub open_files: usize,
    /// Whether the request is made in it.
    pub is_this_one: bool,
}

/// What a session does with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnWork {
    /// `reading`, `writing` or `hashing`.
    pub kind: &'static str,
    /// The path as it is shown.
    pub path: String,
    /// The bytes that were read or written so far.
    pub bytes: u64,
    /// The size of the file, if it is known.
    pub size: Option<u64>,
}

impl OwnKey {
    /// Returns the parts of a line of authorized_keys.
    pub fn of(line: &str) -> Self {
        let Ok(key) = AuthorizedKey::parse(line) else {
            return Self {
                kind: String::new(),
                fingerprint: String::new(),
                comment: line.to_owned(),
                options: String::new(),
            };
        };
        let kind = key.algorithm();
        // Options are in front of the type, behind which the key follows.
        let options = key.line().split_once(&format!("{kind} AAAA"));
        Self {
            fingerprint: key.fingerprint(),
            comment: key.comment().to_owned(),
            options: options.map_or("", |(options, _)| options.trim()).to_owned(),
            kind,
        }
    }
}

impl OwnBrowser {
    /// Describes a browser; `current` is the hash of the one that asks.
    pub fn of(record: BrowserSessionRecord, current: Option<&[u8; 32]>) -> Self {
        Self {
            id: visible::hex(record.id_hash.get(..16).unwrap_or_default()),
            is_this_one: current == Some(&record.id_hash),
            record,
        }
    }
}

impl OwnWork {
    fn of(work: &WorkSnapshot) -> Self {
        Self {
            kind: work.kind.name(),
            path: visible::bytes(&work.path.absolute()),
            bytes: work.bytes,
            size: work.size,
        }
    }
}

impl OwnSession {
    pub(super) fn of(session: &Session, current: &Session) -> Self {
        let (open_files, work) = session.work.look(FILES_SHOWN);
        Self {
            id: session.id.0,
            protocol: session.protocol,
            since: session.since,
            address: session.peer.ip(),
            client: session.client.get().cloned().unwrap_or_default(),
            method: method_of(session.login.factors()),
            work: work.iter().map(OwnWork::of).collect(),
            open_files,
            is_this_one: session.id == current.id,
        }
    }
}

/// Returns factors as one word: `password+totp`.
pub(super) fn method_of(factors: &BTreeSet<Factor>) -> String {
    let names: Vec<&str> = factors.iter().map(|factor| factor.name()).collect();
    names.join("+")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 one@a";

    #[test]
    fn keys_are_shown_in_their_parts() {
        let key = OwnKey::of(KEY);
        assert_eq!(
            (key.kind.as_str(), key.comment.as_str()),
            ("ssh-ed25519", "one@a")
        );
        assert!(key.fingerprint.starts_with("SHA256:") && key.options.is_empty());
        let key = OwnKey::of(&format!("from=\"10.0.0.0/8\" {KEY}"));
        assert_eq!(key.options, "from=\"10.0.0.0/8\"");
        let unreadable = OwnKey::of("nonsense");
        assert_eq!(
            (unreadable.comment.as_str(), unreadable.fingerprint.as_str()),
            ("nonsense", "")
        );
    }

    #[test]
    fn factors_are_one_word() {
        let factors = BTreeSet::from([Factor::Totp, Factor::Password]);
        assert_eq!(method_of(&factors), "password+totp");
    }
}
