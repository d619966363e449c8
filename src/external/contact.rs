//! How a source is asked: by its program, which the helper runs, or at its address.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

use crate::auth::external::settings::ExternalSettings;
use crate::hooks::helper::{CommandAttachment, CommandEnd, CommandResult, HookCommand, HookHelper, NoAnswer};
use crate::hooks::settings::ProgramOrAddress;
use crate::hooks::table::read_secret;
use crate::hooks::webhook::{AddressRequest, WebhookCaller};
use base::secret::Secret;

/// The longest answer in bytes: far more than the record of a user with many folders.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How long what a program has printed is read after its end, if a process that it has left behind keeps its output open.
const DRAIN: Duration = Duration::from_millis(200);
/// How often it is tried whether there is a helper again.
const HELPER_TICK: Duration = Duration::from_millis(100);

/// The program or the address of a source.
pub(super) struct SourceContact {
    label: String,
    timeout_secs: u64,
    way: ContactWay,
}

enum ContactWay {
    Program {
        words: Vec<String>,
        helper: Option<Arc<HookHelper>>,
    },
    Address {
        url: String,
        secret: Option<Secret>,
        caller: WebhookCaller,
    },
}

impl SourceContact {
    /// Prepares the contact. It reads the secret and the system's certificates.
    pub(super) fn load(
        settings: &ExternalSettings,
        helper: Option<Arc<HookHelper>>,
    ) -> base::error::Result<Self> {
        let way = match &settings.url {
            None => {
                if let Some(helper) = &helper {
                    helper.want();
                }
                ContactWay::Program {
                    words: settings.command.clone(),
                    helper,
                }
            }
            Some(url) => ContactWay::Address {
                url: url.clone(),
                secret: settings
                    .secret_file
                    .as_deref()
                    .map(|file| read_secret(file, "[auth.external]"))
                    .transpose()?,
                caller: WebhookCaller::new(),
            },
        };
        Ok(Self {
            label: ProgramOrAddress::of_external(settings).label(),
            timeout_secs: settings.timeout_secs,
            way,
        })
    }

    /// Returns the name for people, without arguments and paths of addresses.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Asks, and returns the answer.
    ///
    /// # Errors
    /// Returns why there is no answer.
    pub(super) async fn ask(&self, question: &Secret) -> Result<Vec<u8>, String> {
        match &self.way {
            ContactWay::Program {
                words,
                helper: Some(helper),
            } => self.run(helper, words, question).await,
            ContactWay::Program { helper: None, .. } => Err(
                "its program cannot be run, since the process that does it was not started with the server (hint: \
                 restart it)"
                    .to_owned(),
            ),
            ContactWay::Address { url, secret, caller } => {
                let (url, secret, caller) = (url.clone(), secret.clone(), caller.clone());
                let (question, timeout) = (question.clone(), Duration::from_secs(self.timeout_secs));
                let calling = tokio::task::spawn_blocking(move || {
                    let request = AddressRequest {
                        url: &url,
                        secret: secret.as_ref(),
                        timeout,
                        body: question.reveal(),
                    };
                    caller.ask(request, LONGEST_ANSWER as u64)
                });
                calling.await.unwrap_or_else(|error| Err(error.to_string()))
            }
        }
    }

    /// Runs the program. A helper that has ended is waited for, as long as an answer may take.
    async fn run(&self, helper: &HookHelper, words: &[String], question: &Secret) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + Duration::from_secs(self.timeout_secs);
        loop {
            match self.run_once(helper, words, question).await {
                Err(NoAnswer::HelperEnded) if Instant::now() < deadline => {
                    tokio::time::sleep(HELPER_TICK).await;
                }
                Err(NoAnswer::HelperEnded) => {
                    return Err(
                        "the process that runs its program has ended, and there is no other one yet"
                            .to_owned(),
                    );
                }
                Err(NoAnswer::Failed(why)) => return Err(why),
                Ok((result, answer)) => return judged(result, answer),
            }
        }
    }

    async fn run_once(
        &self,
        helper: &HookHelper,
        words: &[String],
        question: &Secret,
    ) -> Result<(CommandResult, AnswerBytes), NoAnswer> {
        let (reader, writer) =
            answer_pipe().map_err(|error| NoAnswer::Failed(format!("cannot make a pipe: {error}")))?;
        let command = HookCommand {
            words,
            input: question.reveal(),
            attached: CommandAttachment::Output(writer),
            timeout_secs: self.timeout_secs,
        };
        let mut answer = AnswerBytes::default();
        let running = helper.run(command);
        tokio::pin!(running);
        let mut reader = Some(reader);
        let result = loop {
            tokio::select! {
                biased;
                () = answer.read(&mut reader), if reader.is_some() => {}
                result = &mut running => break result?,
            }
        };
        // A process that goes on after the program is not waited for.
        let rest = async {
            while reader.is_some() {
                answer.read(&mut reader).await;
            }
        };
        let _ = tokio::time::timeout(DRAIN, rest).await;
        Ok((result, answer))
    }
}

