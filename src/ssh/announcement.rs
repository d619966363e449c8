//! Tells clients all host keys of the server after the sign-in, and proves on request that the server has them:
//! OpenSSH's `hostkeys-00@openssh.com` and `hostkeys-prove-00@openssh.com`. So clients learn a new key while they know
//! the server by the old one, and forget a key that is retired.

use std::sync::Arc;

use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::{Decode as _, Encode as _};
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::{self, Signature};
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::Session;

use super::hostkeys::rotation::HostKeys;
use base::error::{Error, Result};

/// The global request by which the server announces its host keys.
const ANNOUNCE: &str = "hostkeys-00@openssh.com";
/// The global request by which a client asks for signatures with host keys.
pub const PROVE: &str = "hostkeys-prove-00@openssh.com";

/// The most requests for signatures that a connection may make. A client makes one.
const MOST_REQUESTS: u32 = 4;

/// The beginnings of the names of clients that cannot cope with the announcement. OpenSSH's server skips the same ones.
const CANNOT_COPE: [&[u8]; 12] = [
    b"Cisco-1.",
    b"TeraTerm SSH",
    b"TTSSH/1.5.",
    b"TTSSH/2.1",
    b"TTSSH/2.2",
    b"TTSSH/2.3",
    b"TTSSH/2.4",
    b"TTSSH/2.5",
    b"TTSSH/2.6",
    b"TTSSH/2.70",
    b"TTSSH/2.71",
    b"TTSSH/2.72",
];

/// The host keys that are announced.
pub struct AnnouncedKeys {
    keys: Vec<AnnouncedKey>,
    /// The public keys, encoded for the announcement.
    encoded: Vec<u8>,
}

struct AnnouncedKey {
    /// The public key, as clients name it.
    blob: Vec<u8>,
    key: Arc<PrivateKey>,
}

impl AnnouncedKeys {
    /// Announces the keys in use, and those that will replace some of them.
    ///
    /// # Errors
    /// Returns an error if a key cannot be encoded.
    pub fn new(keys: &HostKeys) -> Result<Self> {
        let mut announced = Self {
            keys: Vec::new(),
            encoded: Vec::new(),
        };
        for key in keys.in_use.iter().chain(&keys.next) {
            announced.add(key).map_err(|e| {
                Error::new(format!("cannot announce the {} host key", key.algorithm())).because(e)
            })?;
        }
        Ok(announced)
    }

    fn add(&mut self, key: &PrivateKey) -> ssh_key::Result<()> {
        let blob = key.public_key().to_bytes()?;
        // A client ignores an announcement that names a key twice.
        if self.keys.iter().any(|known| known.blob == blob) {
            return Ok(());
        }
        blob.encode(&mut self.encoded)?;
        let key = Arc::new(key.clone());
        self.keys.push(AnnouncedKey { blob, key });
        Ok(())
    }

    /// Returns the keys that a request names; `None` if one of them is not the server's, or is named twice.
    fn named(&self, mut request: &[u8]) -> Option<Vec<&AnnouncedKey>> {
        let mut named: Vec<&AnnouncedKey> = Vec::new();
        while !request.is_empty() {
            let blob = Vec::<u8>::decode(&mut request).ok()?;
            let key = self.keys.iter().find(|key| key.blob == blob)?;
            if named.iter().any(|other| other.blob == blob) {
                return None;
            }
            named.push(key);
        }
        Some(named)
    }
}

/// The host keys as one connection announces and proves them.
pub(super) struct ConnectionHostKeys {
    announced: Arc<AnnouncedKeys>,
    /// The number of requests for signatures so far.
    requests: u32,
}

impl ConnectionHostKeys {
    /// Announces these keys, among them the one that the key exchange of the connection uses.
    pub fn new(announced: Arc<AnnouncedKeys>) -> Self {
        Self {
            announced,
            requests: 0,
        }
    }

    /// Announces the keys to the client. Clients that do not know the request ignore it, since it wants no reply.
    ///
    /// # Errors
    /// Returns an error if the announcement cannot be queued.
    pub fn announce(&self, session: &mut Session) -> std::result::Result<(), russh::Error> {
        match can_cope(session.remote_sshid()) {
            true => session.announce(ANNOUNCE, &self.announced.encoded),
            false => Ok(()),
        }
    }

    /// Reads a request for signatures; `None` if it is not to be answered with success.
    pub fn request(&mut self, request: &[u8], session: &Session) -> Option<ProofRequest> {
        self.requests = self.requests.saturating_add(1);
        if self.requests > MOST_REQUESTS {
            return None;
        }
        let named = self.announced.named(request)?;
        // With SHA-1, the default of old clients, nothing is signed.
        let rsa_hash = match session.algorithms().map(|chosen| &chosen.key) {
            Some(Algorithm::Rsa { hash: Some(hash) }) => *hash,
            _ => HashAlg::Sha512,
        };
        let proof = |key: &AnnouncedKey| KeyProof {
            blob: key.blob.clone(),
            key: Arc::clone(&key.key),
        };
        Some(ProofRequest {
            keys: named.into_iter().map(proof).collect(),
            session_id: session.session_id().to_vec(),
            rsa_hash,
        })
    }
}

