//! The command line of `homeportd token`.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::user::OutputArgs;
use crate::domain::texts;
use crate::domain::token::TokenScope;
use crate::domain::user::UserName;
use crate::ops::tokens::NewToken;
use crate::shapes::values::span;
use base::error::{Error, Result};

/// The commands of `homeportd token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Add a token, and print it once, on the last line
    ///
    /// Give it to the program as it is printed: nothing shows it again. With --json: v, user, id, scope, comment,
    /// created_at, expires_at, last_used_at, token.
    #[command(after_help = "Examples:
  homeportd token add calvin --scope files --comment 'nightly export' --expires 90d
  homeportd user set calvin --admin && homeportd token add calvin --scope admin
  homeportd token add calvin --scope files --json | jq -r .token")]
    Add(TokenAddArgs),
    /// List tokens, without the tokens themselves
    #[command(after_help = "Example:\n  homeportd token list calvin")]
    List {
        /// Only the tokens of this user
        #[arg(value_parser = UserName::stored)]
        user: Option<UserName>,
        /// Print a JSON array of objects: v, user, id, scope, comment, created_at, expires_at, last_used_at
        #[arg(long)]
        json: bool,
    },
    /// Remove a token, and end what it does
    #[command(after_help = "Example:\n  homeportd token remove calvin 3")]
    Remove {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        user: UserName,
        /// The number that `token list` shows
        id: i64,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// The command-line arguments of `homeportd token add`.
#[derive(Debug, Args)]
pub struct TokenAddArgs {
    /// The name of the user
    #[arg(value_parser = UserName::stored)]
    pub user: UserName,
    /// What the token allows: files, with the permissions that the user has; or admin, which is for administrators, and
    /// has the files, too
    #[arg(long)]
    pub scope: TokenScope,
    /// A remark for operators, such as what the token is for
    #[arg(long, value_name = "TEXT", value_parser = texts::comment, default_value = "", hide_default_value = true)]
    pub comment: String,
    /// The time from which the token is not accepted: 90d, 12h, 2030-01-01 (0:00 UTC), 2030-01-01T12:00:00Z, or never
    #[arg(long, value_name = "TIME", default_value = "never")]
    pub expires: TokenExpiry,
    /// Print a JSON object with stable names
    #[arg(long)]
    pub json: bool,
}

impl TokenAddArgs {
    /// Returns the token that the options ask for.
    pub fn token(self) -> NewToken {
        let TokenExpiry(expires_at) = self.expires;
        NewToken {
            user: self.user,
            scope: self.scope,
            comment: self.comment,
            expires_at,
        }
    }
}

/// The value of `--expires` of a token; `None` means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenExpiry(Option<Timestamp>);

impl std::str::FromStr for TokenExpiry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        expiry_after(Timestamp::now(), text).map(Self)
    }
}

/// Parses a time, or how long it is until then.
fn expiry_after(now: Timestamp, text: &str) -> Result<Option<Timestamp>> {
    let Some(span) = span(text) else {
        return texts::expiry(text).map_err(|error| error.hint("90d, 12h, 2030-01-01, or never"));
    };
    now.checked_add(span)
        .map(Some)
        .map_err(|_| Error::new(format!("\"{text}\" is too long")).hint("never"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_at_a_time_or_after_one() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let end = expiry_after(now, text).unwrap();
            assert_eq!(end.map(|end| end.to_string()).as_deref(), expected, "{text}");
        };
        check("never", None);
        check("90d", Some("2027-02-28T12:00:00Z"));
        check("12h", Some("2026-12-01T00:00:00Z"));
        check("2030-01-01", Some("2030-01-01T00:00:00Z"));
        for bad in ["", "d", "90", "-1d", "90 d", "tomorrow", "4294967295w"] {
            assert!(expiry_after(now, bad).is_err(), "{bad}");
        }
    }
}
