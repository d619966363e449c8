//! What makes servers hang that move data between two bounded queues: many requests in one message, a client that
//! stops reading, and new keys in the middle of both.

use std::sync::Arc;

use crate::pressure::order::Freezer;
use crate::pressure::peer::{self, BOUND, Peer, PeerSettings, Receiver, Sender};
use crate::pressure::{noise, story};
use testkit::packets::{READ, Request, bogus, extended_handle, open, read, write};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::wait_for;

const SIZE: usize = 8 << 20;
const BLOCK: usize = 32_768;

/// A server with a file of noise, which may be cold.
struct Stage {
    server: TestServer,
    content: Arc<Vec<u8>>,
    _freezer: Option<Freezer>,
}

impl Stage {
    fn new(cold: bool) -> Self {
        let server = TestServer::start(&["alice"]);
        let content = Arc::new(noise(SIZE, 11));
        std::fs::create_dir_all(server.home("alice")).unwrap();
        let path = server.home("alice").join("file");
        std::fs::write(&path, &*content).unwrap();
        Self {
            server,
            content,
            _freezer: cold.then(|| Freezer::new(&path)),
        }
    }

    /// Waits until the server has taken so many bytes off the connection.
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

/// All replies, in order, in bounded time.
async fn expect_all(stage: &Stage, receiver: &mut Receiver, count: u32) {
    let all = async {
        for number in 0..count {
            let reply = receiver.reply_to(number).await;
            stage.expect(number, &reply);
        }
    };
    tokio::time::timeout(BOUND, all)
        .await
        .expect("answered in bounded time");
}

/// Deadlock A: one SSH message with two thousand READs, then six hundred messages with one each.
fn one_message_with_many(settings: PeerSettings, cold: bool) {
    const IN_ONE: u32 = 2000;
    const ALL: u32 = 2600;
    let stage = Stage::new(cold);
    story(async {
        let peer = Peer::connect(&stage.server, "alice", settings).await;
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
        expect_all(&stage, &mut receiver, ALL).await;
        sending.await.unwrap();
    });
}

#[test]
fn many_requests_in_one_message_warm() {
    one_message_with_many(PeerSettings::window(2 << 20), false);
}

#[test]
fn many_requests_in_one_message_cold_and_a_tiny_window() {
    one_message_with_many(PeerSettings::window(24 * 1024), true);
}

/// Deadlock B: the client stops reading with much outstanding, goes on asking, and reads again later. With `rekey`
/// it wants new keys meanwhile: deadlock C.
fn stops_reading(settings: PeerSettings, cold: bool, rekey: bool) {
    const BEFORE: u32 = 1500;
    const ALL: u32 = 2500;
    let stage = Stage::new(cold);
    story(async {
        let peer = Peer::connect(&stage.server, "alice", settings).await;
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
        stage.wait_for_input(sent);
        if rekey {
            peer.rekey().await;
        }
        // With new keys half exchanged, these stay with the client until it reads again.
        let sending = tokio::spawn(async move {
            for number in BEFORE..ALL {
                sender.send(request(number, &handle)).await;
            }
            sender
        });
        if !rekey {
            stage.wait_for_input(sent * u64::from(ALL) / u64::from(BEFORE));
        }
        peer.gate.open();
        expect_all(&stage, &mut receiver, ALL).await;
        let _sender = sending.await.unwrap();
        assert_eq!(peer.key_exchanges() > 1, rekey);
    });
}

#[test]
fn a_client_stops_reading_and_goes_on() {
    stops_reading(PeerSettings::window(24 * 1024), false, false);
    stops_reading(PeerSettings::window(2 << 20), true, false);
}

#[test]
fn a_client_stops_reading_in_the_middle_of_new_keys() {
    stops_reading(PeerSettings::window(24 * 1024), false, true);
    stops_reading(PeerSettings::window(2 << 20), true, true);
}

/// Sends and expects until the server itself has asked for new keys (after a gigabyte), with replies of both kinds.
#[test]
fn the_server_wants_new_keys_in_the_middle() {
    const ROUNDS: u32 = 7000;
    let stage = Stage::new(false);
    story(async {
        let peer = Peer::connect(&stage.server, "alice", PeerSettings::window(2 << 20)).await;
        let mut ends = peer.sftp().await;
        let handle = open_file(&mut ends).await;
        let how = READ | testkit::packets::WRITE | testkit::packets::CREAT;
        let written = peer::open(&mut ends, &open("written", how)).await;
        let (sender, mut receiver) = ends;
        let content = Arc::clone(&stage.content);
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
                (0..=2, Reply::Data(data)) => assert!(data == stage.content[..data.len()]),
                (3, Reply::Status { code: 0, .. }) => {}
                (_, other) => panic!("round {round}: {other:?}"),
            }
            room.add_permits(1);
        }
        let _sender = sending.await.unwrap();
        assert!(peer.key_exchanges() > 1, "no new keys were asked for");
    });
}

/// Three large READs, then a WRITE or, now and then, an fsync.
fn make(round: u32, handle: &[u8], written: &[u8], content: &[u8]) -> Vec<u8> {
    let request: Request = match round % 4 {
        3 if round % 400 == 3 => extended_handle("fsync@openssh.com", bogus(written)),
        3 => write(bogus(written), 0, &content[..200_000]),
        _ => read(bogus(handle), 0, 261_120),
    };
    peer::encode(&request, round, b"")
}

/// A client that never comes back: it stops reading in the middle of new keys, and leaves.
#[test]
fn a_client_that_stops_reading_and_vanishes_leaves_nothing_behind() {
    let stage = Stage::new(false);
    story(async {
        for rekey in [false, true] {
            let peer = Peer::connect(&stage.server, "alice", PeerSettings::window(24 * 1024)).await;
            let mut ends = peer.sftp().await;
            let handle = open_file(&mut ends).await;
            peer.gate.shut();
            let bytes: Vec<u8> = (0..1000).flat_map(|n| request(n, &handle)).collect();
            let length = bytes.len() as u64;
            ends.0.send(bytes).await;
            stage.wait_for_input(length);
            if rekey {
                peer.rekey().await;
            }
            peer.gate.vanish();
            wait_for("the session to end", || {
                let list = stage.server.admin_ok(&["sessions", "list", "--json"], "");
                list.trim() == "[]"
            });
        }
    });
    // Its file was closed, too.
    wait_for("two files to be closed", || {
        stage.server.audit().matches("\"closed\"").count() == 2
    });
}
