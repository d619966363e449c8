//! The supervisor: the process that starts the helper, and starts it again when it has ended, because the server is not
//! allowed to. It has one thread, reads nothing but its socket, and does so little that nothing should end it.
//!
//! Each helper has a socket of its own to the server, so a request to one that has ended never reaches the next one. What
//! a killed helper has left behind becomes a child of the supervisor, and is killed before there is a new helper: no two
//! commands work on one event side by side.

use std::ffi::OsString;
use std::io::{Read as _, stdin};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, wait,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::message::{self, EndedHelper, SupervisorReply, SupervisorRequest};
use super::names::HELPER;
use base::error::Result;

/// The pauses before a helper that has ended is started again; the last one is repeated.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
    Duration::from_secs(60),
];
/// A helper that has lived this long did not end because of how it was started: the pauses begin anew.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// How long the helper may take to end when the server has ended.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what a helper has left behind may take to end after SIGKILL. A process that hangs in a disk is given up.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often processes that were killed are looked at.
const TICK: Duration = Duration::from_millis(10);

/// Ignores the signals by which a service manager, or a terminal, ends all processes of the server: hooks are run until the
/// server itself has ended. Programs that are started later do not inherit this.
pub(super) fn outlive_signals() {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        // Without the handler, the process ends at the signal and is started again.
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

/// Runs the supervisor, whose standard input is the socket to the server, until the server has ended. `become_server` takes
/// the rights that the server will have.
pub(super) fn run(words: &[OsString], become_server: impl FnOnce() -> Result<()>) -> ExitCode {
    let Ok(server) = stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let ended = become_server()
        .map_err(|error| error.to_string())
        .and_then(|()| children_that_end().map_err(|error| format!("cannot wait for processes: {error}")));
    let ended = match ended {
        Ok(ended) => ended,
        Err(why) => {
            let _ = message::send(&server, &SupervisorReply::Failed(why), &[]);
            return ExitCode::FAILURE;
        }
    };
    outlive_signals();
    let mut supervisor = HelperSupervisor {
        server,
        words: words.to_vec(),
        ended,
        helper: HelperState::NotWanted,
        failures: 0,
    };
    while supervisor.step() {}
    supervisor.end();
    ExitCode::SUCCESS
}

/// Returns a socket that becomes readable when a child has ended. What a helper leaves behind becomes a child.
fn children_that_end() -> std::io::Result<UnixStream> {
    set_child_subreaper(Some(getpid()))?;
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    pipe::register(SIGCHLD, writer)?;
    Ok(reader)
}

struct HelperSupervisor {
    server: OwnedFd,
    words: Vec<OsString>,
    ended: UnixStream,
    helper: HelperState,
    /// How many helpers in succession have ended soon after their start.
    failures: usize,
}

/// Whether there is a helper.
#[derive(Debug, Clone, Copy)]
enum HelperState {
    /// The server has not asked for one.
    NotWanted,
    /// It runs, since then.
    Running { process: Pid, since: Instant },
    /// It has ended, and is started again then.
    Pausing { until: Instant },
}

impl HelperSupervisor {
    /// Waits for the next thing that happens, and acts on it. Returns `false` when the server has ended.
    fn step(&mut self) -> bool {
        let limit = match self.helper {
            HelperState::Pausing { until } => Some(until.saturating_duration_since(Instant::now())),
            HelperState::NotWanted | HelperState::Running { .. } => None,
        };
        let ReadySockets { server, children } = self.wait_for(limit);
        if children {
            self.reap();
        }
        if server && !self.receive() {
            return false;
        }
        match self.helper {
            HelperState::Pausing { until } if until <= Instant::now() => self.start(),
            _ => {}
        }
        true
    }

    fn wait_for(&self, limit: Option<Duration>) -> ReadySockets {
        let limit = limit.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        });
        let mut descriptors = [
            PollFd::new(&self.server, PollFlags::IN),
            PollFd::new(&self.ended, PollFlags::IN),
        ];
        // After a signal nothing is ready, and the caller asks again.
        let polled = poll(&mut descriptors, limit.as_ref());
        let [server, children] = descriptors.map(|one| polled.is_ok() && !one.revents().is_empty());
        ReadySockets { server, children }
    }

    /// Receives what the server wants; returns `false` if it has ended.
    fn receive(&mut self) -> bool {
        let Ok(received) = message::receive(&self.server) else {
            return false;
        };
        if received.bytes.is_empty() {
            return false;
        }
        let wanted = serde_json::from_slice::<SupervisorRequest>(&received.bytes);
        if let (Ok(SupervisorRequest::Start), HelperState::NotWanted) = (wanted, self.helper) {
            self.start();
        }
        true
    }

    fn start(&mut self) {
        match self.try_start() {
            Ok(process) => {
                let since = Instant::now();
                self.helper = HelperState::Running { process, since };
            }
            Err(error) => self.pause(format!("it cannot be started: {error}")),
        }
    }

    fn try_start(&self) -> std::io::Result<Pid> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(HELPER)
            .args(&self.words)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null());
        let child = command.spawn()?;
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let process = process.ok_or_else(|| std::io::Error::other("it has no number"))?;
        // A server that has ended is noticed at its own socket, and a helper at the end of this one.
        let _ = message::send(&self.server, &SupervisorReply::Started, &[ours.as_fd()]);
        Ok(process)
    }

    /// Takes the ends of all children that have ended.
    fn reap(&mut self) {
        let mut bytes = [0; 64];
        while matches!((&self.ended).read(&mut bytes), Ok(1..)) {}
        while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
            if let HelperState::Running {
                process: helper,
                since,
            } = self.helper
                && process == helper
            {
                if since.elapsed() >= STABLE_AFTER {
                    self.failures = 0;
                }
                sweep();
                self.pause(how_it_ended(status));
            }
        }
    }

    fn pause(&mut self, how: String) {
        let pause = PAUSES
            .get(self.failures)
            .or(PAUSES.last())
            .copied()
            .unwrap_or_default();
        self.failures = self.failures.saturating_add(1);
        self.helper = HelperState::Pausing {
            until: Instant::now() + pause,
        };
        let ended = EndedHelper {
            how,
            pause_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        };
        let _ = message::send(&self.server, &SupervisorReply::Ended(ended), &[]);
    }

    /// Ends the helper, which has seen the server's end, too.
    fn end(mut self) {
        let limit = Instant::now() + END_TIMEOUT;
        while let HelperState::Running { process, .. } = self.helper {
            if Instant::now() >= limit {
                let _ = kill_process(process, Signal::KILL);
                break;
            }
            std::thread::sleep(TICK);
            self.reap();
        }
        sweep();
    }
}

