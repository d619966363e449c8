//! The section `[ssh]` of the configuration: which algorithms are offered to clients.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{cipher, kex, mac};
use serde::Deserialize;

use base::cpu::has_aes_instructions;

/// The settings of `[ssh]`: which algorithms are offered to clients. The client's order decides between those that both
/// support (RFC 4253, 7.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "snake_case")]
pub struct SshSettings {
    /// The policy, which supplies the lists that the operator does not set.
    pub policy: Policy,
    /// The key exchange methods, in place of the policy's.
    pub kex: Option<Vec<Kex>>,
    /// The ciphers to offer, in place of the policy's.
    pub ciphers: Option<Vec<Cipher>>,
    /// The MACs for the CTR ciphers, in place of the policy's. GCM and chacha20-poly1305 include authentication.
    pub macs: Option<Vec<Mac>>,
    /// The signature algorithms of host keys, in place of the policy's.
    pub host_key_algorithms: Option<Vec<HostKeyAlgorithm>>,
    /// The seconds without any progress after which a key exchange, the first one or a later one, ends the connection.
    pub key_exchange_timeout_secs: u64,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            kex: None,
            ciphers: None,
            macs: None,
            host_key_algorithms: None,
            // If no byte arrives or leaves for so long, the link is dead, or the peer does not intend to continue.
            key_exchange_timeout_secs: 60,
        }
    }
}

/// A named set of algorithm lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Algorithms that clients of the last ten years support, without the expensive ones.
    #[default]
    Default,
    /// Also the NIST curves and Diffie-Hellman, for clients that do not support curve25519.
    Compatible,
    /// Only what FIPS 140 allows. The library that computes it is not a validated module.
    Fips,
}

/// A key exchange method, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the names on the wire say what they are")]
pub enum Kex {
    #[serde(rename = "mlkem768x25519-sha256")]
    MlKem768X25519Sha256,
    #[serde(rename = "curve25519-sha256")]
    Curve25519Sha256,
    #[serde(rename = "curve25519-sha256@libssh.org")]
    Curve25519Sha256Libssh,
    #[serde(rename = "ecdh-sha2-nistp256")]
    EcdhP256,
    #[serde(rename = "ecdh-sha2-nistp384")]
    EcdhP384,
    #[serde(rename = "ecdh-sha2-nistp521")]
    EcdhP521,
    #[serde(rename = "diffie-hellman-group16-sha512")]
    DhGroup16,
    #[serde(rename = "diffie-hellman-group14-sha256")]
    DhGroup14,
}

impl Kex {
    /// Returns the name by which the SSH library knows it.
    pub fn name(self) -> kex::Name {
        match self {
            Kex::MlKem768X25519Sha256 => kex::MLKEM768X25519_SHA256,
            Kex::Curve25519Sha256 => kex::CURVE25519,
            Kex::Curve25519Sha256Libssh => kex::CURVE25519_PRE_RFC_8731,
            Kex::EcdhP256 => kex::ECDH_SHA2_NISTP256,
            Kex::EcdhP384 => kex::ECDH_SHA2_NISTP384,
            Kex::EcdhP521 => kex::ECDH_SHA2_NISTP521,
            Kex::DhGroup16 => kex::DH_G16_SHA512,
            Kex::DhGroup14 => kex::DH_G14_SHA256,
        }
    }
}

/// A cipher, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the names on the wire say what they are")]
pub enum Cipher {
    #[serde(rename = "aes256-gcm@openssh.com")]
    Aes256Gcm,
    #[serde(rename = "aes128-gcm@openssh.com")]
    Aes128Gcm,
    #[serde(rename = "chacha20-poly1305@openssh.com")]
    ChaCha20Poly1305,
    #[serde(rename = "aes256-ctr")]
    Aes256Ctr,
    #[serde(rename = "aes128-ctr")]
    Aes128Ctr,
}

impl Cipher {
    /// Returns the name by which the SSH library knows it.
    pub fn name(self) -> cipher::Name {
        match self {
            Cipher::Aes256Gcm => cipher::AES_256_GCM,
            Cipher::Aes128Gcm => cipher::AES_128_GCM,
            Cipher::ChaCha20Poly1305 => cipher::CHACHA20_POLY1305,
            Cipher::Aes256Ctr => cipher::AES_256_CTR,
            Cipher::Aes128Ctr => cipher::AES_128_CTR,
        }
    }
}

