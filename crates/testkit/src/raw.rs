//! SFTP byte by byte over the standard input and output of a child: `ssh -s`, or an `sftp-server` itself.

use std::io::{BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::packets::{Context, Request, init};
use super::replies::{Reply, decode, read_packet};

/// A session of the raw driver. Dropping it ends the child process.
pub struct RawSftp {
    child: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<Vec<u8>>,
    next_id: u32,
}

/// The result of waiting for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A packet arrived; it is given without its length field.
    Packet(Vec<u8>),
    /// The child process has closed its output, so nothing more will arrive.
    Ended,
    /// Nothing arrived within the given time.
    Silence,
}

impl RawSftp {
    /// Starts the child process without sending anything.
    pub fn spawn(command: Command) -> Self {
        let mut session = Self::spawn_unread(command);
        session.listen();
        session
    }

    /// Starts the child process, and reads nothing of its output until [`RawSftp::listen`].
    pub fn spawn_unread(mut command: Command) -> Self {
        let stderr = match std::env::var_os("HOMEPORT_TEST_STDERR") {
            Some(_) => Stdio::inherit(),
            None => Stdio::null(),
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let stdin = child.stdin.take();
        let (_, frames) = channel();
        Self {
            child,
            stdin,
            frames,
            next_id: 1,
        }
    }

    /// Starts to read the child's output.
    pub fn listen(&mut self) {
        let mut stdout = BufReader::new(self.child.stdout.take().expect("listens already"));
        let (sender, frames) = channel();
        self.frames = frames;
        std::thread::spawn(move || {
            while let Ok(packet) = read_packet(&mut stdout) {
                if sender.send(packet).is_err() {
                    break;
                }
            }
        });
    }

    /// Takes the child's standard input, for a thread that sends while another one receives.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("not taken before")
    }

    /// Starts the child process and sends INIT.
    pub fn start(command: Command) -> Self {
        let mut session = Self::spawn(command);
        session.send_request(&init(3), 0, &[]);
        let hello = session.receive(super::PATIENCE);
        assert!(matches!(hello, Received::Packet(_)), "no VERSION came: {hello:?}");
        session
    }

    /// Sends bytes unchanged. Returns `false` if the child process has ended.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let Some(stdin) = &mut self.stdin else {
            return false;
        };
        stdin.write_all(bytes).and_then(|()| stdin.flush()).is_ok()
    }

    fn send_request(&mut self, request: &Request, id: u32, handles: &[Vec<u8>]) {
        self.send(&request.encode(id, &Context { base: "", handles }));
    }

    /// Returns the next packet of any type.
    pub fn receive(&mut self, patience: Duration) -> Received {
        match self.frames.recv_timeout(patience) {
            Ok(packet) => Received::Packet(packet),
            Err(RecvTimeoutError::Disconnected) => Received::Ended,
            Err(RecvTimeoutError::Timeout) => Received::Silence,
        }
    }

    /// Sends a request and returns its reply, which must have the same id. `handle` replaces `nth(0)`.
    pub fn ask_about(&mut self, request: &Request, handle: &[u8]) -> Reply {
        let id = request.id.unwrap_or(self.next_id);
        self.next_id = id.wrapping_add(1);
        self.send_request(request, id, &[handle.to_vec()]);
        match self.receive(super::PATIENCE) {
            Received::Packet(packet) => {
                let (replied, reply) = decode(&packet);
                assert_eq!(replied, Some(id), "the reply to {request:?} is {reply:?}");
                reply
            }
            other => panic!("{request:?} was answered by {other:?}"),
        }
    }

    /// Sends a request that names no handle, and returns its reply.
    pub fn ask(&mut self, request: &Request) -> Reply {
        self.ask_about(request, b"")
    }

    /// Sends INIT again, and returns the VERSION reply.
    pub fn repeat_init(&mut self) -> Reply {
        self.send_request(&init(3), 0, &[]);
        match self.receive(super::PATIENCE) {
            Received::Packet(packet) => decode(&packet).1,
            other => panic!("INIT was answered by {other:?}"),
        }
    }

    /// Sends OPEN or OPENDIR, which must succeed, and returns the handle.
    pub fn handle(&mut self, request: &Request) -> Vec<u8> {
        match self.ask(request) {
            Reply::Handle(handle) => handle,
            other => panic!("{request:?} gave no handle but {other:?}"),
        }
    }

    /// Closes the child's standard input, and returns its exit code.
    pub fn finish(mut self) -> Option<i32> {
        self.stdin = None;
        self.child.wait().unwrap().code()
    }
}

impl Drop for RawSftp {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
