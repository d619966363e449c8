//! User certificates (OpenSSH's PROTOCOL.certkeys): whether a key, with or without a certificate, is accepted for a
//! user.
//!
//! A certificate is accepted if an authority has signed it that the server trusts for all users ([`KeyTrust`]) or the
//! user has a line `cert-authority` for, and if it is for one of the user's principals, valid now, and restricted by
//! nothing that this server cannot enforce. Its signature was verified by the SSH layer, or is verified for an offer by
//! [`super::Authenticator`].

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use super::address::allowed;
use super::key_options::{KeyRestriction, TouchRules};
use super::keys::{AuthorizedKey, unsupported};
use super::presented::{PresentedKey, key_data};
use super::trust::KeyTrust;
use super::trust::revoked::RevokedBy;
use crate::domain::user::User;

/// Who wants to use a key, from where and when, and what the server trusts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) user: &'a User,
    pub(super) peer: IpAddr,
    pub(super) now: Timestamp,
    pub(super) trust: &'a KeyTrust,
}

/// Returns the time until which the key is accepted, or `None` if it does not expire.
///
/// # Errors
/// Returns the reason why the key is not accepted.
pub(super) fn accepted_until(
    presented: &PresentedKey,
    at: &Circumstances<'_>,
) -> Result<Option<Timestamp>, KeyDenial> {
    if let Some(entry) = at.trust.revoked().find(presented) {
        return Err(KeyDenial::Revoked(entry));
    }
    match presented.certificate() {
        None => key_accepted_until(presented, at),
        Some(certificate) => certificate_accepted_until(presented, certificate, at),
    }
}

/// Returns the time until which a key without a certificate is accepted, or `None` if it does not expire.
///
/// # Errors
/// Returns the reason why the key is not accepted.
fn key_accepted_until(
    presented: &PresentedKey,
    at: &Circumstances<'_>,
) -> Result<Option<Timestamp>, KeyDenial> {
    let data = key_data(presented.key()).ok_or(KeyDenial::Unknown)?;
    let mut unpermitted = None;
    let mut latest = None;
    // A key may occur in several lines with different conditions; one line that fits is enough.
    for line in at.user.keys.iter().filter(|line| line.contains(&data)) {
        // Lines were checked when they were added. A line that can no longer be parsed allows no sign-in.
        let Ok(authorized) = AuthorizedKey::parse(line) else {
            continue;
        };
        if authorized.is_authority() || !authorized.matches(presented.key()) {
            continue;
        }
        let permitted = authorized
            .permits(at.peer, at.now)
            .and_then(|()| presented.satisfies(authorized.touch_rules()));
        match (permitted, authorized.expires_at()) {
            (Ok(()), None) => return Ok(None),
            (Ok(()), end) => latest = latest.max(end),
            (Err(why), _) => unpermitted = unpermitted.max(Some(why)),
        }
    }
    match (latest, unpermitted) {
        (Some(end), _) => Ok(Some(end)),
        (None, None) => Err(KeyDenial::Unknown),
        (None, Some(why)) => Err(KeyDenial::NotPermitted(why)),
    }
}

fn certificate_accepted_until(
    presented: &PresentedKey,
    certificate: &Certificate,
    at: &Circumstances<'_>,
) -> Result<Option<Timestamp>, KeyDenial> {
    let signer = PublicKey::from(certificate.signature_key().clone());
    let lines = at
        .user
        .keys
        .iter()
        .filter_map(|line| AuthorizedKey::parse(line).ok());
    let of_user: Vec<AuthorizedKey> = lines
        .filter(|line| line.is_authority() && line.matches(&signer))
        .collect();
    let of_all = at.trust.authorities().iter().filter(|line| line.matches(&signer));
    let of_all = of_all.map(|line| Authority { line, of_all: true });
    let of_user = of_user.iter().map(|line| Authority { line, of_all: false });
    let mut authorities = of_all.chain(of_user).peekable();
    if authorities.peek().is_none() {
        let fingerprint = signer.fingerprint(HashAlg::Sha256).to_string();
        return Err(CertificateDenial::UnknownAuthority(fingerprint).into());
    }
    let terms = Terms::of(certificate, at)?;
    let mut latest = None;
    let mut denial = None;
    // One authority that accepts it is enough, for as long as the one that accepts it longest.
    for authority in authorities {
        match authority.accepts(presented, &terms, at) {
            Ok(None) => return Ok(None),
            Ok(end) => latest = latest.max(end),
            Err(why) => denial = Some(why),
        }
    }
    match (latest, denial) {
        (None, Some(why)) => Err(why),
        (end, _) => Ok(end),
    }
}

