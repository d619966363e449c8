//! Tokens: what programs show instead of a user's password.

use std::str::FromStr;

use base::error::Error;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenScope {
    /// The files of its user.
    Files,
    /// Administration.
    Admin,
}

impl TokenScope {
    /// Returns the stable name.
    pub fn name(self) -> &'static str {
        match self {
            TokenScope::Files => "files",
            TokenScope::Admin => "admin",
        }
    }
}

impl FromStr for TokenScope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "files" => Ok(TokenScope::Files),
            "admin" => Ok(TokenScope::Admin),
            _ => Err(
                Error::new(format!("\"{}\" is not what a token is for", text.escape_debug()))
                    .hint("files or admin"),
            ),
        }
    }
}
