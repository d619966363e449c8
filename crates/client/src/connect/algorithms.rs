//! russh's configuration for a client: which algorithms are offered in which order, and how much is under way at once.

use std::borrow::Cow;
use std::time::Duration;

use russh::client::Config;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Limits, Preferred, SshId, cipher, compression, kex, mac};

use base::cpu::has_aes_instructions;

/// The identification string of the client, without its version.
const CLIENT_ID: &str = "SSH-2.0-Homeport";
/// How much a server may send before it has to wait, in bytes: more than a far, fast link holds.
const WINDOW: u32 = 32 << 20;
/// The largest packet, in bytes, that russh accepts: a READ of 32 KiB fits into one with its header.
const MAX_PACKET: u32 = 65_535;
/// The bytes after which new keys are agreed on. RFC 4253 recommends a gigabyte; russh takes no more.
const REKEY_BYTES: usize = 1 << 30;
const REKEY_AFTER: Duration = Duration::from_secs(3600);
/// How often a silent server is asked whether it is there. After about a minute without an answer, the connection
/// counts as lost.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVES: usize = 4;

/// The configuration of one connection. `known` are the types of the host's keys in `known_hosts`; the server is asked
/// for these first.
pub(super) fn config(known: &[Algorithm]) -> Config {
    Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        limits: Limits::new(REKEY_BYTES, REKEY_BYTES, REKEY_AFTER),
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        preferred: Preferred {
            kex: KEX.into(),
            key: host_keys(known).into(),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: ciphers(has_aes_instructions()).into(),
            mac: MACS.into(),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        keepalive_interval: Some(KEEPALIVE_EVERY),
        keepalive_max: KEEPALIVES,
        // A transfer may wait for a slow disk on either side. Keepalives distinguish a slow peer from a dead one.
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

/// The key exchanges. The last ones are for old servers; none uses SHA-1.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    // Without these markers there is no server-sig-algs, and no protection against Terrapin.
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// The MACs for CTR; the other ciphers bring their own. The last two are for servers without encrypt-then-MAC.
const MACS: &[mac::Name] = &[
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256,
    mac::HMAC_SHA512,
];

fn ciphers(aes_is_fast: bool) -> Vec<cipher::Name> {
    let gcm = [cipher::AES_256_GCM, cipher::AES_128_GCM];
    let ctr = [cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR];
    let chacha = [cipher::CHACHA20_POLY1305];
    let fastest: [&[cipher::Name]; 2] = match aes_is_fast {
        true => [&gcm, &chacha],
        false => [&chacha, &gcm],
    };
    [fastest.concat(), ctr.to_vec()].concat()
}

/// The types of host keys, known ones first as in ssh: with a key of another type, a known server would look like a
/// changed one.
fn host_keys(known: &[Algorithm]) -> Vec<Algorithm> {
    let curve = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    let mut all = vec![
        Algorithm::Ed25519,
        curve(EcdsaCurve::NistP256),
        curve(EcdsaCurve::NistP384),
        curve(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ];
    let is_known = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => known.iter().any(|known| matches!(known, Algorithm::Rsa { .. })),
        algorithm => known.contains(algorithm),
    };
    // The sort is stable: the order within both parts stays.
    all.sort_by_key(|algorithm| !is_known(algorithm));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_come_first() {
        let names = |known: &[Algorithm]| -> Vec<String> {
            host_keys(known).iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(&[])[0], "ssh-ed25519");
        let rsa = names(&[Algorithm::Rsa { hash: None }]);
        assert_eq!(rsa[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
        let two = names(&[
            Algorithm::Rsa { hash: None },
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP384,
            },
        ]);
        assert_eq!(two[..2], ["ecdsa-sha2-nistp384", "rsa-sha2-512"]);
        assert!(!two.contains(&"ssh-rsa".to_owned()), "SHA-1 is never offered");
    }

    #[test]
    fn the_fast_cipher_comes_first() {
        let first = |fast| ciphers(fast)[0].as_ref().to_owned();
        assert_eq!(first(true), "aes256-gcm@openssh.com");
        assert_eq!(first(false), "chacha20-poly1305@openssh.com");
        assert_eq!(ciphers(true).len(), 6);
    }
}