/// An authority that the certificate names.
struct Authority<'a> {
    line: &'a AuthorizedKey,
    /// Whether it is trusted for all users.
    of_all: bool,
}

impl Authority<'_> {
    /// Returns the time until which the authority's line accepts the certificate.
    fn accepts(
        &self,
        presented: &PresentedKey,
        terms: &Terms<'_>,
        at: &Circumstances<'_>,
    ) -> Result<Option<Timestamp>, KeyDenial> {
        self.line
            .permits(at.peer, at.now)
            .map_err(KeyDenial::NotPermitted)?;
        let is_for = |principal: &String| match self.line.principals() {
            // As with sshd, the list takes the place of the user's name.
            Some(list) => list.contains(principal),
            None => principals(at.user).any(|name| name == principal),
        };
        if !terms.certificate.valid_principals().iter().any(is_for) {
            return Err(CertificateDenial::OtherPrincipal.into());
        }
        let of_line = self.line.touch_rules();
        let rules = TouchRules {
            // As with sshd, a line of the user's must allow it, too.
            touch: terms.touch || (!self.of_all && of_line.touch),
            verification: terms.verification || of_line.verification,
        };
        presented.satisfies(rules).map_err(KeyDenial::NotPermitted)?;
        Ok([terms.until, self.line.expires_at()].into_iter().flatten().min())
    }
}

/// Returns the principals that a certificate may name to sign in as this user.
fn principals(user: &User) -> impl Iterator<Item = &str> {
    std::iter::once(user.name.as_str()).chain(user.principals.iter().map(String::as_str))
}

/// The terms of a certificate that may be used here and now, as far as they do not depend on the authority.
struct Terms<'a> {
    certificate: &'a Certificate,
    /// The end of its validity, if it has one.
    until: Option<Timestamp>,
    /// Whether a security key must have been touched.
    touch: bool,
    /// Whether the person must have been verified by the security key.
    verification: bool,
}

impl<'a> Terms<'a> {
    fn of(certificate: &'a Certificate, at: &Circumstances<'_>) -> Result<Self, CertificateDenial> {
        if !certificate.cert_type().is_user() {
            return Err(CertificateDenial::OfHost);
        }
        let signed_by = certificate.signature().algorithm();
        if matches!(
            signed_by,
            Algorithm::Rsa { hash: None } | Algorithm::Dsa | Algorithm::Other(_)
        ) {
            return Err(CertificateDenial::WeakSignature(signed_by.to_string()));
        }
        if let Some(why) = unsupported(&PublicKey::from(certificate.public_key().clone())) {
            return Err(CertificateDenial::UnsupportedKey(why));
        }
        if certificate.valid_principals().is_empty() {
            return Err(CertificateDenial::NoPrincipals);
        }
        let verification = critical_options(certificate, at.peer)?;
        Ok(Self {
            certificate,
            until: valid_until(certificate, at.now)?,
            touch: !certificate.extensions().contains_key("no-touch-required"),
            verification,
        })
    }
}

/// Returns the end of the validity, or `None` if it has none that the calendar has.
fn valid_until(certificate: &Certificate, now: Timestamp) -> Result<Option<Timestamp>, CertificateDenial> {
    let (after, before) = (certificate.valid_after(), certificate.valid_before());
    // The numbers are compared as they are, because not every one is a time.
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    if before <= after {
        return Err(CertificateDenial::NeverValid);
    }
    if now < after {
        return Err(CertificateDenial::NotYetValid);
    }
    if now >= before {
        return Err(CertificateDenial::Expired);
    }
    let end = i64::try_from(before).ok();
    Ok(end.and_then(|end| Timestamp::from_second(end).ok()))
}

/// Enforces the critical options. Returns whether a security key must have verified the person.
fn critical_options(certificate: &Certificate, peer: IpAddr) -> Result<bool, CertificateDenial> {
    let mut verification = false;
    for (name, value) in certificate.critical_options().iter() {
        match (name.as_str(), value.as_str()) {
            ("source-address", list) => {
                let networks = networks(list).ok_or(CertificateDenial::BadOption("source-address"))?;
                if !allowed(&networks, peer) {
                    return Err(CertificateDenial::Address);
                }
            }
            ("verify-required", "") => verification = true,
            ("verify-required", _) => return Err(CertificateDenial::BadOption("verify-required")),
            (other, _) => return Err(CertificateDenial::CriticalOption(other.to_owned())),
        }
    }
    Ok(verification)
}

