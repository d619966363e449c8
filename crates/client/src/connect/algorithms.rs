//! Which algorithms are offered to a server, in which order: by default, and as the configuration says.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{cipher, kex, mac};

use super::ssh_config::settings::SshSettings;
use base::cpu::has_aes_instructions;
use base::glob::matches_host_list;

/// The key exchanges. The last ones are for old servers; none uses SHA-1.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
];

/// The marks in the list of key exchanges without which there is no server-sig-algs, and no protection against Terrapin.
const MARKS: [kex::Name; 2] = [
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

/// The names that stand for no protection at all. The library has them for tests.
const NO_PROTECTION: [&str; 2] = ["none", "clear"];

/// The names of the algorithms that are offered, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithms {
    kex: Vec<String>,
    ciphers: Vec<String>,
    macs: Vec<String>,
    host_keys: Vec<String>,
    /// Whether the order of the host keys is the configuration's own. Otherwise, known types come first.
    fixed: bool,
}

/// What the configuration asks for and is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingAlgorithms {
    /// `Ciphers NAME,NAME`: these are left out.
    pub skipped: Vec<String>,
    /// The keywords that leave nothing to offer.
    pub empty: Vec<&'static str>,
}

impl Algorithms {
    /// The algorithms that are offered with these settings, and what is missing of them.
    pub fn of(settings: &SshSettings) -> (Self, MissingAlgorithms) {
        let mut missing = MissingAlgorithms::default();
        let mut choose = |keyword: &'static str,
                          rule: &Option<String>,
                          usual: Vec<String>,
                          exists: &dyn Fn(&str) -> bool| {
            let Some(rule) = rule else {
                return usual;
            };
            let (chosen, skipped) = chosen(rule, usual, exists);
            // Distributions list what their ssh has; that is not worth a note.
            let by_system = settings
                .system_algorithms
                .iter()
                .any(|set| set.eq_ignore_ascii_case(keyword));
            if !skipped.is_empty() && !by_system {
                missing.skipped.push(format!("{keyword} {}", skipped.join(",")));
            }
            if chosen.is_empty() {
                missing.empty.push(keyword);
            }
            chosen
        };
        let protects = |name: &str| !NO_PROTECTION.contains(&name);
        let algorithms = Self {
            kex: choose("KexAlgorithms", &settings.kex, texts(KEX), &|name| {
                protects(name) && kex::Name::try_from(name).is_ok()
            }),
            ciphers: choose(
                "Ciphers",
                &settings.ciphers,
                texts(&ciphers(has_aes_instructions())),
                &|name| protects(name) && cipher::Name::try_from(name).is_ok(),
            ),
            macs: choose("MACs", &settings.macs, texts(MACS), &|name| {
                protects(name) && mac::Name::try_from(name).is_ok()
            }),
            host_keys: choose(
                "HostKeyAlgorithms",
                &settings.host_key_algorithms,
                host_key_names(),
                &|name| host_key_names().iter().any(|known| known == name),
            ),
            fixed: settings
                .host_key_algorithms
                .as_deref()
                .is_some_and(|rule| !rule.starts_with(['+', '-'])),
        };
        (algorithms, missing)
    }

    /// The key exchanges, with the marks that belong to the list.
    pub(super) fn kex(&self) -> Vec<kex::Name> {
        let chosen = self
            .kex
            .iter()
            .filter_map(|name| kex::Name::try_from(name.as_str()).ok());
        chosen.chain(MARKS).collect()
    }

    pub(super) fn ciphers(&self) -> Vec<cipher::Name> {
        let names = self.ciphers.iter();
        names
            .filter_map(|name| cipher::Name::try_from(name.as_str()).ok())
            .collect()
    }

    pub(super) fn macs(&self) -> Vec<mac::Name> {
        let names = self.macs.iter();
        names
            .filter_map(|name| mac::Name::try_from(name.as_str()).ok())
            .collect()
    }

    /// The types of host keys, known ones first as in ssh: with a key of another type, a known server would look like a
    /// changed one.
    pub(super) fn host_keys(&self, known: &[Algorithm]) -> Vec<Algorithm> {
        let mut types = self.types(|algorithm| algorithm.to_string());
        let is_known = |algorithm: &Algorithm| match algorithm {
            Algorithm::Rsa { .. } => known.iter().any(|known| matches!(known, Algorithm::Rsa { .. })),
            algorithm => known.contains(algorithm),
        };
        if !self.fixed {
            // The sort is stable: the order within both parts stays.
            types.sort_by_key(|algorithm| !is_known(algorithm));
        }
        types
    }

    /// The types of keys in certificates of hosts.
    pub(super) fn host_certificates(&self) -> Vec<Algorithm> {
        self.types(Algorithm::to_certificate_type)
    }

    /// The types whose names are among the chosen ones, in the order of these.
    fn types(&self, name_of: impl Fn(&Algorithm) -> String) -> Vec<Algorithm> {
        let all = host_key_types();
        let of_name = |name: &String| all.iter().find(|algorithm| name_of(algorithm) == *name).cloned();
        self.host_keys.iter().filter_map(of_name).collect()
    }
}

