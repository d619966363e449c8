//! Situations in which a server that moves data between two bounded queues can deadlock: many requests in one message,
//! a client that stops reading, and rekeying in the middle of both.

use std::sync::Arc;

use crate::pressure::order::CacheEvictor;
use crate::pressure::peer::{self, Peer, PeerSettings, Receiver, STEP_LIMIT, Sender};
use crate::pressure::{noise, story};
use testkit::packets::{READ, Request, bogus, extended_handle, open, read, write};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::wait_for;

const SIZE: usize = 8 << 20;
const BLOCK: usize = 32_768;

/// A server with a file of noise, which may be out of the page cache.
struct NoiseServer {
    server: TestServer,
    content: Arc<Vec<u8>>,
    _freezer: Option<CacheEvictor>,
}

impl NoiseServer {
    fn new(cold: bool) -> Self {
        let server = TestServer::start(&["alice"]);
        let content = Arc::new(noise(SIZE, 11));
        std::fs::create_dir_all(server.home("alice")).unwrap();
        let path = server.home("alice").join("file");
        std::fs::write(&path, &*content).unwrap();
        Self {
            server,
            content,
            _freezer: cold.then(|| CacheEvictor::new(&path)),
        }
    }

    /// Waits until the server has read this many bytes from the connection.
    fn wait_for_input(&self, bytes: u64) {
        wait_for("the server to take the requests", || {
            let json = self.server.admin_ok(&["sessions", "list", "--json"], "");
            let list: serde_json::Value = serde_json::from_str(&json).unwrap();
            list[0]["bytes_in"].as_u64().unwrap_or(0) >= bytes
        });
    }

    fn expect(&self, number: u32, reply: &Reply) {
        let offset = offset_of(number) as usize;
        let wanted = &self.content[offset..offset + BLOCK];
        assert!(
            matches!(reply, Reply::Data(data) if data == wanted),
            "request {number}"
        );
    }
}

fn offset_of(number: u32) -> u64 {
    let blocks = (SIZE / BLOCK) as u64 - 1;
    u64::from(number) * 7 % blocks * BLOCK as u64 + u64::from(number) % 1000
}

fn request(number: u32, handle: &[u8]) -> Vec<u8> {
    peer::encode(&read(bogus(handle), offset_of(number), BLOCK as u32), number, b"")
}

async fn open_file(ends: &mut (Sender, Receiver)) -> Vec<u8> {
    peer::open(ends, &open("file", READ)).await
}

/// Asserts that all replies arrive in order.
async fn expect_all(server_with_noise: &NoiseServer, receiver: &mut Receiver, count: u32) {
    let all = async {
        for number in 0..count {
            let reply = receiver.reply_to(number).await;
            server_with_noise.expect(number, &reply);
        }
    };
    tokio::time::timeout(STEP_LIMIT, all)
        .await
        .expect("answered in bounded time");
}

/// Deadlock A: one SSH message with two thousand READs, then six hundred messages with one each.
fn one_message_with_many(settings: PeerSettings, cold: bool) {
    const IN_ONE: u32 = 2000;
    const ALL: u32 = 2600;
    let server_with_noise = NoiseServer::new(cold);
    story(async {
        let peer = Peer::connect(&server_with_noise.server, "alice", settings).await;
        let mut ends = peer.sftp().await;
        let handle = open_file(&mut ends).await;
        let (sender, mut receiver) = ends;
        let sending = tokio::spawn(async move {
            let many: Vec<u8> = (0..IN_ONE).flat_map(|n| request(n, &handle)).collect();
            assert!(many.len() < 65_535, "it must be one message");
            sender.send(many).await;
            for number in IN_ONE..ALL {
                sender.send(request(number, &handle)).await;
            }
            sender
        });
        expect_all(&server_with_noise, &mut receiver, ALL).await;
        sending.await.unwrap();
    });
}

#[test]
fn many_requests_in_one_message_on_a_cached_file() {
    one_message_with_many(PeerSettings::window(2 << 20), false);
}

#[test]
fn many_requests_in_one_message_on_an_uncached_file_with_a_small_window() {
    one_message_with_many(PeerSettings::window(24 * 1024), true);
}

