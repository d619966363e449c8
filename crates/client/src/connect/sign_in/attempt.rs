//! One sign-in on one connection: which method comes next.

use russh::client::{Handle, Handler};
use russh::{MethodKind, MethodSet};

use super::auth_session::{ANSWER, AuthSession, SignInStep};
use super::by_key::KeyMethod;
use super::by_password::PasswordMethods;
use super::credentials::Credentials;
use super::report::{Report, SignInError};
use crate::connect::destination::Destination;
use crate::connect::error;
use crate::connect::prompts::AsyncPrompts;
use crate::connect::ssh_config::settings::Method;

/// The most partial successes: no server requires more than its few methods.
const MAX_PARTS: usize = 8;

/// A connection on which a user signs in, and the methods for that.
pub(in crate::connect) struct SignIn<'a, H: Handler> {
    session: AuthSession<'a, H>,
    keys: KeyMethod,
    passwords: PasswordMethods,
}

impl<'a, H: Handler> SignIn<'a, H> {
    pub(in crate::connect) fn new(
        handle: &'a mut Handle<H>,
        destination: &'a Destination,
        credentials: &'a Credentials,
        prompts: &'a AsyncPrompts,
    ) -> Self {
        let rules = &destination.sign_in;
        let report = Report {
            user: rules.user.clone(),
            host: destination.given.clone(),
            ..Report::default()
        };
        Self {
            session: AuthSession {
                handle,
                rules,
                credentials,
                prompts,
                report,
                place: error::place(destination),
                notes_shown: 0,
            },
            keys: KeyMethod::default(),
            passwords: PasswordMethods::default(),
        }
    }

    /// Signs in by the methods in their order, until the server is satisfied.
    ///
    /// # Errors
    /// When nothing lets the user in, or the connection ends.
    pub(in crate::connect) async fn run(mut self) -> Result<(), SignInError> {
        let session = &mut self.session;
        let asking = session.handle.authenticate_none(session.rules.user.as_str());
        let probe = session.prompts.with_timeout(ANSWER, asking).await;
        let mut open = match session.step(probe)? {
            SignInStep::Done => return Ok(()),
            SignInStep::Part(open) | SignInStep::Refused(open) => open,
            SignInStep::Exhausted => MethodSet::empty(),
        };
        for _ in 0..MAX_PARTS {
            match self.part(&mut open).await? {
                SignInStep::Done => {
                    self.session.show_notes();
                    return Ok(());
                }
                SignInStep::Part(methods) => open = methods,
                SignInStep::Refused(_) | SignInStep::Exhausted => break,
            }
        }
        Err(SignInError::Refused(Box::new(self.session.report)))
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
            // Where nobody can be asked, the error alone has the notes.
            if method != Method::PublicKey && self.session.prompts.are_answered() {
                self.session.show_notes();
            }
            let step = match method {
                Method::PublicKey => self.keys.sign_in(&mut self.session).await?,
                Method::KeyboardInteractive => self.passwords.by_answers(&mut self.session).await?,
                Method::Password => self.passwords.by_password(&mut self.session).await?,
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
        let mut methods = self.session.rules.methods.clone();
        if self.session.credentials.is_given() {
            methods.sort_by_key(|method| *method == Method::KeyboardInteractive);
        }
        methods
    }
}
