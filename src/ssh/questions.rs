//! The questions of a sign-in: which one comes next, how it is asked, and what its answers are. They are asked by
//! keyboard-interactive (RFC 4256); only for a new password the method `password` has a message of its own (RFC 4252,
//! section 8). The code is pure; [`super::asking`] asks.
//!
//! A peer that has proven nothing is asked for a password, whoever the user is. Only a right password, or a key, leads
//! to the question for a code: so nobody learns from the questions who exists and who has a second factor.

use std::borrow::Cow;

use russh::server::{Auth, Response};

use super::phase::Wanted;
use crate::auth::Method;
use crate::domain::user::Factor;
use base::secret::Secret;

/// How often a user may try to choose a new password, until the sign-in fails.
const NEW_PASSWORD_TRIES: u32 = 3;

/// A question that the peer was asked, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// The password.
    Password,
    /// A one-time code or a recovery code.
    Code,
    /// A new password, twice, because the old one has expired.
    NewPassword(NewPasswordTry),
}

/// An attempt to choose a new password.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NewPasswordTry {
    /// Why the last one was not accepted.
    refused: Option<String>,
    /// How many were not accepted.
    failures: u32,
}

impl NewPasswordTry {
    /// Returns what the user is told.
    fn words(&self) -> String {
        let refused = self.refused.as_ref().map(|why| format!("{why} "));
        let refused = refused.unwrap_or_default();
        format!("{refused}Your password has expired, and you must choose a new one.")
    }
}

/// The question that a connection was asked last, and has not answered.
#[derive(Debug)]
pub(super) struct PendingQuestion {
    /// The name for which it was asked.
    pub user: String,
    /// The method by which it was asked.
    pub method: Method,
    /// The question.
    pub question: Question,
}

impl PendingQuestion {
    /// Returns the message that asks it.
    pub fn message(&self) -> Auth {
        match (&self.question, self.method) {
            (Question::NewPassword(attempt), Method::Password) => Auth::PasswordExpired {
                prompt: attempt.words().into(),
            },
            (question, _) => question.ask(),
        }
    }
}

/// The answers to a question.
#[derive(Debug)]
pub(super) enum QuestionAnswer {
    /// The password.
    Password(Secret),
    /// A code.
    Code(Secret),
    /// A new password, which was typed twice in the same way.
    NewPassword(Secret),
    /// Two new passwords that differ.
    NewPasswordsDiffer,
}

impl Question {
    /// Returns the first question of a conversation by which something that is wanted can be proven.
    pub fn for_wanted(wanted: &Wanted) -> Option<Self> {
        match wanted {
            Wanted::Anything => Some(Question::Password),
            Wanted::Factors(factors) if factors.contains(&Factor::Password) => Some(Question::Password),
            Wanted::Factors(factors) if factors.contains(&Factor::Totp) => Some(Question::Code),
            Wanted::Factors(_) => None,
            Wanted::NewPassword => Some(Question::NewPassword(NewPasswordTry::default())),
        }
    }

    /// Returns the message of keyboard-interactive that asks it.
    fn ask(&self) -> Auth {
        let (name, instructions, prompts): (&'static str, String, &[&'static str]) = match self {
            Question::Password => ("", String::new(), &["Password: "]),
            Question::Code => ("", String::new(), &["Verification code: "]),
            Question::NewPassword(attempt) => (
                "New password",
                attempt.words(),
                &["New password: ", "New password again: "],
            ),
        };
        // Nothing that is typed is shown: bystanders could use it.
        let prompts: Vec<(Cow<'static, str>, bool)> =
            prompts.iter().map(|text| ((*text).into(), false)).collect();
        Auth::Partial {
            name: name.into(),
            instructions: instructions.into(),
            prompts: prompts.into(),
        }
    }

    /// Returns the answer, or `None` if there is another number of them than was asked for (RFC 4256, section 3.4). A
    /// message that cannot be read has none.
    pub fn answer(&self, mut given: Response<'_>) -> Option<QuestionAnswer> {
        let mut next = || given.next().map(|bytes| Secret::from_bytes(bytes.to_vec()));
        let answer = match self {
            Question::Password => QuestionAnswer::Password(next()?),
            Question::Code => QuestionAnswer::Code(next()?),
            Question::NewPassword(_) => {
                let (new, again) = (next()?, next()?);
                match new.bytes() == again.bytes() {
                    true => QuestionAnswer::NewPassword(new),
                    false => QuestionAnswer::NewPasswordsDiffer,
                }
            }
        };
        next().is_none().then_some(answer)
    }

    /// Returns the question for another new password, or `None` if there were too many.
    pub fn again(&self, why: String) -> Option<Self> {
        let failures = match self {
            Question::NewPassword(attempt) => attempt.failures + 1,
            Question::Password | Question::Code => return None,
        };
        (failures < NEW_PASSWORD_TRIES).then_some(Question::NewPassword(NewPasswordTry {
            refused: Some(why),
            failures,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_follows_from_what_is_wanted() {
        let factors = |factors: &[Factor]| Wanted::Factors(factors.iter().copied().collect());
        let check = |wanted: Wanted, expected: Option<Question>| {
            assert_eq!(Question::for_wanted(&wanted), expected, "{wanted:?}");
        };
        use Factor::{Password, PublicKey, Totp};
        check(Wanted::Anything, Some(Question::Password));
        check(factors(&[Password]), Some(Question::Password));
        check(factors(&[Totp]), Some(Question::Code));
        check(factors(&[PublicKey, Password, Totp]), Some(Question::Password));
        check(factors(&[PublicKey, Totp]), Some(Question::Code));
        check(factors(&[PublicKey]), None);
        check(
            Wanted::NewPassword,
            Some(Question::NewPassword(NewPasswordTry::default())),
        );
    }

    #[test]
    fn nothing_that_is_typed_is_shown() {
        let new = Question::NewPassword(NewPasswordTry::default());
        for question in [Question::Password, Question::Code, new] {
            let Auth::Partial { prompts, .. } = question.ask() else {
                panic!("{question:?} is asked")
            };
            assert!(!prompts.is_empty() && prompts.iter().all(|(_, echo)| !echo));
        }
    }

    #[test]
    fn a_new_password_may_be_tried_three_times() {
        let mut question = Question::for_wanted(&Wanted::NewPassword).unwrap();
        for _ in 1..NEW_PASSWORD_TRIES {
            question = question.again("It is too short.".to_owned()).unwrap();
            let Auth::Partial { instructions, .. } = question.ask() else {
                panic!("{question:?} is asked")
            };
            assert!(instructions.starts_with("It is too short. Your password has expired"));
            let pending = PendingQuestion {
                user: "tom".to_owned(),
                method: Method::Password,
                question: question.clone(),
            };
            let prompt = instructions;
            assert_eq!(pending.message(), Auth::PasswordExpired { prompt });
        }
        assert_eq!(question.again(String::new()), None);
        assert_eq!(Question::Password.again(String::new()), None);
    }
}