/// Returns whether a client with this identification can cope with the announcement.
fn can_cope(identification: &[u8]) -> bool {
    let name = identification.strip_prefix(b"SSH-2.0-").unwrap_or_default();
    !CANNOT_COPE.iter().any(|broken| name.starts_with(broken))
}

/// A request for signatures with host keys.
pub(super) struct ProofRequest {
    keys: Vec<KeyProof>,
    session_id: Vec<u8>,
    /// The hash of signatures with an RSA key.
    rsa_hash: HashAlg,
}

struct KeyProof {
    blob: Vec<u8>,
    key: Arc<PrivateKey>,
}

impl ProofRequest {
    /// Returns whether signing takes so long that it must not delay other connections.
    pub fn is_slow(&self) -> bool {
        let is_rsa = |proof: &KeyProof| matches!(proof.key.algorithm(), Algorithm::Rsa { .. });
        self.keys.iter().any(is_rsa)
    }

    /// Returns the signatures, encoded for the reply; `None` if a key cannot sign.
    pub fn sign(&self) -> Option<Vec<u8>> {
        let mut reply = Vec::new();
        for proof in &self.keys {
            let signature = self.signature(proof).ok()?;
            signature.encode(&mut reply).ok()?;
        }
        Some(reply)
    }

    fn signature(&self, proof: &KeyProof) -> ssh_key::Result<Vec<u8>> {
        let mut signed = Vec::new();
        PROVE.encode(&mut signed)?;
        self.session_id.encode(&mut signed)?;
        proof.blob.encode(&mut signed)?;
        let signature: Signature = match proof.key.key_data() {
            KeypairData::Rsa(key) => (key, Some(self.rsa_hash)).try_sign(&signed)?,
            _ => proof.key.try_sign(&signed)?,
        };
        let mut encoded = Vec::new();
        signature.encode(&mut encoded)?;
        Ok(encoded)
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::signature::Verifier as _;

    use super::*;
    use crate::ssh::hostkeys::{Kind, generate};

    fn keys(kinds: &[Kind]) -> Vec<PrivateKey> {
        let dir = tempfile::tempdir().unwrap();
        let key = |kind: &Kind| generate(dir.path(), *kind).unwrap();
        kinds.iter().map(key).collect()
    }

    fn blobs(keys: &[&PrivateKey]) -> Vec<u8> {
        let mut request = Vec::new();
        for key in keys {
            let blob = key.public_key().to_bytes().unwrap();
            blob.encode(&mut request).unwrap();
        }
        request
    }

    #[test]
    fn keys_are_announced_once_and_only_they_are_proved() {
        let in_use = keys(&[Kind::Ed25519, Kind::Ecdsa]);
        let next = vec![in_use[0].clone(), keys(&[Kind::Ed25519]).remove(0)];
        let announced = AnnouncedKeys::new(&HostKeys {
            in_use: in_use.clone(),
            next: next.clone(),
        })
        .unwrap();
        assert_eq!(announced.encoded, blobs(&[&in_use[0], &in_use[1], &next[1]]));

        let named = |request: &[u8]| announced.named(request).map(|keys| keys.len());
        assert_eq!(named(&blobs(&[&next[1], &in_use[0]])), Some(2));
        assert_eq!(named(b""), Some(0));
        let foreign = keys(&[Kind::Ed25519]).remove(0);
        assert_eq!(named(&blobs(&[&in_use[0], &foreign])), None);
        assert_eq!(named(&blobs(&[&in_use[0], &in_use[0]])), None);
        assert_eq!(named(&[0, 0, 0, 9, 1]), None);
        assert_eq!(named(&[0xff; 4]), None);
    }

    #[test]
    fn clients_that_cannot_cope_are_spared() {
        assert!(can_cope(b"SSH-2.0-OpenSSH_9.9") && can_cope(b"SSH-2.0-TTSSH/2.73 Win32"));
        assert!(!can_cope(b"SSH-2.0-TTSSH/2.72 Win32") && !can_cope(b"SSH-2.0-Cisco-1.25"));
    }

    #[test]
    fn a_signature_covers_the_request_the_session_and_the_key() {
        for key in keys(&[Kind::Ed25519, Kind::Ecdsa]) {
            let blob = key.public_key().to_bytes().unwrap();
            let request = ProofRequest {
                keys: vec![KeyProof {
                    blob: blob.clone(),
                    key: Arc::new(key.clone()),
                }],
                session_id: b"session".to_vec(),
                rsa_hash: HashAlg::Sha512,
            };
            assert!(!request.is_slow());
            let reply = request.sign().unwrap();
            let encoded = Vec::<u8>::decode(&mut &reply[..]).unwrap();
            let signature = Signature::decode(&mut &encoded[..]).unwrap();
            let mut signed = Vec::new();
            "hostkeys-prove-00@openssh.com".encode(&mut signed).unwrap();
            b"session".as_slice().encode(&mut signed).unwrap();
            blob.encode(&mut signed).unwrap();
            let verify = |text: &[u8]| key.public_key().key_data().verify(text, &signature);
            verify(&signed).unwrap();
            verify(b"something else").unwrap_err();
        }
    }
}
