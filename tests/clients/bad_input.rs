//! Invalid input of each kind: it gets a reply or ends its session, and another session is not disturbed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::packets::*;
use testkit::raw::{RawSftp, Received};
use testkit::replies::{Reply, decode, read_packet};
use testkit::server::TestServer;
use testkit::{PATIENCE, wait_for};

/// A session that must not be disturbed.
struct UndisturbedSession {
    session: RawSftp,
    handle: Vec<u8>,
    /// The length of its file.
    length: u64,
}

impl UndisturbedSession {
    fn new(server: &TestServer) -> Self {
        let mut session = server.raw("bob");
        let handle = session.handle(&open("witness", READ | WRITE | CREAT));
        Self {
            session,
            handle,
            length: 0,
        }
    }

    /// Writes to a file, and reads it back.
    fn check(&mut self) {
        let text = format!("line {:09}", self.length);
        let reply = self
            .session
            .ask_about(&write(nth(0), self.length, &text), &self.handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
        let reply = self
            .session
            .ask_about(&read(nth(0), self.length, 100), &self.handle);
        assert_eq!(reply, Reply::Data(text.clone().into_bytes()));
        self.length += text.len() as u64;
    }
}

#[test]
fn malformed_packets_end_only_their_session() {
    let server = TestServer::start(&["alice", "bob"]);
    let mut witness = UndisturbedSession::new(&server);
    let cases: [(&str, &[u8]); 5] = [
        ("length 0", &[0, 0, 0, 0]),
        ("length of 2 GiB", &[0x80, 0, 0, 0, 17]),
        ("length of 4 GiB", &[0xff, 0xff, 0xff, 0xff]),
        ("a byte over the limit", &[0, 4, 0, 1, 17]),
        ("nothing but a type", &[0, 0, 0, 1, 17]),
    ];
    for (name, bytes) in cases {
        let mut session = server.raw("alice");
        session.send(bytes);
        let outcome = session.receive(PATIENCE);
        assert_ne!(outcome, Received::Silence, "{name}");
        witness.check();
    }
}

#[test]
fn an_incomplete_packet_does_not_block_others() {
    let server = TestServer::start(&["alice", "bob"]);
    let mut witness = UndisturbedSession::new(&server);
    let mut session = server.raw("alice");
    session.send(&[0, 0, 1, 0, 17, 0, 0]);
    witness.check();
    assert_eq!(session.receive(Duration::from_millis(300)), Received::Silence);
    witness.check();
}

#[test]
fn handles_are_limited_and_released() {
    let server = TestServer::start_with(&[("limits", "handles = 20")], &["alice", "bob"]);
    let mut witness = UndisturbedSession::new(&server);
    let mut session = server.raw("alice");
    let handles: Vec<_> = (0..20)
        .map(|_| session.handle(&open("f", WRITE | CREAT)))
        .collect();
    for request in [open("f", READ), opendir("/")] {
        let reply = session.ask(&request);
        assert!(matches!(reply, Reply::Status { code: 4, .. }), "{reply:?}");
    }
    session.ask_about(&close(nth(0)), &handles[7]);
    session.handle(&opendir("/"));
    witness.check();
}

#[test]
fn a_client_that_does_not_read_uses_little_memory() {
    let server = TestServer::start(&["alice", "bob"]);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    std::fs::write(
        server.home("alice").join("big"),
        crate::clients::noise(1 << 20, 1),
    )
    .unwrap();
    let mut witness = UndisturbedSession::new(&server);
    let mut command = server.raw_command("alice");
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let context = Context {
        base: "",
        handles: &[],
    };
    input
        .write_all(&[init(3).encode(0, &context), open("big", READ).encode(1, &context)].concat())
        .unwrap();
    let mut packet = || decode(&read_packet(&mut output).unwrap()).1;
    packet();
    let Reply::Handle(handle) = packet() else {
        panic!("no handle")
    };
    let before = resident_kib(server.pid());
    // 100,000 READs of 255 KiB each ask for 25 GiB of replies that the client does not read.
    let handles = [handle];
    let context = Context {
        base: "",
        handles: &handles,
    };
    let reads: Vec<u8> = (0..1000)
        .flat_map(|i| read(nth(0), 0, 261_120).encode(i, &context))
        .collect();
    let flood = std::thread::spawn(move || {
        for _ in 0..100 {
            // If the server stops reading, the pipe fills up, which is a valid reaction too.
            if input.write_all(&reads).is_err() {
                break;
            }
        }
    });
    for _ in 0..20 {
        witness.check();
        std::thread::sleep(Duration::from_millis(50));
    }
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown < 128 * 1024, "the server grew by {grown} KiB");
    child.kill().unwrap();
    child.wait().unwrap();
    flood.join().unwrap();
    witness.check();
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn silent_connections_are_closed() {
    let server = TestServer::start_with(&[("auth", "login_grace_secs = 120")], &["bob"]);
    // However slow the machine is, this one has signed in before the limit is so low.
    let mut witness = UndisturbedSession::new(&server);
    let text = std::fs::read_to_string(server.config()).unwrap();
    std::fs::write(server.config(), text.replace("secs = 120", "secs = 5")).unwrap();
    server.admin_ok(&["reload"], "");
    let address = ("127.0.0.1", server.port());
    let mut silent = TcpStream::connect(address).unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let ended = std::thread::spawn(move || {
        let mut rest = Vec::new();
        // The connection is closed or reset, and does not time out.
        !matches!(silent.read_to_end(&mut rest), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
    });
    let banner = b"SSH-2.0-slow";
    let mut bytes = banner.iter().cycle();
    wait_for("the slow one to be cut off", || {
        std::thread::sleep(Duration::from_millis(200));
        slow.write_all(&[*bytes.next().unwrap()]).is_err()
    });
    assert!(ended.join().unwrap());
    witness.check();
}

#[test]
fn random_bytes_instead_of_ssh_do_no_harm() {
    let mut server = TestServer::start(&["bob"]);
    let mut witness = UndisturbedSession::new(&server);
    for (seed, prefix) in [
        "",
        "SSH-2.0-x\r\n",
        "SSH-1.5-old\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "SSH-2.0-\0\r\n",
    ]
    .iter()
    .enumerate()
    {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may disconnect before everything is sent.
        let _ = stream.write_all(prefix.as_bytes());
        let _ = stream.write_all(&crate::clients::noise(100_000, seed as u64));
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        witness.check();
    }
    assert!(server.is_alive());
}
