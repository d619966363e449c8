//! Signing in, in ssh's order: ask what the server takes, then keys, then its questions, then a password; after a
//! partial success on with what is still open.

mod by_key;
mod by_password;
pub mod credentials;
mod keys;
pub mod report;

use std::collections::VecDeque;
use std::time::Duration;

use russh::client::{AuthResult, Handle, Handler};
use russh::keys::HashAlg;
use russh::{MethodKind, MethodSet};

use self::by_key::{Agent, Identity};
use self::credentials::Credentials;
use self::report::{Report, SignInError};
use super::destination::SignInRules;
use super::prompts::Desk;
use super::ssh_config::settings::Method;

/// For one answer of the server: a module of its own may ask somebody's telephone first. People here are not counted.
const ANSWER: Duration = Duration::from_secs(120);
/// Partial successes: no server asks for more than its few methods.
const MAX_PARTS: usize = 8;

/// A connection, somebody at its end, and what they may use.
pub(super) struct SignIn<'a, H: Handler> {
    handle: &'a mut Handle<H>,
    rules: &'a SignInRules,
    credentials: &'a Credentials,
    desk: &'a Desk,
    report: Report,
    /// `None`: not looked up yet.
    identities: Option<VecDeque<Identity>>,
    agent: Option<Agent>,
    /// What RSA keys sign with; `None`: not asked yet.
    rsa: Option<RsaHash>,
    /// The kept password and the kept answers are used once.
    password_used: bool,
    answers_used: bool,
    /// The password that was given beforehand is wrong.
    given_refused: bool,
}

/// What the server takes of RSA keys.
#[derive(Clone, Copy)]
enum RsaHash {
    Sha2(HashAlg),
    /// SHA-1, which is not used.
    None,
}

/// How an attempt went.
enum Step {
    Done,
    /// One part is done; these are open now.
    Part(MethodSet),
    /// These are open.
    Refused(MethodSet),
    /// Nothing is left to try by this method.
    Exhausted,
}

impl<'a, H: Handler> SignIn<'a, H> {
    pub(super) fn new(
        (handle, host): (&'a mut Handle<H>, &str),
        rules: &'a SignInRules,
        credentials: &'a Credentials,
        desk: &'a Desk,
    ) -> Self {
        Self {
            handle,
            rules,
            credentials,
            desk,
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

    /// Signs in.
    ///
    /// # Errors
    /// When nothing lets the user in, or the connection ends.
    pub(super) async fn run(mut self) -> Result<(), SignInError> {
        let user = self.rules.user.as_str();
        let probe = self
            .desk
            .patiently(ANSWER, self.handle.authenticate_none(user))
            .await;
        let mut open = match self.step(probe)? {
            Step::Done => return Ok(()),
            Step::Part(open) | Step::Refused(open) => open,
            Step::Exhausted => MethodSet::empty(),
        };
        for _ in 0..MAX_PARTS {
            match self.part(&mut open).await? {
                Step::Done => return Ok(()),
                Step::Part(methods) => open = methods,
                Step::Refused(_) | Step::Exhausted => break,
            }
        }
        Err(SignInError::Refused(Box::new(self.report)))
    }

    /// Tries every method that is open, until one is accepted.
    async fn part(&mut self, open: &mut MethodSet) -> Result<Step, SignInError> {
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
                Step::Done | Step::Part(_) => return Ok(step),
                Step::Refused(methods) => *open = methods,
                Step::Exhausted => {}
            }
        }
        Ok(Step::Exhausted)
    }

    /// A password that was given is for the method of that name first: questions may be about something else.
    fn methods(&self) -> Vec<Method> {
        let mut methods = self.rules.methods.clone();
        if self.credentials.is_given() {
            methods.sort_by_key(|method| *method == Method::KeyboardInteractive);
        }
        methods
    }

    /// What the server's answer means.
    fn step<E: Into<russh::Error>>(
        &mut self,
        answer: Option<Result<AuthResult, E>>,
    ) -> Result<Step, SignInError> {
        match answer {
            None => Err(SignInError::Silent(self.told())),
            Some(Err(error)) => Err(self.broken(error.into())),
            Some(Ok(AuthResult::Success)) => Ok(Step::Done),
            Some(Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            })) => self.refused(remaining_methods, partial_success),
        }
    }

    fn refused(&mut self, open: MethodSet, partly: bool) -> Result<Step, SignInError> {
        // russh answers for a connection that has ended, too.
        if open.is_empty() && self.handle.is_closed() {
            return Err(SignInError::Closed(self.told()));
        }
        self.report.now_open(&open);
        Ok(match partly {
            true => Step::Part(open),
            false => Step::Refused(open),
        })
    }

    fn told(&self) -> Box<Report> {
        Box::new(self.report.clone())
    }

    fn broken(&self, source: russh::Error) -> SignInError {
        let report = self.told();
        match source {
            russh::Error::SendError
            | russh::Error::RecvError
            | russh::Error::Disconnect
            | russh::Error::HUP => SignInError::Closed(report),
            source => SignInError::Broken { report, source },
        }
    }

    fn cannot_ask(&self, source: std::io::Error) -> SignInError {
        SignInError::CannotAsk {
            report: self.told(),
            source,
        }
    }

    /// Keeps what is to be said about a key, and says it at once: it may be why a password is asked for.
    fn note(&mut self, note: String) {
        self.desk.tell(&format!("warning: {note}"));
        self.report.notes.push(note);
    }
}
