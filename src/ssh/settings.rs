//! What an operator may set about connections: the sections `[ssh]` and `[limits]` of the configuration.

use serde::Deserialize;

use crate::cpu::has_aes_instructions;

/// `[ssh]`: algorithms, most preferred first. The client's order decides among what both offer (RFC 4253, 7.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "snake_case")]
pub struct SshSettings {
    /// Key exchange methods.
    pub kex: Vec<Kex>,
    /// Ciphers. The default leaves chacha20-poly1305 out where the CPU has AES instructions: OpenSSH's client asks
    /// for it first, and it costs twice the CPU.
    pub ciphers: Vec<Cipher>,
    /// MACs for aes256-ctr; GCM and chacha20-poly1305 bring their own.
    pub macs: Vec<Mac>,
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
}

/// A MAC, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the names on the wire say what they are")]
pub enum Mac {
    #[serde(rename = "hmac-sha2-256-etm@openssh.com")]
    HmacSha256Etm,
    #[serde(rename = "hmac-sha2-512-etm@openssh.com")]
    HmacSha512Etm,
    /// Not encrypt-then-MAC: shown to clients alone that are known to have nothing better.
    #[serde(rename = "hmac-sha2-256")]
    HmacSha256,
}

impl Mac {
    /// Is it offered only to clients that have nothing better?
    pub fn is_for_old_clients(self) -> bool {
        match self {
            Mac::HmacSha256Etm | Mac::HmacSha512Etm => false,
            Mac::HmacSha256 => true,
        }
    }
}

impl Default for SshSettings {
    fn default() -> Self {
        let mut ciphers = vec![Cipher::Aes256Gcm, Cipher::Aes128Gcm, Cipher::Aes256Ctr];
        if !has_aes_instructions() {
            ciphers.insert(0, Cipher::ChaCha20Poly1305);
        }
        Self {
            kex: vec![
                Kex::MlKem768X25519Sha256,
                Kex::Curve25519Sha256,
                Kex::Curve25519Sha256Libssh,
            ],
            ciphers,
            macs: vec![Mac::HmacSha256Etm, Mac::HmacSha512Etm, Mac::HmacSha256],
        }
    }
}

/// `[limits]`: what a peer can make grow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once, signed in or not.
    pub connections: usize,
    /// Connections that have not signed in yet, in all.
    pub unauthenticated: usize,
    /// Connections that have not signed in yet, from one address (IPv6: from one /64).
    pub unauthenticated_per_address: usize,
    /// Sessions at once of one user, unless the user's record says otherwise.
    pub sessions_per_user: usize,
    /// Channels open at once on one connection.
    pub channels: usize,
    /// Open files and directories of one channel.
    pub handles: usize,
    /// Seconds without a byte from the client, or work for it, after which the connection is closed; 0: never.
    pub idle_timeout_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            // sshd's MaxStartups refuses all at 100; a burst of honest clients is larger than that here.
            unauthenticated: 1024,
            unauthenticated_per_address: 400,
            sessions_per_user: 1000,
            // sshd's MaxSessions is 10; asyncssh and rclone open more.
            channels: 32,
            // OpenSSH's server takes what RLIMIT_NOFILE leaves, usually 1,019.
            handles: 1024,
            idle_timeout_secs: 0,
        }
    }
}
