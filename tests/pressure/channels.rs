//! Several channels on one connection: one that does not read does not block the others. The stock client multiplexes
//! them, each with its own window, which shuts when its program does not read.

use std::io::Write;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::pressure::noise;
use crate::pressure::order::CacheEvictor;
use crate::pressure::peer;
use testkit::packets::{CREAT, READ, Request, WRITE, bogus, extended_handle, init, open, read, stat, write};
use testkit::raw::RawSftp;
use testkit::replies::{Reply, decode, read_packet};
use testkit::server::TestServer;
use testkit::wait_for;

/// A multiplexing `ssh -M` in the background.
struct Master(Child);

impl Drop for Master {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn through_master(server: &TestServer, more: &[&str]) -> Command {
    // The path of the control socket must be short.
    let mut command = server.client("ssh", "alice", testkit::stock::By::Key);
    command.args(["-o", "ControlPath=mux"]).args(more);
    command
}

fn start_master(server: &TestServer) -> Master {
    let mut command = through_master(server, &["-M", "-N", "alice@127.0.0.1"]);
    let child = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let master = Master(child);
    wait_for("the master connection", || {
        let mut check = through_master(server, &["-O", "check", "alice@127.0.0.1"]);
        check.stderr(Stdio::null()).status().unwrap().success()
    });
    master
}

/// A channel whose replies are read only when the test asks for them.
struct UnreadChannel {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    sending: Option<std::thread::JoinHandle<ChildStdin>>,
}

impl UnreadChannel {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lazy = Self {
            input: child.stdin.take(),
            output: child.stdout.take().unwrap(),
            child,
            sending: None,
        };
        lazy.send(&init(3), 0);
        lazy.receive();
        lazy
    }

    fn send(&mut self, request: &Request, id: u32) {
        let bytes = peer::encode(request, id, b"");
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    fn receive(&mut self) -> (Option<u32>, Reply) {
        decode(&read_packet(&mut self.output).unwrap())
    }

    fn open(&mut self, name: &str) -> Vec<u8> {
        self.send(&open(name, READ | WRITE), 1);
        match self.receive().1 {
            Reply::Handle(handle) => handle,
            other => panic!("{other:?}"),
        }
    }

    /// Sends so many requests that the window shuts. It runs in the background, because the pipe may fill up as well.
    fn send_in_background(&mut self, requests: Vec<Request>) {
        let mut input = self.input.take().unwrap();
        self.sending = Some(std::thread::spawn(move || {
            for (id, request) in requests.iter().enumerate() {
                input.write_all(&peer::encode(request, id as u32, b"")).unwrap();
            }
            input
        }));
    }
}

impl Drop for UnreadChannel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bytes_out(server: &TestServer) -> u64 {
    let json = server.admin_ok(&["sessions", "list", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    list[0]["bytes_out"].as_u64().unwrap_or(0)
}

/// One channel stops reading in the middle of the replies to `greedy`; another one of the same connection still works.
fn check(greedy: impl Fn(&[u8], u32) -> Request) {
    const REQUESTS: u32 = 300;
    let server = TestServer::start(&["alice"]);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    let content = noise(1 << 20, 21);
    std::fs::write(server.home("alice").join("file"), &content).unwrap();
    let cold = server.home("alice").join("cold");
    std::fs::write(&cold, &content).unwrap();
    let _freezer = CacheEvictor::new(&cold);
    let _master = start_master(&server);
    let channel = || through_master(&server, &["-s", "alice@127.0.0.1", "sftp"]);
    let mut lazy = UnreadChannel::start(channel());
    let handle = lazy.open("file");
    lazy.send_in_background((0..REQUESTS).map(|n| greedy(&handle, n)).collect());
    // Without a reader, no more than the stock client's window of 2 MiB is sent.
    let mut before = 0;
    wait_for("the window to shut", || {
        let now = bytes_out(&server);
        let still = now == before && now > 1 << 20;
        before = now;
        std::thread::sleep(std::time::Duration::from_millis(50));
        still
    });

    let mut other = RawSftp::start(channel());
    let work = other.handle(&open("other", READ | WRITE | CREAT));
    let warm = other.handle(&open("file", READ));
    let frozen = other.handle(&open("cold", READ));
    for round in 0..100u64 {
        assert!(matches!(other.ask(&stat("/")), Reply::Attrs(_)));
        let at = (round as usize * 9973) % (1 << 19);
        let wanted = Reply::Data(content[at..at + 100_000].to_vec());
        assert!(other.ask_about(&read(bogus(&warm), at as u64, 100_000), b"") == wanted);
        assert!(other.ask_about(&read(bogus(&frozen), at as u64, 100_000), b"") == wanted);
        let written = other.ask_about(&write(bogus(&work), round * 10, "0123456789"), b"");
        assert!(matches!(written, Reply::Status { code: 0, .. }));
        if round % 10 == 0 {
            let synced = other.ask_about(&extended_handle("fsync@openssh.com", bogus(&work)), b"");
            assert!(matches!(synced, Reply::Status { code: 0, .. }));
        }
    }

    // The channel that did not read loses no reply.
    for number in 0..REQUESTS {
        let (id, reply) = lazy.receive();
        assert_eq!(id, Some(number), "{reply:?}");
        assert!(matches!(reply, Reply::Data(_) | Reply::Status { code: 0, .. }));
    }
}

/// The channel that does not read waits for its window in callbacks.
#[test]
fn a_channel_that_does_not_read_does_not_block_others_with_direct_replies() {
    check(|handle, _| read(bogus(handle), 0, 32_768));
}

/// The channel that does not read waits for its window in its task.
#[test]
fn a_channel_that_does_not_read_does_not_block_others_with_queued_replies() {
    check(|handle, number| {
        if number % 3 == 0 {
            extended_handle("fsync@openssh.com", bogus(handle))
        } else {
            read(bogus(handle), 0, 32_768)
        }
    });
}
