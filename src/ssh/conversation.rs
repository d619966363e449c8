//! The sign-in by keyboard-interactive: a conversation that goes on until everything that can be asked for is proven.
//!
//! What was proven stays proven when an answer is wrong: a wrong code leads to the question for a code again, in the
//! next conversation. The number of questions on one connection is limited, and so is the time, by the login grace.

use russh::server::{Auth, Response};

use super::asking::{self, ChosenPassword};
use super::connection::Connection;
use super::phase::Phase;
use super::questions::{PendingQuestion, Question, QuestionAnswer};
use super::refusal_reason::RefusalReason;
use crate::auth::{Credential, Method};
use base::secret::Secret;

/// The method of all that is proven here.
const METHOD: Method = Method::KeyboardInteractive;

/// Begins a conversation, or goes on with the answers to the pending question.
pub(super) async fn converse(
    connection: &mut Connection,
    user: &str,
    response: Option<Response<'_>>,
) -> Auth {
    let pending = connection.pending.take();
    let Some(response) = response else {
        return match Question::for_wanted(&connection.wanted_for(user)) {
            Some(question) => ask(connection, user, question),
            // What is missing is not proven by answers.
            None => connection.refuse_for(user),
        };
    };
    let pending = pending.filter(|pending| pending.user == user && pending.method == METHOD);
    let sentence = match response.is_malformed() {
        true => "the message does not have as many answers as it says",
        false => "the number of answers is not that of the questions",
    };
    let answer = pending
        .as_ref()
        .and_then(|pending| pending.question.answer(response));
    let (Some(pending), Some(answer)) = (pending, answer) else {
        connection.denied(user, METHOD, RefusalReason::new("bad_answer", sentence));
        return connection.refuse_for(user);
    };
    let outcome = match answer {
        QuestionAnswer::Password(password) => {
            let credential = Credential::Password(&password);
            connection.attempt(user, credential, METHOD).await
        }
        QuestionAnswer::Code(code) => connection.attempt(user, Credential::Code(&code), METHOD).await,
        QuestionAnswer::NewPassword(new) => set_password(connection, pending, &new).await,
        QuestionAnswer::NewPasswordsDiffer => {
            let why = "The two passwords differ.".to_owned();
            asking::ask_again(connection, pending, why)
        }
    };
    match asking::next(connection, user, &outcome) {
        Some(question) => ask(connection, user, question),
        None => outcome,
    }
}

/// Asks a question by this method.
fn ask(connection: &mut Connection, user: &str, question: Question) -> Auth {
    let question = PendingQuestion {
        user: user.to_owned(),
        method: METHOD,
        question,
    };
    asking::ask(connection, question)
}

/// Sets the new password that answers a question, and completes the sign-in.
async fn set_password(connection: &mut Connection, pending: PendingQuestion, new: &Secret) -> Auth {
    let Phase::Anonymous(state) = &connection.phase else {
        return connection.refuse_for(&pending.user);
    };
    let passed = state.passed.clone();
    asking::set_password(connection, ChosenPassword { pending, passed, new }).await
}
