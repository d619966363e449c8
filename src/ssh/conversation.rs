//! The sign-in by keyboard-interactive: a conversation that goes on until everything that can be asked for is proven.
//!
//! What was proven stays proven when an answer is wrong: a wrong code leads to the question for a code again, in the
//! next conversation. The number of questions on one connection is limited, and so is the time, by the login grace.

use russh::server::{Auth, Response};

use super::connection::Connection;
use super::phase::Phase;
use super::questions::{PendingQuestion, Question, QuestionAnswer};
use super::refusal_reason::RefusalReason;
use crate::auth::{Credential, DenialReason, Method, NewPasswordDenial};
use crate::domain::event::{AdminAct, AdminRecord, Event, Operator, Setting, SettingValue};
use base::secret::Secret;

/// The most questions that one connection is asked: each factor once for each attempt that sshd would allow, and more.
/// A client that asks to be asked without ever answering gets no further.
const MOST_QUESTIONS: u32 = 30;

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
    let pending = pending.filter(|pending| pending.user == user);
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
            ask_again(connection, pending, why)
        }
    };
    go_on(connection, user, outcome)
}

/// Asks the next question if something was proven and more is wanted that can be asked for.
fn go_on(connection: &mut Connection, user: &str, outcome: Auth) -> Auth {
    let is_partial = matches!(
        outcome,
        Auth::Reject {
            partial_success: true,
            ..
        }
    );
    match Question::for_wanted(&connection.wanted_for(user)).filter(|_| is_partial) {
        Some(question) => ask(connection, user, question),
        None => outcome,
    }
}

fn ask(connection: &mut Connection, user: &str, question: Question) -> Auth {
    connection.questions = connection.questions.saturating_add(1);
    if connection.questions > MOST_QUESTIONS {
        let reason = RefusalReason::new("too_many_questions", "the client wants to be asked too often");
        if connection.may_log() {
            connection.denied(user, METHOD, reason);
        }
        return connection.refuse_for(user);
    }
    let asked = question.ask();
    connection.pending = Some(PendingQuestion {
        user: user.to_owned(),
        question,
    });
    asked
}

/// Asks for another new password, unless there were too many. The sign-in is reported when the client gives it up.
fn ask_again(connection: &mut Connection, pending: PendingQuestion, why: String) -> Auth {
    let PendingQuestion { user, question } = pending;
    if let Some(question) = question.again(why) {
        return ask(connection, &user, question);
    }
    connection.refuse_for(&user)
}

/// Sets the new password, and completes the sign-in.
async fn set_password(connection: &mut Connection, pending: PendingQuestion, new: &Secret) -> Auth {
    let user = &pending.user;
    let Phase::Anonymous(state) = &connection.phase else {
        return connection.refuse_for(user);
    };
    let (passed, peer) = (state.passed.clone(), connection.peer);
    // This must precede the change.
    let revision = connection.service.sessions.revision();
    let set = tokio::select! {
        biased;
        () = connection.gone.cancelled() => {
            connection.denied_for(user, METHOD, &DenialReason::HungUp, "");
            return connection.refuse_for(user);
        }
        set = connection.service.auth.set_own_password(user, peer.ip(), &passed, new) => set,
    };
    match set {
        Ok(outcome) => {
            connection.service.events.emit(&password_chosen(user, peer));
            connection.conclude(user, METHOD, revision, outcome).await
        }
        Err(NewPasswordDenial::Rules(why)) => ask_again(connection, pending, why),
        Err(NewPasswordDenial::Failed(error)) => {
            let sentence = error.to_string();
            connection.denied(user, METHOD, RefusalReason::new("password_not_set", &sentence));
            connection.refuse_for(user)
        }
    }
}

/// Returns the event that a user has chosen a new password.
fn password_chosen(user: &str, peer: std::net::SocketAddr) -> Event {
    let by_server = Operator {
        uid: rustix::process::geteuid().as_raw(),
        sudo_user: None,
    };
    let setting = |name: &str, value: SettingValue| Setting {
        name: name.to_owned(),
        value,
    };
    Event::Admin(Box::new(AdminRecord {
        by: by_server,
        act: AdminAct {
            what: "own password".to_owned(),
            name: user.to_owned(),
            before: Vec::new(),
            after: vec![
                setting("has_password", SettingValue::Flag(true)),
                setting("peer", SettingValue::Text(peer.to_string())),
            ],
        },
    }))
}
