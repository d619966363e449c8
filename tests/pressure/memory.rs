//! The memory that clients can make the server use: each kind is filled up to its limit, and measured.

use std::io::Write;

use crate::pressure::noise;
use crate::pressure::peer;
use crate::pressure::starve::resident;
use testkit::packets::{READ, bogus, open, read, stat};
use testkit::server::TestServer;
use testkit::ssh::{DATA, DISCONNECT, GLOBAL_REQUEST, Message, OPEN_CONFIRMATION, Ssh, WINDOW_ADJUST, data};
use testkit::stock::{By, run};
use testkit::wait_for;

const MIB: u64 = 1 << 20;
/// The default limit on the channels of one connection.
const CHANNELS: u32 = 32;

/// Returns a STAT request of this many bytes.
fn long_stat(bytes: usize, id: u32) -> Vec<u8> {
    // The path is preceded by the length, the type, the id, and its own length.
    peer::encode(&stat("x".repeat(bytes - 13)), id, b"")
}

/// Reads all messages so far, and adds up the window that they grant to each channel.
fn add_granted_windows(ssh: &mut Ssh, granted: &mut [usize]) {
    ssh.send(&Message::new(GLOBAL_REQUEST).string("now@example.com").byte(1));
    loop {
        let message = ssh.receive().unwrap();
        match message[0] {
            82 => return,
            WINDOW_ADJUST => {
                let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
                granted[number(1) as usize] += number(5) as usize;
            }
            _ => {}
        }
    }
}

/// A connection with all its channels, each filled with as many requests as the server accepts. Nothing is answered,
/// because the client's windows are shut.
struct Filled {
    ssh: Ssh,
    channels: Vec<u32>,
    bytes: usize,
}

impl Filled {
    fn new(server: &TestServer, channels: u32) -> Self {
        let mut ssh = Ssh::sign_in(server, "alice");
        let mut granted = vec![0; channels as usize];
        let mut opened = Vec::new();
        for number in 0..channels {
            let channel = ssh.open_sftp(number, 0);
            // The INIT packet is already sent.
            granted[number as usize] += channel.window as usize - 9;
            opened.push(channel.theirs);
            add_granted_windows(&mut ssh, &mut granted);
        }
        let mut bytes = 0;
        for (number, &channel) in opened.iter().enumerate() {
            let mut rest = granted[number];
            let mut id = 0;
            while rest >= 2000 {
                let packets: Vec<u8> = (0..(rest / 2000).min(16))
                    .flat_map(|_| {
                        id += 1;
                        long_stat(2000, id)
                    })
                    .collect();
                rest -= packets.len();
                bytes += packets.len();
                ssh.send(&data(channel, &packets));
            }
        }
        // The server has read everything.
        add_granted_windows(&mut ssh, &mut granted);
        Self {
            ssh,
            channels: opened,
            bytes,
        }
    }

    /// Opens a file on one more channel, whose window never shuts, and requests its content.
    fn read_nothing_of(&mut self, file: &str) {
        let opened = self.ssh.open_sftp(CHANNELS, (1 << 31) - 1);
        let request = peer::encode(&open(file, READ), 1, b"");
        self.ssh.send(&data(opened.theirs, &request));
        let reply = self.ssh.wait_for(DATA);
        self.ask_for_data(opened.theirs, &reply[reply.len() - 4..]);
    }

    /// Requests replies of the largest size, which nobody reads.
    fn ask_for_data(&mut self, reader: u32, handle: &[u8]) {
        for number in 0..60 {
            let many: Vec<u8> = (0..16)
                .flat_map(|n| peer::encode(&read(bogus(handle), 0, 261_120), number * 100 + n, b""))
                .collect();
            if self
                .ssh
                .stream()
                .set_write_timeout(Some(std::time::Duration::from_millis(100)))
                .is_err()
                || self.ssh.try_send(&data(reader, &many)).is_err()
            {
                break;
            }
        }
        // A byte at a time of what was asked for elsewhere would be the same.
        for &channel in &self.channels {
            let _ = self
                .ssh
                .try_send(&Message::new(WINDOW_ADJUST).u32(channel).u32(1));
        }
    }
}