/// What has something to read.
struct ReadySockets {
    server: bool,
    children: bool,
}

fn how_it_ended(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// Kills what a helper has left behind, and waits for its end. A process that has begun a session of its own is a service
/// that a command has started on purpose, and goes on.
fn sweep() {
    let limit = Instant::now() + SWEEP_TIMEOUT;
    let session = session_of(None);
    loop {
        let ours: Vec<Pid> = children()
            .into_iter()
            .filter(|process| session_of(Some(*process)) == session)
            .collect();
        if ours.is_empty() || Instant::now() >= limit {
            return;
        }
        for process in ours {
            // It is a child that nobody has waited for, so the number is still its own.
            let _ = kill_process(process, Signal::KILL);
        }
        std::thread::sleep(TICK);
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

/// Returns the session of a process, or of this one. It is 0 where the session was begun outside of the container.
fn session_of(process: Option<Pid>) -> Option<i32> {
    let process = process.map(|process| nix::unistd::Pid::from_raw(process.as_raw_nonzero().get()));
    nix::unistd::getsid(process).ok().map(nix::unistd::Pid::as_raw)
}

/// Returns the children of this process; none if the kernel does not list them.
fn children() -> Vec<Pid> {
    let process = getpid().as_raw_nonzero();
    let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let listed = listed.unwrap_or_default();
    let numbers = listed.split_whitespace().filter_map(|word| word.parse().ok());
    numbers
        .filter(|number| *number > 0)
        .filter_map(Pid::from_raw)
        .collect()
}
