//! Replies have the order of the requests with any mix of requests and any window: cold files, fsync, rekeying, and
//! clients that send long before they read.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use russh::client::Config;
use russh::keys::load_secret_key;
use rustix::fs::{Advice, fadvise};

use crate::clients::noise;
use testkit::PATIENCE;
use testkit::packets::*;
use testkit::raw::{RawSftp, Received};
use testkit::replies::{Reply, decode};
use testkit::russh_client::Session;
use testkit::server::TestServer;
use testkit::stock::By;

/// The size of the file that is read, in bytes.
const COLD: usize = 16 << 20;

/// The expected reply to a request.
enum ExpectedReply {
    /// DATA with this range of the cold file.
    Range(usize, usize),
    Status(u32),
    Attributes,
}

/// A server with a user whose home holds `cold`, out of the page cache.
fn server() -> (TestServer, Vec<u8>) {
    let server = TestServer::start(&["alice"]);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    let content = noise(COLD, 7);
    std::fs::write(server.home("alice").join("cold"), &content).unwrap();
    (server, content)
}

fn cool(server: &TestServer) {
    let file = File::open(server.home("alice").join("cold")).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
}

/// A mix of requests: `nth(0)` is the cold file, `nth(1)` one that is written.
fn mix(count: usize, seed: u64) -> Vec<(Request, ExpectedReply)> {
    let dice = noise(count * 8, seed);
    let rolls = dice
        .chunks_exact(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()) as usize);
    let one = |roll: usize| match roll % 100 {
        0..50 => {
            let length = 1 + (roll >> 40) % 65_536;
            let offset = (roll >> 8) % (COLD - length);
            (
                read(nth(0), offset as u64, length as u32),
                ExpectedReply::Range(offset, length),
            )
        }
        50..70 => {
            let length = (roll >> 8) % 20_000;
            (
                write(nth(1), (roll >> 30) as u64 % 100_000, vec![7; length]),
                ExpectedReply::Status(0),
            )
        }
        70..72 => (
            extended_handle("fsync@openssh.com", nth(1)),
            ExpectedReply::Status(0),
        ),
        72..85 => (stat("/cold"), ExpectedReply::Attributes),
        85..95 => (lstat("/missing"), ExpectedReply::Status(2)),
        _ => (read(nth(0), COLD as u64, 1), ExpectedReply::Status(1)),
    };
    rolls.map(one).collect()
}

fn encode(requests: &[(Request, ExpectedReply)], handles: &[Vec<u8>]) -> Vec<u8> {
    let context = Context { base: "", handles };
    let numbered = requests.iter().enumerate();
    numbered
        .flat_map(|(number, (request, _))| request.encode(1000 + number as u32, &context))
        .collect()
}

fn check(number: usize, expected: &ExpectedReply, got: (Option<u32>, Reply), content: &[u8]) {
    assert_eq!(got.0, Some(1000 + number as u32), "the id of reply {number}");
    let right = match (expected, &got.1) {
        (ExpectedReply::Range(offset, length), Reply::Data(data)) => {
            data[..] == content[*offset..offset + length]
        }
        (ExpectedReply::Status(expected), Reply::Status { code, .. }) => code == expected,
        (ExpectedReply::Attributes, Reply::Attrs(attrs)) => attrs.size == Some(COLD as u64),
        _ => false,
    };
    assert!(right, "reply {number} is wrong");
}

/// A session over stock ssh that rekeys every MiB, and its two handles.
fn rekeying(server: &TestServer) -> (RawSftp, Vec<Vec<u8>>) {
    let mut command = server.client("ssh", "alice", By::Key);
    command.args(["-o", "RekeyLimit=1M", "-s", "alice@127.0.0.1", "sftp"]);
    let mut session = RawSftp::start(command);
    let handles =
        [open("cold", READ), open("written", WRITE | CREAT)].map(|request| session.handle(&request));
    (session, handles.to_vec())
}

#[test]
fn replies_stay_in_order_in_a_mix_with_rekeying() {
    let (server, content) = server();
    let (mut session, handles) = rekeying(&server);
    let requests = mix(3000, 1);
    let bytes = encode(&requests, &handles);
    cool(&server);
    let mut stdin = session.take_stdin();
    let sender = std::thread::spawn(move || stdin.write_all(&bytes).map(|()| stdin));
    for (number, (_, expected)) in requests.iter().enumerate() {
        match session.receive(PATIENCE) {
            Received::Packet(packet) => check(number, expected, decode(&packet), &content),
            other => panic!("after {number} replies: {other:?}\n{}", server.log()),
        }
    }
    sender.join().unwrap().unwrap();
}

