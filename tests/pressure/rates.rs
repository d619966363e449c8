//! The rates of users: they hold for every way to transfer, are shared by a user's sessions, and delay nothing else.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::clients::{assert_same, local_file};
use testkit::audit::time;
use testkit::packets::{CREAT, READ, WRITE, bogus, copy_data, open, stat};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;

const MIB: u64 = 1 << 20;
/// The rate of most tests, in bytes per second: below what any machine can do, and so high that what a client may send ahead
/// (its window of 2 MiB) is a small part of ten seconds.
const RATE: u64 = 5 * MIB;
const RATE_TEXT: &str = "5MiB";
/// The file that takes ten seconds at that rate.
const TEN_SECONDS: u64 = 10 * RATE;

/// The settings `rate_up` and `rate_down` with this rate.
fn rates(rate: &str) -> String {
    format!("rate_up = \"{rate}\"\nrate_down = \"{rate}\"")
}

/// How a file was transferred, as the audit log says.
#[derive(Debug)]
struct Transfer {
    bytes: u64,
    seconds: f64,
}

impl Transfer {
    /// Returns the last transfer of this file.
    fn last(server: &TestServer, path: &str) -> Self {
        let of_file = |events: &[serde_json::Value], name: &str| {
            let mut found = events.iter().rev();
            found
                .find(|event| event["event"] == name && event["path"] == path)
                .cloned()
        };
        let mut found = None;
        testkit::wait_for("the end of a transfer in the audit log", || {
            let events = server.events();
            let (opened, closed) = (of_file(&events, "opened"), of_file(&events, "closed"));
            found = opened
                .zip(closed)
                .filter(|(opened, closed)| time(closed) >= time(opened));
            found.is_some()
        });
        let (_, closed) = found.unwrap();
        Self {
            bytes: closed["bytes_read"].as_u64().unwrap() + closed["bytes_written"].as_u64().unwrap(),
            seconds: closed["seconds"].as_f64().unwrap(),
        }
    }

    /// Returns the bytes per second.
    fn rate(&self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}

/// Transfers until the rate is as it must be: a machine that is busy may be slower, but the server is never faster.
fn check_rate(what: &str, mut transfer: impl FnMut() -> f64) {
    let mut tried = Vec::new();
    for _ in 0..4 {
        let rate = transfer() / RATE as f64;
        assert!(rate < 1.1, "{what}: {rate} of the rate");
        if rate > 0.9 {
            return;
        }
        tried.push(rate);
    }
    panic!("{what}: {tried:?} of the rate");
}

#[test]
fn stock_clients_transfer_at_the_rate_from_a_reload_on() {
    let server = TestServer::start(&["alice"]);
    let local = local_file(&server, "up", TEN_SECONDS as usize);
    server.sftp_ok("alice", "put up f");
    let unlimited = Transfer::last(&server, "/f").rate() / RATE as f64;
    // With a rate, it could not be as fast as this.
    assert!(unlimited > 1.1, "without a rate: {unlimited} of it");
    let text = fs::read_to_string(server.config()).unwrap();
    fs::write(server.config(), format!("{text}[limits]\n{}\n", rates(RATE_TEXT))).unwrap();
    server.admin_ok(&["reload"], "");
    // Each direction has a rate of its own, so both are checked at the same time.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            check_rate("put", || {
                server.sftp_ok("alice", "put up sent");
                Transfer::last(&server, "/sent").rate()
            });
        });
        check_rate("get", || {
            server.sftp_ok("alice", "get f down");
            Transfer::last(&server, "/f").rate()
        });
    });
    assert_same(&local, &server.path().join("down"));
    let scp = |from: &str, to: &str, name: &str| {
        let mut scp = server.client("scp", "alice", By::Key);
        scp.args(["-O", "-q", from, to]);
        assert!(scp.status().unwrap().success());
        Transfer::last(&server, name).rate()
    };
    std::thread::scope(|scope| {
        scope.spawn(|| check_rate("scp -t", || scp("up", "alice@127.0.0.1:g", "/g")));
        check_rate("scp -f", || scp("alice@127.0.0.1:f", "copied", "/f"));
    });
    assert_same(&local, &server.path().join("copied"));
    assert_same(&local, &server.home("alice").join("g"));
}

