//! Replies have the order of their requests in any mix: cached and uncached files, immediate and delayed replies, small
//! and large windows, with and without rekeying.

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

/// The number of requests in one mix.
const REQUESTS: u32 = 3000;
/// The numbers of pending requests, in turn: more than any stock client has and fewer than the server's limits, as many
/// as stock clients have, and so few that the server is repeatedly idle while its last reply is on its way.
const OUTSTANDING: [usize; 4] = [1200, 64, 8, 3];
const MIB: usize = 1 << 20;

/// Evicts a file from the page cache repeatedly until it is dropped.
pub struct CacheEvictor {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl CacheEvictor {
    pub fn new(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        // Dirty pages cannot be evicted.
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

impl Drop for CacheEvictor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Creates the files in a home, and returns the path of the uncached one.
fn create_files(home: &Path, warm: &[u8], cold: &[u8]) -> PathBuf {
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

/// The state that the sender and the receiver of a mix share.
struct MixState {
    mix: Mix,
    expected: VecDeque<Expected>,
}

async fn send_all(sender: Sender, state: Arc<Mutex<MixState>>, room: Arc<Semaphore>) {
    // A message has at most half of the pending requests, so that one arrives while another is answered.
    let most = u32::try_from(room.available_permits().div_ceil(2)).unwrap();
    let mut number = 0;
    while number < REQUESTS {
        let burst = u32::try_from(state.lock().unwrap().mix.burst()).unwrap();
        let burst = burst.min(REQUESTS - number).min(most);
        room.acquire_many(burst).await.unwrap().forget();
        let mut bytes = Vec::new();
        {
            let mut state = state.lock().unwrap();
            for id in number..number + burst {
                let (request, expected) = state.mix.next();
                bytes.extend(peer::encode(&request, id, b""));
                state.expected.push_back(expected);
            }
        }
        sender.send(bytes).await;
        number += burst;
    }
}

async fn receive_all(receiver: &mut Receiver, state: Arc<Mutex<MixState>>, room: Arc<Semaphore>) {
    for number in 0..REQUESTS {
        let reply = receiver.reply_to(number).await;
        let expected = state.lock().unwrap().expected.pop_front().unwrap();
        expected.check(number, &reply);
        let mut state = state.lock().unwrap();
        match (expected, reply) {
            (Expected::Handle(what), Reply::Handle(handle)) => state.mix.opened(what, handle),
            (Expected::Names(handle), reply) => state.mix.listed(&handle, &reply),
            _ => {}
        }
        room.add_permits(1);
    }
}

/// Returns the number of mixes per test, which `HOMEPORT_TEST_MIXES` sets.
fn mixes() -> u64 {
    let named = std::env::var("HOMEPORT_TEST_MIXES").ok();
    named.map_or(4, |n| n.parse().expect("a number"))
}

/// Sends random mixes, and asserts that each reply is in order and correct, and that the file has the written content.
fn check(settings: PeerSettings, first_seed: u64) {
    let server = TestServer::start(&["alice"]);
    let (warm, cold) = (Arc::new(noise(MIB, 1)), Arc::new(noise(24 * MIB, 2)));
    fs::create_dir_all(server.home("alice")).unwrap();
    let cold_path = create_files(&server.home("alice"), &warm, &cold);
    let _freezer = CacheEvictor::new(&cold_path);
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
            let state = Arc::new(Mutex::new(MixState {
                mix: Mix::new(seed, warm, cold, scratch),
                expected: VecDeque::new(),
            }));
            let room = Arc::new(Semaphore::new(outstanding));
            let (sender, mut receiver) = ends;
            let sending = tokio::spawn(send_all(sender, Arc::clone(&state), Arc::clone(&room)));
            receive_all(&mut receiver, Arc::clone(&state), room).await;
            sending.await.unwrap();
            let stored = fs::read(server.home("alice").join("mix/scratch")).unwrap();
            assert!(
                stored == state.lock().unwrap().mix.scratch,
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
fn replies_stay_in_order_with_a_window_of_24_kib() {
    check(PeerSettings::window(24 * 1024), 1000);
}

#[test]
fn replies_stay_in_order_with_a_window_of_2_mib() {
    check(PeerSettings::window(2 << 20), 2000);
}

#[test]
fn replies_stay_in_order_with_a_window_of_24_kib_and_rekeying() {
    let settings = PeerSettings {
        rekey: Some(MIB),
        ..PeerSettings::window(24 * 1024)
    };
    check(settings, 3000);
}

#[test]
fn replies_stay_in_order_with_a_window_of_2_mib_and_rekeying() {
    let settings = PeerSettings {
        rekey: Some(MIB),
        ..PeerSettings::window(2 << 20)
    };
    check(settings, 4000);
}

#[test]
fn replies_stay_in_order_with_the_smallest_window_and_packets() {
    let settings = PeerSettings {
        packet: 1024,
        ..PeerSettings::window(3000)
    };
    check(settings, 5000);
}
