//! Key exchanges that either side begins and the peer never finishes; channels that are opened and closed in the middle
//! of one; peers that send DISCONNECT and stay.

use std::time::{Duration, Instant};

use crate::pressure::starve::resident;
use crate::pressure::{noise, peer};
use testkit::packets::{READ, bogus, open, read};
use testkit::server::TestServer;
use testkit::ssh::{
    CLOSE, DATA, DISCONNECT, GLOBAL_REQUEST, IGNORE, Message, OPEN_CONFIRMATION, OPEN_FAILURE, Ssh,
    WINDOW_ADJUST, data,
};
use testkit::wait_for;

/// The bytes after which the server starts a key exchange (RFC 4253, section 9).
const REKEY_AT: usize = 1 << 30;
const STALL: (&str, &str) = ("ssh", "key_exchange_timeout_secs = 4");

fn server_with_file() -> TestServer {
    let server = TestServer::start_with(&[STALL], &["alice"]);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    std::fs::write(server.home("alice").join("file"), noise(1 << 20, 5)).unwrap();
    server
}

/// Makes the server start a key exchange, and wait for the client's KEXINIT.
fn wait_for_kexinit(ssh: &mut Ssh) {
    ssh.ignored(REKEY_AT + (1 << 20));
    ssh.wait_for(20);
}

fn sessions(server: &TestServer) -> serde_json::Value {
    serde_json::from_str(&server.admin_ok(&["sessions", "list", "--json"], "")).unwrap()
}

fn wait_for_no_session(server: &TestServer) {
    wait_for("the session to end", || sessions(server) == serde_json::json!([]));
}

#[test]
fn reads_during_a_key_exchange_use_little_memory() {
    const CHANNELS: u32 = 30;
    const WINDOW: u32 = (1 << 31) - 1;
    let server = server_with_file();
    let mut ssh = Ssh::sign_in(&server, "alice");
    let mut channels = Vec::new();
    for number in 0..CHANNELS {
        let opened = ssh.open_sftp(number, WINDOW);
        ssh.send(&data(opened.theirs, &peer::encode(&open("file", READ), 1, b"")));
        let reply = ssh.wait_for(DATA);
        let handle = reply[reply.len() - 4..].to_vec();
        channels.push((opened, handle));
    }
    let before = resident(&server);
    wait_for_kexinit(&mut ssh);
    let mut highest = 0;
    'asking: for round in 0..60u32 {
        for (opened, handle) in &channels {
            let request = peer::encode(&read(bogus(handle), 0, 261_120), round, b"");
            if ssh.try_send(&data(opened.theirs, &request)).is_err() {
                break 'asking;
            }
        }
        highest = highest.max(resident(&server));
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        highest = highest.max(resident(&server));
        std::thread::sleep(Duration::from_millis(20));
    }
    let growth = highest.saturating_sub(before);
    eprintln!("reads in the middle of a key exchange: {} MiB", growth >> 20);
    assert!(growth < 24 << 20, "the server grew by {} MiB", growth >> 20);
    // The key exchange times out.
    assert_eq!(ssh.kinds_until_the_end().last(), Some(&DISCONNECT));
    wait_for_no_session(&server);
    server.wait_for_audit("\"closed\"");
}

#[test]
fn every_key_exchange_times_out() {
    let server = server_with_file();
    // The first key exchange, begun or not, one that the client begins, and one that the server begins.
    let silent = Ssh::greet(server.port());
    let mut begun = Ssh::greet(server.port());
    begun.send(&Ssh::kexinit());
    let mut wanted = Ssh::sign_in(&server, "alice");
    wanted.send(&Ssh::kexinit());
    let mut asked = Ssh::sign_in(&server, "alice");
    wait_for_kexinit(&mut asked);
    for mut ssh in [wanted, asked] {
        assert_eq!(ssh.kinds_until_the_end().last(), Some(&DISCONNECT));
    }
    for mut ssh in [silent, begun] {
        let mut rest = Vec::new();
        std::io::Read::read_to_end(ssh.stream(), &mut rest).unwrap();
        assert!(
            String::from_utf8_lossy(&rest).contains("the key exchange was not finished in time"),
            "it should say why"
        );
    }
    wait_for_no_session(&server);
}

