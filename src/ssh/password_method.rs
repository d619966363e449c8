//! The sign-in by the method `password`, and the change of an expired password by it (RFC 4252, section 8).
//!
//! Only a peer that was asked for a new password may change one, and it is asked when everything else is proven. A
//! request out of the blue is refused unseen, as sshd refuses each: so it is neither a way to guess passwords, nor does
//! a stolen password alone make a new one.

use russh::server::Auth;

use super::asking::{self, ChosenPassword};
use super::connection::Connection;
use super::phase::JudgedAttempt;
use super::questions::{PendingQuestion, Question};
use super::refusal_reason::RefusalReason;
use crate::auth::{Credential, Denial, Method};
use base::secret::Secret;

/// The method of all that is proven here.
const METHOD: Method = Method::Password;

/// The request for a change of the password. Nothing of it was checked.
pub(super) struct PasswordChange {
    /// The password until now.
    pub old: Secret,
    /// The one that the user has chosen.
    pub new: Secret,
}

/// Judges a password, and asks for a new one if it is right, has expired, and nothing else is missing.
pub(super) async fn sign_in(connection: &mut Connection, user: &str, password: &Secret) -> Auth {
    connection.pending = None;
    let credential = Credential::Password(password);
    let outcome = connection.attempt(user, credential, METHOD).await;
    match asking::next(connection, user, &outcome) {
        Some(question @ Question::NewPassword(_)) => {
            let user = user.to_owned();
            let question = PendingQuestion {
                user,
                method: METHOD,
                question,
            };
            asking::ask(connection, question)
        }
        Some(Question::Password | Question::Code) | None => outcome,
    }
}

/// Judges the old password like any other, and sets the new one. A success tells the client that this was done.
pub(super) async fn change(connection: &mut Connection, user: &str, change: PasswordChange) -> Auth {
    let is_asked = |pending: &PendingQuestion| pending.method == METHOD && pending.user == user;
    let Some(pending) = connection.pending.take().filter(is_asked) else {
        let sentence = "the client wants to change a password, and was not asked to";
        if connection.may_log() {
            connection.denied(user, METHOD, RefusalReason::new("bad_answer", sentence));
        }
        return connection.refuse_for(user);
    };
    let old = Credential::Password(&change.old);
    let outcome = match connection.judge(user, old, METHOD).await {
        Ok(JudgedAttempt { outcome, .. }) => outcome,
        Err(refusal) => return refusal,
    };
    match outcome {
        Err(Denial::PasswordExpired { passed }) => {
            let chosen = ChosenPassword {
                pending,
                passed,
                new: &change.new,
            };
            asking::set_password(connection, chosen).await
        }
        // The old password is right, and is not to be changed any more, or more must be proven now.
        Ok(_) | Err(_) => {
            let sentence = "the user's record was changed during the sign-in";
            connection.denied(user, METHOD, RefusalReason::new("password_not_set", sentence));
            connection.refuse_for(user)
        }
    }
}
