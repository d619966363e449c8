//! Judges certificates: those of hosts (`@cert-authority`), as ssh does (PROTOCOL.certkeys of OpenSSH, and sshd(8) under
//! SSH_KNOWN_HOSTS FILE FORMAT), and those of users that a server has refused.

use std::fmt;
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

/// Why a certificate does not count, and what to do about that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateProblem {
    /// A sentence or a clause without its end.
    pub(super) why: String,
    /// What the user can do about it, as an imperative clause.
    pub(super) advice: String,
}

impl CertificateProblem {
    fn new(why: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, advice } = self;
        write!(f, "{why} (hint: {advice})")
    }
}

/// Why a certificate does not show that a host is the one of this name at this time; `None` if it does.
pub(super) fn problem<'a>(
    certificate: &Certificate,
    name: &str,
    authorities: impl Iterator<Item = &'a PublicKey>,
    now: u64,
) -> Option<CertificateProblem> {
    let problem =
        |why: &str, advice: &str| Some(CertificateProblem::new(format!("its certificate {why}"), advice));
    let trusted: Vec<_> = authorities.map(|key| key.fingerprint(HashAlg::Sha256)).collect();
    let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if !trusted.contains(&signer) {
        let why = format!(
            "is signed by {signer}, and no @cert-authority in known_hosts has that key for this host"
        );
        let advice = "if that is the right authority, add a line to known_hosts: @cert-authority HOST KEY";
        return problem(&why, advice);
    }
    if certificate.cert_type() != CertType::Host {
        let advice = "its administrator has to sign the host key by ssh-keygen with -h";
        return problem("is one of a user, and not of a host", advice);
    }
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None }) {
        let advice = "its administrator has to sign it by ssh-keygen with -t rsa-sha2-256";
        return problem("is signed with SHA-1, which can be forged", advice);
    }
    if let Some(CertificateProblem { why, advice }) = not_valid(certificate, now) {
        return problem(&why, &advice);
    }
    // Without names, a certificate is for all of them.
    let names = certificate.valid_principals();
    let listed: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    if !names.is_empty() && !matches_host_list(listed.iter().map(String::as_str), &name.to_lowercase()) {
        let why = format!(
            "is for {}, and not for \"{}\"",
            some_of(names),
            printable(name.as_bytes())
        );
        let advice = "connect by one of these names, or set HostKeyAlias in ~/.ssh/config to it";
        return problem(&why, advice);
    }
    if certificate.critical_options().iter().next().is_some() {
        let advice = "its administrator has to sign one without it";
        return problem("has a critical option, of which none is known for hosts", advice);
    }
    match certificate.validate_at(now, &trusted) {
        Ok(()) => None,
        Err(_) => Some(CertificateProblem::new(
            "the signature of its certificate is wrong",
            "somebody may be intercepting the connection; ask the server's administrator",
        )),
    }
}

/// Why a server may have refused a certificate of a user.
pub(super) fn refused(certificate: &Certificate, user: &str, now: u64) -> CertificateProblem {
    let name = name_of(certificate);
    if certificate.cert_type() != CertType::User {
        return CertificateProblem::new(
            format!("{name} is one of a host, and not of a user"),
            "have one signed by ssh-keygen without -h",
        );
    }
    if let Some(CertificateProblem { why, advice }) = not_valid(certificate, now) {
        return CertificateProblem::new(format!("{name} {why}"), advice);
    }
    let users = certificate.valid_principals();
    if !users.is_empty() && !users.iter().any(|listed| listed == user) {
        let user = printable(user.as_bytes());
        return CertificateProblem::new(
            format!("{name} is for {}, and the user is {user}", some_of(users)),
            format!("sign in as a user whom it is for, or have one signed for {user}"),
        );
    }
    let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
    CertificateProblem::new(
        format!("the server does not accept {name}, which {signer} has signed"),
        "ask its administrator whether it trusts that authority for this user",
    )
}

/// The name of a certificate for messages.
pub(super) fn name_of(certificate: &Certificate) -> String {
    format!(
        "the certificate \"{}\"",
        printable(certificate.key_id().as_bytes())
    )
}

/// The first names of a certificate, for messages.
fn some_of(names: &[String]) -> String {
    let mut shown: Vec<String> = names
        .iter()
        .take(SHOWN_NAMES)
        .map(|name| printable(name.as_bytes()))
        .collect();
    if names.len() > shown.len() {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// How a certificate's time does not include the present: `expired on 2024-01-31 00:00 UTC`.
fn not_valid(certificate: &Certificate, now: u64) -> Option<CertificateProblem> {
    let minute = |seconds: u64| {
        let time = i64::try_from(seconds)
            .ok()
            .and_then(|s| jiff::Timestamp::from_second(s).ok());
        time.map_or_else(
            || "another time".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
    };
    if now >= certificate.valid_before() {
        let why = format!("expired on {}", minute(certificate.valid_before()));
        return Some(CertificateProblem::new(why, "a new one has to be signed"));
    }
    (now < certificate.valid_after()).then(|| {
        CertificateProblem::new(
            format!("is valid only from {}", minute(certificate.valid_after())),
            format!(
                "wait until then, or set the clock of this machine, which says {}",
                minute(now)
            ),
        )
    })
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
                (Some(found), Some(expected)) => {
                    assert!(
                        found.why.contains(expected) && !found.advice.is_empty(),
                        "{found}"
                    );
                }
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

    #[test]
    fn what_to_do_about_a_certificate_depends_on_why_it_does_not_count() {
        let valid = NOW - 10..NOW + 10;
        for (certificate, expected) in [
            (
                certificate(CertType::User, &["tom"], NOW - 10..NOW, false),
                "the certificate \"\" expired on 2023-11-14 22:13 UTC (hint: a new one has to be signed)",
            ),
            (
                certificate(CertType::User, &["tom"], NOW + 60..NOW + 120, false),
                "the certificate \"\" is valid only from 2023-11-14 22:14 UTC (hint: wait until then, or set the clock of \
                 this machine, which says 2023-11-14 22:13 UTC)",
            ),
            (
                certificate(CertType::User, &["a", "b"], valid.clone(), false),
                "the certificate \"\" is for a, b, and the user is tom (hint: sign in as a user whom it is for, or have \
                 one signed for tom)",
            ),
            (
                certificate(CertType::Host, &["tom"], valid.clone(), false),
                "the certificate \"\" is one of a host, and not of a user (hint: have one signed by ssh-keygen without -h)",
            ),
        ] {
            assert_eq!(refused(&certificate, "tom", NOW).to_string(), expected);
        }
        let unknown = refused(&certificate(CertType::User, &["tom"], valid, false), "tom", NOW);
        assert!(
            unknown
                .why
                .starts_with("the server does not accept the certificate \"\", which SHA256:"),
            "{unknown}"
        );
        assert!(
            unknown.advice.contains("whether it trusts that authority"),
            "{unknown}"
        );
    }
}