/// The limit applies even if the peer makes progress.
#[test]
fn a_slow_key_exchange_times_out() {
    let server = TestServer::start_with(&[("ssh", "key_exchange_timeout_secs = 2")], &["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    ssh.send(&Ssh::kexinit());
    // It sends in a thread of its own, so that what the test does besides makes no pause as long as the limit.
    let sending = std::thread::spawn(move || {
        wait_for("the exchange to end", || {
            std::thread::sleep(Duration::from_millis(20));
            ssh.try_send(&Message::new(IGNORE).string("")).is_err()
        });
    });
    // The limit is ten times that of an exchange without any message, so an exchange that begins now ends first.
    let mut silent = Ssh::sign_in(&server, "alice");
    silent.send(&Ssh::kexinit());
    assert_eq!(silent.kinds_until_the_end().last(), Some(&DISCONNECT));
    assert!(!sending.is_finished(), "ended before the silent one");
    sending.join().unwrap();
    wait_for_no_session(&server);
}

#[test]
fn channels_that_are_closed_before_they_are_opened_are_not_opened() {
    const OPENS: u32 = 2_000;
    // The exchange must not time out meanwhile.
    let server = TestServer::start_with(&[("ssh", "key_exchange_timeout_secs = 300")], &["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    let first = ssh.open_sftp(0, 1 << 20);
    let before = resident(&server);
    wait_for_kexinit(&mut ssh);
    for number in 0..OPENS {
        ssh.send(&Ssh::open(number, 1 << 20));
        ssh.send(&Message::new(CLOSE).u32(first.theirs + number + 1));
        // This also holds for any other channel number.
        ssh.send(&Message::new(CLOSE).u32(4_000_000 + number));
    }
    let growth = resident(&server).saturating_sub(before);
    assert!(growth < 4 << 20, "the server grew by {} MiB", growth >> 20);
    assert_eq!(sessions(&server)[0]["channels"], 1);
    drop(ssh);
    wait_for_no_session(&server);
}

/// Pending opens are limited, and channels that the client has closed meanwhile are not opened afterwards.
#[test]
fn opens_during_a_key_exchange_are_answered_after_it() {
    const OPENS: u32 = 200;
    const CLOSED: u32 = 10;
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    let first = ssh.open_sftp(0, 1 << 20);
    ssh.ignored(REKEY_AT + (1 << 20));
    let their_kexinit = ssh.wait_for(20);
    for number in 1..=OPENS {
        ssh.send(&Ssh::open(number, 1 << 20));
    }
    for number in 1..=CLOSED {
        ssh.send(&Message::new(CLOSE).u32(first.theirs + number));
    }
    let ours = Ssh::kexinit();
    ssh.send(&ours);
    ssh.finish_exchange(&ours, &their_kexinit).unwrap();
    let (mut confirmed, mut on_the_spot, mut answers) = (0, 0, 0);
    while answers < OPENS {
        let answer = ssh.receive().unwrap();
        let waits = b"too many channels wait";
        match answer[0] {
            OPEN_CONFIRMATION => confirmed += 1,
            OPEN_FAILURE if answer.windows(waits.len()).any(|text| text == waits) => on_the_spot += 1,
            OPEN_FAILURE => {}
            _ => continue,
        }
        answers += 1;
    }
    // 64 may wait, and 32 channels may be open.
    assert_eq!((confirmed, on_the_spot), (31 - CLOSED, OPENS - 64));
    assert_eq!(sessions(&server)[0]["channels"], 32 - CLOSED);
}

/// Without a key exchange, each open is answered once, and the number of open channels is limited.
#[test]
fn opens_and_closes_are_answered_once_each() {
    const OPENS: u32 = 1_000;
    let server = server_with_file();
    let mut ssh = Ssh::sign_in(&server, "alice");
    let kinds = ["session", "x11", "auth-agent@openssh.com", "nonsense"];
    for number in 0..OPENS {
        let kind = kinds[number as usize % kinds.len()];
        let mut message = Message::new(90).string(kind).u32(number).u32(1 << 20).u32(32_768);
        if kind == "x11" {
            message = message.string("localhost").u32(1);
        }
        ssh.send(&message);
        ssh.send(&Message::new(CLOSE).u32(9_000_000 + number));
    }
    // The reply to this request comes after all others.
    ssh.send(&Message::new(GLOBAL_REQUEST).string("last@example.com").byte(1));
    let (mut confirmed, mut refused) = (0, 0);
    loop {
        match ssh.receive().unwrap()[0] {
            OPEN_CONFIRMATION => confirmed += 1,
            OPEN_FAILURE => refused += 1,
            82 => break,
            _ => {}
        }
    }
    // Some answers may come after that.
    ssh.send(&Message::new(GLOBAL_REQUEST).string("last@example.com").byte(1));
    loop {
        match ssh.receive().unwrap()[0] {
            OPEN_CONFIRMATION => confirmed += 1,
            OPEN_FAILURE => refused += 1,
            82 => break,
            _ => {}
        }
    }
    assert_eq!((confirmed, confirmed + refused), (32, OPENS));
    assert_eq!(sessions(&server)[0]["channels"], 32);
}

/// Pending requests are limited to as many as a key exchange may bring.
#[test]
fn requests_during_a_key_exchange_use_little_memory() {
    let server = server_with_file();
    let mut ssh = Ssh::sign_in(&server, "alice");
    let opened = ssh.open_sftp(0, 1 << 20);
    let before = resident(&server);
    wait_for_kexinit(&mut ssh);
    let all = [
        Message::new(GLOBAL_REQUEST)
            .string("anything@example.com")
            .byte(1),
        Message::new(98)
            .u32(opened.theirs)
            .string("env")
            .byte(1)
            .string("A")
            .string("b"),
        Message::new(98).u32(opened.theirs).string("nothing").byte(1),
        Message::new(WINDOW_ADJUST).u32(opened.theirs).u32(1),
        Message::new(98).u32(opened.theirs + 7).string("nothing").byte(1),
    ];
    for _ in 0..200_000 {
        if all.iter().any(|message| ssh.try_send(message).is_err()) {
            break;
        }
    }
    let growth = resident(&server).saturating_sub(before);
    assert!(growth < 8 << 20, "the server grew by {} MiB", growth >> 20);
    wait_for_no_session(&server);
}

#[test]
fn a_peer_that_sends_disconnect_and_stays_is_closed() {
    let server = server_with_file();
    let mut staying = Ssh::sign_in(&server, "alice");
    let _channel = staying.open_sftp(0, 1 << 20);
    let mut talking = Ssh::sign_in(&server, "alice");
    let goodbye = Message::new(DISCONNECT).u32(11).string("bye").string("");
    staying.send(&goodbye);
    talking.send(&goodbye);
    wait_for("the sessions to end", || {
        // One of them continues to send.
        let _ = talking.try_send(&Message::new(2).string("x"));
        sessions(&server) == serde_json::json!([])
    });
    // The server has closed the connection.
    let _ = staying.kinds_until_the_end();
}
