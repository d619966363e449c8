//! Settings to russh's configuration: what is offered, in which order, and every limit that russh itself keeps.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::Config;
use russh::{Limits as RekeyLimits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use crate::auth::{AuthSettings, Method};

use super::settings::{Cipher, Kex, Mac, SshSettings};

/// The window of a channel that has just been opened: a command that does not read keeps no more than this in memory,
/// and as many of them as a connection may have by default fit into what it may have waiting (`stream/budget.rs`).
const WINDOW: u32 = 1 << 20;
/// More than a far, fast link holds: a client never waits for window in an upload by SFTP.
pub const SFTP_WINDOW: u32 = 24 << 20;
/// Above 32768, so that clients do not split WRITEs of 32 KiB and their header over two packets.
const MAX_PACKET: u32 = 65_535;
/// RFC 4253 recommends a new key after a gigabyte; russh takes no more.
const REKEY_BYTES: usize = 1 << 30;
const REKEY_AFTER: Duration = Duration::from_secs(3600);
/// Replies of a channel's task under way to the session: 8 MiB of the largest, for a client that reads none.
const EVENTS: usize = 32;

/// Says nothing about the version.
pub const SERVER_ID: &str = "SSH-2.0-Homeport";

/// russh's configuration, as each client gets it.
pub struct Configs {
    /// For all but a few.
    pub usual: Arc<Config>,
    old: Arc<Config>,
}

impl Configs {
    /// From what the operator has set.
    pub fn new(ssh: &SshSettings, auth: &AuthSettings, keys: Vec<PrivateKey>) -> Self {
        let usual = |mac: &Mac| !mac.is_for_old_clients();
        Self {
            old: Arc::new(russh_config((ssh, &|_| true), auth, keys.clone())),
            usual: Arc::new(russh_config((ssh, &usual), auth, keys)),
        }
    }

    /// Another one than the usual, for a client that says by its identification string that it knows no better:
    /// libssh2 before 1.11 has neither AES-GCM nor encrypt-then-MAC, and Debian 12's curl is built with it.
    pub fn for_client(&self, banner: &[u8]) -> Option<Arc<Config>> {
        let version = banner.strip_prefix(b"SSH-2.0-libssh2_1.")?;
        let digits: Vec<u8> = version.iter().copied().take_while(u8::is_ascii_digit).collect();
        let minor: u32 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
        (minor < 11).then(|| Arc::clone(&self.old))
    }
}

fn russh_config(
    (ssh, offered): (&SshSettings, &dyn Fn(&Mac) -> bool),
    auth: &AuthSettings,
    keys: Vec<PrivateKey>,
) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed(SERVER_ID)),
        methods: method_set(auth.methods.iter().copied()),
        // Failures are delayed by the throttle; a key probe or OpenSSH's first "none" is no failure.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        preferred: preferred(ssh, offered),
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

fn preferred(ssh: &SshSettings, offered: &dyn Fn(&Mac) -> bool) -> Preferred {
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
        .filter(|mac| offered(mac))
        .map(|mac| match mac {
            Mac::HmacSha256Etm => mac::HMAC_SHA256_ETM,
            Mac::HmacSha512Etm => mac::HMAC_SHA512_ETM,
            Mac::HmacSha256 => mac::HMAC_SHA256,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn macs(configs: &Configs, banner: &str) -> Vec<String> {
        let config = configs
            .for_client(banner.as_bytes())
            .unwrap_or_else(|| Arc::clone(&configs.usual));
        config
            .preferred
            .mac
            .iter()
            .map(|mac| mac.as_ref().to_owned())
            .collect()
    }

    #[test]
    fn only_clients_that_know_no_better_are_offered_the_old_mac() {
        let configs = Configs::new(&SshSettings::default(), &AuthSettings::default(), Vec::new());
        let etm = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"];
        for banner in [
            "SSH-2.0-OpenSSH_9.2p1",
            "SSH-2.0-libssh2_1.11.0",
            "SSH-2.0-libssh2_1.110.0",
            "SSH-2.0-libssh2_2.0.0",
            "SSH-2.0-libssh2_1.",
            "SSH-2.0-libssh_0.10.5",
            "SSH-2.0-libssh2_1.99999999999999999999",
            "",
        ] {
            assert_eq!(macs(&configs, banner), etm, "{banner}");
        }
        for banner in ["SSH-2.0-libssh2_1.10.0", "SSH-2.0-libssh2_1.8.0"] {
            assert_eq!(
                macs(&configs, banner),
                [&etm[..], &["hmac-sha2-256"]].concat(),
                "{banner}"
            );
        }
        let strict = SshSettings {
            macs: vec![Mac::HmacSha256Etm],
            ..SshSettings::default()
        };
        let configs = Configs::new(&strict, &AuthSettings::default(), Vec::new());
        assert_eq!(
            macs(&configs, "SSH-2.0-libssh2_1.10.0"),
            [etm[0]],
            "the operator decides"
        );
    }
}
