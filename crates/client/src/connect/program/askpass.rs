//! Answers what `ssh` asks: passwords, passphrases, PINs, and whether a host key is right.
//!
//! ssh runs the program in `SSH_ASKPASS` with the question, and reads the answer from its standard output. That program is
//! this one again: it passes the question on by a socket in a directory that only this user can enter, and prints the
//! answer. No answer is ever in an argument, an environment variable or a file.

use parking_lot::Mutex;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use crate::connect::prompts::AsyncPrompts;
use crate::connect::sign_in::credentials::{Credentials, is_for_new_password};
use crate::report;
use base::secret::Secret;
use base::visible::printable_lines;

/// The variable with the path of the socket. It makes this program the one that asks.
const SOCKET: &str = "HOMEPORT_ASKPASS";
/// The variable in which ssh says what kind of question it is: `confirm`, `none`, or not set.
const KIND: &str = "SSH_ASKPASS_PROMPT";
/// The longest question and the longest answer, in bytes.
const MAX_QUESTION: u64 = 8 << 10;
const MAX_ANSWER: u64 = 4 << 10;
/// How much is shown of a question, in lines and characters.
const SHOWN_LINES: usize = 12;
const SHOWN: usize = 1500;
/// The first byte of a reply: there is an answer, or none.
const ANSWERED: u8 = b'+';
const REFUSED: u8 = b'-';
/// How long a question may take to arrive. It is sent at once.
const ARRIVES: Duration = Duration::from_secs(5);

/// Answers the questions of one ssh, as long as it lives.
pub(super) struct AskpassServer {
    socket: PathBuf,
    program: PathBuf,
    answers: Arc<Answers>,
    _task: AbortOnDropHandle<()>,
}

/// What has been asked and answered.
struct Answers {
    credentials: Arc<Credentials>,
    prompts: Arc<AsyncPrompts>,
    /// The questions that this ssh has asked, with the answers of the user.
    asked: Mutex<Vec<(String, Option<Secret>)>>,
    /// Is cancelled when a new password was asked for, and nobody has given one.
    no_new_password: CancellationToken,
}

/// What kind of answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuestionKind {
    /// A secret, which is not shown while it is typed.
    Secret,
    /// A line that is shown: `yes`, or a fingerprint.
    Line,
    /// A yes or a no.
    Confirmation,
    /// Nothing: the text is a message.
    Nothing,
}

impl QuestionKind {
    fn of(kind: &str, question: &str) -> Self {
        match kind {
            "confirm" => Self::Confirmation,
            "none" => Self::Nothing,
            _ if question.contains("(yes/no") || question.contains("'yes'") => Self::Line,
            _ => Self::Secret,
        }
    }
}