/// A MAC, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the names on the wire say what they are")]
pub enum Mac {
    #[serde(rename = "hmac-sha2-256-etm@openssh.com")]
    HmacSha256Etm,
    #[serde(rename = "hmac-sha2-512-etm@openssh.com")]
    HmacSha512Etm,
    /// A MAC without encrypt-then-MAC, for clients that support no better one, such as libssh2 before 1.11.
    #[serde(rename = "hmac-sha2-256")]
    HmacSha256,
}

impl Mac {
    /// Returns the name by which the SSH library knows it.
    pub fn name(self) -> mac::Name {
        match self {
            Mac::HmacSha256Etm => mac::HMAC_SHA256_ETM,
            Mac::HmacSha512Etm => mac::HMAC_SHA512_ETM,
            Mac::HmacSha256 => mac::HMAC_SHA256,
        }
    }
}

/// A signature algorithm of a host key, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the names on the wire say what they are")]
pub enum HostKeyAlgorithm {
    #[serde(rename = "ssh-ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-sha2-nistp256")]
    EcdsaP256,
    #[serde(rename = "ecdsa-sha2-nistp384")]
    EcdsaP384,
    #[serde(rename = "ecdsa-sha2-nistp521")]
    EcdsaP521,
    #[serde(rename = "rsa-sha2-512")]
    RsaSha512,
    #[serde(rename = "rsa-sha2-256")]
    RsaSha256,
}

impl HostKeyAlgorithm {
    /// All host key algorithms, most preferred first.
    pub const ALL: [HostKeyAlgorithm; 6] = [
        HostKeyAlgorithm::Ed25519,
        HostKeyAlgorithm::EcdsaP256,
        HostKeyAlgorithm::EcdsaP384,
        HostKeyAlgorithm::EcdsaP521,
        HostKeyAlgorithm::RsaSha512,
        HostKeyAlgorithm::RsaSha256,
    ];

    /// Returns whether a key of this algorithm can sign with it.
    pub fn is_of(self, key: &Algorithm) -> bool {
        match (self.name(), key) {
            // The hash is a property of the signature, not of the key.
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (name, key) => name == *key,
        }
    }

    /// Returns the name by which the SSH library knows it.
    pub fn name(self) -> Algorithm {
        let ecdsa = |curve| Algorithm::Ecdsa { curve };
        match self {
            HostKeyAlgorithm::Ed25519 => Algorithm::Ed25519,
            HostKeyAlgorithm::EcdsaP256 => ecdsa(EcdsaCurve::NistP256),
            HostKeyAlgorithm::EcdsaP384 => ecdsa(EcdsaCurve::NistP384),
            HostKeyAlgorithm::EcdsaP521 => ecdsa(EcdsaCurve::NistP521),
            HostKeyAlgorithm::RsaSha512 => Algorithm::Rsa {
                hash: Some(HashAlg::Sha512),
            },
            HostKeyAlgorithm::RsaSha256 => Algorithm::Rsa {
                hash: Some(HashAlg::Sha256),
            },
        }
    }
}

impl Policy {
    fn kex(self) -> Vec<Kex> {
        let usual = [
            Kex::MlKem768X25519Sha256,
            Kex::Curve25519Sha256,
            Kex::Curve25519Sha256Libssh,
        ];
        let more = [
            Kex::EcdhP256,
            Kex::EcdhP384,
            Kex::EcdhP521,
            Kex::DhGroup16,
            Kex::DhGroup14,
        ];
        match self {
            Policy::Default => usual.to_vec(),
            Policy::Compatible => usual.into_iter().chain(more).collect(),
            Policy::Fips => more.to_vec(),
        }
    }

    /// Returns the ciphers. chacha20-poly1305 is left out if the CPU has AES instructions: OpenSSH's client prefers it,
    /// and it costs twice the CPU.
    fn ciphers(self, aes_is_fast: bool) -> Vec<Cipher> {
        let aes = [
            Cipher::Aes256Gcm,
            Cipher::Aes128Gcm,
            Cipher::Aes256Ctr,
            Cipher::Aes128Ctr,
        ];
        match self {
            Policy::Default | Policy::Compatible if !aes_is_fast => {
                [&[Cipher::ChaCha20Poly1305], aes.as_slice()].concat()
            }
            Policy::Default | Policy::Compatible | Policy::Fips => aes.to_vec(),
        }
    }

