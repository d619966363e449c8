//! Replies come back in the order of their requests, whatever is mixed: warm files and cold ones, what is answered at
//! once and what waits, small windows and large ones, with and without new keys in the middle.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use tokio::sync::Semaphore;

use crate::pressure::mix::{ENTRIES, Expected, Fixed, Mix};
use crate::pressure::peer::{self, Peer, PeerSettings, Receiver, Sender};
use crate::pressure::{noise, story};
use testkit::packets::{CREAT, READ, TRUNC, WRITE};
use testkit::replies::Reply;
use testkit::server::TestServer;

/// Requests in one mix.
const REQUESTS: u32 = 3000;
/// Requests without an answer, in turn: more than any stock client has and fewer than the server's limits, as many
/// as stock clients have, and so few that the server falls idle again and again with its last answer just on its way.
const OUTSTANDING: [usize; 4] = [1200, 64, 8, 3];
const MIB: usize = 1 << 20;

/// Throws a file out of the page cache, again and again, until dropped.
pub struct Freezer {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Freezer {
    pub fn new(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        // Pages that are not on the disk yet can't be thrown out.
        file.sync_all().unwrap();
        let stop = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                fadvise(&file, 0, None, Advice::DontNeed).unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes files in a home; the paths of the warm and the cold one.
fn furnish(home: &Path, warm: &[u8], cold: &[u8]) -> PathBuf {
    fs::create_dir_all(home.join("mix")).unwrap();
    fs::create_dir_all(home.join("many")).unwrap();
    for number in 2..ENTRIES {
        fs::write(home.join(format!("many/entry-{number}")), b"x").unwrap();
    }
    fs::write(home.join("warm"), warm).unwrap();
    fs::write(home.join("cold"), cold).unwrap();
    home.join("cold")
}

async fn open_fixed(ends: &mut (Sender, Receiver), name: &str, content: &Arc<Vec<u8>>) -> Fixed {
    Fixed {
        handle: peer::open(ends, &testkit::packets::open(name, READ)).await,
        content: Arc::clone(content),
    }
}

/// What the two ends of a mix share.
struct Board {
    mix: Mix,
    expected: VecDeque<Expected>,
}

async fn send_all(sender: Sender, board: Arc<Mutex<Board>>, room: Arc<Semaphore>) {
    // Half of what may be outstanding, so that one message arrives while another is answered.
    let most = u32::try_from(room.available_permits().div_ceil(2)).unwrap();
    let mut number = 0;
    while number < REQUESTS {
        let burst = u32::try_from(board.lock().unwrap().mix.burst()).unwrap();
        let burst = burst.min(REQUESTS - number).min(most);
        room.acquire_many(burst).await.unwrap().forget();
        let mut bytes = Vec::new();
        {
            let mut board = board.lock().unwrap();
            for id in number..number + burst {
                let (request, expected) = board.mix.next();
                bytes.extend(peer::encode(&request, id, b""));
                board.expected.push_back(expected);
            }
        }
        sender.send(bytes).await;
        number += burst;
    }
}

async fn receive_all(receiver: &mut Receiver, board: Arc<Mutex<Board>>, room: Arc<Semaphore>) {
    for number in 0..REQUESTS {
        let reply = receiver.reply_to(number).await;
        let expected = board.lock().unwrap().expected.pop_front().unwrap();
        expected.check(number, &reply);
        let mut board = board.lock().unwrap();
        match (expected, reply) {
            (Expected::Handle(what), Reply::Handle(handle)) => board.mix.opened(what, handle),
            (Expected::Names(handle), reply) => board.mix.listed(&handle, &reply),
            _ => {}
        }
        room.add_permits(1);
    }
}

/// Mixes per test; `HOMEPORT_TEST_MIXES=100` soaks.
fn mixes() -> u64 {
    let named = std::env::var("HOMEPORT_TEST_MIXES").ok();
    named.map_or(4, |n| n.parse().expect("a number"))
}

/// Sends random mixes; every reply must come in order and be the right one, and the file must be as it was written.
fn check(settings: PeerSettings, first_seed: u64) {
    let server = TestServer::start(&["alice"]);
    let (warm, cold) = (Arc::new(noise(MIB, 1)), Arc::new(noise(24 * MIB, 2)));
    fs::create_dir_all(server.home("alice")).unwrap();
    let cold_path = furnish(&server.home("alice"), &warm, &cold);
    let _freezer = Freezer::new(&cold_path);
    story(async {
        for seed in first_seed..first_seed + mixes() {
            let outstanding = OUTSTANDING[seed as usize % OUTSTANDING.len()];
            let peer = Peer::connect(&server, "alice", settings).await;
            let mut ends = peer.sftp().await;
            let (warm, cold) = (
                open_fixed(&mut ends, "warm", &warm).await,
                open_fixed(&mut ends, "cold", &cold).await,
            );
            let how = READ | WRITE | CREAT | TRUNC;
            let scratch = peer::open(&mut ends, &testkit::packets::open("mix/scratch", how)).await;
            let board = Arc::new(Mutex::new(Board {
                mix: Mix::new(seed, warm, cold, scratch),
                expected: VecDeque::new(),
            }));
            let room = Arc::new(Semaphore::new(outstanding));
            let (sender, mut receiver) = ends;
            let sending = tokio::spawn(send_all(sender, Arc::clone(&board), Arc::clone(&room)));
            receive_all(&mut receiver, Arc::clone(&board), room).await;
            sending.await.unwrap();
            let stored = fs::read(server.home("alice").join("mix/scratch")).unwrap();
            assert!(
                stored == board.lock().unwrap().mix.scratch,
                "seed {seed}: WRITEs did not land"
            );
            if let Some(bytes) = settings.rekey {
                let times = peer.key_exchanges();
                assert!(times > 10, "new keys {times} times only, at every {bytes} bytes");
            }
        }
    });
}

#[test]
fn a_window_of_24_kib() {
    check(PeerSettings::window(24 * 1024), 1000);
}

#[test]
fn a_window_of_2_mib() {
    check(PeerSettings::window(2 << 20), 2000);
}

#[test]
fn a_window_of_24_kib_and_new_keys_every_mib() {
    let settings = PeerSettings {
        rekey: Some(MIB),
        ..PeerSettings::window(24 * 1024)
    };
    check(settings, 3000);
}

#[test]
fn a_window_of_2_mib_and_new_keys_every_mib() {
    let settings = PeerSettings {
        rekey: Some(MIB),
        ..PeerSettings::window(2 << 20)
    };
    check(settings, 4000);
}

#[test]
fn a_window_and_packets_as_small_as_they_may_be() {
    let settings = PeerSettings {
        packet: 1024,
        ..PeerSettings::window(3000)
    };
    check(settings, 5000);
}
