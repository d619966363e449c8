//! Signing in with passwords, and with answers to the server's questions (keyboard-interactive, RFC 4256), which are
//! mostly about a password too.

use russh::client::{Handler, KeyboardInteractiveAuthResponse as Response, Prompt};
use russh::{MethodKind, MethodSet};

use super::attempt::{ANSWER, SignIn, SignInStep};
use super::credentials::Answer;
use super::report::SignInError;
use base::secret::Secret;
use base::visible::{printable, printable_lines};

/// The most questions in one round, and the most rounds in one attempt: real servers ask one or two.
const MAX_PROMPTS: usize = 16;
const MAX_ROUNDS: usize = 16;
/// How much is shown of a question and of an introduction, in characters and lines.
const SHOWN_PROMPT: usize = 300;
const SHOWN_LINES: usize = 20;

/// How one round of questions was answered.
struct Replies {
    answers: Vec<Answer>,
    /// Whether the user was asked.
    asked: bool,
}

impl<H: Handler> SignIn<'_, H> {
    pub(super) async fn by_password(&mut self) -> Result<SignInStep, SignInError> {
        let mut last = SignInStep::Exhausted;
        for _ in 0..=self.rules.password_prompts {
            let Some((password, asked)) = self.next_password().await? else {
                return Ok(last);
            };
            let user = self.rules.user.as_str();
            let attempt = self.handle.authenticate_password(user, password.reveal());
            let answer = self.prompts.with_timeout(ANSWER, attempt).await;
            self.report.passwords += 1;
            last = self.step(answer)?;
            match &last {
                SignInStep::Done | SignInStep::Part(_) => {
                    self.credentials.keep_password(password);
                    return Ok(last);
                }
                SignInStep::Refused(open) => {
                    self.credentials.password_refused();
                    self.given_refused = self.credentials.is_given();
                    self.say_refused(asked, open, MethodKind::Password);
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
    async fn next_password(&mut self) -> Result<Option<(Secret, bool)>, SignInError> {
        if !std::mem::replace(&mut self.password_used, true)
            && let Some(password) = self.credentials.password()
        {
            return Ok(Some((password, false)));
        }
        let asked_before = self.report.passwords;
        if self.credentials.is_given() || asked_before >= self.rules.password_prompts as usize {
            return Ok(None);
        }
        let (user, host) = self.names();
        let password = self.prompts.secret(format!("{user}@{host}'s password: ")).await;
        match password {
            Ok(password) => Ok(Some((password, true))),
            Err(error) => Err(self.cannot_ask(error)),
        }
    }

    pub(super) async fn by_answers(&mut self) -> Result<SignInStep, SignInError> {
        let mut last = SignInStep::Exhausted;
        for _ in 0..=self.rules.password_prompts {
            // A user who supplied a password in advance is not asked for another.
            if self.given_refused {
                break;
            }
            if self.report.answers >= self.rules.password_prompts as usize {
                break;
            }
            let used_before = (self.answers_used, self.password_used);
            let (step, asked) = self.one_attempt().await?;
            last = step;
            match &last {
                SignInStep::Refused(open) => {
                    self.given_refused |= self.credentials.is_given() && self.password_used != used_before.1;
                    self.say_refused(asked, open, MethodKind::KeyboardInteractive);
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
    async fn one_attempt(&mut self) -> Result<(SignInStep, bool), SignInError> {
        let user = self.rules.user.as_str();
        let start = self.handle.authenticate_keyboard_interactive_start(user, None);
        let mut answer = self.prompts.with_timeout(ANSWER, start).await;
        let mut given: Vec<Answer> = Vec::new();
        let mut asked = false;
        for _ in 0..MAX_ROUNDS {
            let response = match answer {
                None => return Err(SignInError::Silent(self.take_report())),
                Some(response) => response.map_err(|error| self.broken(error))?,
            };
            self.report.answers +=
                usize::from(!given.is_empty() && !matches!(response, Response::InfoRequest { .. }));
            match response {
                Response::Success => {
                    self.credentials.keep_answers(given);
                    return Ok((SignInStep::Done, asked));
                }
                Response::Failure {
                    remaining_methods,
                    partial_success,
                } => {
                    if partial_success {
                        self.credentials.keep_answers(given);
                    }
                    return Ok((self.refused(remaining_methods, partial_success)?, asked));
                }
                Response::InfoRequest {
                    name,
                    instructions,
                    prompts,
                } => {
                    self.introduce(&name, &instructions);
                    let replies = self.replies(prompts).await?;
                    asked |= replies.asked;
                    let texts = replies
                        .answers
                        .iter()
                        .map(|answer| answer.answer.reveal().to_owned());
                    let respond = self
                        .handle
                        .authenticate_keyboard_interactive_respond(texts.collect());
                    answer = self.prompts.with_timeout(ANSWER, respond).await;
                    given.extend(replies.answers);
                }
            }
        }
        Err(self.broken(russh::Error::Inconsistent))
    }

    fn introduce(&self, name: &str, instructions: &str) {
        for text in [name, instructions] {
            let text = printable_lines(text.as_bytes(), SHOWN_LINES, SHOWN_LINES * SHOWN_PROMPT);
            if !text.is_empty() {
                self.prompts.show(&text);
            }
        }
    }

    async fn replies(&mut self, prompts: Vec<Prompt>) -> Result<Replies, SignInError> {
        if prompts.len() > MAX_PROMPTS {
            return Err(self.broken(russh::Error::Inconsistent));
        }
        let mut replies = Replies {
            answers: Vec::new(),
            asked: false,
        };
        // Only in the first round: a second round mostly asks for a code, which differs each time.
        let remembered = !self.answers_used;
        let single = matches!(prompts.as_slice(), [Prompt { echo: false, .. }]);
        for Prompt { prompt, echo } in prompts {
            let kept = remembered.then(|| self.credentials.answer(&prompt)).flatten();
            self.answers_used |= kept.is_some();
            let answer = match kept.or_else(|| self.given_password(single)) {
                Some(answer) => answer,
                None => {
                    replies.asked = true;
                    self.ask(&prompt, echo).await?
                }
            };
            replies.answers.push(Answer { prompt, answer });
        }
        Ok(replies)
    }

    /// Returns the password that was supplied in advance, unless it has been used. It answers one hidden question.
    fn given_password(&mut self, single: bool) -> Option<Secret> {
        let usable = single && self.credentials.is_given() && !self.password_used;
        let password = usable.then(|| self.credentials.password()).flatten()?;
        self.password_used = true;
        Some(password)
    }

    async fn ask(&self, prompt: &str, echo: bool) -> Result<Secret, SignInError> {
        let (user, host) = self.names();
        let shown: String = printable(prompt.as_bytes()).chars().take(SHOWN_PROMPT).collect();
        // The label begins with user and host, so that no server can imitate the prompt of another.
        let label = format!("({user}@{host}) {shown}");
        let answer = match echo {
            true => self.prompts.line(label).await.map(Secret::new),
            false => self.prompts.secret(label).await,
        };
        answer.map_err(|error| self.cannot_ask(error))
    }

    fn names(&self) -> (String, String) {
        (
            printable(self.rules.user.as_bytes()),
            printable(self.report.host.as_bytes()),
        )
    }

    fn say_refused(&self, asked: bool, open: &MethodSet, method: MethodKind) {
        if asked && open.contains(&method) {
            self.prompts.show("That was not right.");
        }
    }
}