    fn macs(self) -> Vec<Mac> {
        match self {
            Policy::Default | Policy::Compatible | Policy::Fips => {
                vec![Mac::HmacSha256Etm, Mac::HmacSha512Etm, Mac::HmacSha256]
            }
        }
    }

    /// Returns the signature algorithms of host keys. By default an ECDSA key is shown only if there is no other: its
    /// signatures reveal the key if random numbers are weak, and clients that support nothing better need "compatible"
    /// for their key exchange anyway.
    fn host_key_algorithms(self) -> Vec<HostKeyAlgorithm> {
        let all = HostKeyAlgorithm::ALL.into_iter();
        match self {
            Policy::Default => all
                .filter(|name| !matches!(name.name(), Algorithm::Ecdsa { .. }))
                .collect(),
            Policy::Compatible => all.collect(),
            Policy::Fips => all.filter(|name| *name != HostKeyAlgorithm::Ed25519).collect(),
        }
    }
}

/// An algorithm that the operator names, and that the policy does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConflict {
    /// The name of the setting in `[ssh]`.
    pub setting: &'static str,
    /// The name of the algorithm that the policy does not allow.
    pub name: String,
    /// The algorithms that the policy allows in this setting.
    pub allowed: Vec<String>,
}

impl SshSettings {
    /// Returns the key exchange methods, most preferred first.
    pub fn kex(&self) -> Vec<Kex> {
        self.kex.clone().unwrap_or_else(|| self.policy.kex())
    }

    /// Returns the ciphers to offer, most preferred first.
    pub fn ciphers(&self) -> Vec<Cipher> {
        let usual = || self.policy.ciphers(has_aes_instructions());
        self.ciphers.clone().unwrap_or_else(usual)
    }

    /// Returns the MACs to offer, most preferred first.
    pub fn macs(&self) -> Vec<Mac> {
        self.macs.clone().unwrap_or_else(|| self.policy.macs())
    }

    /// Returns the signature algorithms with which these host keys may be shown, most preferred first.
    pub fn host_key_algorithms(&self, keys: &[Algorithm]) -> Vec<HostKeyAlgorithm> {
        if let Some(named) = &self.host_key_algorithms {
            return named.clone();
        }
        let usual = self.policy.host_key_algorithms();
        let nothing_else = !keys.iter().any(|key| usual.iter().any(|name| name.is_of(key)));
        match self.policy {
            Policy::Default if nothing_else => HostKeyAlgorithm::ALL.to_vec(),
            Policy::Default | Policy::Compatible | Policy::Fips => usual,
        }
    }

    /// Returns the first algorithm that is named although the policy does not allow it. Only "fips" restricts the
    /// choice; the other policies are defaults.
    pub fn policy_conflict(&self) -> Option<PolicyConflict> {
        if self.policy != Policy::Fips {
            return None;
        }
        let kex = |list: &[Kex]| strings(list.iter().map(|kex| kex.name().as_ref().to_owned()));
        let ciphers = |list: &[Cipher]| strings(list.iter().map(|cipher| cipher.name().as_ref().to_owned()));
        let keys = |list: &[HostKeyAlgorithm]| strings(list.iter().map(|key| key.name().to_string()));
        let lists = [
            (
                "kex",
                kex(self.kex.as_deref().unwrap_or_default()),
                kex(&self.policy.kex()),
            ),
            (
                "ciphers",
                ciphers(self.ciphers.as_deref().unwrap_or_default()),
                ciphers(&self.policy.ciphers(true)),
            ),
            (
                "host_key_algorithms",
                keys(self.host_key_algorithms.as_deref().unwrap_or_default()),
                keys(&self.policy.host_key_algorithms()),
            ),
        ];
        lists.into_iter().find_map(|(setting, names, allowed)| {
            let name = names.into_iter().find(|name| !allowed.contains(name))?;
            Some(PolicyConflict {
                setting,
                name,
                allowed,
            })
        })
    }
}

fn strings(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect()
}
