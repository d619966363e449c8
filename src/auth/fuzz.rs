//! The bodies of the fuzz targets for what a peer proves itself with: certificates, and second factors as they are typed or
//! brought from elsewhere.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use russh::keys::{Certificate, PublicKey};

use super::certificates::{Circumstances, KeyDenial, accepted_until};
use super::presented::PresentedKey;
use super::recovery::RecoveryCode;
use super::totp::{OneTimeCode, TotpSecret, step_at};
use super::trust::KeyTrust;
use crate::domain::user::User;

/// The critical options that a certificate may have.
const KNOWN_OPTIONS: [&str; 2] = ["source-address", "verify-required"];
/// Times at which a certificate is judged, in seconds since 1970: the first, one of today, and one far ahead.
const TIMES: [i64; 3] = [0, 1_800_000_000, 200_000_000_000];
/// The most principals that the user of the test has.
const MOST_PRINCIPALS: usize = 8;

/// Judges `data` as the certificate of a user who trusts its authority. What is accepted is a certificate of users that is
/// valid at that time, names a principal, and has no option that is not enforced.
pub fn fuzz_certificate(data: &[u8]) {
    let (Ok(certificate), Ok(name)) = (Certificate::from_bytes(data), "alice".parse()) else {
        return;
    };
    let mut user = User::blank(name);
    let principals = certificate.valid_principals().iter();
    user.principals = principals.take(MOST_PRINCIPALS).cloned().collect();
    let authority = PublicKey::from(certificate.signature_key().clone());
    let line = authority
        .to_openssh()
        .map(|line| format!("cert-authority {line}"));
    user.keys = line.into_iter().collect();
    let key = PublicKey::from(certificate.public_key().clone());
    let presented = [
        PresentedKey::offered(&key, Some(&certificate)),
        PresentedKey::verified(&key, Some(&certificate), None),
    ];
    let trust = KeyTrust::default();
    for now in TIMES
        .into_iter()
        .filter_map(|secs| Timestamp::from_second(secs).ok())
    {
        let at = Circumstances {
            user: &user,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            now,
            trust: &trust,
        };
        for presented in &presented {
            judge(&certificate, &at, accepted_until(presented, &at));
        }
    }
    let identity = presented[0].certificate_identity();
    assert!(identity.is_some_and(|identity| identity.key_id.chars().count() <= 256));
}

fn judge(certificate: &Certificate, at: &Circumstances<'_>, judged: Result<Option<Timestamp>, KeyDenial>) {
    match judged {
        Ok(until) => {
            let now = u64::try_from(at.now.as_second()).unwrap_or_default();
            assert!((certificate.valid_after()..certificate.valid_before()).contains(&now));
            assert!(until.is_none_or(|end| end > at.now));
            assert!(certificate.cert_type().is_user() && !certificate.valid_principals().is_empty());
            let mut options = certificate.critical_options().iter();
            assert!(options.all(|(name, _)| KNOWN_OPTIONS.contains(&name.as_str())));
        }
        Err(KeyDenial::Certificate(denial)) => {
            let text = denial.to_string();
            assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
        }
        Err(KeyDenial::Unknown | KeyDenial::NotPermitted(_) | KeyDenial::Revoked(_)) => {}
    }
}

/// Parses `data` as a code, a recovery code and a secret, after 8 bytes that are the time.
pub fn fuzz_second_factor(data: &[u8]) {
    let Some((time, typed)) = data.split_first_chunk::<8>() else {
        return;
    };
    let now = i64::from_be_bytes(*time);
    let code = OneTimeCode::parse(typed);
    let without_spaces = typed.iter().filter(|byte| !byte.is_ascii_whitespace());
    let is_number = without_spaces.clone().all(u8::is_ascii_digit) && without_spaces.count() == 6;
    assert_eq!(code.is_some(), is_number);
    if let Some(recovery) = RecoveryCode::parse(typed) {
        let again = RecoveryCode::parse(recovery.shown().as_bytes());
        assert!(again.is_some_and(|again| again.hash(now) == recovery.hash(now)));
        assert!(code.is_none(), "no text is both");
    }
    let text = String::from_utf8_lossy(typed);
    let secret = TotpSecret::from_base32(&text);
    let Ok(secret) = secret.or_else(|_| TotpSecret::from_bytes(typed.to_vec())) else {
        return;
    };
    let again = TotpSecret::from_base32(&secret.base32());
    assert!(again.is_ok_and(|again| again.bytes() == secret.bytes()));
    assert!(secret.url("al ice@example").is_ascii());
    let current = secret.code(step_at(now));
    let current = OneTimeCode::parse(current.as_bytes());
    assert!(current.is_some_and(|code| secret.step_of(&code, now).is_some()));
}
