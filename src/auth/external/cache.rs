//! Remembers for a while which proofs an outside source has accepted, if `cache_secs` says so. Nothing of a proof can be
//! found from what is kept: a keyed digest, whose key is as old as the process.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::Sha256;

use super::question::{ExternalProof, ExternalQuestion};

/// The most proofs that are remembered: 40 bytes each, and more users than sign in within the seconds of a cache.
const MOST_PROOFS: usize = 16_384;

type ProofDigest = [u8; 32];

/// The proofs that were accepted lately.
pub(super) struct AcceptedProofs {
    lifetime: Duration,
    /// `None` if there is no randomness: nothing is remembered then.
    key: Option<[u8; 32]>,
    accepted: Mutex<HashMap<ProofDigest, Instant>>,
}

impl AcceptedProofs {
    /// Creates a memory that keeps each proof for this long.
    pub(super) fn new(lifetime: Duration) -> Self {
        let mut key = [0; 32];
        let filled = getrandom::fill(&mut key).is_ok();
        Self {
            lifetime,
            key: filled.then_some(key),
            accepted: Mutex::default(),
        }
    }

    /// Returns what identifies the proof of a question; `None` if nothing is remembered.
    pub(super) fn digest(&self, question: &ExternalQuestion) -> Option<ProofDigest> {
        let key = self.key.as_ref().filter(|_| !self.lifetime.is_zero())?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        // No name and no address contains a NUL byte.
        mac.update(question.user.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(question.peer.to_string().as_bytes());
        mac.update(b"\0");
        match &question.proof {
            ExternalProof::Password(password) => {
                mac.update(b"password\0");
                mac.update(password.bytes());
            }
            ExternalProof::Key(line) => {
                mac.update(b"publickey\0");
                mac.update(line.as_bytes());
            }
        }
        Some(mac.finalize().into_bytes().into())
    }

    /// Remembers that a proof was accepted.
    pub(super) fn remember(&self, digest: ProofDigest, now: Instant) {
        let mut accepted = self.accepted.lock();
        if accepted.len() >= MOST_PROOFS {
            accepted.retain(|_, at| now.saturating_duration_since(*at) < self.lifetime);
        }
        if accepted.len() < MOST_PROOFS {
            accepted.insert(digest, now);
        }
    }

    /// Returns whether a proof was accepted within the lifetime.
    pub(super) fn knows(&self, digest: &ProofDigest, now: Instant) -> bool {
        let mut accepted = self.accepted.lock();
        let Some(at) = accepted.get(digest) else {
            return false;
        };
        let is_fresh = now.saturating_duration_since(*at) < self.lifetime;
        if !is_fresh {
            accepted.remove(digest);
        }
        is_fresh
    }
}

#[cfg(test)]
mod tests {
    use base::secret::Secret;

    use super::*;

    fn question(user: &str, password: &str) -> ExternalQuestion {
        ExternalQuestion {
            user: user.parse().unwrap(),
            peer: "192.0.2.1".parse().unwrap(),
            proof: ExternalProof::Password(Secret::new(password.to_owned())),
        }
    }

    #[test]
    fn an_accepted_proof_is_known_for_its_lifetime_alone() {
        let proofs = AcceptedProofs::new(Duration::from_secs(60));
        let digest = |user: &str, password: &str| proofs.digest(&question(user, password)).unwrap();
        let now = Instant::now();
        proofs.remember(digest("alice", "right"), now);
        let later = now + Duration::from_secs(59);
        assert!(proofs.knows(&digest("alice", "right"), later));
        assert!(!proofs.knows(&digest("alice", "wrong"), later));
        assert!(!proofs.knows(&digest("bob", "right"), later));
        let key = ExternalQuestion {
            proof: ExternalProof::Key("right".to_owned()),
            ..question("alice", "")
        };
        assert!(!proofs.knows(&proofs.digest(&key).unwrap(), later));
        assert!(!proofs.knows(&digest("alice", "right"), now + Duration::from_secs(60)));
        assert!(proofs.accepted.lock().is_empty(), "nothing is kept that is over");
    }

    #[test]
    fn nothing_is_remembered_without_a_lifetime_nor_beyond_the_limit() {
        let off = AcceptedProofs::new(Duration::ZERO);
        assert_eq!(off.digest(&question("alice", "right")), None);
        let proofs = AcceptedProofs::new(Duration::from_secs(60));
        let now = Instant::now();
        for number in 0..MOST_PROOFS + 10 {
            proofs.remember(proofs.digest(&question("a", &number.to_string())).unwrap(), now);
        }
        assert_eq!(proofs.accepted.lock().len(), MOST_PROOFS);
    }
}
