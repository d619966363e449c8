//! Turns settings into russh's configuration: which algorithms are offered, in which order, and every limit that russh
//! itself enforces.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, PrivateKey};
use russh::server::Config;
use russh::{
    Limits as RekeyLimits, MethodKind, MethodSet, Names, Preferred, SshId, cipher, compression, kex, mac,
};

use crate::auth::{AuthSettings, Method};
use crate::domain::event::ChosenAlgorithms;
use crate::session::stream::connection_budget::MINIMUM_WINDOW;
use base::error::{Error, Result};

use super::settings::{Cipher, HostKeyAlgorithm, Kex, Mac, SshSettings};

/// The largest packet that clients may send, in bytes. It is above 32768, so that clients do not split WRITEs of 32 KiB
/// and their header over two packets.
const MAX_PACKET: u32 = 65_535;
/// The bytes after which new keys are exchanged. RFC 4253 recommends a gigabyte; russh accepts no more.
const REKEY_BYTES: usize = 1 << 30;
const REKEY_AFTER: Duration = Duration::from_secs(3600);
/// The capacity of the queue of messages from tasks to the session. The bytes of replies among them are bounded by the
/// connection's budget.
const EVENTS: usize = 32;

/// The server's identification string, which says nothing about its version.
pub const SERVER_ID: &str = "SSH-2.0-Homeport";

/// Creates russh's configuration from what the operator has set.
///
/// # Errors
/// Returns an error if no host key is left that clients may be shown.
pub fn russh_config(ssh: &SshSettings, auth: &AuthSettings, keys: Vec<PrivateKey>) -> Result<Arc<Config>> {
    let algorithms: Vec<Algorithm> = keys.iter().map(|key| key.algorithm()).collect();
    validate(ssh, &algorithms)?;
    let offered = ssh.host_key_algorithms(&algorithms);
    let keys = keys.into_iter().filter(|key| shows(&offered, &key.algorithm()));
    Ok(Arc::new(Config {
        server_id: SshId::Standard(Cow::Borrowed(SERVER_ID)),
        methods: method_set(auth.methods.iter().copied()),
        // The throttle delays failures; a key probe or OpenSSH's first "none" is not a failure.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        preferred: preferred(ssh, &offered),
        keys: keys.collect(),
        limits: RekeyLimits::new(REKEY_BYTES, REKEY_BYTES, REKEY_AFTER),
        // This is what every channel has; its work asks for more ([`crate::session::stream::receive_window`]).
        window_size: MINIMUM_WINDOW,
        // The window is opened again as data is used.
        automatic_window: false,
        maximum_packet_size: MAX_PACKET,
        event_buffer_size: EVENTS,
        max_auth_attempts: auth.max_attempts,
        // Idleness and login grace are watched from outside, where that always works.
        inactivity_timeout: None,
        kex_timeout: Some(Duration::from_secs(ssh.key_exchange_timeout_secs.max(1))),
        nodelay: true,
        ..Config::default()
    }))
}

/// Checks that a host key is left to offer. The other lists cannot be empty, since the configuration refuses that
/// (`config/explain.rs`); which host keys are shown depends on which exist.
///
/// # Errors
/// Returns an error if none of the keys may be shown.
pub fn validate(ssh: &SshSettings, keys: &[Algorithm]) -> Result<()> {
    let offered = ssh.host_key_algorithms(keys);
    if keys.iter().any(|key| shows(&offered, key)) {
        return Ok(());
    }
    let list = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
    let there = list(&mut keys.iter().map(ToString::to_string));
    let offered_names = list(&mut offered.iter().map(|name| name.name().to_string()));
    let kinds: Vec<&str> = [
        (HostKeyAlgorithm::Ed25519, "ed25519"),
        (HostKeyAlgorithm::EcdsaP256, "ecdsa"),
        (HostKeyAlgorithm::RsaSha512, "rsa"),
        (HostKeyAlgorithm::RsaSha256, "rsa"),
    ]
    .into_iter()
    .filter_map(|(name, kind)| offered.contains(&name).then_some(kind))
    .collect();
    let hint = match kinds.first() {
        Some(kind) => format!("make one: homeportd hostkey generate --type {kind}"),
        None => "change \"host_key_algorithms\" in [ssh]".to_owned(),
    };
    Err(Error::new(format!(
        "no client could connect: the host keys are {there}, and [ssh] offers only {offered_names}"
    ))
    .hint(hint))
}