#[test]
fn replies_stay_in_order_through_tiny_windows() {
    let (server, content) = server();
    let key = load_secret_key(server.key("alice"), None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // The window is as small as that of dropbear.
    let config = Config {
        window_size: 24 * 1024,
        maximum_packet_size: 8 * 1024,
        ..Config::default()
    };
    runtime.block_on(async {
        let mut session = Session::start(config, server.port(), "alice", &key).await;
        let handles = vec![
            session.open("cold", READ).await,
            session.open("written", WRITE | CREAT).await,
        ];
        cool(&server);
        for seed in 0..10 {
            let requests = mix(60, 100 + seed);
            session.send_bytes(&encode(&requests, &handles)).await;
            for (number, (_, expected)) in requests.iter().enumerate() {
                let reply = tokio::time::timeout(PATIENCE, session.receive()).await;
                check(number, expected, reply.expect("no reply"), &content);
            }
        }
    });
}

/// Sends the requests, as many as the server accepts, before anything is read; then reads everything.
fn send_first_read_later(server: &TestServer, extra: &[&str], requests: &[u8]) -> RawSftp {
    let mut command = server.client("ssh", "alice", By::Key);
    command.args(extra).args(["-s", "alice@127.0.0.1", "sftp"]);
    let mut session = RawSftp::spawn_unread(command);
    let context = Context {
        base: "",
        handles: &[],
    };
    let mut bytes = init(3).encode(0, &context);
    bytes.extend(requests);
    let mut stdin = session.take_stdin();
    let (sent, all_sent) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let result = stdin.write_all(&bytes);
        let _ = sent.send(());
        // The input stays open until the test is over, so that the session does not end.
        std::thread::park_timeout(Duration::from_secs(900));
        drop((result, stdin));
    });
    // Either the sender blocks because the window is shut, or everything was sent.
    let _ = all_sent.recv_timeout(Duration::from_secs(1));
    session.listen();
    assert!(
        matches!(session.receive(PATIENCE), Received::Packet(_)),
        "no VERSION"
    );
    session
}

#[test]
fn thousands_of_requests_are_answered_when_the_client_reads_late() {
    let (server, _) = server();
    let names: [&str; 2] = ["/cold", "/missing"];
    let count = 50_000;
    for extra in [&[][..], &["-o", "RekeyLimit=1M"]] {
        let context = Context {
            base: "",
            handles: &[],
        };
        let requests: Vec<u8> = (0..count)
            .flat_map(|id| stat(names[id as usize % 2]).encode(id, &context))
            .collect();
        let mut session = send_first_read_later(&server, extra, &requests);
        for number in 0..count {
            let Received::Packet(packet) = session.receive(PATIENCE) else {
                panic!("no reply after {number}\n{}", server.log());
            };
            let (id, reply) = decode(&packet);
            assert_eq!(id, Some(number));
            assert_eq!(matches!(reply, Reply::Attrs(_)), number % 2 == 0);
        }
    }
}

#[test]
fn thousands_of_reads_are_answered_when_the_client_reads_late() {
    let (server, content) = server();
    cool(&server);
    // The first handle of each session is the same.
    let handle = server.raw("alice").handle(&open("cold", READ));
    let length = 32_768;
    let count = 4 * COLD / length;
    for extra in [&[][..], &["-o", "RekeyLimit=1M"]] {
        let context = Context {
            base: "",
            handles: std::slice::from_ref(&handle),
        };
        let mut requests = open("cold", READ).encode(7, &context);
        for number in 0..count {
            let offset = (number * length) % COLD;
            requests.extend(read(nth(0), offset as u64, length as u32).encode(number as u32, &context));
        }
        let mut session = send_first_read_later(&server, extra, &requests);
        let opened = session.receive(PATIENCE);
        let Received::Packet(packet) = opened else {
            panic!("{opened:?}")
        };
        assert_eq!(
            decode(&packet).1,
            Reply::Handle(handle.clone()),
            "handles differ from session to session"
        );
        for number in 0..count {
            let Received::Packet(packet) = session.receive(PATIENCE) else {
                panic!("no reply after {number}\n{}", server.log());
            };
            let (id, reply) = decode(&packet);
            assert_eq!(id, Some(number as u32));
            let offset = (number * length) % COLD;
            assert!(
                reply == Reply::Data(content[offset..offset + length].to_vec()),
                "reply {number}"
            );
        }
    }
}
