//! The kinds of proof of a sign-in.

use std::collections::BTreeSet;
use std::str::FromStr;

use base::error::Error;

/// A kind of proof that counts as one factor of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Factor {
    /// The user has a key, which is proven by a signature.
    PublicKey,
    /// The user knows the password, sent by the method `password` or `keyboard-interactive`.
    Password,
    /// The user has the device that computes one-time codes, sent by the method `keyboard-interactive`.
    Totp,
}

impl Factor {
    /// Returns the stable name: as in RFC 4252, or `totp`.
    pub fn name(self) -> &'static str {
        match self {
            Factor::PublicKey => "publickey",
            Factor::Password => "password",
            Factor::Totp => "totp",
        }
    }

    /// Checks the factors that are all to be required. An empty set means that one factor is enough.
    ///
    /// # Errors
    /// Returns an error if nobody could sign in with them.
    pub fn check_required(factors: &BTreeSet<Factor>) -> Result<(), Error> {
        match factors.len() == 1 && factors.contains(&Factor::Totp) {
            true => Err(Error::new(
                "a one-time code alone is not enough to sign in: nobody is asked for one first",
            )
            .hint("publickey,totp or password,totp")),
            false => Ok(()),
        }
    }
}

impl FromStr for Factor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "publickey" => Ok(Factor::PublicKey),
            "password" => Ok(Factor::Password),
            "totp" => Ok(Factor::Totp),
            _ => Err(
                Error::new(format!("\"{}\" is not a way to sign in", text.escape_debug()))
                    .hint("publickey, password or totp"),
            ),
        }
    }
}
