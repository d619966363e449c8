//! Signing in with passwords, and with answers to the server's questions (keyboard-interactive, RFC 4256), which are
//! mostly about a password too.

use russh::client::{AuthResult, Handler, KeyboardInteractiveAuthResponse as Response, Prompt};
use russh::{MethodKind, MethodSet};

use super::auth_session::{ANSWER, AuthSession, SHOWN_PROMPT, SignInStep};
use super::credentials::{Answer, Credentials, is_for_new_password};
use super::new_password::{self, ChangedPassword};
use super::report::SignInError;
use crate::connect::prompts::AsyncPrompts;
use base::secret::Secret;
use base::visible::printable;

/// The most questions in one round, and the most rounds in one attempt: real servers ask one or two.
const MAX_PROMPTS: usize = 16;
const MAX_ROUNDS: usize = 16;

/// How one round of questions was answered.
struct Replies {
    answers: Vec<Answer>,
    /// Whether the user was asked.
    asked: bool,
}

/// The methods `password` and `keyboard-interactive`, and what of the kept secrets they have used. Each is used once.
#[derive(Default)]
pub(super) struct PasswordMethods {
    password_used: bool,
    answers_used: bool,
    /// Whether the password that was given beforehand is wrong.
    given_refused: bool,
}

impl PasswordMethods {
    /// Signs in by the method `password`.
    pub(super) async fn by_password<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
    ) -> Result<SignInStep, SignInError> {
        let mut last = SignInStep::Exhausted;
        for _ in 0..=session.rules.password_prompts {
            let Some((password, asked)) = self.next_password(session).await? else {
                return Ok(last);
            };
            let user = session.rules.user.as_str();
            let attempt = session.handle.authenticate_password(user, password.reveal());
            let answer = session.prompts.with_timeout(ANSWER, attempt).await;
            session.report.passwords += 1;
            let ChangedPassword { step, password } = match answer {
                Some(Ok(AuthResult::PasswordExpired { prompt })) => {
                    new_password::change(session, password, prompt).await?
                }
                answer => ChangedPassword {
                    step: session.step(answer)?,
                    password,
                },
            };
            last = step;
            match &last {
                SignInStep::Done | SignInStep::Part(_) => {
                    session.credentials.keep_password(password);
                    return Ok(last);
                }
                SignInStep::Refused(open) => {
                    session.credentials.password_refused();
                    self.given_refused = session.credentials.is_given();
                    say_refused(session.prompts, asked, open, MethodKind::Password);
                    if !open.contains(&MethodKind::Password) {
                        return Ok(last);
                    }
                }
                SignInStep::Exhausted => return Ok(last),
            }
        }
        Ok(last)
    }

    /// Returns the kept password, or asks for one as often as the rules allow. Also returns whether the user was asked.
    async fn next_password<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
    ) -> Result<Option<(Secret, bool)>, SignInError> {
        if !std::mem::replace(&mut self.password_used, true)
            && let Some(password) = session.credentials.password()
        {
            return Ok(Some((password, false)));
        }
        let asked_before = session.report.passwords;
        if session.credentials.is_given() || asked_before >= session.rules.password_prompts as usize {
            return Ok(None);
        }
        let (user, host) = session.names();
        let password = session
            .prompts
            .secret(format!("{user}@{host}'s password: "))
            .await;
        match password {
            Ok(password) => Ok(Some((password, true))),
            Err(error) => Err(session.cannot_ask(error)),
        }
    }

    /// Signs in by the method `keyboard-interactive`.
    pub(super) async fn by_answers<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
    ) -> Result<SignInStep, SignInError> {
        let mut last = SignInStep::Exhausted;
        for _ in 0..=session.rules.password_prompts {
            // A user who supplied a password in advance is not asked for another.
            if self.given_refused {
                break;
            }
            if session.report.answers >= session.rules.password_prompts as usize {
                break;
            }
            let used_before = (self.answers_used, self.password_used);
            let (step, asked) = self.one_attempt(session).await?;
            last = step;
            match &last {
                SignInStep::Refused(open) => {
                    self.given_refused |=
                        session.credentials.is_given() && self.password_used != used_before.1;
                    say_refused(session.prompts, asked, open, MethodKind::KeyboardInteractive);
                    // If nobody was asked, the next attempt would end in the same way, unless kept answers were used,
                    // which is done once.
                    let again = asked || self.answers_used != used_before.0;
                    if !again || !open.contains(&MethodKind::KeyboardInteractive) {
                        break;
                    }
                }
                SignInStep::Done | SignInStep::Part(_) | SignInStep::Exhausted => break,
            }
        }
        Ok(last)
    }

    /// Holds one conversation, from its start to success or failure. Also returns whether the user was asked.
    async fn one_attempt<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
    ) -> Result<(SignInStep, bool), SignInError> {
        let user = session.rules.user.as_str();
        let start = session.handle.authenticate_keyboard_interactive_start(user, None);
        let mut answer = session.prompts.with_timeout(ANSWER, start).await;
        let mut given: Vec<Answer> = Vec::new();
        let mut asked = false;
        for _ in 0..MAX_ROUNDS {
            let response = match answer {
                None => return Err(SignInError::Silent(session.take_report())),
                Some(response) => response.map_err(|error| session.broken(error))?,
            };
            session.report.answers +=
                usize::from(!given.is_empty() && !matches!(response, Response::InfoRequest { .. }));
            match response {
                Response::Success => {
                    session.credentials.keep_answers(given);
                    return Ok((SignInStep::Done, asked));
                }
                Response::Failure {
                    remaining_methods,
                    partial_success,
                } => {
                    if partial_success {
                        session.credentials.keep_answers(given);
                    }
                    return Ok((session.refused(remaining_methods, partial_success)?, asked));
                }
                Response::InfoRequest {
                    name,
                    instructions,
                    prompts,
                } => {
                    session.introduce(&name);
                    session.introduce(&instructions);
                    let replies = self.replies(session, prompts).await?;
                    asked |= replies.asked;
                    let texts = replies
                        .answers
                        .iter()
                        .map(|answer| answer.answer.reveal().to_owned());
                    let respond = session
                        .handle
                        .authenticate_keyboard_interactive_respond(texts.collect());
                    answer = session.prompts.with_timeout(ANSWER, respond).await;
                    given.extend(replies.answers);
                }
            }
        }
        Err(session.broken(russh::Error::Inconsistent))
    }

    async fn replies<H: Handler>(
        &mut self,
        session: &mut AuthSession<'_, H>,
        prompts: Vec<Prompt>,
    ) -> Result<Replies, SignInError> {
        if prompts.len() > MAX_PROMPTS {
            return Err(session.broken(russh::Error::Inconsistent));
        }
        let is_new = |question: &Prompt| is_for_new_password(&question.prompt);
        if prompts.iter().any(is_new) && !session.prompts.are_answered() {
            return Err(SignInError::PasswordExpired(session.take_report()));
        }
        let mut replies = Replies {
            answers: Vec::new(),
            asked: false,
        };
        // Only in the first round: a second round mostly asks for a code, which differs each time.
        let remembered = !self.answers_used;
        let single = matches!(
            prompts.as_slice(),
            [Prompt { echo: false, prompt }] if !is_for_new_password(prompt)
        );
        for Prompt { prompt, echo } in prompts {
            let kept = remembered.then(|| session.credentials.answer(&prompt)).flatten();
            self.answers_used |= kept.is_some();
            let answer = match kept.or_else(|| self.given_password(session.credentials, single)) {
                Some(answer) => answer,
                None => {
                    replies.asked = true;
                    ask(session, &prompt, echo).await?
                }
            };
            replies.answers.push(Answer { prompt, answer });
        }
        Ok(replies)
    }

    /// Returns the password that was supplied in advance, unless it has been used. It answers one hidden question.
    fn given_password(&mut self, credentials: &Credentials, single: bool) -> Option<Secret> {
        let usable = single && credentials.is_given() && !self.password_used;
        let password = usable.then(|| credentials.password()).flatten()?;
        self.password_used = true;
        Some(password)
    }
}

/// Asks the user one of the server's questions.
async fn ask<H: Handler>(
    session: &AuthSession<'_, H>,
    prompt: &str,
    echo: bool,
) -> Result<Secret, SignInError> {
    let (user, host) = session.names();
    let shown: String = printable(prompt.as_bytes()).chars().take(SHOWN_PROMPT).collect();
    // The label begins with user and host, so that no server can imitate the prompt of another.
    let label = format!("({user}@{host}) {shown}");
    let answer = match echo {
        true => session.prompts.line(label).await.map(Secret::new),
        false => session.prompts.secret(label).await,
    };
    answer.map_err(|error| session.cannot_ask(error))
}

/// Tells a user who was asked that another answer is needed.
fn say_refused(prompts: &AsyncPrompts, asked: bool, open: &MethodSet, method: MethodKind) {
    if asked && open.contains(&method) {
        prompts.explain("That was not right.");
    }
}
