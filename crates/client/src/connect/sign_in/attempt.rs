//! One sign-in on one connection: which method comes next, and what the server's answers mean.

use std::collections::VecDeque;
use std::time::Duration;

use russh::client::{AuthResult, Handle, Handler};
use russh::keys::HashAlg;
use russh::{MethodKind, MethodSet};

use super::credentials::Credentials;
use super::identity::{Agent, Identity};
use super::report::{Report, SignInError};
use crate::connect::destination::SignInRules;
use crate::connect::prompts::AsyncPrompts;
use crate::connect::ssh_config::settings::Method;

/// How long to wait for one answer of the server, which may first wait for a confirmation on a phone. Time with an open
/// prompt here does not count.
pub(super) const ANSWER: Duration = Duration::from_secs(120);
/// The most partial successes: no server requires more than its few methods.
const MAX_PARTS: usize = 8;

/// A connection on which a user signs in, and what the user may use for that.
pub(in crate::connect) struct SignIn<'a, H: Handler> {
    pub(super) handle: &'a mut Handle<H>,
    pub(super) rules: &'a SignInRules,
    pub(super) credentials: &'a Credentials,
    pub(super) prompts: &'a AsyncPrompts,
    pub(super) report: Report,
    /// The keys that are left to try, or `None` before they are looked up.
    pub(super) identities: Option<VecDeque<Identity>>,
    pub(super) agent: Option<Agent>,
    /// The hash with which RSA keys sign, or `None` before the server was asked.
    pub(super) rsa: Option<RsaHash>,
    /// Whether the kept password, and the kept answers, have been used. Each is used once.
    pub(super) password_used: bool,
    pub(super) answers_used: bool,
    /// Whether the password that was given beforehand is wrong.
    pub(super) given_refused: bool,
}

/// The hash that the server accepts for RSA keys.
#[derive(Clone, Copy)]
pub(super) enum RsaHash {
    Sha2(HashAlg),
    /// The server accepts only SHA-1, which is not used.
    None,
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

impl<'a, H: Handler> SignIn<'a, H> {
    pub(in crate::connect) fn new(
        handle: &'a mut Handle<H>,
        host: &str,
        rules: &'a SignInRules,
        credentials: &'a Credentials,
        prompts: &'a AsyncPrompts,
    ) -> Self {
        Self {
            handle,
            rules,
            credentials,
            prompts,
            report: Report {
                user: rules.user.clone(),
                host: host.to_owned(),
                ..Report::default()
            },
            identities: None,
            agent: None,
            rsa: None,
            password_used: false,
            answers_used: false,
            given_refused: false,
        }
    }

    /// Signs in by the methods in their order, until the server is satisfied.
    ///
    /// # Errors
    /// When nothing lets the user in, or the connection ends.
    pub(in crate::connect) async fn run(mut self) -> Result<(), SignInError> {
        let user = self.rules.user.as_str();
        let probe = self
            .prompts
            .with_timeout(ANSWER, self.handle.authenticate_none(user))
            .await;
        let mut open = match self.step(probe)? {
            SignInStep::Done => return Ok(()),
            SignInStep::Part(open) | SignInStep::Refused(open) => open,
            SignInStep::Exhausted => MethodSet::empty(),
        };
        for _ in 0..MAX_PARTS {
            match self.part(&mut open).await? {
                SignInStep::Done => return Ok(()),
                SignInStep::Part(methods) => open = methods,
                SignInStep::Refused(_) | SignInStep::Exhausted => break,
            }
        }
        Err(SignInError::Refused(Box::new(self.report)))
    }

    /// Tries every method that the server accepts, until one succeeds.
    async fn part(&mut self, open: &mut MethodSet) -> Result<SignInStep, SignInError> {
        for method in self.methods() {
            let kind = match method {
                Method::PublicKey => MethodKind::PublicKey,
                Method::KeyboardInteractive => MethodKind::KeyboardInteractive,
                Method::Password => MethodKind::Password,
            };
            if !open.contains(&kind) {
                continue;
            }
            let step = match method {
                Method::PublicKey => self.by_key().await?,
                Method::KeyboardInteractive => self.by_answers().await?,
                Method::Password => self.by_password().await?,
            };
            match step {
                SignInStep::Done | SignInStep::Part(_) => return Ok(step),
                SignInStep::Refused(methods) => *open = methods,
                SignInStep::Exhausted => {}
            }
        }
        Ok(SignInStep::Exhausted)
    }

    /// The methods in their order. A password that was given beforehand goes to the method of that name first: the
    /// server's questions may be about something else.
    fn methods(&self) -> Vec<Method> {
        let mut methods = self.rules.methods.clone();
        if self.credentials.is_given() {
            methods.sort_by_key(|method| *method == Method::KeyboardInteractive);
        }
        methods
    }

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

    /// Keeps a note about a key, and prints it at once: it may be why a password is asked for.
    pub(super) fn note(&mut self, note: String) {
        self.prompts.show(&format!("warning: {note}"));
        self.report.notes.push(note);
    }
}
