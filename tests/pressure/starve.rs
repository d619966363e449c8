//! Clients that request more than they read: memory stays bounded, and other users are not affected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::pressure::peer::{self, Peer, PeerSettings};
use crate::pressure::{noise, story};
use testkit::packets::{READ, WRITE, bogus, extended_handle, open, read, stat};
use testkit::raw::RawSftp;
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::wait_for;

/// The most memory that one client may cost the server, in bytes.
const GROWTH: u64 = 24 << 20;

/// Returns the server's resident memory, in bytes.
pub fn resident(server: &TestServer) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// Polls the server's memory until `done` returns `true`, and returns its highest value.
fn highest_until(server: &TestServer, mut done: impl FnMut() -> bool) -> u64 {
    let mut highest = 0;
    wait_for("the server to take the requests", || {
        highest = highest.max(resident(server));
        done()
    });
    highest.max(resident(server))
}

fn bytes_in(server: &TestServer, user: &str) -> u64 {
    traffic(server, user, "bytes_in")
}

fn traffic(server: &TestServer, user: &str, which: &str) -> u64 {
    let json = server.admin_ok(&["sessions", "list", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    let session = list.as_array().unwrap().iter().find(|s| s["user"] == user);
    session.and_then(|s| s[which].as_u64()).unwrap_or(0)
}

/// A session of another user that works all the time.
struct WorkingSession {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl WorkingSession {
    fn start(server: &TestServer) -> Self {
        let mut session: RawSftp = server.raw("bob");
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (flag, count) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                assert!(matches!(session.ask(&stat("/")), Reply::Attrs(_)));
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self {
            stop,
            rounds,
            thread: Some(thread),
        }
    }

    /// Asserts that its requests are answered at this moment.
    fn check(&self) {
        let before = self.rounds.load(Ordering::Relaxed);
        wait_for("the witness", || self.rounds.load(Ordering::Relaxed) > before + 5);
    }
}

impl Drop for WorkingSession {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

fn server_with_file(length: usize) -> (TestServer, Vec<u8>) {
    let server = TestServer::start(&["alice", "bob"]);
    let content = noise(length, 5);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    std::fs::write(server.home("alice").join("file"), &content).unwrap();
    (server, content)
}

#[test]
fn a_hundred_thousand_reads_with_a_shut_window_use_little_memory() {
    const READS: u32 = 100_000;
    const LENGTH: u32 = 8192;
    let (server, content) = server_with_file(1 << 20);
    let witness = WorkingSession::start(&server);
    story(async {
        let peer = Peer::connect(&server, "alice", PeerSettings::window(2 << 20)).await;
        let mut ends = peer.sftp().await;
        let handle = peer::open(&mut ends, &open("file", READ)).await;
        let (sender, mut receiver) = ends;
        let offset = |n: u32| u64::from(n) * 97 % (1 << 19);
        let baseline = resident(&server);
        peer.gate.shut();
        // The requests exceed the window, which the server enlarges as replies are read: the sender waits, like a
        // client that requests a whole file at once.
        let sending = tokio::spawn({
            let handle = handle.clone();
            async move {
                for first in (0..READS).step_by(1000) {
                    let bytes: Vec<u8> = (first..first + 1000)
                        .flat_map(|n| peer::encode(&read(bogus(&handle), offset(n), LENGTH), n, b""))
                        .collect();
                    sender.send(bytes).await;
                }
                sender
            }
        });
        let highest = highest_until(&server, || bytes_in(&server, "alice") >= 2_000_000);
        let growth = highest.saturating_sub(baseline);
        assert!(growth < GROWTH, "the server grew by {} MiB", growth >> 20);
        witness.check();
        peer.gate.open();
        let mut highest = 0;
        for number in 0..READS {
            let Reply::Data(data) = receiver.reply_to(number).await else {
                panic!("request {number} failed");
            };
            let at = offset(number) as usize;
            assert!(data == content[at..at + LENGTH as usize], "request {number}");
            if number % 1000 == 0 {
                highest = highest.max(resident(&server));
            }
        }
        let growth = highest.saturating_sub(baseline);
        assert!(
            growth < GROWTH,
            "the server grew by {} MiB when it answered",
            growth >> 20
        );
        let _sender = sending.await.unwrap();
    });
}

/// A window as large as PuTTY's does not bound the memory, so the limit of the connection must.
fn check_huge_window(request: impl Fn(u32, &[u8]) -> Vec<u8> + Send + 'static) {
    let (server, _) = server_with_file(1 << 20);
    let witness = WorkingSession::start(&server);
    story(async {
        let peer = Peer::connect(&server, "alice", PeerSettings::window((1 << 31) - 1)).await;
        let mut ends = peer.sftp().await;
        let handle = peer::open(&mut ends, &open("file", READ | WRITE)).await;
        let baseline = resident(&server);
        peer.gate.shut();
        let sender = ends.0;
        let sending = tokio::spawn(async move {
            for number in 0..5000 {
                if sender.try_send(request(number, &handle)).await.is_err() {
                    break;
                }
            }
        });
        let (mut before, mut since) = (0, Instant::now());
        let highest = highest_until(&server, || {
            let now = traffic(&server, "alice", "bytes_out");
            if now != before {
                (before, since) = (now, Instant::now());
            }
            now > 1 << 20 && since.elapsed() > Duration::from_millis(500)
        });
        let growth = highest.saturating_sub(baseline);
        eprintln!("a huge window: the server grew by {} MiB", growth >> 20);
        assert!(growth < GROWTH, "the server grew by {} MiB", growth >> 20);
        witness.check();
        peer.gate.close_silently();
        sending.await.unwrap();
    });
    server.wait_for_audit("\"closed\"");
}

#[test]
fn a_huge_window_without_reading_bounds_memory_with_direct_replies() {
    check_huge_window(|number, handle| peer::encode(&read(bogus(handle), 0, 261_120), number, b""));
}

#[test]
fn a_huge_window_without_reading_bounds_memory_with_queued_replies() {
    check_huge_window(|number, handle| match number % 50 {
        0 => peer::encode(&extended_handle("fsync@openssh.com", bogus(handle)), number, b""),
        _ => peer::encode(&read(bogus(handle), 0, 261_120), number, b""),
    });
}
