//! Judges certificates of hosts (`@cert-authority`), as ssh does: PROTOCOL.certkeys of OpenSSH, and sshd(8) under
//! SSH_KNOWN_HOSTS FILE FORMAT.

use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use base::glob::matches_host_list;
use base::visible::printable;

/// How many names of a certificate a message shows.
const SHOWN_NAMES: usize = 5;

/// The present time in the unit of certificates: seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Why a certificate does not show that a host is the one of this name at this time; `None` if it does.
pub(super) fn problem<'a>(
    certificate: &Certificate,
    name: &str,
    authorities: impl Iterator<Item = &'a PublicKey>,
    now: u64,
) -> Option<String> {
    let trusted: Vec<_> = authorities.map(|key| key.fingerprint(HashAlg::Sha256)).collect();
    let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if !trusted.contains(&signer) {
        return Some(format!(
            "its certificate is signed by {signer}, and no @cert-authority in known_hosts has that key for this host"
        ));
    }
    if certificate.cert_type() != CertType::Host {
        return Some("its certificate is one of a user, and not of a host".to_owned());
    }
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None }) {
        return Some("its certificate is signed with SHA-1, which can be forged".to_owned());
    }
    if let Some(when) = not_valid(certificate, now) {
        return Some(format!("its certificate {when}"));
    }
    // Without names, a certificate is for all of them.
    let names = certificate.valid_principals();
    let listed: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    if !names.is_empty() && !matches_host_list(listed.iter().map(String::as_str), &name.to_lowercase()) {
        let shown: Vec<String> = names
            .iter()
            .take(SHOWN_NAMES)
            .map(|name| printable(name.as_bytes()))
            .collect();
        return Some(format!(
            "its certificate is for {}, and not for \"{}\"",
            shown.join(", "),
            printable(name.as_bytes())
        ));
    }
    if certificate.critical_options().iter().next().is_some() {
        return Some("its certificate has a critical option, of which none is known for hosts".to_owned());
    }
    match certificate.validate_at(now, &trusted) {
        Ok(()) => None,
        Err(_) => Some("the signature of its certificate is wrong".to_owned()),
    }
}

/// How a certificate's time does not include the present: `expired on 2024-01-31`.
pub(super) fn not_valid(certificate: &Certificate, now: u64) -> Option<String> {
    let day = |seconds: u64| {
        let time = i64::try_from(seconds)
            .ok()
            .and_then(|s| jiff::Timestamp::from_second(s).ok());
        time.map_or_else(
            || "another time".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
    };
    if now >= certificate.valid_before() {
        return Some(format!("expired on {}", day(certificate.valid_before())));
    }
    (now < certificate.valid_after())
        .then(|| format!("is valid only from {}", day(certificate.valid_after())))
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::certificate::Builder;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn key(number: u8) -> PrivateKey {
        let pair = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[number; 32]);
        PrivateKey::from(pair)
    }

    /// A certificate that `key(1)` has signed for `key(2)`.
    fn certificate(
        kind: CertType,
        names: &[&str],
        valid: std::ops::Range<u64>,
        critical: bool,
    ) -> Certificate {
        let subject = key(2).public_key().key_data().clone();
        let mut builder = Builder::new(vec![7; 16], subject, valid.start, valid.end).unwrap();
        builder.cert_type(kind).unwrap();
        if names.is_empty() {
            builder.all_principals_valid().unwrap();
        }
        for name in names {
            builder.valid_principal(*name).unwrap();
        }
        if critical {
            builder.critical_option("unknown", "x").unwrap();
        }
        builder.sign(&key(1)).unwrap()
    }

    #[test]
    fn a_certificate_counts_for_its_names_in_its_time_from_its_authority() {
        let valid = NOW - 10..NOW + 10;
        let check = |certificate: &Certificate, authority: u8, expected: Option<&str>| {
            let authority = key(authority);
            let found = problem(
                certificate,
                "h.example",
                [authority.public_key()].into_iter(),
                NOW,
            );
            match (&found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
                _ => panic!("{found:?} instead of {expected:?}"),
            }
        };
        let host = CertType::Host;
        check(&certificate(host, &["h.example"], valid.clone(), false), 1, None);
        check(&certificate(host, &["H.*"], valid.clone(), false), 1, None);
        check(&certificate(host, &[], valid.clone(), false), 1, None);
        let good = certificate(host, &["h.example"], valid.clone(), false);
        check(&good, 3, Some("no @cert-authority"));
        let other = certificate(host, &["other", "more"], valid.clone(), false);
        check(&other, 1, Some("is for other, more, and not for \"h.example\""));
        check(
            &certificate(host, &[], NOW - 10..NOW, false),
            1,
            Some("expired on 2023-11-14"),
        );
        check(
            &certificate(host, &[], NOW + 1..NOW + 10, false),
            1,
            Some("is valid only from"),
        );
        check(
            &certificate(CertType::User, &[], valid.clone(), false),
            1,
            Some("one of a user"),
        );
        check(&certificate(host, &[], valid, true), 1, Some("critical option"));
        let mut bytes = good.to_bytes().unwrap();
        // The last bytes are the signature.
        *bytes.last_mut().unwrap() ^= 1;
        let forged = Certificate::from_bytes(&bytes).unwrap();
        check(&forged, 1, Some("signature of its certificate is wrong"));
    }
}
