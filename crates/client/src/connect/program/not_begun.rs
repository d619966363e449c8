//! Why the system's ssh has not begun SFTP, as an error: from how the program ended, and what it said last.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use super::stderr_tail::StderrTail;
use crate::connect::error::ConnectError;
use base::error::Error;

/// The exit code by which `ssh` says that it has failed itself. Others are those of the remote command.
pub(super) const FAILED: i32 = 255;
/// What ssh says when it was not let in, or does not trust the server.
const REFUSED: [&str; 4] = [
    "Permission denied",
    "Host key verification failed",
    "Too many authentication failures",
    "REMOTE HOST IDENTIFICATION HAS CHANGED",
];
/// What OpenSSH's server says if the password has to be changed in a terminal before anything else is run.
const EXPIRED: [&str; 1] = ["Password change required but no TTY available"];
/// What ssh says with `-v` when it has signed in.
const SIGNED_IN: [&str; 1] = ["Authenticated to "];
/// What to do about an expired password.
const CHOOSE_ANOTHER: &str = "sign in from a terminal to choose a new one, or ask the server's administrator";

/// Why SFTP has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// The program has ended.
    Ended,
    /// The program has not signed in within this time.
    NotSignedIn(Duration),
    /// SFTP has not begun within this time.
    Silent(Duration),
    /// The server asks for a new password, and nobody has given one.
    PasswordExpired,
}

/// What is known about a program that has not begun SFTP.
pub(super) struct ProgramEnd<'a> {
    /// How it ended, or `None` if it runs, or its end is not known.
    pub(super) status: Option<ExitStatus>,
    /// Whether it was seen to have signed in.
    pub(super) has_signed_in: bool,
    /// What it has said.
    pub(super) words: &'a StderrTail,
}

impl NotBegun {
    /// The error for a user who wanted to connect to this host. The name is escaped already.
    pub(super) fn error(self, host: &str, end: &ProgramEnd<'_>) -> ConnectError {
        let what = match self {
            Self::Ended => end.what(host),
            Self::NotSignedIn(limit) => {
                format!(
                    "ssh has not signed in at \"{host}\" within {} seconds",
                    limit.as_secs()
                )
            }
            Self::Silent(limit) => {
                format!(
                    "ssh has not opened SFTP at \"{host}\" within {} seconds",
                    limit.as_secs()
                )
            }
            Self::PasswordExpired => {
                format!("the password for \"{host}\" has expired, and nobody has chosen a new one")
            }
        };
        let mut error = Error::new(what);
        let last = end.words.last_line();
        if !last.is_empty() {
            error = error.because(last);
        }
        if self == Self::PasswordExpired || end.words.contain_any(&EXPIRED) {
            return ConnectError::Refused(error.hint(CHOOSE_ANOTHER));
        }
        match end.words.contain_any(&REFUSED) {
            true => ConnectError::Refused(error),
            false => ConnectError::Unreachable(error),
        }
    }
}

impl ProgramEnd<'_> {
    /// What has happened, as a sentence without its end.
    fn what(&self, host: &str) -> String {
        let ended = format!("the server \"{host}\" ended SFTP before it had begun");
        let Some(status) = self.status else {
            return ended;
        };
        if let Some(signal) = status.signal() {
            return format!("ssh was ended by signal {signal} before SFTP had begun at \"{host}\"");
        }
        let has_signed_in = self.has_signed_in || self.words.contain_any(&SIGNED_IN);
        match status.code() {
            // ssh ends so, too, if a signal has ended the command at the server.
            Some(FAILED) if has_signed_in => {
                format!("{ended}: its subsystem was ended, or the connection was")
            }
            Some(FAILED) if self.words.last_line().is_empty() => format!(
                "ssh ended before SFTP had begun at \"{host}\", and does not say why; -v shows how far it came"
            ),
            Some(FAILED) => format!("ssh could not connect to \"{host}\""),
            Some(0) | None => ended,
            Some(code) => format!("{ended}: its subsystem ended with exit code {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status of a program that has ended with this exit code.
    fn exit(code: i32) -> Option<ExitStatus> {
        Some(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn an_error_says_who_ended_what() {
        let second = Duration::from_secs(1);
        let signal = Some(ExitStatus::from_raw(9));
        for (why, status, has_signed_in, words, expected) in [
            (
                NotBegun::Ended,
                signal,
                false,
                "",
                "ssh was ended by signal 9 before SFTP had begun at \"h\"",
            ),
            (
                NotBegun::Ended,
                signal,
                false,
                "one\nlast\n",
                "ssh was ended by signal 9 before SFTP had begun at \"h\": last",
            ),
            (
                NotBegun::Ended,
                exit(255),
                false,
                "no route\n",
                "ssh could not connect to \"h\": no route",
            ),
            (
                NotBegun::Ended,
                exit(255),
                true,
                "banner\n",
                "the server \"h\" ended SFTP before it had begun: its subsystem was ended, or the connection was: banner",
            ),
            (
                NotBegun::Ended,
                exit(255),
                false,
                "debug1: Authenticated to h\nx\n",
                "the server \"h\" ended SFTP before it had begun: its subsystem was ended, or the connection was: x",
            ),
            (
                NotBegun::Ended,
                exit(255),
                false,
                "",
                "ssh ended before SFTP had begun at \"h\", and does not say why; -v shows how far it came",
            ),
            (
                NotBegun::Ended,
                exit(1),
                true,
                "",
                "the server \"h\" ended SFTP before it had begun: its subsystem ended with exit code 1",
            ),
            (
                NotBegun::Ended,
                exit(0),
                true,
                "",
                "the server \"h\" ended SFTP before it had begun",
            ),
            (
                NotBegun::NotSignedIn(second),
                None,
                false,
                "",
                "ssh has not signed in at \"h\" within 1 seconds",
            ),
            (
                NotBegun::Silent(second),
                None,
                true,
                "",
                "ssh has not opened SFTP at \"h\" within 1 seconds",
            ),
        ] {
            let tail = StderrTail::default();
            tail.add(words.as_bytes());
            let end = ProgramEnd {
                status,
                has_signed_in,
                words: &tail,
            };
            let error = why.error("h", &end);
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.exit_code(), 1, "{expected}");
        }
    }

    /// However a server tells of it, the error says what to do, and another attempt makes no sense.
    #[test]
    fn an_expired_password_is_told_with_what_to_do() {
        for (why, words) in [
            (NotBegun::PasswordExpired, ""),
            (
                NotBegun::Ended,
                "Password change required but no TTY available.\n",
            ),
        ] {
            let tail = StderrTail::default();
            tail.add(words.as_bytes());
            let end = ProgramEnd {
                status: exit(1),
                has_signed_in: true,
                words: &tail,
            };
            let error = why.error("h", &end);
            assert!(
                error.to_string().ends_with(&format!("(hint: {CHOOSE_ANOTHER})")),
                "{error}"
            );
            assert!(error.exit_code() == 3 && !error.may_pass(), "{error}");
        }
    }
}
