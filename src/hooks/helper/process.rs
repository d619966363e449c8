//! The process of the helper, and of each command until it becomes the program of the hook.

use std::ffi::{OsStr, OsString};
use std::io::{self, stderr, stdin, stdout};
use std::os::fd::{AsFd as _, AsRawFd as _, IntoRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Signal, set_child_subreaper, set_parent_process_death_signal};

use super::command::{self, AttachedDescriptor, CommandStart, RunningCommands};
use super::message::{self, AttachedKind, CommandEnd, CommandRequest, EndedCommand, HelperReply};
use super::names::{HELPER, SUPERVISOR, WITH_FILE, WITH_OUTPUT, WITHOUT_FILE};
use super::supervisor::{self, outlive_signals};
use base::error::{Error, Result};

/// The descriptor of the file, as commands find it.
const FILE: i32 = 3;
/// The exit code of shells for a program that cannot be run.
const CANNOT_RUN: u8 = 126;

/// Returns the commands of the configuration, as it is now; `None` if it cannot be read.
pub type LoadCommands = Box<dyn Fn() -> Option<Vec<Vec<String>>>>;

/// The commands that the helper may run. The server cannot have it run anything else: it reads the configuration itself.
struct AllowedCommands {
    known: Vec<Vec<String>>,
    load: LoadCommands,
}

impl AllowedCommands {
    fn new(load: LoadCommands) -> Self {
        let known = load().unwrap_or_default();
        Self { known, load }
    }

    /// Returns whether these words are a command of the configuration, which may have been changed.
    fn contain(&mut self, words: &[String]) -> bool {
        let is_known = |known: &[Vec<String>]| known.iter().any(|command| command == words);
        if !is_known(&self.known)
            && let Some(fresh) = (self.load)()
        {
            self.known = fresh;
        }
        is_known(&self.known)
    }
}

/// Runs the supervisor, the helper or the beginning of a command, if this process was started as one. `become_server` takes
/// the rights that the server will have, and returns what reads the configuration. Returns `None` if it is another process.
pub fn run(become_server: impl FnOnce(&[OsString]) -> Result<LoadCommands>) -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next()?;
    let words: Vec<OsString> = words.collect();
    match name.to_str()? {
        SUPERVISOR => Some(supervisor::run(&words, || become_server(&words).map(drop))),
        HELPER => Some(serve(|| become_server(&words))),
        WITH_FILE => Some(become_program(AttachedKind::File, &words)),
        WITH_OUTPUT => Some(become_program(AttachedKind::Output, &words)),
        WITHOUT_FILE => Some(become_program(AttachedKind::Nothing, &words)),
        _ => None,
    }
}

fn serve(become_server: impl FnOnce() -> Result<LoadCommands>) -> ExitCode {
    let Ok(socket) = stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    outlive_signals();
    let mut allowed = match become_server() {
        Ok(load) => AllowedCommands::new(load),
        Err(error) => {
            let _ = message::send(&socket, &HelperReply::Failed(error.to_string()), &[]);
            return ExitCode::FAILURE;
        }
    };
    // What a command leaves behind becomes a child of the helper, which waits for its end.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
    let running = Arc::new(RunningCommands::default());
    let reaper = std::thread::Builder::new().name("reaper".into()).spawn({
        let running = Arc::clone(&running);
        move || running.reap()
    });
    if reaper.is_err() || message::send(&socket, &HelperReply::Ready, &[]).is_err() {
        return ExitCode::FAILURE;
    }
    let socket = Arc::new(socket);
    while let Ok(received) = message::receive(&*socket) {
        if received.bytes.is_empty() {
            break;
        }
        let Ok(request) = serde_json::from_slice::<CommandRequest>(&received.bytes) else {
            continue;
        };
        let id = request.id;
        if !allowed.contain(&request.words) {
            not_started(id, "it is not a command of the configuration", &socket);
            continue;
        }
        let (replies, running) = (Arc::clone(&socket), Arc::clone(&running));
        // The server has at most a few commands run at once.
        let thread = std::thread::Builder::new().name("command".into());
        let spawned = thread.spawn(move || answer(request, received.descriptors, &replies, &running));
        if let Err(error) = spawned {
            not_started(id, &format!("there can be no thread for it: {error}"), &socket);
        }
    }
    running.kill_all();
    ExitCode::SUCCESS
}

