//! Errors for people: what failed, why, and what to do next.
//!
//! Code that reacts to errors uses its own enums; this type is for errors that end up on a terminal or in the log.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, why, and what to do next.
///
/// Displays as `cannot open host key "k": permission denied (hint: chmod 600)`.
#[derive(Debug)]
pub struct Error {
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    exit_code: u8,
    repeatable: bool,
}

/// The exit code of a command that failed.
const FAILED: u8 = 1;
/// The exit code of a command that names a user or a session that does not exist.
pub const NOT_FOUND: u8 = 3;
/// The exit code of a command that is to add what exists already.
pub const EXISTS: u8 = 4;

/// A result whose error is meant for people.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Creates an error from a lower-case clause that names what failed: `cannot open host key "k"`.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
            source: None,
            exit_code: FAILED,
            repeatable: false,
        }
    }

    /// Marks the error as one whose cause may be gone by now, so that the same call may succeed in a second attempt.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Returns whether the same call may succeed in a second attempt.
    pub fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Marks the error as being about something that does not exist.
    #[must_use]
    pub fn not_found(mut self) -> Self {
        self.exit_code = NOT_FOUND;
        self
    }

    /// Marks the error as being about something that exists already.
    #[must_use]
    pub fn exists(mut self) -> Self {
        self.exit_code = EXISTS;
        self
    }

    /// Returns the cause as a clause, without what failed; `None` if there is no cause.
    pub fn cause(&self) -> Option<String> {
        self.source.as_deref().map(|source| Clause(source).to_string())
    }

    /// Returns the exit code of a command that ends with this error.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Adds the cause, which is displayed after a colon.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Adds what the reader should do next, as an imperative clause.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut cause = self.source.as_deref().map(|e| e as &dyn StdError);
        while let Some(error) = cause {
            // Errors of this type display their sources themselves.
            write!(f, ": {}", Clause(error))?;
            cause = if error.is::<Error>() { None } else { error.source() };
        }
        if let Some(hint) = &self.hint {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// Displays a cause as a lower-case clause: `Permission denied (os error 13)` becomes `permission denied`.
pub struct Clause<'a>(pub &'a dyn StdError);

impl fmt::Display for Clause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text);
        let mut chars = text.chars();
        match (chars.next(), chars.clone().next()) {
            // `I/O` and other abbreviations keep their capitals.
            (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
                write!(f, "{}{}", first.to_lowercase(), chars.as_str())
            }
            _ => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_what_next() {
        let io = std::io::Error::from_raw_os_error(13);
        let error = Error::new("cannot open host key \"k\"")
            .because(io)
            .hint("chmod 600");
        assert_eq!(
            error.to_string(),
            "cannot open host key \"k\": permission denied (hint: chmod 600)"
        );
    }

    #[test]
    fn a_chain_of_our_own_errors_is_told_once() {
        let inner = Error::new("cannot read \"x\"").because(std::io::Error::from_raw_os_error(2));
        let outer = Error::new("cannot start").because(inner);
        assert_eq!(
            outer.to_string(),
            "cannot start: cannot read \"x\": no such file or directory"
        );
    }
}
