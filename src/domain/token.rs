//! What a token of the API allows.

use std::str::FromStr;

use base::error::Error;

/// What a token of the API allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenScope {
    /// The files of its user, with the permissions that the user has.
    Files,
    /// What administrators do, and the files of its user.
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
                Error::new(format!("\"{}\" is not a scope of tokens", text.escape_debug()))
                    .hint("files or admin"),
            ),
        }
    }
}