impl AskpassServer {
    pub(super) fn start(
        socket: PathBuf,
        credentials: &Arc<Credentials>,
        prompts: &Arc<AsyncPrompts>,
    ) -> io::Result<Self> {
        let listener = UnixListener::bind(&socket)?;
        let answers = Arc::new(Answers {
            credentials: Arc::clone(credentials),
            prompts: Arc::clone(prompts),
            asked: Mutex::default(),
            no_new_password: CancellationToken::new(),
        });
        let for_task = Arc::clone(&answers);
        let task = tokio::spawn(async move {
            // One question after the other: there is one user.
            while let Ok((stream, _)) = listener.accept().await {
                // A peer that went away has no use for an answer.
                let _ = for_task.serve(stream).await;
            }
        });
        Ok(Self {
            socket,
            program: std::env::current_exe()?,
            answers,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Makes a program ask here.
    pub(super) fn set_environment(&self, command: &mut Command) {
        command
            .env("SSH_ASKPASS", &self.program)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env(SOCKET, &self.socket);
        if std::env::var_os("DISPLAY").is_none() {
            // Versions before 8.4 ask by SSH_ASKPASS only where there is a display.
            command.env("DISPLAY", ":0");
        }
    }

    /// Waits until a new password was asked for, and nobody has given one.
    pub(super) async fn no_new_password(&self) {
        self.answers.no_new_password.cancelled().await;
    }

    /// Keeps the answers for the next connection: with them, the sign-in has succeeded.
    pub(super) fn keep_answers(&self) {
        let credentials = &self.answers.credentials;
        let asked = std::mem::take(&mut *self.answers.asked.lock());
        if asked.iter().any(|(question, _)| is_for_new_password(question)) {
            return credentials.forget_ssh_answers();
        }
        for (question, answer) in asked {
            if let Some(answer) = answer {
                credentials.keep_ssh_answer(question, answer);
            }
        }
    }
}

impl Answers {
    async fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let mut asked = Vec::new();
        let mut limited = (&mut stream).take(MAX_QUESTION);
        tokio::time::timeout(ARRIVES, limited.read_to_end(&mut asked)).await??;
        let text = String::from_utf8_lossy(&asked);
        let (kind, question) = text.split_once('\0').unwrap_or(("", &text));
        let answer = self.answer(QuestionKind::of(kind, question), question).await;
        let mut reply = Zeroizing::new(Vec::new());
        match &answer {
            Some(secret) => {
                reply.push(ANSWERED);
                reply.extend_from_slice(secret.bytes());
            }
            None => reply.push(REFUSED),
        }
        stream.write_all(&reply).await?;
        stream.shutdown().await
    }

    async fn answer(&self, wanted: QuestionKind, question: &str) -> Option<Secret> {
        let label = printable_lines(question.as_bytes(), SHOWN_LINES, SHOWN);
        let label = format!("{} ", label.trim_end());
        match wanted {
            QuestionKind::Nothing => {
                self.prompts.explain(label.trim_end());
                Some(Secret::new(String::new()))
            }
            QuestionKind::Line | QuestionKind::Confirmation => {
                let answer = self.prompts.line(label).await.ok()?;
                let is_yes =
                    answer.trim().eq_ignore_ascii_case("yes") || answer.trim().eq_ignore_ascii_case("y");
                match wanted {
                    QuestionKind::Confirmation if !is_yes => None,
                    _ => Some(Secret::new(answer)),
                }
            }
            QuestionKind::Secret => self.secret(question, label).await,
        }
    }

    /// A secret: the one given beforehand, the one of the last connection, or what the user types. Each is used once. A
    /// new password is what the user types, always.
    async fn secret(&self, question: &str, label: String) -> Option<Secret> {
        let again = self.asked.lock().iter().any(|(asked, _)| asked == question);
        let credentials = &self.credentials;
        let is_new = is_for_new_password(question);
        if !again && !is_new {
            let given = question
                .contains("assword")
                .then(|| credentials.given_password())
                .flatten();
            if let Some(known) = given.or_else(|| credentials.ssh_answer(question)) {
                self.asked.lock().push((question.to_owned(), Some(known.clone())));
                return Some(known);
            }
        }
        if credentials.is_given() && !is_new {
            // A user who has given a password beforehand is not asked for another.
            return None;
        }
        let answer = self.prompts.secret(label).await.ok();
        if is_new && answer.is_none() {
            self.no_new_password.cancel();
        }
        let mut asked = self.asked.lock();
        asked.retain(|(before, _)| before != question);
        asked.push((question.to_owned(), answer.clone()));
        answer
    }
}

/// Whether this program was started by ssh, to ask something.
pub fn is_wanted() -> bool {
    std::env::var_os(SOCKET).is_some()
}

/// Passes the question in the arguments on, and prints the answer. Returns the exit code: 0 if there is an answer.
pub fn run() -> u8 {
    match pass_on() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            report::error(&format!("cannot pass on what ssh asks: {error}"));
            1
        }
    }
}

fn pass_on() -> io::Result<bool> {
    let socket = std::env::var_os(SOCKET).ok_or(io::ErrorKind::NotFound)?;
    let question = std::env::args_os().nth(1).unwrap_or_default();
    let kind = std::env::var(KIND).unwrap_or_default();
    let mut stream = BlockingStream::connect(socket)?;
    stream.write_all(kind.as_bytes())?;
    stream.write_all(b"\0")?;
    stream.write_all(question.as_encoded_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut reply = Zeroizing::new(Vec::new());
    stream.take(MAX_ANSWER).read_to_end(&mut reply)?;
    let Some((&ANSWERED, answer)) = reply.split_first() else {
        return Ok(false);
    };
    let mut output = io::stdout().lock();
    output.write_all(answer)?;
    output.write_all(b"\n")?;
    output.flush()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_of_ssh() {
        for (kind, question, expected) in [
            ("", "tom@h's password: ", QuestionKind::Secret),
            ("", "Enter passphrase for key '/k': ", QuestionKind::Secret),
            (
                "",
                "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
                QuestionKind::Line,
            ),
            (
                "",
                "Please type 'yes', 'no' or the fingerprint: ",
                QuestionKind::Line,
            ),
            ("confirm", "Allow use of key?", QuestionKind::Confirmation),
            ("none", "Confirm user presence for key", QuestionKind::Nothing),
        ] {
            assert_eq!(QuestionKind::of(kind, question), expected, "{question}");
        }
    }
}