fn not_started(id: u64, why: &str, socket: &OwnedFd) {
    let ended = EndedCommand {
        id,
        end: CommandEnd::NotStarted(why.to_owned()),
        first_line: String::new(),
    };
    // A server that has ended needs no answer.
    let _ = message::send(socket, &HelperReply::Ended(ended), &[]);
}

fn answer(request: CommandRequest, descriptors: Vec<OwnedFd>, socket: &OwnedFd, running: &RunningCommands) {
    let mut descriptors = descriptors.into_iter();
    let Some(input) = descriptors.next() else {
        // The kernel leaves descriptors out if this process may not have more.
        return not_started(request.id, "its input has not arrived", socket);
    };
    let attached = match (request.attached, descriptors.next()) {
        (AttachedKind::File, Some(file)) => AttachedDescriptor::File(file),
        (AttachedKind::Output, Some(pipe)) => AttachedDescriptor::Output(pipe),
        (AttachedKind::Nothing, _) => AttachedDescriptor::Nothing,
        (AttachedKind::File | AttachedKind::Output, None) => {
            return not_started(
                request.id,
                "what it gets besides its input has not arrived",
                socket,
            );
        }
    };
    let start = CommandStart {
        words: request.words,
        timeout: Duration::from_secs(request.timeout_secs),
        input,
        attached,
    };
    let (end, first_line) = command::run(start, running);
    let ended = EndedCommand {
        id: request.id,
        end,
        first_line,
    };
    // A server that has ended needs no answer.
    let _ = message::send(socket, &HelperReply::Ended(ended), &[]);
}

/// Becomes the program of a command. A file came as standard output; it moves to descriptor 3, and what the program prints
/// goes to the pipe that came as standard error. Safe code cannot choose the number of a descriptor: a process that has no
/// other ones gets 3. Where the output itself is wanted, it goes where it came to.
fn become_program(attached: AttachedKind, words: &[OsString]) -> ExitCode {
    // It must not outlive the helper.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if attached == AttachedKind::File {
        match rustix::io::dup(stdout()) {
            Ok(file) if file.as_raw_fd() == FILE => {
                let _ = file.into_raw_fd();
            }
            Ok(_) => {
                eprintln!(
                    "descriptor {FILE} is in use: the program that started the server has left it open"
                );
                return ExitCode::from(CANNOT_RUN);
            }
            Err(error) => {
                eprintln!("cannot pass the file: {error}");
                return ExitCode::from(CANNOT_RUN);
            }
        }
    }
    let Some((program, arguments)) = words.split_first() else {
        return ExitCode::from(CANNOT_RUN);
    };
    let Ok(pipe) = stderr().as_fd().try_clone_to_owned() else {
        return ExitCode::from(CANNOT_RUN);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if attached != AttachedKind::Output {
        command.stdout(Stdio::from(pipe));
    }
    eprintln!("{}", cannot_run(program, command.exec()));
    ExitCode::from(CANNOT_RUN)
}

/// Says why the system does not run a program, and what to do next.
fn cannot_run(program: &OsStr, cause: io::Error) -> Error {
    let hint = match Errno::from_io_error(&cause) {
        Some(Errno::NOENT) => {
            "install it, or correct command; a script also needs the interpreter that its first line names"
        }
        Some(Errno::ACCESS) => "the server's user must be able to run it: chmod +x, also for its directories",
        Some(Errno::NOEXEC) => "the first line of a script names its interpreter, such as #!/bin/sh",
        _ => "try it as the server's user",
    };
    Error::new(format!("{program:?}")).because(cause).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_cannot_be_run_is_told_with_what_to_do() {
        let check = |errno: Errno, expected: &str| {
            let error = cannot_run(OsStr::new("/opt/scan"), errno.into());
            assert_eq!(error.to_string(), format!("\"/opt/scan\": {expected}"));
        };
        check(
            Errno::NOENT,
            "no such file or directory (hint: install it, or correct command; a script also needs the interpreter that its \
             first line names)",
        );
        check(
            Errno::ACCESS,
            "permission denied (hint: the server's user must be able to run it: chmod +x, also for its directories)",
        );
        check(
            Errno::NOEXEC,
            "exec format error (hint: the first line of a script names its interpreter, such as #!/bin/sh)",
        );
        check(
            Errno::MFILE,
            "too many open files (hint: try it as the server's user)",
        );
    }
}
