//! A new password in place of one that has expired, by the method `password` (RFC 4252, section 8). The user chooses it:
//! none is sent before the server's words were shown and somebody has typed it twice.

use std::io;

use russh::client::{AuthResult, Handler};

use super::auth_session::{ANSWER, AuthSession, SignInStep};
use super::report::SignInError;
use base::secret::Secret;

/// How often the user is asked for a new password at most. A server gives up sooner, or the user does.
const TRIES: usize = 10;

/// What came of a sign-in by a password that may have been changed.
pub(super) struct ChangedPassword {
    /// What the server's answer means.
    pub step: SignInStep,
    /// The password that is the user's now.
    pub password: Secret,
}

/// Asks the user for a new password until the server takes one, or refuses the change.
pub(super) async fn change<H: Handler>(
    session: &mut AuthSession<'_, H>,
    old: Secret,
    mut words: String,
) -> Result<ChangedPassword, SignInError> {
    if !session.prompts.are_answered() {
        return Err(SignInError::PasswordExpired(session.take_report()));
    }
    let (user, host) = session.names();
    let expired = format!("The password of {user} at {host} has expired. The server says:");
    session.prompts.explain(&expired);
    for _ in 0..TRIES {
        session.introduce(&words);
        let new = ask_twice(session).await?;
        let name = session.rules.user.as_str();
        let attempt = session
            .handle
            .authenticate_password_change(name, old.reveal(), new.reveal());
        let answer = session.prompts.with_timeout(ANSWER, attempt).await;
        match answer {
            Some(Ok(AuthResult::PasswordExpired { prompt })) => words = prompt,
            answer => {
                let step = session.step(answer)?;
                let (outcome, password) = match step {
                    SignInStep::Done | SignInStep::Part(_) => ("The password was changed.", new),
                    SignInStep::Refused(_) | SignInStep::Exhausted => ("The password was not changed.", old),
                };
                session.prompts.explain(outcome);
                return Ok(ChangedPassword { step, password });
            }
        }
    }
    Err(session.broken(russh::Error::Inconsistent))
}

/// Asks for a new password, until it was typed twice in the same way.
async fn ask_twice<H: Handler>(session: &AuthSession<'_, H>) -> Result<Secret, SignInError> {
    for _ in 0..TRIES {
        let new = ask(session, "new password").await?;
        let again = ask(session, "new password again").await?;
        if new.bytes() == again.bytes() {
            return Ok(new);
        }
        session.prompts.explain("The two passwords differ.");
    }
    let error = io::Error::other("the new password was never typed twice in the same way");
    Err(session.cannot_ask(error))
}

async fn ask<H: Handler>(session: &AuthSession<'_, H>, what: &str) -> Result<Secret, SignInError> {
    let (user, host) = session.names();
    let answer = session.prompts.secret(format!("{user}@{host}'s {what}: ")).await;
    answer.map_err(|error| session.cannot_ask(error))
}