/// Starts a stock client that runs this batch in the background.
fn start(server: &TestServer, batch: &str) -> Child {
    let mut command = server.sftp_command("alice");
    let input = server
        .path()
        .join(format!("batch-{}", batch.replace([' ', '/'], "-")));
    fs::write(&input, batch).unwrap();
    command
        .stdin(fs::File::open(input).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn sessions_share_the_rate_and_nothing_else_waits() {
    let server = TestServer::start_with(&[("limits", &rates(RATE_TEXT))], &["alice", "bob"]);
    local_file(&server, "up", TEN_SECONDS as usize);
    for name in ["one", "two"] {
        fs::copy(server.path().join("up"), server.home("alice").join(name)).unwrap();
    }
    for (what, batches) in [
        ("downloads", ["get one d1", "get two d2"]),
        ("uploads", ["put up one", "put up two"]),
    ] {
        check_rate(what, || {
            let began = Instant::now();
            let mut clients = batches.map(|batch| start(&server, batch));
            // Another session of the same user asks for attributes all the time.
            let mut asking = server.raw("alice");
            let mut waits = Vec::new();
            while clients
                .iter_mut()
                .all(|client| client.try_wait().unwrap().is_none())
            {
                let asked = Instant::now();
                assert!(matches!(asking.ask(&stat("/one")), Reply::Attrs(_)));
                waits.push(asked.elapsed());
                std::thread::sleep(Duration::from_millis(5));
            }
            let first = began.elapsed();
            for client in &mut clients {
                assert!(client.wait().unwrap().success());
            }
            // Both have had the same part, so that they end together.
            let all = began.elapsed();
            waits.sort();
            let median = waits[waits.len() / 2];
            eprintln!("{what}: STAT takes {median:?}; the first has ended after {first:?} of {all:?}");
            // On a busy machine, one client may begin much later, or answers may wait for a CPU. Then it is tried again.
            if first <= all.mul_f64(0.8) || median >= Duration::from_millis(20) {
                return 0.0;
            }
            let ended = [Transfer::last(&server, "/one"), Transfer::last(&server, "/two")];
            let bytes: u64 = ended.iter().map(|transfer| transfer.bytes).sum();
            let seconds = ended.iter().map(|transfer| transfer.seconds).fold(0.0, f64::max);
            bytes as f64 / seconds
        });
    }
    // Another user has a rate of their own, which the record may say, also while a transfer is under way.
    server.admin_ok(
        &[
            "user",
            "set",
            "bob",
            "--rate-up",
            "16KiB",
            "--rate-down",
            "unlimited",
        ],
        "",
    );
    let mut command = server.sftp_command("bob");
    let batch = local_file(&server, "batch", 0);
    fs::write(&batch, "put up f").unwrap();
    let mut bob = command
        .stdin(fs::File::open(batch).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    testkit::wait_for("the upload to begin", || server.home("bob").join("f").exists());
    std::thread::sleep(Duration::from_secs(1));
    assert!(bob.try_wait().unwrap().is_none());
    server.admin_ok(&["user", "set", "bob", "--rate-up", "1GiB"], "");
    let began = Instant::now();
    assert!(bob.wait().unwrap().success());
    // At 16 KiB a second it would have taken twenty minutes.
    assert!(began.elapsed() < testkit::PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn a_client_that_waits_for_its_rate_is_not_idle_and_copies_are_not_counted() {
    let limits = format!("{}\nidle_timeout_secs = 5", rates("32KiB"));
    let server = TestServer::start_with(&[("limits", &limits)], &["alice"]);
    let local = local_file(&server, "up", 640 << 10);
    fs::copy(&local, server.home("alice").join("f")).unwrap();
    fs::write(server.home("alice").join("large"), vec![7; 32 << 20]).unwrap();

    let mut raw = server.raw("alice");
    let (from, to) = (
        raw.handle(&open("large", READ)),
        raw.handle(&open("copy", WRITE | CREAT)),
    );
    let began = Instant::now();
    let copied = raw.ask(&copy_data(bogus(&from), 0, 0, bogus(&to), 0));
    assert!(matches!(copied, Reply::Status { code: 0, .. }), "{copied:?}");
    // At the rate it would have taken a quarter of an hour.
    assert!(began.elapsed() < testkit::PATIENCE, "{:?}", began.elapsed());
    drop(raw);

    // The client sends and reads 255 KiB in one request, which takes eight seconds.
    let began = Instant::now();
    let mut clients = [start(&server, "get f down"), start(&server, "put up g")];
    for client in &mut clients {
        assert!(client.wait().unwrap().success(), "{}", server.audit());
    }
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}", began.elapsed());
    assert_same(&local, &server.path().join("down"));
    assert_same(&local, &server.home("alice").join("g"));
    assert!(
        !server.audit().contains("idle for too long"),
        "{}",
        server.audit()
    );
    // Nobody is spared who really is idle.
    let _idle = server.raw("alice");
    server.wait_for_audit("idle for too long");
}