fn server_with_file(extra: &[(&str, &str)]) -> TestServer {
    let server = TestServer::start_with(extra, &["alice", "bob"]);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    std::fs::write(server.home("alice").join("file"), noise(1 << 20, 9)).unwrap();
    server
}

#[test]
fn one_connection_that_reads_nothing_uses_little_memory() {
    let server = server_with_file(&[]);
    // The memory that the first session allocates once does not count.
    drop(server.raw("alice"));
    let before = resident(&server);
    let mut filled = Filled::new(&server, CHANNELS - 1);
    filled.read_nothing_of("file");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let growth = resident(&server).saturating_sub(before);
    eprintln!(
        "one connection: {} MiB of requests, the server grew by {:.1} MiB",
        filled.bytes >> 20,
        growth as f64 / MIB as f64
    );
    assert!(filled.bytes as u64 > 8 * MIB, "a client may send something ahead");
    assert!(growth < 24 * MIB, "the server grew by {} MiB", growth >> 20);
}

#[test]
fn a_hundred_connections_that_read_nothing_use_little_memory() {
    let server = server_with_file(&[]);
    let mut bob = server.raw("bob");
    let before = resident(&server);
    let mut all = Vec::new();
    let mut bytes = 0;
    for _ in 0..100 {
        let mut filled = Filled::new(&server, CHANNELS - 1);
        bytes += filled.bytes;
        filled.read_nothing_of("file");
        all.push(filled);
    }
    let growth = resident(&server).saturating_sub(before);
    eprintln!(
        "a hundred connections: {} MiB of requests, the server grew by {} MiB",
        bytes >> 20,
        growth >> 20
    );
    assert!(growth < 512 * MIB, "the server grew by {} MiB", growth >> 20);
    // One more connection is refused, and other users are not affected.
    let mut refused = Ssh::connect(server.port());
    refused.send(&Message::new(5).string("ssh-userauth"));
    let list = server.admin_ok(&["sessions", "list", "--json"], "");
    assert_eq!(list.matches("\"alice\"").count(), 100);
    assert!(matches!(bob.ask(&stat("/")), testkit::replies::Reply::Attrs(_)));
    drop(all);
    wait_for("the sessions to end", || {
        !server.admin_ok(&["sessions", "list"], "").contains("alice")
    });
}

/// Idle sessions of the same user occupy the whole memory budget; small and large transfers succeed all the same.
#[test]
fn transfers_succeed_when_idle_sessions_use_up_the_budget() {
    let server = server_with_file(&[]);
    let holding: Vec<Ssh> = (0..20)
        .map(|_| {
            let mut ssh = Ssh::sign_in(&server, "alice");
            for number in 0..CHANNELS {
                ssh.open_sftp(number, 0);
            }
            ssh
        })
        .collect();
    let content = noise(24 << 20, 77);
    std::fs::write(server.path().join("local"), &content).unwrap();
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut command = server.client("sftp", "alice", By::Key);
        command.args(["-q", "-b", "-", "alice@127.0.0.1"]);
        clients.push(std::thread::spawn(move || {
            run(
                command,
                &format!("put local far{number}\nget far{number} back{number}\n"),
            )
        }));
    }
    for (number, client) in clients.into_iter().enumerate() {
        let output = client.join().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let same = |path: std::path::PathBuf| std::fs::read(path).unwrap() == content;
        assert!(same(server.home("alice").join(format!("far{number}"))));
        assert!(same(server.path().join(format!("back{number}"))));
    }
    drop(holding);
}

