//! The system's `ssh` as the way to a server (`--ssh`): `ssh HOST -s sftp`, whose standard input and output carry SFTP.
//!
//! The program signs in by its own configuration; what it asks goes through [`askpass`], and so to our prompts. Its
//! standard error is shown line by line. Commands are run through the same connection, by a ControlMaster of our own,
//! unless the configuration has one.

pub mod askpass;
mod not_begun;
mod stderr_tail;

use parking_lot::Mutex;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

pub(crate) use self::not_begun::NotBegun;

use self::askpass::AskpassServer;
use self::not_begun::{FAILED, ProgramEnd};
use self::stderr_tail::StderrTail;
use super::destination::{Destination, SshProgram};
use super::error::ConnectError;
use super::prompts::AsyncPrompts;
use super::sign_in::credentials::Credentials;
use crate::temporary_directory::TemporaryDirectory;
use crate::verbose;
use base::error::Error;
use base::visible::printable;

/// How long the program may take to end by itself after its input has ended.
const END: Duration = Duration::from_secs(1);
/// The time between two looks whether the program has signed in or ended, or whether all that it said was read.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running `ssh` that speaks SFTP.
pub struct SshProcess {
    program: SshProgram,
    child: Mutex<Option<Child>>,
    words: StderrTail,
    /// The thread that reads them, which ends with the program.
    listener: Mutex<Option<JoinHandle<()>>>,
    /// The configuration that the program is to read, if it would read another by itself.
    config: Option<PathBuf>,
    /// The directory of our sockets, which only this user can enter.
    directory: Arc<TemporaryDirectory>,
    /// Answers what the program asks, as long as it runs.
    askpass: Arc<AskpassServer>,
    /// Whether the program is to share its connection by a socket of ours.
    shares: bool,
    /// Whether the program was seen to have signed in.
    has_signed_in: AtomicBool,
    prompts: Arc<AsyncPrompts>,
}

/// Starts the program. The stream carries SFTP once the program has signed in.
///
/// # Errors
/// When the program cannot be started.
pub(super) fn start(
    program: &SshProgram,
    credentials: &Arc<Credentials>,
    prompts: &Arc<AsyncPrompts>,
) -> Result<(SshProcess, UnixStream), ConnectError> {
    let cannot = |why| cannot_run(program, why);
    let directory = TemporaryDirectory::new("homeport-").map_err(cannot)?;
    let askpass = AskpassServer::start(directory.path().join("a"), credentials, prompts).map_err(cannot)?;
    let config = match &program.config {
        None => None,
        Some(config) => {
            verbose::say(verbose::STEPS, || {
                let home = config.home.display();
                format!(
                    "ssh reads a copy of the configuration, because it would not look for files in \"{home}\" (HOME)"
                )
            });
            Some(
                config
                    .write(directory.path())
                    .map_err(ConnectError::Unreachable)?,
            )
        }
    };
    let process = SshProcess {
        program: program.clone(),
        config,
        child: Mutex::new(None),
        words: StderrTail::default(),
        listener: Mutex::new(None),
        askpass: Arc::new(askpass),
        shares: !program.shares_by_configuration,
        has_signed_in: AtomicBool::new(false),
        directory: Arc::new(directory),
        prompts: Arc::clone(prompts),
    };
    let mut command = process.command();
    if process.shares {
        command.args(["-o", "ControlMaster=yes", "-o", "ControlPersist=no"]);
    }
    match credentials.is_given() {
        // A password that was given beforehand is tried once.
        true => {
            command.args(["-o", "NumberOfPasswordPrompts=1"]);
        }
        false if program.batch => {
            command.args(["-o", "BatchMode=yes"]);
        }
        false => {}
    }
    let stream = process.speak_sftp(command).map_err(cannot)?;
    Ok((process, stream))
}

fn cannot_run(program: &SshProgram, why: io::Error) -> ConnectError {
    let mut error = Error::new(format!("cannot run \"{}\"", program.program.display())).because(why);
    error = match program.reasons.as_slice() {
        [] => error.hint("--ssh=PROGRAM names the program"),
        reasons => error.hint(format!(
            "the configuration of ssh asks for {}, which only ssh itself can do; -F names another configuration",
            reasons.join(", ")
        )),
    };
    ConnectError::Unreachable(error)
}

