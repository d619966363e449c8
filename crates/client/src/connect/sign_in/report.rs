//! Reports why a sign-in failed: what was tried, and what to do next.

use std::borrow::Cow;
use std::fmt;
use std::io;

use russh::{MethodKind, MethodSet};

/// How many keys a report names.
const SHOWN_KEYS: usize = 6;

/// Why a sign-in failed, with the report of what was tried.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The server accepted nothing that was tried.
    #[error("{0}{hint}", hint = .0.hint())]
    Refused(Box<Report>),
    /// The user could not be asked, or cancelled the prompt.
    #[error("{report}; {source}")]
    CannotAsk {
        /// The methods and keys that were tried before.
        report: Box<Report>,
        /// The error of the prompt.
        source: io::Error,
    },
    /// The password has expired, and nobody can be asked for a new one.
    #[error(
        "{0}; the password has expired (hint: sign in from a terminal to choose a new one, or ask the server's administrator)"
    )]
    PasswordExpired(Box<Report>),
    /// The server ended the connection.
    #[error("{0}; then the server closed the connection{hint}", hint = .0.hint_closed())]
    Closed(Box<Report>),
    /// The server did not answer in time.
    #[error("{0}; then the server stopped answering (hint: try again later)")]
    Silent(Box<Report>),
    /// The connection broke, or the server does not speak as it should.
    #[error("{report}; then the connection broke: {source}")]
    Broken {
        /// The methods and keys that were tried before.
        report: Box<Report>,
        /// The error of the connection.
        source: russh::Error,
    },
}

/// What was tried in one sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) keys: Vec<String>,
    pub(super) passwords: usize,
    pub(super) answers: usize,
    /// The methods that the server accepts, or `None` if it never listed them.
    pub(super) open: Option<Vec<&'static str>>,
    /// Notes about keys that could not be used.
    pub(super) notes: Vec<String>,
    /// What to do about a certificate that was refused.
    pub(super) advice: Option<String>,
}

impl Report {
    pub(super) fn now_open(&mut self, methods: &MethodSet) {
        self.open = Some(methods.iter().map(<&'static str>::from).collect());
    }

    fn tried(&self) -> String {
        let times = |count: usize| {
            if count == 1 {
                String::new()
            } else {
                format!(" ({count} times)")
            }
        };
        let mut tried = Vec::new();
        match self.keys.len() {
            0 => {}
            count => {
                let shown: Vec<&str> = self.keys.iter().take(SHOWN_KEYS).map(String::as_str).collect();
                let more = if count > SHOWN_KEYS { ", …" } else { "" };
                let word = if count == 1 {
                    "the key".to_owned()
                } else {
                    format!("{count} keys:")
                };
                tried.push(format!("{word} {}{more}", shown.join(", ")));
            }
        }
        if self.answers > 0 {
            tried.push(format!("answers to its questions{}", times(self.answers)));
        }
        if self.passwords > 0 {
            tried.push(format!("a password{}", times(self.passwords)));
        }
        match tried.is_empty() {
            true => "nothing was there to try".to_owned(),
            false => format!("tried {}", tried.join(" and ")),
        }
    }

    fn takes(&self, method: MethodKind) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.contains(&<&'static str>::from(&method)))
    }

    fn hint(&self) -> Cow<'static, str> {
        let by_password = self.takes(MethodKind::Password) || self.takes(MethodKind::KeyboardInteractive);
        if by_password && self.passwords + self.answers > 0 {
            return " (hint: check the user's name and the password)".into();
        }
        if let Some(advice) = &self.advice {
            return format!(" (hint: {advice})").into();
        }
        let hint = match (self.takes(MethodKind::PublicKey), self.keys.is_empty()) {
            (true, true) => " (hint: name a key with -i FILE, or add it to ssh-agent with ssh-add)",
            (true, false) => " (hint: the server must know the key: name the right one with -i FILE)",
            (false, _) => " (hint: ask the server's administrator how you may sign in)",
        };
        hint.into()
    }

    fn hint_closed(&self) -> &'static str {
        match self.keys.len() > 1 {
            true => {
                " (hint: servers let pass only a few keys: name the right one with -i FILE, and set IdentitiesOnly in ~/.ssh/config)"
            }
            false => " (hint: try again later, or ask the server's administrator)",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, host) = (self.user.escape_debug(), self.host.escape_debug());
        write!(f, "not signed in as {user} at {host}: {}", self.tried())?;
        match self.open.as_deref() {
            None => {}
            Some([]) => write!(f, "; the server takes nothing more")?,
            Some(open) => write!(f, "; the server takes {}", open.join(", "))?,
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_lists_the_attempts_and_gives_a_hint() {
        let report = |keys: &[&str], passwords, open: &[MethodKind], notes: &[&str]| {
            let mut report = Report {
                user: "tom".into(),
                host: "h".into(),
                keys: keys.iter().map(|k| (*k).to_owned()).collect(),
                passwords,
                notes: notes.iter().map(|n| (*n).to_owned()).collect(),
                ..Report::default()
            };
            report.now_open(&MethodSet::from(open));
            Box::new(report)
        };
        use MethodKind::{Password, PublicKey};
        for (error, expected) in [
            (
                SignInError::Refused(report(&["A"], 3, &[PublicKey, Password], &[])),
                "not signed in as tom at h: tried the key A and a password (3 times); the server takes publickey, password (hint: check the user's name and the password)",
            ),
            (
                SignInError::Refused(report(&[], 0, &[PublicKey], &["the key \"x\" is not there"])),
                "not signed in as tom at h: nothing was there to try; the server takes publickey; the key \"x\" is not there (hint: name a key with -i FILE, or add it to ssh-agent with ssh-add)",
            ),
            (
                SignInError::Closed(report(&["A", "B"], 0, &[PublicKey], &[])),
                "not signed in as tom at h: tried 2 keys: A, B; the server takes publickey; then the server closed the connection (hint: servers let pass only a few keys: name the right one with -i FILE, and set IdentitiesOnly in ~/.ssh/config)",
            ),
            (
                SignInError::Refused({
                    let mut advised = report(&["A"], 0, &[PublicKey], &["the certificate \"x\" expired"]);
                    advised.advice = Some("have it signed".to_owned());
                    advised
                }),
                "not signed in as tom at h: tried the key A; the server takes publickey; the certificate \"x\" expired (hint: have it signed)",
            ),
            (
                SignInError::Refused(report(&[], 0, &[], &[])),
                "not signed in as tom at h: nothing was there to try; the server takes nothing more (hint: ask the server's administrator how you may sign in)",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
