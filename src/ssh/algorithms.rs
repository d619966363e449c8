//! Settings to russh's configuration: what is offered, in which order, and every limit that russh itself keeps.

use std::borrow::Cow;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::Config;
use russh::{Limits as RekeyLimits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use crate::auth::{AuthSettings, Method};

use super::settings::{Cipher, Kex, Mac, SshSettings};

/// The window of a channel that has just been opened, as sshd's: a command that does not read, of which a connection
/// may have many, keeps no more than this in memory.
const WINDOW: u32 = 2 << 20;
/// More than a far, fast link holds: a client never waits for window in an upload by SFTP.
pub const SFTP_WINDOW: u32 = 16 << 20;
/// Above 32768, so that clients do not split WRITEs of 32 KiB and their header over two packets.
const MAX_PACKET: u32 = 65_535;
/// RFC 4253 recommends a new key after a gigabyte; russh takes no more.
const REKEY_BYTES: usize = 1 << 30;
const REKEY_AFTER: Duration = Duration::from_secs(3600);
/// Replies of a channel's task under way to the session: 8 MiB of the largest, for a client that reads none.
const EVENTS: usize = 32;

/// Says nothing about the version.
pub const SERVER_ID: &str = "SSH-2.0-Homeport";

/// russh's configuration.
pub fn russh_config(ssh: &SshSettings, auth: &AuthSettings, keys: Vec<PrivateKey>) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed(SERVER_ID)),
        methods: method_set(auth.methods.iter().copied()),
        // Failures are delayed by the throttle; a key probe or OpenSSH's first "none" is no failure.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        preferred: preferred(ssh),
        keys,
        limits: RekeyLimits::new(REKEY_BYTES, REKEY_BYTES, REKEY_AFTER),
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        event_buffer_size: EVENTS,
        max_auth_attempts: auth.max_attempts,
        // Idleness and login grace are watched from outside, where they always work.
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

/// The methods as russh names them.
pub fn method_set(methods: impl Iterator<Item = Method>) -> MethodSet {
    let kinds: Vec<MethodKind> = methods
        .map(|method| match method {
            Method::PublicKey => MethodKind::PublicKey,
            Method::Password => MethodKind::Password,
            Method::KeyboardInteractive => MethodKind::KeyboardInteractive,
        })
        .collect();
    MethodSet::from(kinds.as_slice())
}

fn preferred(ssh: &SshSettings) -> Preferred {
    let mut kex: Vec<kex::Name> = ssh
        .kex
        .iter()
        .map(|kex| match kex {
            Kex::MlKem768X25519Sha256 => kex::MLKEM768X25519_SHA256,
            Kex::Curve25519Sha256 => kex::CURVE25519,
            Kex::Curve25519Sha256Libssh => kex::CURVE25519_PRE_RFC_8731,
        })
        .collect();
    // Without these markers there is no protection against Terrapin, and no server-sig-algs.
    kex.push(kex::EXTENSION_SUPPORT_AS_SERVER);
    kex.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER);
    let cipher: Vec<cipher::Name> = ssh
        .ciphers
        .iter()
        .map(|cipher| match cipher {
            Cipher::Aes256Gcm => cipher::AES_256_GCM,
            Cipher::Aes128Gcm => cipher::AES_128_GCM,
            Cipher::ChaCha20Poly1305 => cipher::CHACHA20_POLY1305,
            Cipher::Aes256Ctr => cipher::AES_256_CTR,
        })
        .collect();
    let mac: Vec<mac::Name> = ssh
        .macs
        .iter()
        .map(|mac| match mac {
            Mac::HmacSha256Etm => mac::HMAC_SHA256_ETM,
            Mac::HmacSha512Etm => mac::HMAC_SHA512_ETM,
        })
        .collect();
    Preferred {
        kex: kex.into(),
        key: key_algorithms().into(),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: cipher.into(),
        mac: mac.into(),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// Host key algorithms and, by server-sig-algs, those that users' keys may sign with: never SHA-1.
fn key_algorithms() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP384,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP521,
        },
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        },
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        },
    ]
}
