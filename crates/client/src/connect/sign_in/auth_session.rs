//! The connection of one sign-in, and what the server's answers on it mean.

use std::time::Duration;

use russh::MethodSet;
use russh::client::{AuthResult, Handle, Handler};

use super::credentials::Credentials;
use super::report::{Report, SignInError};
use crate::connect::destination::SignInRules;
use crate::connect::host_certificate::CertificateProblem;
use crate::connect::prompts::AsyncPrompts;
use base::visible::{printable, printable_lines};

/// How much is shown of the server's words, in characters of a line, and in lines.
pub(super) const SHOWN_PROMPT: usize = 300;
const SHOWN_LINES: usize = 20;

/// How long to wait for one answer of the server, which may first wait for a confirmation on a phone. Time with an open
/// prompt here does not count.
pub(super) const ANSWER: Duration = Duration::from_secs(120);

/// A connection on which a user signs in, with what all methods need. Each method has its own state beside it.
pub(super) struct AuthSession<'a, H: Handler> {
    pub(super) handle: &'a mut Handle<H>,
    pub(super) rules: &'a SignInRules,
    pub(super) credentials: &'a Credentials,
    pub(super) prompts: &'a AsyncPrompts,
    pub(super) report: Report,
    /// The server for messages that stand by themselves: there may be several on the way.
    pub(super) place: String,
    /// How many notes of the report have been shown.
    pub(super) notes_shown: usize,
}

/// How one attempt to sign in went.
pub(super) enum SignInStep {
    Done,
    /// The server accepted this step, and requires another one by one of these methods.
    Part(MethodSet),
    /// The server refused this step. These methods may be tried next.
    Refused(MethodSet),
    /// The method has no more credentials to try.
    Exhausted,
}

impl<H: Handler> AuthSession<'_, H> {
    /// What the server's answer means for the sign-in.
    pub(super) fn step<E: Into<russh::Error>>(
        &mut self,
        answer: Option<Result<AuthResult, E>>,
    ) -> Result<SignInStep, SignInError> {
        match answer {
            None => Err(SignInError::Silent(self.take_report())),
            Some(Err(error)) => Err(self.broken(error.into())),
            Some(Ok(AuthResult::Success)) => Ok(SignInStep::Done),
            Some(Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            })) => self.refused(remaining_methods, partial_success),
            // The method `password` has answered it before; nothing else is answered so.
            Some(Ok(AuthResult::PasswordExpired { .. })) => Err(self.broken(russh::Error::Inconsistent)),
        }
    }

    pub(super) fn refused(&mut self, open: MethodSet, partly: bool) -> Result<SignInStep, SignInError> {
        // russh returns this answer for a closed connection as well.
        if open.is_empty() && self.handle.is_closed() {
            return Err(SignInError::Closed(self.take_report()));
        }
        self.report.now_open(&open);
        Ok(match partly {
            true => SignInStep::Part(open),
            false => SignInStep::Refused(open),
        })
    }

    pub(super) fn take_report(&self) -> Box<Report> {
        Box::new(self.report.clone())
    }

    pub(super) fn broken(&self, source: russh::Error) -> SignInError {
        let report = self.take_report();
        match source {
            russh::Error::SendError
            | russh::Error::RecvError
            | russh::Error::Disconnect
            | russh::Error::HUP => SignInError::Closed(report),
            source => SignInError::Broken { report, source },
        }
    }

    pub(super) fn cannot_ask(&self, source: std::io::Error) -> SignInError {
        SignInError::CannotAsk {
            report: self.take_report(),
            source,
        }
    }

    /// Keeps a note about a key. It becomes part of the error.
    pub(super) fn note(&mut self, note: String) {
        self.report.notes.push(note);
    }

    /// Keeps a note about a certificate. What to do about the first becomes the advice of the error.
    pub(super) fn note_problem(&mut self, problem: CertificateProblem) {
        self.report.advice.get_or_insert(problem.advice);
        self.note(problem.why);
    }

    /// Shows the notes that have not been shown: they may be why a password is asked for.
    pub(super) fn show_notes(&mut self) {
        for note in self.report.notes.iter().skip(self.notes_shown) {
            self.prompts
                .show(&format!("warning: signing in at {}: {note}", self.place));
        }
        self.notes_shown = self.report.notes.len();
    }

    /// Shows what the server says before it asks.
    pub(super) fn introduce(&self, words: &str) {
        let text = printable_lines(words.as_bytes(), SHOWN_LINES, SHOWN_LINES * SHOWN_PROMPT);
        if !text.is_empty() {
            self.prompts.explain(&text);
        }
    }

    /// The names of the user and of the host, for messages.
    pub(super) fn names(&self) -> (String, String) {
        (
            printable(self.rules.user.as_bytes()),
            printable(self.report.host.as_bytes()),
        )
    }
}