impl Default for Algorithms {
    fn default() -> Self {
        Self::of(&SshSettings::default()).0
    }
}

/// Whether there is an algorithm of this name that may be chosen in the configuration.
pub(super) fn exists(name: &str) -> bool {
    !NO_PROTECTION.contains(&name)
        && (kex::Name::try_from(name).is_ok()
            || cipher::Name::try_from(name).is_ok()
            || mac::Name::try_from(name).is_ok()
            || host_key_names().iter().any(|known| known == name))
}

/// Applies a list as ssh_config(5) has it: names, or with `+` names to add, with `-` patterns to remove, with `^` names to
/// put first. The second value are names that do not exist here.
fn chosen(rule: &str, usual: Vec<String>, exists: &dyn Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
    let (sign, list) = match rule.split_at_checked(1) {
        Some((sign @ ("+" | "-" | "^"), list)) => (sign, list),
        _ => ("", rule),
    };
    if sign == "-" {
        let kept = usual
            .into_iter()
            .filter(|name| !matches_host_list(list.split(','), name));
        return (kept.collect(), Vec::new());
    }
    let named = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let (named, skipped): (Vec<String>, Vec<String>) =
        named.map(str::to_owned).partition(|name| exists(name));
    let all = match sign {
        "+" => [usual, named].concat(),
        "^" => [named, usual].concat(),
        _ => named,
    };
    let mut once: Vec<String> = Vec::new();
    for name in all {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    (once, skipped)
}

fn texts<N: AsRef<str>>(names: &[N]) -> Vec<String> {
    names.iter().map(|name| name.as_ref().to_owned()).collect()
}

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

fn host_key_types() -> Vec<Algorithm> {
    let curve = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    vec![
        Algorithm::Ed25519,
        curve(EcdsaCurve::NistP256),
        curve(EcdsaCurve::NistP384),
        curve(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ]
}

/// The names of all types of host keys, certificates first.
fn host_key_names() -> Vec<String> {
    let types = host_key_types();
    let certificates = types.iter().map(Algorithm::to_certificate_type);
    certificates
        .chain(types.iter().map(ToString::to_string))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_come_first() {
        let names = |rule: Option<&str>, known: &[Algorithm]| -> Vec<String> {
            let settings = SshSettings {
                host_key_algorithms: rule.map(str::to_owned),
                ..SshSettings::default()
            };
            let types = Algorithms::of(&settings).0.host_keys(known);
            types.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(None, &[])[0], "ssh-ed25519");
        let rsa = [Algorithm::Rsa { hash: None }];
        assert_eq!(
            names(None, &rsa)[..3],
            ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]
        );
        let two = names(
            None,
            &[
                Algorithm::Rsa { hash: None },
                Algorithm::Ecdsa {
                    curve: EcdsaCurve::NistP384,
                },
            ],
        );
        assert_eq!(two[..2], ["ecdsa-sha2-nistp384", "rsa-sha2-512"]);
        assert!(!two.contains(&"ssh-rsa".to_owned()), "SHA-1 is never offered");
        let given = names(Some("ssh-ed25519,rsa-sha2-512"), &rsa);
        assert_eq!(
            given,
            ["ssh-ed25519", "rsa-sha2-512"],
            "the user's own order stays"
        );
        assert_eq!(names(Some("-rsa-*"), &rsa).len(), 4);
    }

    #[test]
    fn the_fast_cipher_comes_first() {
        let first = |fast| ciphers(fast)[0].as_ref().to_owned();
        assert_eq!(first(true), "aes256-gcm@openssh.com");
        assert_eq!(first(false), "chacha20-poly1305@openssh.com");
        assert_eq!(ciphers(true).len(), 6);
    }

    #[test]
    fn lists_are_replaced_extended_reduced_and_reordered() {
        let usual = || vec!["a".to_owned(), "b".to_owned()];
        let check = |rule: &str, expected: &[&str], missing: &[&str]| {
            let (found, skipped) = chosen(rule, usual(), &|name| name != "x");
            assert_eq!((found, skipped), (texts(expected), texts(missing)), "{rule}");
        };
        check("c,x,a", &["c", "a"], &["x"]);
        check("+c,a", &["a", "b", "c"], &[]);
        check("-a*,x", &["b"], &[]);
        check("^c,b", &["c", "b", "a"], &[]);
        check("x", &[], &["x"]);
        check("", &[], &[]);
    }

    #[test]
    fn nothing_unprotected_can_be_chosen() {
        let all = |text: &str| Some(text.to_owned());
        let settings = SshSettings {
            kex: all("none,sntrup761x25519-sha512"),
            ciphers: all("clear,none,aes128-ctr"),
            macs: all("none"),
            ..SshSettings::default()
        };
        let (algorithms, missing) = Algorithms::of(&settings);
        assert_eq!(missing.empty, ["KexAlgorithms", "MACs"]);
        assert_eq!(missing.skipped[1], "Ciphers clear,none");
        assert_eq!(algorithms.ciphers(), [cipher::AES_128_CTR]);
        assert!(algorithms.kex().ends_with(&MARKS));
        assert!(exists("hmac-sha2-256") && !exists("none"));
    }
}