fn answer_pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = std::io::pipe()?;
    Ok((Receiver::from_owned_fd(reader.into())?, writer.into()))
}

/// What a program has printed so far, up to the limit.
#[derive(Debug, Default)]
struct AnswerBytes {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl AnswerBytes {
    /// Reads a piece, and closes the pipe at its end or beyond the limit, so that a program that goes on to print ends.
    async fn read(&mut self, pipe: &mut Option<Receiver>) {
        let Some(reader) = pipe else { return };
        let mut buffer = [0; 8192];
        let count = reader.read(&mut buffer).await.unwrap_or(0);
        let piece = buffer.get(..count).unwrap_or_default();
        self.is_too_long = self.bytes.len() + piece.len() > LONGEST_ANSWER;
        if piece.is_empty() || self.is_too_long {
            *pipe = None;
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }
}

/// Returns the answer of a program that has ended as it should.
fn judged(result: CommandResult, answer: AnswerBytes) -> Result<Vec<u8>, String> {
    let CommandResult { end, first_line } = result;
    if answer.is_too_long {
        return Err(format!("its answer has more than {LONGEST_ANSWER} bytes"));
    }
    let said = |what: String| match first_line.as_str() {
        "" => what,
        line => format!("{what}: {line}"),
    };
    match end {
        CommandEnd::Exited(0) => Ok(answer.bytes),
        CommandEnd::Exited(code) => Err(said(format!("its program ended with exit code {code}"))),
        CommandEnd::Signalled(signal) => Err(said(format!("its program was ended by signal {signal}"))),
        CommandEnd::TimedOut => Err(said("its program took too long and was killed".to_owned())),
        CommandEnd::NotStarted(why) => Err(format!("its program cannot be started: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_succeeds_has_answered() {
        let check = |end: CommandEnd, line: &str, is_too_long: bool, expected: Result<&str, &str>| {
            let answer = AnswerBytes {
                bytes: b"{}".to_vec(),
                is_too_long,
            };
            let first_line = line.to_owned();
            let judged = judged(CommandResult { end, first_line }, answer);
            let judged = judged.map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(judged.as_deref().map_err(String::as_str), expected);
        };
        check(CommandEnd::Exited(0), "a warning", false, Ok("{}"));
        check(
            CommandEnd::Exited(0),
            "",
            true,
            Err("its answer has more than 65536 bytes"),
        );
        check(
            CommandEnd::Exited(75),
            "ldap_bind: Can't contact LDAP server (-1)",
            false,
            Err("its program ended with exit code 75: ldap_bind: Can't contact LDAP server (-1)"),
        );
        check(
            CommandEnd::TimedOut,
            "",
            false,
            Err("its program took too long and was killed"),
        );
        // The signal is SIGPIPE: the program has answered more than was read.
        check(
            CommandEnd::Signalled(13),
            "",
            true,
            Err("its answer has more than 65536 bytes"),
        );
    }

    #[tokio::test]
    async fn no_more_is_read_than_the_limit() {
        let (reader, writer) = answer_pipe().unwrap();
        let writing = std::thread::spawn(move || {
            let mut writer = std::fs::File::from(writer);
            let piece = vec![b'x'; 64 * 1024];
            // The pipe breaks when the reader is dropped.
            while std::io::Write::write_all(&mut writer, &piece).is_ok() {}
        });
        let mut answer = AnswerBytes::default();
        let mut reader = Some(reader);
        while reader.is_some() {
            answer.read(&mut reader).await;
        }
        assert!(answer.is_too_long && answer.bytes.len() <= LONGEST_ANSWER);
        writing.join().unwrap();
    }
}
