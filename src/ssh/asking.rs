//! Asks a peer what a sign-in needs besides, within limits, and stores the new password of a user whose password has
//! expired. The methods `keyboard-interactive` ([`super::conversation`]) and `password` ([`super::password_method`])
//! have this in common.

use std::net::SocketAddr;

use russh::server::Auth;

use super::connection::Connection;
use super::questions::{PendingQuestion, Question};
use super::refusal_reason::RefusalReason;
use crate::auth::{DenialReason, NewPasswordDenial, Proofs};
use crate::domain::event::{AdminRecord, Event, Operator};
use base::secret::Secret;

/// The most questions that one connection is asked: each factor once for each attempt that sshd would allow, and more.
/// A client that asks to be asked without ever answering gets no further.
const MOST_QUESTIONS: u32 = 30;

/// A new password that a user has chosen.
pub(super) struct ChosenPassword<'a> {
    /// The question that it answers.
    pub pending: PendingQuestion,
    /// The proofs that allow the user to choose one.
    pub passed: Proofs,
    /// The password.
    pub new: &'a Secret,
}

/// Returns the question that follows an answer, if that has proven something and more is wanted that can be asked for.
pub(super) fn next(connection: &Connection, user: &str, outcome: &Auth) -> Option<Question> {
    let is_partial = matches!(
        outcome,
        Auth::Reject {
            partial_success: true,
            ..
        }
    );
    Question::for_wanted(&connection.wanted_for(user)).filter(|_| is_partial)
}

/// Asks a question, unless there were too many.
pub(super) fn ask(connection: &mut Connection, question: PendingQuestion) -> Auth {
    connection.questions = connection.questions.saturating_add(1);
    if connection.questions > MOST_QUESTIONS {
        let reason = RefusalReason::new("too_many_questions", "the client wants to be asked too often");
        if connection.may_log() {
            connection.denied(&question.user, question.method, reason);
        }
        return connection.refuse_for(&question.user);
    }
    let message = question.message();
    connection.pending = Some(question);
    message
}

/// Asks for another new password, unless there were too many. The sign-in is reported when the client gives it up.
pub(super) fn ask_again(connection: &mut Connection, pending: PendingQuestion, why: String) -> Auth {
    match pending.question.again(why) {
        Some(question) => ask(connection, PendingQuestion { question, ..pending }),
        None => connection.refuse_for(&pending.user),
    }
}

/// Sets the new password, and completes the sign-in.
pub(super) async fn set_password(connection: &mut Connection, chosen: ChosenPassword<'_>) -> Auth {
    let ChosenPassword { pending, passed, new } = chosen;
    let (user, method, peer) = (pending.user.as_str(), pending.method, connection.peer);
    // This must precede the change.
    let revision = connection.service.sessions.revision();
    let set = tokio::select! {
        biased;
        () = connection.gone.cancelled() => {
            connection.denied_for(user, method, &DenialReason::HungUp, "");
            return connection.refuse_for(user);
        }
        set = connection.service.auth.set_own_password(user, peer.ip(), &passed, new) => set,
    };
    match set {
        Ok(outcome) => {
            connection.service.events.emit(&password_chosen(user, peer));
            connection.conclude(user, method, revision, outcome).await
        }
        Err(NewPasswordDenial::Rules(why)) => ask_again(connection, pending, why),
        Err(NewPasswordDenial::Failed(error)) => {
            let sentence = error.to_string();
            connection.denied(user, method, RefusalReason::new("password_not_set", &sentence));
            connection.refuse_for(user)
        }
    }
}

/// Returns the event that a user has chosen a new password.
fn password_chosen(user: &str, peer: SocketAddr) -> Event {
    let by_server = Operator {
        uid: rustix::process::geteuid().as_raw(),
        sudo_user: None,
        web_user: None,
    };
    Event::Admin(Box::new(AdminRecord::own_password(by_server, user, peer)))
}