#[test]
fn a_client_that_exceeds_the_window_is_disconnected() {
    let server = server_with_file(&[]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    let opened = ssh.open_sftp(0, 0);
    let request = data(opened.theirs, &long_stat(30_000, 1));
    let mut sent = 0;
    while ssh.try_send(&request).is_ok() && sent < 1000 {
        sent += 1;
    }
    assert_eq!(ssh.kinds_until_the_end().last(), Some(&DISCONNECT));
    server.wait_for_audit("the client sends more than the window of its channel allows");
}

/// Connections before the sign-in send the largest allowed packet except for its last byte.
#[test]
fn connections_before_the_sign_in_use_little_memory() {
    let server = server_with_file(&[("auth", "login_grace_secs = 60")]);
    let before = resident(&server);
    let mut all = Vec::new();
    for _ in 0..400 {
        let Some(mut ssh) = Ssh::try_connect(server.port()) else {
            break;
        };
        ssh.send(&Message::new(5).string("ssh-userauth"));
        let request = Message::new(50)
            .string("u".repeat(34_000))
            .string("ssh-connection");
        let sealed = ssh.seal(&request.string("password").byte(0).string("p"));
        ssh.stream().write_all(&sealed[..sealed.len() - 1]).unwrap();
        all.push(ssh);
    }
    let growth = resident(&server).saturating_sub(before);
    eprintln!("{} connections before sign-in: {} MiB", all.len(), growth >> 20);
    assert!(all.len() > 10);
    assert!(growth < 64 * MIB, "the server grew by {} MiB", growth >> 20);
    // A packet that is too large ends its connection.
    drop(all.drain(1..));
    let mut ssh = all.remove(0);
    let _ = ssh.stream().write_all(&[0]);
    let _ = ssh.try_send(&Message::new(2).string(vec![0; 40_000]));
    assert!(!ssh.kinds_until_the_end().contains(&OPEN_CONFIRMATION));
}

/// A thousand patterns, each of which lists every directory from every directory.
#[test]
fn expensive_patterns_are_stopped() {
    let server = server_with_file(&[]);
    for directory in 0..60 {
        let directory = server.home("alice").join(format!("d{directory}"));
        std::fs::create_dir_all(&directory).unwrap();
        for file in 0..60 {
            std::fs::write(directory.join(format!("f{file}")), b"").unwrap();
        }
    }
    let mut bob = server.raw("bob");
    let before = (server.cpu_ticks(), resident(&server));
    let line = format!("md5sum {}", "*/../*/x* ".repeat(1000));
    let mut commands = Vec::new();
    for _ in 0..4 {
        let mut command = server.client("ssh", "alice", By::Key);
        command.args(["alice@127.0.0.1", &line]);
        commands.push(std::thread::spawn(move || run(command, "")));
    }
    for command in commands {
        let output = command.join().unwrap();
        let says = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(126), "{says}");
        assert!(says.contains("match against too many names"), "{says}");
        assert!(matches!(bob.ask(&stat("/")), testkit::replies::Reply::Attrs(_)));
    }
    let ticks = server.cpu_ticks() - before.0;
    eprintln!("four commands took {ticks} hundredths of a second of CPU");
    // Without the limit each of them would take minutes. With it the four take some seconds together.
    assert!(ticks < 4 * 2000, "{ticks} hundredths of a second of CPU");
    assert!(resident(&server).saturating_sub(before.1) < 24 * MIB);
    // Ordinary patterns stay far below the limit.
    let mut command = server.client("ssh", "alice", By::Key);
    command.args(["alice@127.0.0.1", "echo */f7"]);
    let output = run(command, "");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).split_whitespace().count(),
        60
    );
}

/// Open files and directories stay open, and count against the limit.
#[test]
fn directories_that_stay_open_are_counted() {
    let server = server_with_file(&[("limits", "handles = 60000")]);
    let mut alice = server.raw("alice");
    let before = resident(&server);
    let mut opened = 0;
    let refused = loop {
        match alice.ask(&testkit::packets::opendir("/")) {
            testkit::replies::Reply::Handle(handle) => {
                opened += 1;
                let _ = alice.ask(&testkit::packets::readdir(bogus(&handle)));
            }
            testkit::replies::Reply::Status { message, .. } => break message,
            other => panic!("{other:?}"),
        }
    };
    let refused = String::from_utf8_lossy(&refused).into_owned();
    assert!(
        refused.contains("hold too much memory") || refused.contains("too many open files"),
        "{refused}"
    );
    let growth = resident(&server).saturating_sub(before);
    assert!(
        growth < 48 * MIB,
        "{opened} directories cost {} MiB",
        growth >> 20
    );
    assert!(opened > 200, "{opened}");
}
