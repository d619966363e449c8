//! Timeouts of connections before and after the sign-in, and clients that disappear.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;

use crate::pressure::crowds::dial;
use crate::pressure::peer::{self, Peer, PeerSettings};
use crate::pressure::story;
use testkit::packets::{CREAT, Part, READ, WRITE, bogus, extended, open, stat, write};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::{By, run};
use testkit::{PATIENCE, audit, wait_for};

/// Sends one of these bytes each second until the server disconnects.
fn send_slowly(name: &'static str, port: u16, bytes: &'static [u8]) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut bytes = bytes.iter();
        let mut buffer = [0; 4096];
        wait_for(&format!("the end of one that {name}"), || {
            if let Some(byte) = bytes.next()
                && stream.write_all(&[*byte]).is_err()
            {
                return true;
            }
            match stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => std::thread::sleep(Duration::from_millis(500)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return true,
            }
            false
        });
    })
}

#[test]
fn the_login_grace_time_ends_silent_connections() {
    let server = TestServer::start_with(&[("auth", "login_grace_secs = 120")], &["bob"]);
    // However slow the machine is, this one has signed in before the limit is so low.
    let mut bob = server.raw("bob");
    let text = std::fs::read_to_string(server.config()).unwrap();
    std::fs::write(server.config(), text.replace("secs = 120", "secs = 5")).unwrap();
    server.admin_ok(&["reload"], "");
    let cases: [(&str, &'static [u8]); 4] = [
        ("says nothing", b""),
        (
            "sends a byte a second, and no greeting",
            b"SSH-2.0-slow-and-never-done-with-its-name",
        ),
        ("sends a byte a second, and no newline", &[b'x'; 100]),
        // An identification string, and then a packet of 256 bytes, slowly.
        (
            "sends a byte a second of a packet",
            b"S\r\nSSH-2.0-x\r\n\0\0\x01\0\x04\x14aaaaaaaaaaaaaaaaaaa",
        ),
    ];
    let all: Vec<_> = cases
        .map(|(name, bytes)| send_slowly(name, server.port(), bytes))
        .into();
    let greeted = std::thread::spawn({
        let port = server.port();
        move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"SSH-2.0-silent\r\n").unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let ended = stream.read_to_end(&mut Vec::new());
            assert!(
                !ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
                "it greets, then says nothing, and stays"
            );
        }
    });
    for thread in all.into_iter().chain([greeted]) {
        thread.join().unwrap();
        assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));
    }
    // The grace time does not apply after the sign-in.
    assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));
}

#[test]
fn idle_sessions_end_and_busy_ones_stay() {
    let server = TestServer::start_with(&[("limits", "idle_timeout_secs = 8")], &["alice", "bob"]);
    let mut busy = server.raw("bob");
    let mut works = || {
        assert!(matches!(busy.ask(&stat("/")), Reply::Attrs(_)));
        std::thread::sleep(Duration::from_millis(20));
    };
    // The second session is idle when the other user has worked for two timeouts.
    for ended in 1..=2 {
        let _idle = std::thread::scope(|scope| {
            let signing_in = scope.spawn(|| server.raw("alice"));
            while !signing_in.is_finished() {
                works();
            }
            signing_in.join().unwrap()
        });
        wait_for("the idle session to end", || {
            works();
            server.audit().matches("idle for too long").count() == ended
        });
    }
    // By the server's own clock, no session ended too early.
    let events = server.events();
    let alices = events.iter().filter(|event| event["user"] == "alice");
    let at = |name: &'static str| {
        let named = alices.clone().filter(move |event| event["event"] == name);
        named.map(audit::time)
    };
    for (begin, end) in at("signed_in").zip(at("session_ended")) {
        assert!(end.duration_since(begin).as_millis() >= 7_999, "{begin} to {end}");
    }
}

/// A session that waits for a reply is not idle.
#[test]
fn a_session_with_a_pending_request_is_not_idle() {
    const TIMEOUT: Duration = Duration::from_secs(5);
    let server = TestServer::start_with(&[("limits", "idle_timeout_secs = 5")], &["alice"]);
    let home = server.home("alice");
    std::fs::create_dir_all(&home).unwrap();
    let file = std::fs::File::create(home.join("sparse")).unwrap();
    // The request is for the whole file, without a quick check (draft-ietf-secsh-filexfer-extensions, section 3.2).
    let parts = vec![
        Part::Text(b"/sparse".to_vec()),
        Part::U64(0),
        Part::U64(0),
        Part::Text(Vec::new()),
    ];
    let hash = extended("md5-hash", parts);
    // The file is sparse, and so large that hashing it takes longer than the timeout.
    let mut size = 1_u64 << 30;
    let _idle = loop {
        file.set_len(size).unwrap();
        let mut raw = server.raw("alice");
        let begun = Instant::now();
        let answer = raw.ask(&hash);
        assert!(matches!(answer, Reply::Extended(_)), "{answer:?}");
        // After the reply, the idle timeout starts again.
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

/// A client that disappears in the middle of a WRITE leaves the bytes of earlier WRITEs, and no open file.
#[test]
fn a_client_disappears_in_the_middle_of_a_write() {
    let server = TestServer::start(&["alice", "bob"]);
    let mut bob = server.raw("bob");
    story(async {
        let peer = Peer::connect(&server, "alice", PeerSettings::window(2 << 20)).await;
        let mut ends = peer.sftp().await;
        let handle = peer::open(&mut ends, &open("half", READ | WRITE | CREAT)).await;
        let whole = write(bogus(&handle), 0, vec![1; 30_000]);
        assert!(matches!(
            peer::ask(&mut ends, &whole, b"").await,
            Reply::Status { code: 0, .. }
        ));
        let cut = peer::encode(&write(bogus(&handle), 30_000, vec![2; 30_000]), 2, b"");
        ends.0.send(cut[..20_000].to_vec()).await;
        // It has arrived once a later request of another channel is answered.
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

/// Scripts sign in, do one thing and disconnect, many times in a row, which is not an attack.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_short_sessions_are_not_throttled() {
    let server = TestServer::start(&["alice"]);
    for _ in 0..60 {
        let peer = Peer::connect(&server, "alice", PeerSettings::window(1 << 20)).await;
        peer.gate.close_silently();
    }
    // A new address is not delayed, so its banner would always come first. On a busy machine that may happen once.
    let mut banner_was_first = false;
    for stranger in 10..20 {
        let known = dial("127.0.0.1", server.port()).await.unwrap();
        let mut new = dial(&format!("127.0.0.{stranger}"), server.port()).await.unwrap();
        new.read_u8().await.unwrap();
        banner_was_first |= known.try_read(&mut [0]).is_ok();
    }
    assert!(banner_was_first, "the address is held back");
    assert!(!server.audit().contains("\"refused\""), "{}", server.audit());
}
