//! One-time codes by time (RFC 6238): SHA-1, six digits, steps of 30 seconds. The code is pure: the time is passed in.
//!
//! Which steps were taken is in the store; [`super::second_factor`] asks both.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use zeroize::Zeroizing;

use base::error::{Error, Result};

/// The number of digits of a code.
const DIGITS: usize = 6;
/// The number by which a code is reduced to its digits.
const MODULUS: u32 = 1_000_000;
/// The time for which a code is shown, in seconds. All authenticator applications use it.
const STEP_SECS: i64 = 30;
/// The number of steps by which the clock of the device may be early or late.
const GRACE: i64 = 1;
/// The length of a new secret in bytes, which RFC 4226 recommends: that of a SHA-1.
const NEW_SECRET: usize = 20;
/// The shortest secret that is accepted, in bytes. RFC 4226 requires 128 bits.
const SHORTEST: usize = 16;
/// The longest secret that is accepted, in bytes: the block of SHA-1, beyond which it would be hashed first.
const LONGEST: usize = 64;
/// The name under which authenticator applications list the account.
const ISSUER: &str = "Homeport";

/// The secret that a user's device and the server share. `Debug` does not show it.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// Creates a new random secret.
    ///
    /// # Errors
    /// Returns an error if the kernel has no randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; NEW_SECRET]);
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::new("cannot make a TOTP secret").because(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// Accepts a secret from elsewhere.
    ///
    /// # Errors
    /// Returns an error if it is too short to be safe, or longer than any is.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let bytes = Zeroizing::new(bytes);
        let length = bytes.len();
        let hint = format!("give one of {SHORTEST} to {LONGEST} bytes; new secrets have {NEW_SECRET}");
        if length < SHORTEST {
            return Err(Error::new(format!("a TOTP secret of {length} bytes is refused"))
                .because("it could be guessed from a few codes".to_owned())
                .hint(hint));
        }
        if length > LONGEST {
            return Err(Error::new(format!("a TOTP secret of {length} bytes is refused"))
                .because("it is longer than any device keeps".to_owned())
                .hint(hint));
        }
        Ok(Self(bytes))
    }

    /// Parses a secret in base32, as other programs show it: in either case, with spaces, hyphens or padding.
    ///
    /// # Errors
    /// Returns an error if it is not base32, or if [`TotpSecret::from_bytes`] refuses it.
    pub fn from_base32(text: &str) -> Result<Self> {
        let plain: Zeroizing<String> = Zeroizing::new(
            text.chars()
                .filter(|c| !matches!(c, ' ' | '-' | '='))
                .map(|c| c.to_ascii_uppercase())
                .collect(),
        );
        let bytes = BASE32_NOPAD.decode(plain.as_bytes()).map_err(|_| {
            Error::new("a TOTP secret is refused")
                .because("it is not base32: the letters A to Z and the digits 2 to 7".to_owned())
        })?;
        Self::from_bytes(bytes)
    }

    /// Returns the bytes of the secret, for the code that seals them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the secret in base32, for devices that cannot read the QR code.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&self.0))
    }

    /// Returns the URL that authenticator applications read from a QR code.
    pub fn url(&self, user: &str) -> Zeroizing<String> {
        let mut label = String::with_capacity(user.len());
        for byte in user.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => label.push(char::from(byte)),
                other => label.push_str(&format!("%{other:02X}")),
            }
        }
        // What is left out is the default of all applications: SHA1, 6 digits, 30 seconds. Some refuse other words.
        let secret = self.base32();
        Zeroizing::new(format!(
            "otpauth://totp/{ISSUER}:{label}?secret={}&issuer={ISSUER}",
            secret.as_str()
        ))
    }

    /// Returns the code of a step.
    pub fn code(&self, step: i64) -> String {
        format!("{:0DIGITS$}", self.number(step))
    }

    /// Returns the step of which this is the code, if that is the current one or one within the grace, the latest
    /// first. The time that it takes does not depend on the code.
    pub fn step_of(&self, code: &OneTimeCode, now_secs: i64) -> Option<i64> {
        let current = step_at(now_secs);
        let mut found = None;
        for step in (current.saturating_sub(GRACE)..=current.saturating_add(GRACE)).rev() {
            let differs = self.number(step) ^ code.0;
            if differs == 0 && found.is_none() {
                found = Some(step);
            }
        }
        found
    }

    /// Returns the code of a step as a number (RFC 4226, section 5.3).
    fn number(&self, step: i64) -> u32 {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&self.0) else {
            return MODULUS;
        };
        mac.update(&step.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let offset = usize::from(digest.last().copied().unwrap_or_default() & 0x0f);
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(digest.iter().skip(offset)) {
            *to = *from;
        }
        (u32::from_be_bytes(word) & 0x7fff_ffff) % MODULUS
    }
}

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(***)")
    }
}

/// Returns the step of a time, which is given in seconds since 1970.
pub fn step_at(secs: i64) -> i64 {
    secs.div_euclid(STEP_SECS)
}

/// Six digits that a user has typed.
pub struct OneTimeCode(u32);

impl OneTimeCode {
    /// Parses what a user has typed. Spaces are ignored, because applications show codes in two groups. Returns `None`
    /// if it is anything but six digits.
    pub fn parse(typed: &[u8]) -> Option<Self> {
        let mut number: u32 = 0;
        let mut digits = 0;
        for &byte in typed.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            if !byte.is_ascii_digit() || digits == DIGITS {
                return None;
            }
            number = number * 10 + u32::from(byte - b'0');
            digits += 1;
        }
        (digits == DIGITS).then_some(Self(number))
    }
}

#[cfg(test)]
mod tests;