/// Parses the list of `source-address`: addresses and networks, at least one. There are no patterns and no negations.
fn networks(list: &str) -> Option<Vec<IpNet>> {
    let network = |entry: &str| match entry.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => entry.parse::<IpNet>().ok().filter(|net| net.trunc() == *net),
    };
    list.split(',').map(network).collect()
}

/// The reason why a key does not let a peer sign in as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyDenial {
    /// The key does not belong to the user.
    Unknown,
    /// The key belongs to the user, but its options do not allow this peer to use it now.
    NotPermitted(KeyRestriction),
    /// The key or its certificate is revoked.
    Revoked(RevokedBy),
    /// The certificate is not accepted.
    Certificate(CertificateDenial),
}

/// The reason why a certificate does not let a peer sign in as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateDenial {
    /// Neither the server nor the user trusts the authority with this fingerprint.
    UnknownAuthority(String),
    /// The signature of the authority is wrong.
    WrongSignature,
    /// The authority has signed with this algorithm, which is too weak.
    WeakSignature(String),
    /// It is the certificate of a host.
    OfHost,
    /// No user could have the certified key, for this reason.
    UnsupportedKey(String),
    /// It is valid only later.
    NotYetValid,
    /// It was valid only earlier.
    Expired,
    /// Its validity ends before it begins.
    NeverValid,
    /// It names no principal. It would be valid for every user.
    NoPrincipals,
    /// It names only principals that this user does not have.
    OtherPrincipal,
    /// Its `source-address` does not contain the peer.
    Address,
    /// It has a critical option of this name, which this server cannot enforce.
    CriticalOption(String),
    /// The value of this critical option is not valid.
    BadOption(&'static str),
}

impl From<CertificateDenial> for KeyDenial {
    fn from(denial: CertificateDenial) -> Self {
        KeyDenial::Certificate(denial)
    }
}

impl CertificateDenial {
    /// Returns the fixed word for this reason, by which programs that read the audit log know it.
    pub fn code(&self) -> &'static str {
        match self {
            CertificateDenial::UnknownAuthority(_) => "certificate_authority",
            CertificateDenial::WrongSignature | CertificateDenial::WeakSignature(_) => {
                "certificate_signature"
            }
            CertificateDenial::OfHost => "certificate_type",
            CertificateDenial::UnsupportedKey(_) => "certificate_key",
            CertificateDenial::NotYetValid | CertificateDenial::Expired | CertificateDenial::NeverValid => {
                "certificate_time"
            }
            CertificateDenial::NoPrincipals | CertificateDenial::OtherPrincipal => "certificate_principal",
            CertificateDenial::Address => "certificate_address",
            CertificateDenial::CriticalOption(_) | CertificateDenial::BadOption(_) => "certificate_option",
        }
    }
}

/// Formats the reason as a clause that follows the name of the certificate.
impl fmt::Display for CertificateDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateDenial::UnknownAuthority(fingerprint) => {
                write!(f, "the authority {fingerprint} is not trusted for this user")
            }
            CertificateDenial::WrongSignature => f.write_str("the authority's signature is wrong"),
            CertificateDenial::WeakSignature(algorithm) => write!(
                f,
                "the authority has signed with {}, which is too weak: rsa-sha2-512 and rsa-sha2-256 are accepted",
                shortened(algorithm)
            ),
            CertificateDenial::OfHost => f.write_str("it is a certificate of a host, not of a user"),
            CertificateDenial::UnsupportedKey(why) => write!(f, "the certified key cannot be used: {why}"),
            CertificateDenial::NotYetValid => f.write_str("it is not valid yet"),
            CertificateDenial::Expired => f.write_str("it has expired"),
            CertificateDenial::NeverValid => f.write_str("its validity ends before it begins"),
            CertificateDenial::NoPrincipals => {
                f.write_str("it names no principal, so it would be valid for every user")
            }
            CertificateDenial::OtherPrincipal => f.write_str("it is for other principals"),
            CertificateDenial::Address => {
                f.write_str("it may not be used from this address, which its source-address does not have")
            }
            CertificateDenial::CriticalOption(name) => write!(
                f,
                "its critical option \"{}\" cannot be enforced here",
                shortened(name)
            ),
            CertificateDenial::BadOption(name) => write!(f, "its critical option \"{name}\" is not valid"),
        }
    }
}

/// Shortens text of a peer to a recognisable part that is safe to print.
fn shortened(text: &str) -> String {
    base::visible::sample(text.as_bytes(), 64)
}

#[cfg(test)]
mod tests;
