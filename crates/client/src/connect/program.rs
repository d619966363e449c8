//! The system's `ssh` as the way to a server (`--ssh`): `ssh HOST -s sftp`, whose standard input and output carry SFTP.
//!
//! The program signs in by its own configuration; what it asks goes through [`askpass`], and so to our prompts. Its
//! standard error is shown line by line. Commands are run through the same connection, by a ControlMaster of our own,
//! unless the configuration has one.

pub mod askpass;

use parking_lot::Mutex;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use self::askpass::AskpassServer;
use super::destination::{Destination, SshProgram};
use super::error::ConnectError;
use super::prompts::AsyncPrompts;
use super::sign_in::credentials::Credentials;
use crate::temporary_directory::TemporaryDirectory;
use crate::verbose;
use base::error::Error;
use base::visible::{printable, printable_lines};

/// How many bytes are kept of what the program prints on standard error: the last ones.
const MAX_WORDS: usize = 2048;
/// The longest line of its standard error that is shown at once, in bytes.
const MAX_LINE: usize = 1024;
/// How long the program may take to end by itself after its input has ended.
const END: Duration = Duration::from_secs(1);
/// The time between two looks whether the program has ended, or whether all that it said was read.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The exit code by which `ssh` says that it has failed itself. Others are those of the remote command.
const FAILED: i32 = 255;

/// A running `ssh` that speaks SFTP.
pub struct SshProcess {
    program: SshProgram,
    child: Mutex<Option<Child>>,
    words: StderrTail,
    /// The thread that reads them, which ends with the program.
    listener: Mutex<Option<JoinHandle<()>>>,
    /// The directory of our sockets, which only this user can enter.
    directory: Arc<TemporaryDirectory>,
    /// Answers what the program asks, as long as it runs.
    askpass: Arc<AskpassServer>,
    /// Whether the program is to share its connection by a socket of ours.
    shares: bool,
    prompts: Arc<AsyncPrompts>,
}

/// The last words of the program on standard error.
#[derive(Clone, Default)]
struct StderrTail(Arc<Mutex<Vec<u8>>>);

impl StderrTail {
    fn add(&self, line: &[u8]) {
        let mut words = self.0.lock();
        words.extend_from_slice(line);
        let surplus = words.len().saturating_sub(MAX_WORDS);
        words.drain(..surplus);
    }

    fn contain(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.0.lock()).contains(text)
    }

    fn last_line(&self) -> String {
        let words = self.0.lock();
        let last = words
            .rsplit(|byte| *byte == b'\n')
            .find(|line| !line.trim_ascii().is_empty());
        printable(last.unwrap_or_default().trim_ascii())
    }
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
    let process = SshProcess {
        program: program.clone(),
        child: Mutex::new(None),
        words: StderrTail::default(),
        listener: Mutex::new(None),
        askpass: Arc::new(askpass),
        shares: !program.shares_by_configuration,
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

/// Shows what the program prints on standard error.
fn listen(stderr: ChildStderr, words: &StderrTail, prompts: &AsyncPrompts) {
    let mut reader = io::BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = reader.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line) {
        words.add(&line);
        let shown = printable_lines(&line, 1, MAX_LINE);
        if !shown.trim().is_empty() {
            prompts.show(&shown);
        }
        line.clear();
    }
}

impl SshProcess {
    /// The program with the options that all its uses share.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program.program);
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
            let listener = std::thread::spawn(move || listen(stderr, &words, &prompts));
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
            child: Mutex::new(None),
            words: StderrTail::default(),
            listener: Mutex::new(None),
            directory: Arc::clone(&self.directory),
            askpass: Arc::clone(&self.askpass),
            shares: self.shares,
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

    /// Why the program has ended before SFTP began, or did not begin it within the limit.
    pub(crate) fn failure(&self, destination: &Destination, limit: Option<Duration>) -> ConnectError {
        let status = match limit {
            Some(_) => None,
            None => self.ended().inspect(|_| self.hear_the_rest()),
        };
        let last = self.words.last_line();
        let host = printable(destination.given.as_bytes());
        let what = match (limit, status) {
            (Some(limit), _) => format!(
                "ssh has not opened SFTP at \"{host}\" within {} seconds",
                limit.as_secs()
            ),
            (None, Some(status)) if status.code() == Some(FAILED) => {
                format!("ssh could not connect to \"{host}\"")
            }
            (None, _) => format!("the server \"{host}\" ended SFTP before it had begun"),
        };
        let error = match last.is_empty() {
            true => Error::new(what),
            false => Error::new(what).because(last),
        };
        let refused = [
            "Permission denied",
            "Host key verification failed",
            "Too many authentication failures",
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
        ];
        match refused.iter().any(|text| self.words.contain(text)) {
            true => ConnectError::Refused(error),
            false => ConnectError::Unreachable(error),
        }
    }

    /// Waits no longer than `limit`, and returns `None` when the time is up. Time with an open prompt does not count.
    pub(crate) async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.prompts.with_timeout(limit, work).await
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
                let id = i32::try_from(child.id())
                    .ok()
                    .and_then(rustix::process::Pid::from_raw);
                if let Some(id) = id {
                    // It may have ended just now.
                    let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
                }
                // A program that ignores the signal is left to itself after a while.
                let _ = wait_until_ended(&mut child, END * 10);
            }
        });
    }
}
