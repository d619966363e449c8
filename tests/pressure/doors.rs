//! Connections that never become a session, or stop being one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::pressure::peer::{self, Manner, Peer};
use crate::pressure::story;
use testkit::packets::{CREAT, Part, READ, WRITE, bogus, extended, open, stat, write};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::{By, run};
use testkit::wait_for;

/// Sends a byte a second, if there is one, until the server hangs up; how long that took.
fn trickle(port: u16, bytes: &'static [u8]) -> std::thread::JoinHandle<Duration> {
    std::thread::spawn(move || {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut bytes = bytes.iter();
        let mut buffer = [0; 4096];
        while begun.elapsed() < Duration::from_secs(60) {
            if let Some(byte) = bytes.next()
                && stream.write_all(&[*byte]).is_err()
            {
                break;
            }
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => std::thread::sleep(Duration::from_millis(500)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        begun.elapsed()
    })
}

#[test]
fn the_login_grace_ends_those_who_do_not_speak() {
    let server = TestServer::start_with(&[("auth", "login_grace_secs = 5")], &["bob"]);
    let mut bob = server.raw("bob");
    let cases: [(&str, &'static [u8]); 4] = [
        ("says nothing", b""),
        (
            "a byte a second, no greeting",
            b"SSH-2.0-slow-and-never-done-with-its-name",
        ),
        ("a byte a second, no newline in sight", &[b'x'; 100]),
        // A greeting, and then a packet of 256 bytes at leisure.
        (
            "a byte a second of a packet",
            b"S\r\nSSH-2.0-x\r\n\0\0\x01\0\x04\x14aaaaaaaaaaaaaaaaaaa",
        ),
    ];
    let all: Vec<_> = cases
        .map(|(name, bytes)| (name, trickle(server.port(), bytes)))
        .into();
    let greeted = std::thread::spawn({
        let port = server.port();
        move || {
            let begun = Instant::now();
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"SSH-2.0-silent\r\n").unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            begun.elapsed()
        }
    });
    for (name, thread) in all.into_iter().chain([("greets, then says nothing", greeted)]) {
        let took = thread.join().unwrap();
        // The grace is 5 s; whoever went on speaking, or was never ended, would be there after a minute.
        assert!(took < Duration::from_secs(50), "{name}: held open for {took:?}");
        assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));
    }
    // The grace is for those who have not signed in.
    assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));
}

#[test]
fn the_idle_end_and_the_busy_stay() {
    let server = TestServer::start_with(&[("limits", "idle_timeout_secs = 3")], &["alice", "bob"]);
    let mut busy = server.raw("bob");
    let mut works = || {
        assert!(matches!(busy.ask(&stat("/")), Reply::Attrs(_)));
        std::thread::sleep(Duration::from_millis(20));
    };
    let begun = Instant::now();
    let idle = std::thread::scope(|scope| {
        let signing_in = scope.spawn(|| server.raw("alice"));
        while !signing_in.is_finished() {
            works();
        }
        signing_in.join().unwrap()
    });
    wait_for("the idle session to end", || {
        works();
        server.audit().contains("idle for too long")
    });
    assert!(begun.elapsed() >= Duration::from_secs(3), "too early");
    drop(idle);
    // Well past its own timeout, had it been silent.
    while begun.elapsed() < Duration::from_secs(7) {
        works();
    }
    assert_eq!(server.audit().matches("idle for too long").count(), 1);
}

/// Who waits for an answer is not idle.
#[test]
fn long_work_is_not_idleness() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let server = TestServer::start_with(&[("limits", "idle_timeout_secs = 2")], &["alice"]);
    let home = server.home("alice");
    std::fs::create_dir_all(&home).unwrap();
    let file = std::fs::File::create(home.join("sparse")).unwrap();
    // Its whole, and no quick check (draft-ietf-secsh-filexfer-extensions, section 3.2).
    let parts = vec![
        Part::Text(b"/sparse".to_vec()),
        Part::U64(0),
        Part::U64(0),
        Part::Text(Vec::new()),
    ];
    let hash = extended("md5-hash", parts);
    // Sparse, and so large that it takes longer than the timeout to hash on this machine.
    let mut size = 1_u64 << 30;
    let _idle = loop {
        file.set_len(size).unwrap();
        let mut raw = server.raw("alice");
        let begun = Instant::now();
        let answer = raw.ask(&hash);
        assert!(matches!(answer, Reply::Extended(_)), "{answer:?}");
        // And it has a whole timeout to take the answer.
        assert!(matches!(raw.ask(&stat("/")), Reply::Attrs(_)));
        if begun.elapsed() > TIMEOUT + TIMEOUT / 4 {
            break raw;
        }
        size *= 2;
    };
    let mut command = server.client("ssh", "alice", By::Key);
    command.args(["alice@127.0.0.1", "md5sum", "sparse"]);
    let output = run(command, "");
    assert!(output.status.success(), "{output:?}");
    wait_for("the end of the idle", || {
        server.audit().contains("idle for too long")
    });
}

/// Whoever vanishes in the middle of a WRITE leaves what was whole before it, and nothing open.
#[test]
fn a_client_vanishes_in_the_middle_of_a_write() {
    let server = TestServer::start(&["alice", "bob"]);
    let mut bob = server.raw("bob");
    story(async {
        let peer = Peer::connect(&server, "alice", Manner::window(2 << 20)).await;
        let mut ends = peer.sftp().await;
        let handle = peer::open(&mut ends, &open("half", READ | WRITE | CREAT)).await;
        let whole = write(bogus(&handle), 0, vec![1; 30_000]);
        assert!(matches!(
            peer::ask(&mut ends, &whole, b"").await,
            Reply::Status { code: 0, .. }
        ));
        let cut = peer::encode(&write(bogus(&handle), 30_000, vec![2; 30_000]), 2, b"");
        ends.0.send(cut[..20_000].to_vec()).await;
        // It has arrived when a request of another channel, sent later, is answered.
        let mut second = peer.sftp().await;
        assert!(matches!(
            peer::ask(&mut second, &stat("/"), b"").await,
            Reply::Attrs(_)
        ));
    });
    server.wait_for_audit("\"closed\"");
    wait_for("the session to end", || {
        !server.admin_ok(&["sessions", "list"], "").contains("alice")
    });
    assert!(std::fs::read(server.home("alice").join("half")).unwrap() == vec![1; 30_000]);
    assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));
}

/// Scripts sign in, do one thing and leave, many times in a row: that is no attack.
#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_and_leaves_at_once_is_not_held_back() {
    let server = TestServer::start(&["alice"]);
    let mut took = Vec::new();
    for _ in 0..60 {
        let begun = Instant::now();
        let peer = Peer::connect(&server, "alice", Manner::window(1 << 20)).await;
        took.push(begun.elapsed());
        peer.gate.vanish();
    }
    // Each that was held back would have been held back for a quarter of a second at the least, and all the last ones
    // would have been. On a busy machine some take as long without that.
    let least = took[30..].iter().min();
    assert!(least < Some(&Duration::from_millis(250)), "{took:?}");
    assert!(!server.audit().contains("\"refused\""), "{}", server.audit());
}