impl SshProcess {
    /// The program with the options that all its uses share.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program.program);
        if let Some(config) = &self.config {
            command.arg("-F").arg(config);
        }
        command.args(&self.program.options);
        if self.shares {
            let mut path = OsString::from("ControlPath=");
            // A `%` would be the beginning of a token.
            let socket = self.directory.path().join("c");
            path.push(socket.to_string_lossy().replace('%', "%%"));
            command.arg("-o").arg(path);
        }
        self.askpass.set_environment(&mut command);
        // Ctrl-C is for us: it must not end the connection.
        command.process_group(0);
        command
    }

    /// Starts the program with these options. The stream carries SFTP once it has signed in.
    fn speak_sftp(&self, mut command: Command) -> io::Result<UnixStream> {
        let program = &self.program;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let input = theirs.try_clone()?;
        command.args(["-s", "--"]).arg(&program.host).arg("sftp");
        verbose::say(verbose::STEPS, || match program.reasons.as_slice() {
            [] => format!("running {command:?}"),
            reasons => format!("running {command:?}, because of {}", reasons.join(", ")),
        });
        let mut child = command
            .stdin(Stdio::from(OwnedFd::from(input)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()?;
        // The command holds the other ends of the stream.
        drop(command);
        if let Some(stderr) = child.stderr.take() {
            let (words, prompts) = (self.words.clone(), Arc::clone(&self.prompts));
            let listener = std::thread::spawn(move || words.listen(stderr, &prompts));
            *self.listener.lock() = Some(listener);
        }
        *self.child.lock() = Some(child);
        ours.set_nonblocking(true)?;
        UnixStream::from_std(ours)
    }

    /// Whether other sessions can be opened on the connection of this program: only if its socket is ours.
    pub fn takes_sessions(&self) -> bool {
        self.shares && self.shares_connection()
    }

    /// Starts another program, whose session shares the connection of this one, and which asks nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn another_session(&self) -> Result<(Self, UnixStream), ConnectError> {
        let another = Self {
            program: self.program.clone(),
            config: self.config.clone(),
            child: Mutex::new(None),
            words: StderrTail::default(),
            listener: Mutex::new(None),
            directory: Arc::clone(&self.directory),
            askpass: Arc::clone(&self.askpass),
            shares: self.shares,
            has_signed_in: AtomicBool::new(false),
            prompts: Arc::clone(&self.prompts),
        };
        let mut command = another.command();
        command.args(["-o", "ControlMaster=no", "-o", "BatchMode=yes"]);
        let stream = another
            .speak_sftp(command)
            .map_err(|why| cannot_run(&self.program, why))?;
        Ok((another, stream))
    }

    /// Whether commands can be run beside SFTP without signing in again.
    pub fn shares_connection(&self) -> bool {
        !self.shares || self.directory.path().join("c").exists()
    }

    /// Runs a command on the server, and returns what it prints, at most `max_output` bytes, however it ends. `None`: it
    /// was not run.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub async fn run(&self, command_line: &[u8], max_output: usize) -> io::Result<Option<Vec<u8>>> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut command = self.command();
        if self.shares {
            command.args(["-o", "ControlMaster=no"]);
        }
        command
            .args(["-o", "BatchMode=yes", "-T", "--"])
            .arg(&self.program.host)
            .arg(OsStr::from_bytes(command_line))
            .stdin(Stdio::null())
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null());
        let child = EndOnDrop(Some(command.spawn()?));
        drop(command);
        ours.set_nonblocking(true)?;
        let mut output = Vec::new();
        let mut printed = UnixStream::from_std(ours)?;
        let mut first = (&mut printed).take(max_output as u64);
        first.read_to_end(&mut output).await?;
        // A program whose output nobody takes would not end.
        tokio::io::copy(&mut printed, &mut tokio::io::sink()).await?;
        let status = child.wait().await?;
        // ssh itself ends so, without output, when the server refuses the command or the connection fails.
        let is_refused = status.code() == Some(FAILED) && output.is_empty();
        Ok((!is_refused).then_some(output))
    }

    /// Whether it shows when the program has signed in: only if its socket is ours, which is made just then.
    pub(crate) fn shows_sign_in(&self) -> bool {
        self.shares
    }

    /// Waits until the program has signed in. Only where [`shows_sign_in`](Self::shows_sign_in).
    pub(crate) async fn until_signed_in(&self) {
        while !self.shares_connection() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.has_signed_in.store(true, Relaxed);
    }

    /// The error for a program that has not begun SFTP. A program that still runs is ended: it might wait for the server
    /// for ever.
    pub(crate) fn failure(&self, destination: &Destination, why: NotBegun) -> ConnectError {
        let status = match why {
            NotBegun::Ended => self.ended().inspect(|_| self.hear_the_rest()),
            NotBegun::NotSignedIn(_) | NotBegun::Silent(_) | NotBegun::PasswordExpired => {
                if let Some(child) = self.child.lock().as_ref() {
                    terminate(child);
                }
                None
            }
        };
        let end = ProgramEnd {
            status,
            has_signed_in: self.has_signed_in.load(Relaxed),
            words: &self.words,
        };
        why.error(&printable(destination.given.as_bytes()), &end)
    }

    /// Waits no longer than `limit`; when the time is up, the error is `late` of it. Time with an open prompt does not
    /// count, and each answer restarts the limit. It ends at once if a new password is asked for and nobody gives one:
    /// ssh itself would wait for the server, and the server for ssh.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        late: fn(Duration) -> NotBegun,
        work: impl Future<Output = T>,
    ) -> Result<T, NotBegun> {
        tokio::select! {
            biased;
            () = self.askpass.no_new_password() => Err(NotBegun::PasswordExpired),
            done = self.prompts.with_timeout(limit, work) => done.ok_or_else(|| late(limit)),
        }
    }

    /// Waits a moment for the program to end, and returns how it did.
    fn ended(&self) -> Option<ExitStatus> {
        wait_until_ended(self.child.lock().as_mut()?, END).ok().flatten()
    }

    /// Waits a moment until what the program has printed before its end is read: that says why it has ended.
    fn hear_the_rest(&self) {
        let is_heard = || self.listener.lock().as_ref().is_none_or(JoinHandle::is_finished);
        // Looking cannot fail, and nothing more can be done when the time is up.
        let _ = poll_for(END, || Ok(is_heard().then_some(())));
    }

    /// Keeps the answers of this sign-in for the next one.
    pub(crate) fn signed_in(&self) {
        self.askpass.keep_answers();
    }
}

impl Drop for SshProcess {
    fn drop(&mut self) {
        drop(EndOnDrop(self.child.lock().take()));
    }
}

/// Waits for a program to end, for at most this long.
fn wait_until_ended(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    poll_for(limit, || child.try_wait())
}

/// Looks again and again until there is a result or an error, for at most this long.
fn poll_for<T>(limit: Duration, mut look: impl FnMut() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Sends SIGTERM to a program that was not waited for yet.
fn terminate(child: &Child) {
    // It may have ended just now.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
}

/// A program that ends when this is dropped: by itself, because its input has ended, or else by SIGTERM.
struct EndOnDrop(Option<Child>);

impl EndOnDrop {
    async fn wait(mut self) -> io::Result<ExitStatus> {
        let mut child = self.0.take().ok_or(io::ErrorKind::NotFound)?;
        tokio::task::spawn_blocking(move || child.wait())
            .await
            .map_err(io::Error::other)?
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else {
            return;
        };
        // The thread ends with the program, and no one waits for it.
        std::thread::spawn(move || {
            if let Ok(None) = wait_until_ended(&mut child, END) {
                terminate(&child);
                // A program that ignores the signal is left to itself after a while.
                let _ = wait_until_ended(&mut child, END * 10);
            }
        });
    }
}