/// Deadlock B: the client stops reading with many requests pending, sends more, and reads again later. With `rekey` it
/// also starts a key exchange meanwhile: deadlock C.
fn stops_reading(settings: PeerSettings, cold: bool, rekey: bool) {
    const BEFORE: u32 = 1500;
    const ALL: u32 = 2500;
    let server_with_noise = NoiseServer::new(cold);
    story(async {
        let peer = Peer::connect(&server_with_noise.server, "alice", settings).await;
        let mut ends = peer.sftp().await;
        let handle = open_file(&mut ends).await;
        let (sender, mut receiver) = ends;
        peer.gate.shut();
        let mut sent = 0;
        for number in 0..BEFORE {
            let bytes = request(number, &handle);
            sent += bytes.len() as u64;
            sender.send(bytes).await;
        }
        server_with_noise.wait_for_input(sent);
        if rekey {
            peer.rekey().await;
        }
        // During a key exchange, the client keeps these requests until it reads again.
        let sending = tokio::spawn(async move {
            for number in BEFORE..ALL {
                sender.send(request(number, &handle)).await;
            }
            sender
        });
        if !rekey {
            server_with_noise.wait_for_input(sent * u64::from(ALL) / u64::from(BEFORE));
        }
        peer.gate.open();
        expect_all(&server_with_noise, &mut receiver, ALL).await;
        let _sender = sending.await.unwrap();
        assert_eq!(peer.key_exchanges() > 1, rekey);
    });
}

#[test]
fn a_client_stops_reading_and_continues() {
    stops_reading(PeerSettings::window(24 * 1024), false, false);
    stops_reading(PeerSettings::window(2 << 20), true, false);
}

#[test]
fn a_client_stops_reading_in_the_middle_of_a_key_exchange() {
    stops_reading(PeerSettings::window(24 * 1024), false, true);
    stops_reading(PeerSettings::window(2 << 20), true, true);
}

/// Sends requests with direct and queued replies until the server itself starts a key exchange, after a gigabyte.
#[test]
fn the_server_starts_a_key_exchange_in_the_middle() {
    const ROUNDS: u32 = 7000;
    let server_with_noise = NoiseServer::new(false);
    story(async {
        let peer = Peer::connect(&server_with_noise.server, "alice", PeerSettings::window(2 << 20)).await;
        let mut ends = peer.sftp().await;
        let handle = open_file(&mut ends).await;
        let how = READ | testkit::packets::WRITE | testkit::packets::CREAT;
        let written = peer::open(&mut ends, &open("written", how)).await;
        let (sender, mut receiver) = ends;
        let content = Arc::clone(&server_with_noise.content);
        let room = Arc::new(tokio::sync::Semaphore::new(64));
        let places = Arc::clone(&room);
        let sending = tokio::spawn(async move {
            for round in 0..ROUNDS {
                places.acquire().await.unwrap().forget();
                sender.send(make(round, &handle, &written, &content)).await;
            }
            sender
        });
        for round in 0..ROUNDS {
            let reply = receiver.reply_to(round).await;
            match (round % 4, reply) {
                (0..=2, Reply::Data(data)) => assert!(data == server_with_noise.content[..data.len()]),
                (3, Reply::Status { code: 0, .. }) => {}
                (_, other) => panic!("round {round}: {other:?}"),
            }
            room.add_permits(1);
        }
        let _sender = sending.await.unwrap();
        assert!(peer.key_exchanges() > 1, "no new keys were asked for");
    });
}

/// Returns three large READs, followed by a WRITE or sometimes an fsync.
fn make(round: u32, handle: &[u8], written: &[u8], content: &[u8]) -> Vec<u8> {
    let request: Request = match round % 4 {
        3 if round % 400 == 3 => extended_handle("fsync@openssh.com", bogus(written)),
        3 => write(bogus(written), 0, &content[..200_000]),
        _ => read(bogus(handle), 0, 261_120),
    };
    peer::encode(&request, round, b"")
}

/// The client stops reading in the middle of a key exchange, and then disconnects.
#[test]
fn a_client_that_stops_reading_and_disconnects_leaves_nothing_open() {
    let server_with_noise = NoiseServer::new(false);
    story(async {
        for rekey in [false, true] {
            let peer = Peer::connect(
                &server_with_noise.server,
                "alice",
                PeerSettings::window(24 * 1024),
            )
            .await;
            let mut ends = peer.sftp().await;
            let handle = open_file(&mut ends).await;
            peer.gate.shut();
            let bytes: Vec<u8> = (0..1000).flat_map(|n| request(n, &handle)).collect();
            let length = bytes.len() as u64;
            ends.0.send(bytes).await;
            server_with_noise.wait_for_input(length);
            if rekey {
                peer.rekey().await;
            }
            peer.gate.close_silently();
            wait_for("the session to end", || {
                let list = server_with_noise
                    .server
                    .admin_ok(&["sessions", "list", "--json"], "");
                list.trim() == "[]"
            });
        }
    });
    // The server has closed its file as well.
    wait_for("two files to be closed", || {
        server_with_noise.server.audit().matches("\"closed\"").count() == 2
    });
}