/// Returns the names of the algorithms that a key exchange has chosen.
pub fn chosen(names: &Names) -> ChosenAlgorithms {
    let includes_authentication = [
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::CHACHA20_POLY1305,
    ];
    let mac = names.client_mac.as_ref();
    ChosenAlgorithms {
        kex: names.kex.as_ref().to_owned(),
        host_key: names.key.to_string(),
        cipher: names.cipher.as_ref().to_owned(),
        mac: (!includes_authentication.contains(&names.cipher)).then(|| mac.to_owned()),
    }
}

/// Returns whether a host key of this algorithm is shown if these signature algorithms are offered.
pub fn shows(offered: &[HostKeyAlgorithm], key: &Algorithm) -> bool {
    offered.iter().any(|name| name.is_of(key))
}

/// Returns the methods as russh names them.
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

fn preferred(ssh: &SshSettings, host_keys: &[HostKeyAlgorithm]) -> Preferred {
    let mut kex: Vec<kex::Name> = ssh.kex().into_iter().map(Kex::name).collect();
    // Without these markers there is no protection against Terrapin, and no server-sig-algs.
    kex.push(kex::EXTENSION_SUPPORT_AS_SERVER);
    kex.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER);
    let cipher: Vec<cipher::Name> = ssh.ciphers().into_iter().map(Cipher::name).collect();
    let mac: Vec<mac::Name> = ssh.macs().into_iter().map(Mac::name).collect();
    Preferred {
        kex: kex.into(),
        key: signatures(host_keys).into(),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: cipher.into(),
        mac: mac.into(),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// Returns the signature algorithms of host keys and, through server-sig-algs, those that users' keys may sign with:
/// never SHA-1.
///
/// russh has one list for both. So the algorithms that are not offered for host keys follow the others, where they
/// concern only users, because there is no host key that uses them. The exceptions are the two of RSA, since one key
/// could sign with both.
fn signatures(offered: &[HostKeyAlgorithm]) -> Vec<Algorithm> {
    let rsa = |name: &HostKeyAlgorithm| matches!(name.name(), Algorithm::Rsa { .. });
    let rsa_is_offered = offered.iter().any(rsa);
    let rest = HostKeyAlgorithm::ALL
        .into_iter()
        .filter(|name| !(offered.contains(name) || rsa_is_offered && rsa(name)));
    let all = offered.iter().copied().chain(rest);
    // No host key is a security key.
    let security_keys = [Algorithm::SkEd25519, Algorithm::SkEcdsaSha2NistP256];
    all.map(HostKeyAlgorithm::name).chain(security_keys).collect()
}

#[cfg(test)]
mod tests {
    use russh::keys::EcdsaCurve;

    use super::*;
    use crate::ssh::hostkeys::{Kind, generate};
    use crate::ssh::settings::Policy;

    const ED25519: Algorithm = Algorithm::Ed25519;
    const ECDSA: Algorithm = Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    };

    fn with_policy(policy: Policy) -> SshSettings {
        SshSettings {
            policy,
            ..SshSettings::default()
        }
    }

    #[test]
    fn each_policy_offers_what_it_says() {
        let check = |policy: Policy, kex: &[&str], key: &[&str]| {
            let settings = with_policy(policy);
            let all = [ED25519, ECDSA, Algorithm::Rsa { hash: None }];
            let preferred = preferred(&settings, &settings.host_key_algorithms(&all));
            let names: Vec<&str> = preferred.kex.iter().map(AsRef::as_ref).collect();
            let markers = ["ext-info-s", "kex-strict-s-v00@openssh.com"];
            assert_eq!(names, [kex, &markers].concat(), "{policy:?}");
            let names: Vec<&str> = preferred.mac.iter().map(AsRef::as_ref).collect();
            let macs = [
                "hmac-sha2-256-etm@openssh.com",
                "hmac-sha2-512-etm@openssh.com",
                "hmac-sha2-256",
            ];
            assert_eq!(names, macs, "{policy:?}");
            let names: Vec<&str> = preferred.cipher.iter().map(AsRef::as_ref).collect();
            let aes = [
                "aes256-gcm@openssh.com",
                "aes128-gcm@openssh.com",
                "aes256-ctr",
                "aes128-ctr",
            ];
            assert!(names.ends_with(&aes), "{policy:?} {names:?}");
            assert!(policy != Policy::Fips || names == aes, "{names:?}");
            let names: Vec<String> = settings
                .host_key_algorithms(&all)
                .iter()
                .map(|k| k.name().to_string())
                .collect();
            assert_eq!(names, key, "{policy:?}");
        };
        let usual = [
            "mlkem768x25519-sha256",
            "curve25519-sha256",
            "curve25519-sha256@libssh.org",
        ];
        let old = [
            "ecdh-sha2-nistp256",
            "ecdh-sha2-nistp384",
            "ecdh-sha2-nistp521",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group14-sha256",
        ];
        let keys = [
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "rsa-sha2-512",
            "rsa-sha2-256",
        ];
        check(
            Policy::Default,
            &usual,
            &["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"],
        );
        check(Policy::Compatible, &[&usual[..], &old].concat(), &keys);
        check(Policy::Fips, &old, &keys[1..]);
    }

    #[test]
    fn a_host_key_that_no_client_may_see_is_an_error_that_says_what_to_do() {
        let check = |settings: &SshSettings, keys: &[Algorithm], expected: &str| {
            let said = validate(settings, keys).err().map(|e| e.to_string());
            assert_eq!(said.unwrap_or_default(), expected);
        };
        let only = |names: &[HostKeyAlgorithm]| SshSettings {
            host_key_algorithms: Some(names.to_vec()),
            ..SshSettings::default()
        };
        check(&with_policy(Policy::Default), &[ED25519], "");
        check(&with_policy(Policy::Fips), &[ED25519, ECDSA], "");
        check(
            &with_policy(Policy::Fips),
            &[ED25519],
            "no client could connect: the host keys are ssh-ed25519, and [ssh] offers only ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, rsa-sha2-512, rsa-sha2-256 (hint: make one: homeportd hostkey generate --type ecdsa)",
        );
        check(
            &only(&[HostKeyAlgorithm::RsaSha256]),
            &[ED25519, ECDSA],
            "no client could connect: the host keys are ssh-ed25519, ecdsa-sha2-nistp256, and [ssh] offers only rsa-sha2-256 (hint: make one: homeportd hostkey generate --type rsa)",
        );
        check(
            &only(&[HostKeyAlgorithm::EcdsaP384]),
            &[ECDSA],
            "no client could connect: the host keys are ecdsa-sha2-nistp256, and [ssh] offers only ecdsa-sha2-nistp384 (hint: change \"host_key_algorithms\" in [ssh])",
        );
        check(
            &only(&[HostKeyAlgorithm::RsaSha256]),
            &[Algorithm::Rsa { hash: None }],
            "",
        );
    }

    #[test]
    fn users_may_sign_with_more_than_host_keys_do() {
        let check = |offered: &[HostKeyAlgorithm], expected: &[&str]| {
            let names: Vec<String> = signatures(offered).iter().map(ToString::to_string).collect();
            assert_eq!(names, expected);
        };
        check(
            &[HostKeyAlgorithm::EcdsaP256],
            &[
                "ecdsa-sha2-nistp256",
                "ssh-ed25519",
                "ecdsa-sha2-nistp384",
                "ecdsa-sha2-nistp521",
                "rsa-sha2-512",
                "rsa-sha2-256",
                "sk-ssh-ed25519@openssh.com",
                "sk-ecdsa-sha2-nistp256@openssh.com",
            ],
        );
        check(
            &[HostKeyAlgorithm::RsaSha256, HostKeyAlgorithm::Ed25519],
            &[
                "rsa-sha2-256",
                "ssh-ed25519",
                "ecdsa-sha2-nistp256",
                "ecdsa-sha2-nistp384",
                "ecdsa-sha2-nistp521",
                "sk-ssh-ed25519@openssh.com",
                "sk-ecdsa-sha2-nistp256@openssh.com",
            ],
        );
    }

    #[test]
    fn keys_that_are_not_offered_are_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let keys = [Kind::Ed25519, Kind::Ecdsa].map(|kind| generate(dir.path(), kind).unwrap());
        let shown = |policy| {
            let config = russh_config(&with_policy(policy), &AuthSettings::default(), keys.to_vec()).unwrap();
            config.keys.iter().map(|k| k.algorithm()).collect::<Vec<_>>()
        };
        assert_eq!(shown(Policy::Default), [ED25519]);
        assert_eq!(shown(Policy::Compatible), [ED25519, ECDSA]);
        assert_eq!(shown(Policy::Fips), [ECDSA]);
        // A server that was installed with no other key continues to work.
        let alone = vec![keys[1].clone()];
        let config = russh_config(&with_policy(Policy::Default), &AuthSettings::default(), alone).unwrap();
        assert_eq!(config.keys.len(), 1);
        let alone = vec![keys[0].clone()];
        assert!(russh_config(&with_policy(Policy::Fips), &AuthSettings::default(), alone).is_err());
    }
}
