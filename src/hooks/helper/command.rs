//! One command of the helper: it is started in a process group of its own, its output is read, and it is killed with its
//! group when its time is over.

use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::io::{PipeReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};

use super::message::CommandEnd;
use super::names::{WITH_FILE, WITH_OUTPUT, WITHOUT_FILE};
use base::visible;

/// The most bytes that are kept of what a command prints. The rest is read and discarded.
const MOST_OUTPUT: usize = 4096;
/// The longest first line that is passed on, in bytes.
const LONGEST_LINE: usize = 512;
/// How often waiting threads look whether they are still needed.
const TICK: Duration = Duration::from_millis(100);
/// How long a process may take to end after SIGKILL. One that hangs in a disk is given up.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what a command has printed is read after its end.
const DRAIN: Duration = Duration::from_millis(200);

/// The processes of all commands that run, by the id of their first one.
#[derive(Debug, Default)]
pub(super) struct RunningCommands {
    ends: Mutex<HashMap<i32, Sender<WaitStatus>>>,
    started: Condvar,
}

impl RunningCommands {
    /// Waits for processes that end, for as long as the helper lives. What commands have left behind becomes a child of
    /// the helper, and is waited for, too.
    pub(super) fn reap(&self) {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((process, status))) => {
                    let end = self.ends.lock().remove(&process.as_raw_nonzero().get());
                    if let Some(end) = end {
                        // A command that did not end after SIGKILL was given up.
                        let _ = end.send(status);
                    }
                }
                Err(Errno::CHILD) => {
                    let mut ends = self.ends.lock();
                    self.started.wait_for(&mut ends, TICK * 10);
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Kills all commands, because the server has ended.
    pub(super) fn kill_all(&self) {
        for process in self.ends.lock().keys() {
            kill_group(*process);
        }
    }

    /// Starts a command. Its end is received from the returned channel.
    fn start(&self, mut command: Command) -> std::io::Result<StartedCommand> {
        // A process that ends at once is only looked for after it is in the table.
        let mut ends = self.ends.lock();
        let child = command.spawn()?;
        let process = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let (sender, ended) = channel();
        ends.insert(process, sender);
        self.started.notify_one();
        Ok(StartedCommand { process, ended })
    }
}

struct StartedCommand {
    process: i32,
    ended: Receiver<WaitStatus>,
}

fn kill_group(process: i32) {
    if let Some(group) = Pid::from_raw(process) {
        // Nothing is left of a group whose processes have all ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// What a command is started with.
pub(super) struct CommandStart {
    pub(super) words: Vec<String>,
    pub(super) timeout: Duration,
    pub(super) input: OwnedFd,
    pub(super) attached: AttachedDescriptor,
}

/// What a command is started with besides its input.
pub(super) enum AttachedDescriptor {
    /// Nothing.
    Nothing,
    /// A file, as descriptor 3.
    File(OwnedFd),
    /// Where its standard output goes.
    Output(OwnedFd),
}

/// Runs a command to its end, and returns how it has ended and the first line that it has printed.
pub(super) fn run(start: CommandStart, running: &RunningCommands) -> (CommandEnd, String) {
    let timeout = start.timeout;
    let not_started = |error: std::io::Error| (CommandEnd::NotStarted(error.to_string()), String::new());
    let (reader, writer) = match std::io::pipe() {
        Ok(pipe) => pipe,
        Err(error) => return not_started(error),
    };
    let mut command = Command::new("/proc/self/exe");
    let (name, stdout) = match start.attached {
        AttachedDescriptor::Nothing => (WITHOUT_FILE, Stdio::null()),
        AttachedDescriptor::File(file) => (WITH_FILE, Stdio::from(file)),
        AttachedDescriptor::Output(pipe) => (WITH_OUTPUT, Stdio::from(pipe)),
    };
    command
        .arg0(name)
        .args(&start.words)
        .stdin(Stdio::from(start.input))
        .stdout(stdout)
        .stderr(Stdio::from(OwnedFd::from(writer)))
        .process_group(0);
    let started = match running.start(command) {
        Ok(started) => started,
        Err(error) => return not_started(error),
    };
    let output = Arc::new(PrintedOutput::default());
    let reading = std::thread::Builder::new().name("output".into()).spawn({
        let output = Arc::clone(&output);
        move || output.read(reader)
    });
    let end = match started.ended.recv_timeout(timeout) {
        Ok(status) => end_of(status),
        Err(_) => {
            kill_group(started.process);
            // Its status is of no interest; the channel only tells that it is gone.
            let _ = started.ended.recv_timeout(KILL_TIMEOUT);
            CommandEnd::TimedOut
        }
    };
    // What it has left behind in its group ends with it.
    kill_group(started.process);
    output.ended.store(true, Ordering::Relaxed);
    if let Ok(reading) = reading {
        let _ = reading.join();
    }
    (end, output.first_line())
}

fn end_of(status: WaitStatus) -> CommandEnd {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => CommandEnd::Exited(code),
        (None, signal) => CommandEnd::Signalled(signal.unwrap_or_default()),
    }
}

/// What a command has printed, as far as it is kept.
#[derive(Debug, Default)]
struct PrintedOutput {
    kept: Mutex<Vec<u8>>,
    ended: AtomicBool,
}

impl PrintedOutput {
    /// Reads until all writers have closed the pipe, or a little longer than the command has run: a process that it has left
    /// behind may keep the pipe open, and write to it from time to time.
    fn read(&self, mut pipe: PipeReader) {
        let mut buffer = vec![0; 64 * 1024];
        let mut end = None;
        loop {
            let was_ended = self.ended.load(Ordering::Relaxed);
            if was_ended && *end.get_or_insert_with(|| Instant::now() + DRAIN) <= Instant::now() {
                return;
            }
            let limit = if was_ended { DRAIN } else { TICK };
            let limit = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(limit.subsec_nanos()),
            };
            let mut descriptors = [PollFd::new(&pipe, PollFlags::IN)];
            match poll(&mut descriptors, Some(&limit)) {
                Ok(0) if was_ended => return,
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            let Ok(count @ 1..) = pipe.read(&mut buffer) else {
                return;
            };
            let mut kept = self.kept.lock();
            let room = MOST_OUTPUT.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
            // A process that has left the group must not keep the helper busy.
            if was_ended && room == 0 {
                return;
            }
        }
    }

    fn first_line(&self) -> String {
        let kept = self.kept.lock();
        let line = kept.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.get(..line.len().min(LONGEST_LINE)).unwrap_or_default();
        visible::printable(line)
    }
}
