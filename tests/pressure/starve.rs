//! Clients that ask for more than they take: memory stays bounded, and nobody else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::peer::{self, Manner, Peer};
use crate::support::packets::{CREAT, READ, WRITE, bogus, extended_handle, init, open, read, stat, write};
use crate::support::raw::RawSftp;
use crate::support::replies::Reply;
use crate::support::server::Sandbox;
use crate::support::{PATIENCE, wait_for};
use crate::{noise, story};

/// How much the server may grow for one client at its worst.
const GROWTH: u64 = 64 << 20;

/// The server's resident memory, in bytes.
pub fn resident(server: &Sandbox) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// Watches the server's memory; its highest value.
fn highest_until(server: &Sandbox, mut done: impl FnMut() -> bool) -> u64 {
    let mut highest = 0;
    wait_for("the server to take the requests", || {
        highest = highest.max(resident(server));
        done()
    });
    highest.max(resident(server))
}

fn bytes_in(server: &Sandbox, user: &str) -> u64 {
    traffic(server, user, "bytes_in")
}

fn traffic(server: &Sandbox, user: &str, which: &str) -> u64 {
    let json = server.admin_ok(&["sessions", "list", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    let session = list.as_array().unwrap().iter().find(|s| s["user"] == user);
    session.and_then(|s| s[which].as_u64()).unwrap_or(0)
}

/// Another user's session, at work all the time.
struct Witness {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<Duration>>,
}

impl Witness {
    fn start(server: &Sandbox) -> Self {
        let mut session: RawSftp = server.raw("bob");
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (flag, count) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let mut slowest = Duration::ZERO;
            while !flag.load(Ordering::Relaxed) {
                let begun = Instant::now();
                assert!(matches!(session.ask(&stat("/")), Reply::Attrs(_)));
                slowest = slowest.max(begun.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
            slowest
        });
        Self {
            stop,
            rounds,
            thread: Some(thread),
        }
    }

    /// It has worked, and none of its requests took longer than a second.
    fn has_worked(mut self) {
        let before = self.rounds.load(Ordering::Relaxed);
        wait_for("the witness", || self.rounds.load(Ordering::Relaxed) > before + 5);
        self.stop.store(true, Ordering::Relaxed);
        let slowest = self.thread.take().unwrap().join().unwrap();
        assert!(
            slowest < Duration::from_secs(1),
            "another user waited for {slowest:?}"
        );
    }
}

fn server_with_file(length: usize) -> (Sandbox, Vec<u8>) {
    let server = Sandbox::start(&["alice", "bob"]);
    let content = noise(length, 5);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    std::fs::write(server.home("alice").join("file"), &content).unwrap();
    (server, content)
}

#[test]
fn a_hundred_thousand_reads_and_a_shut_window() {
    const READS: u32 = 100_000;
    const LENGTH: u32 = 8192;
    let (server, content) = server_with_file(1 << 20);
    let witness = Witness::start(&server);
    story(async {
        let peer = Peer::connect(&server, "alice", Manner::window(2 << 20)).await;
        let mut ends = peer.sftp().await;
        let handle = peer::open(&mut ends, &open("file", READ)).await;
        let (sender, mut receiver) = ends;
        let offset = |n: u32| u64::from(n) * 97 % (1 << 19);
        let baseline = resident(&server);
        peer.gate.shut();
        let mut sent = 0;
        for first in (0..READS).step_by(1000) {
            let bytes: Vec<u8> = (first..first + 1000)
                .flat_map(|n| peer::encode(&read(bogus(&handle), offset(n), LENGTH), n, b""))
                .collect();
            sent += bytes.len() as u64;
            sender.send(bytes).await;
        }
        let highest = highest_until(&server, || bytes_in(&server, "alice") >= sent);
        let growth = highest.saturating_sub(baseline);
        assert!(growth < GROWTH, "the server grew by {} MiB", growth >> 20);
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
    });
    witness.has_worked();
}

/// The window is no bound when it is as large as PuTTY's: then it is the connection that must be.
fn a_huge_window_and_nothing_read(request: impl Fn(u32, &[u8]) -> Vec<u8> + Send + 'static) {
    let (server, _) = server_with_file(1 << 20);
    let witness = Witness::start(&server);
    story(async {
        let peer = Peer::connect(&server, "alice", Manner::window((1 << 31) - 1)).await;
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
        peer.gate.vanish();
        sending.await.unwrap();
    });
    server.wait_for_audit("\"closed\"");
    witness.has_worked();
}

#[test]
fn a_huge_window_and_nothing_read_direct() {
    a_huge_window_and_nothing_read(|number, handle| {
        peer::encode(&read(bogus(handle), 0, 261_120), number, b"")
    });
}

#[test]
fn a_huge_window_and_nothing_read_queued() {
    a_huge_window_and_nothing_read(|number, handle| match number % 50 {
        0 => peer::encode(&extended_handle("fsync@openssh.com", bogus(handle)), number, b""),
        _ => peer::encode(&read(bogus(handle), 0, 261_120), number, b""),
    });
}

/// Floods until the server has had enough; what it said. The window shuts by itself: nothing is read.
fn flood(what: impl Fn(u32, &[u8]) -> Vec<u8> + Send + 'static, most: u32, says: &str) {
    let (server, _) = server_with_file(1 << 20);
    let witness = Witness::start(&server);
    story(async {
        let peer = Peer::connect(&server, "alice", Manner::window(24 * 1024)).await;
        let mut ends = peer.sftp().await;
        let handle = peer::open(&mut ends, &open("file", READ | WRITE | CREAT)).await;
        let baseline = resident(&server);
        peer.gate.shut();
        let sender = ends.0;
        let sending = tokio::spawn(async move {
            for number in 0..most {
                if sender.try_send(what(number, &handle)).await.is_err() {
                    break;
                }
            }
        });
        let highest = highest_until(&server, || server.log().contains(says));
        let growth = highest.saturating_sub(baseline);
        assert!(growth < GROWTH, "the server grew by {} MiB", growth >> 20);
        peer.gate.open();
        wait_for("the farewell", || peer.farewell().is_some());
        let farewell = peer.farewell().unwrap();
        assert!(farewell.contains(says), "the client was told: {farewell}");
        sending.abort();
    });
    server.wait_for_audit(says);
    wait_for("the session to end", || bytes_in(&server, "alice") == 0);
    witness.has_worked();
}

/// The same with the stock client, whose output nobody reads; it shows the reason. Unlike ours it still takes what
/// concerns the connection, so that it may send as much as it likes.
fn flood_by_stock_client(what: impl Fn(u32, &[u8]) -> Vec<u8> + Send + 'static, most: u32, says: &str) {
    use std::io::{Read, Write};
    use std::process::Stdio;
    let (server, _) = server_with_file(4 << 20);
    let witness = Witness::start(&server);
    // The first handle of a session: it is opaque, but the same each time.
    let handle = server.raw("alice").handle(&open("file", READ | WRITE));
    let mut command = server.raw_command("alice");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let baseline = resident(&server);
    let sending = std::thread::spawn(move || {
        let mut hello = peer::encode(&init(3), 0, b"");
        hello.extend(peer::encode(&open("file", READ | WRITE), 1, b""));
        // More than the client's window, its pipe and its own buffers hold.
        for n in 0..40 {
            hello.extend(peer::encode(&read(bogus(&handle), 0, 261_120), n, b""));
        }
        let sent = input.write_all(&hello);
        let mut more = (0..most).take_while(|&n| input.write_all(&what(n, &handle)).is_ok());
        (sent.is_ok(), more.by_ref().count())
    });
    let mut errors = child.stderr.take().unwrap();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut words = String::new();
        let _ = errors.read_to_string(&mut words);
        let _ = sender.send(words);
    });
    let highest = highest_until(&server, || server.log().contains(says));
    let words = ended.recv_timeout(PATIENCE);
    let _ = child.kill();
    let _ = child.wait();
    sending.join().unwrap();
    let words = words.expect("the client ends");
    assert!(words.contains(says), "the stock client says: {words}");
    let growth = highest.saturating_sub(baseline);
    assert!(growth < GROWTH, "the server grew by {} MiB", growth >> 20);
    server.wait_for_audit(says);
    witness.has_worked();
}

fn a_thousand_reads(number: u32, handle: &[u8]) -> Vec<u8> {
    (0..1000)
        .flat_map(|n| peer::encode(&read(bogus(handle), 0, 32_768), number * 1000 + n, b""))
        .collect()
}

#[test]
fn more_reads_than_may_wait() {
    flood(a_thousand_reads, 402, "more than 400000 read requests");
}

#[test]
fn more_reads_than_may_wait_from_the_stock_client() {
    flood_by_stock_client(a_thousand_reads, 450, "more than 400000 read requests");
}

#[test]
fn more_payload_than_may_wait() {
    let data = vec![7; 32_768];
    let one = move |number: u32, handle: &[u8]| peer::encode(&write(bogus(handle), 0, &data), number, b"");
    flood_by_stock_client(one, 2000, "more than 40 MiB of requests");
}

/// Small requests cost more than their bytes; they are counted, too.
#[test]
fn more_small_requests_than_may_wait() {
    let many = |number: u32, _: &[u8]| {
        (0..1000)
            .flat_map(|n| peer::encode(&stat("/"), number * 1000 + n, b""))
            .collect()
    };
    flood_by_stock_client(many, 2000, "more than 40 MiB of requests");
}
