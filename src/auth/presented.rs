//! A key as a peer presents it: offered or verified, and perhaps with a certificate that speaks for it.

use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Certificate, HashAlg, PublicKey};
use russh::server::SecurityKeyState;

use super::key_options::{KeyRestriction, TouchRules};
use crate::domain::event::CertificateIdentity;

/// The flag of a security key's signature which says that a person has touched the key.
const TOUCHED: u8 = 0x01;
/// The flag of a security key's signature which says that the person was verified, by a PIN or a fingerprint.
const VERIFIED: u8 = 0x04;

/// The most characters of a certificate's id that are kept for the log. It may be as long as a packet.
const LONGEST_ID: usize = 256;

/// A public key as a peer presents it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    key: PublicKey,
    certificate: Option<Box<Certificate>>,
    signature: Signature,
}

/// What is known of the signature by the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    /// The key is only offered: nothing was signed yet.
    Awaited,
    /// The SSH layer has verified a signature. A security key has stated these flags in it; others state none.
    Right { flags: u8 },
}

impl PresentedKey {
    /// Creates the key of an offer: the peer has not signed anything with it.
    pub fn offered(key: &PublicKey, certificate: Option<&Certificate>) -> Self {
        Self {
            key: key.clone(),
            certificate: certificate.cloned().map(Box::new),
            signature: Signature::Awaited,
        }
    }

    /// Creates the key of a sign-in: the SSH layer has verified the peer's signature, and that of the certificate.
    /// `state` is what a security key has stated in the signature.
    pub fn verified(
        key: &PublicKey,
        certificate: Option<&Certificate>,
        state: Option<SecurityKeyState>,
    ) -> Self {
        Self {
            signature: Signature::Right {
                flags: state.map_or(0, |state| state.flags),
            },
            ..Self::offered(key, certificate)
        }
    }

    /// Returns the key itself; with a certificate, the certified key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns the certificate, if the key is presented with one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Returns what the log shows of the certificate, if the key is presented with one.
    pub fn certificate_identity(&self) -> Option<CertificateIdentity> {
        self.certificate().map(|certificate| CertificateIdentity {
            key_id: certificate.key_id().chars().take(LONGEST_ID).collect(),
            serial: certificate.serial(),
            authority: certificate
                .signature_key()
                .fingerprint(HashAlg::Sha256)
                .to_string(),
        })
    }

    /// Whether the SSH layer has verified a signature by the key.
    pub(super) fn is_verified(&self) -> bool {
        self.signature != Signature::Awaited
    }

    /// Returns text that is the same only for the same key with the same certificate.
    pub(super) fn identity(&self) -> Option<String> {
        match &self.certificate {
            None => key_data(&self.key),
            Some(certificate) => certificate.to_openssh().ok(),
        }
    }

    /// Returns the key in base64 that a line of the user's must have to accept this one: the key itself, or the key of
    /// the authority that has signed the certificate.
    pub(super) fn accepted_by(&self) -> Option<String> {
        match &self.certificate {
            None => key_data(&self.key),
            Some(certificate) => key_data(&PublicKey::from(certificate.signature_key().clone())),
        }
    }

    /// Checks what a security key has stated. An offer passes unless no signature by the key could.
    ///
    /// # Errors
    /// Returns the rule that the signature does not satisfy.
    pub(super) fn satisfies(&self, rules: TouchRules) -> Result<(), KeyRestriction> {
        let is_security_key = is_security_key(self.key.key_data());
        let flags = match self.signature {
            Signature::Right { flags } => flags,
            Signature::Awaited if is_security_key => TOUCHED | VERIFIED,
            Signature::Awaited => 0,
        };
        if rules.touch && is_security_key && flags & TOUCHED == 0 {
            return Err(KeyRestriction::NotTouched);
        }
        if rules.verification && flags & VERIFIED == 0 {
            return Err(KeyRestriction::NotVerified);
        }
        Ok(())
    }
}

/// Returns the key in base64, as in the lines of authorized_keys files.
pub(super) fn key_data(key: &PublicKey) -> Option<String> {
    let line = key.to_openssh().ok()?;
    line.split(' ').nth(1).map(str::to_owned)
}

/// Whether this is the key of a FIDO authenticator (`sk-…`).
pub(super) fn is_security_key(key: &KeyData) -> bool {
    matches!(key, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_))
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::public::{Ed25519PublicKey, SkEd25519};

    use super::*;

    #[test]
    fn a_security_key_states_what_was_done_with_it() {
        let point = Ed25519PublicKey([7; 32]);
        let plain = PublicKey::from(KeyData::Ed25519(point));
        let security = PublicKey::from(KeyData::SkEd25519(SkEd25519::new(point, "ssh:")));
        let check = |key: &PublicKey, flags: Option<u8>, (touch, verification), expected| {
            let presented = match flags {
                None => PresentedKey::offered(key, None),
                Some(flags) => {
                    let state = SecurityKeyState { flags, counter: 1 };
                    PresentedKey::verified(key, None, (key == &security).then_some(state))
                }
            };
            let rules = TouchRules { touch, verification };
            assert_eq!(presented.satisfies(rules), expected, "{flags:?} {rules:?}");
        };
        let (untouched, unverified) = (Err(KeyRestriction::NotTouched), Err(KeyRestriction::NotVerified));
        check(&security, Some(0), (true, false), untouched);
        check(&security, Some(0), (false, false), Ok(()));
        check(&security, Some(1), (true, false), Ok(()));
        check(&security, Some(1), (true, true), unverified);
        check(&security, Some(4), (true, true), untouched);
        check(&security, Some(4), (false, true), Ok(()));
        check(&security, Some(5), (true, true), Ok(()));
        // The other flags mean nothing here.
        check(&security, Some(0xfa), (true, false), untouched);
        check(&security, None, (true, true), Ok(()));
        check(&plain, Some(0), (true, false), Ok(()));
        // No touch was asked for, but what is required cannot be proven by such a key.
        check(&plain, Some(0), (false, true), unverified);
        check(&plain, None, (false, true), unverified);
        // A signature without a state, which no security key makes, proves nothing.
        let bare = PresentedKey::verified(&security, None, None);
        let rules = TouchRules {
            touch: true,
            verification: false,
        };
        assert_eq!(bare.satisfies(rules), untouched);
    }
}
