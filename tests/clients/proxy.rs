//! Connections through a proxy that names its clients by the PROXY protocol, and connections that only pretend to be.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use testkit::raw::RawSftp;
use testkit::server::TestServer;
use testkit::stock::{By, run};
use testkit::{PATIENCE, wait_for};

const LINE: &[u8] = b"SSH-2.0-Homeport\r\n";
/// The signature of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Starts a server for which this machine's own address is a proxy.
fn behind_proxies(users: &[&str]) -> TestServer {
    let settings = [
        ("server", "proxy_from = [\"127.0.0.1\"]"),
        ("log", "level = \"debug\""),
    ];
    TestServer::start_with(&settings, users)
}

fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Returns a header of version 1 for this client.
fn header(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 4711 22\r\n").into_bytes()
}

/// Returns a header of version 2 with this command and family.
fn second(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, block].concat()
}

/// Returns what arrives until the server disconnects; a reset counts as the end.
fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    if let Err(error) = stream.read_to_end(&mut all) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    all
}

/// Forwards connections to the server, as a proxy does that begins each with `header`. Returns the port.
fn forward(server: &TestServer, header: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = server.port();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        })
    };
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut up = TcpStream::connect(("127.0.0.1", to)).unwrap();
            // In pieces, as a network may deliver it.
            for byte in &header {
                up.write_all(&[*byte]).unwrap();
            }
            copy(client.try_clone().unwrap(), up.try_clone().unwrap());
            copy(up, client);
        }
    });
    port
}

#[test]
fn the_address_of_the_client_counts_everywhere() {
    let server = behind_proxies(&[]);
    server.add_user("alice", &["--allow-from", "203.0.113.0/24"]);
    server.make_key("bob");
    let key = fs::read_to_string(server.path().join("key-bob.pub")).unwrap();
    let restricted = server.path().join("restricted.pub");
    fs::write(&restricted, format!("from=\"203.0.113.7\" {key}")).unwrap();
    server.admin_ok(&["user", "add", "bob", "--key", restricted.to_str().unwrap()], "");

    let block = [
        &[203, 0, 113, 7, 10, 0, 0, 1][..],
        &4711u16.to_be_bytes(),
        &[0, 22],
    ]
    .concat();
    // A value of the proxy's behind the addresses is skipped.
    let named = second(1, 0x11, &[&block[..], &[4, 0, 2, 9, 9]].concat());
    for (header, may) in [
        (header("203.0.113.7"), true),
        (named, true),
        (header("198.51.100.1"), false),
    ] {
        let port = forward(&server, header);
        for user in ["alice", "bob"] {
            let mut command = server.client_at(port, "sftp", user, By::Key);
            command.args(["-q", "-b", "-"]).arg(format!("{user}@127.0.0.1"));
            let output = run(command, "ls\n");
            assert_eq!(
                output.status.success(),
                may,
                "{user}: {output:?}\n{}",
                server.audit()
            );
        }
    }
    server.wait_for_audit("which its from= does not have");
    let events = server.events();
    let peers = |event: &str| -> Vec<String> {
        let of_kind = events.iter().filter(|line| line["event"] == event);
        of_kind
            .map(|line| line["peer"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(peers("signed_in"), ["203.0.113.7:4711"; 4]);
    assert_eq!(peers("denied"), ["198.51.100.1:4711"; 2], "{}", server.audit());

    let port = forward(&server, header("203.0.113.7"));
    let mut command = server.client_at(port, "ssh", "bob", By::Key);
    command.args(["-s", "bob@127.0.0.1", "sftp"]);
    let _session = RawSftp::start(command);
    let sessions = server.admin_ok(&["sessions", "list"], "");
    assert!(sessions.contains("203.0.113.7:4711"), "{sessions}");
}

#[test]
fn broken_headers_are_refused_and_named() {
    let server = behind_proxies(&[]);
    let check = |says: &[u8], reason: &str| {
        let mut stream = connect(&server);
        // The server may have disconnected before it has read all.
        let _ = stream.write_all(says);
        let _ = stream.shutdown(Shutdown::Write);
        assert_eq!(
            rest(&stream).escape_ascii().to_string(),
            "",
            "{}",
            says.escape_ascii()
        );
        server.wait_for_audit(&format!("\"reason\":\"PROXY header: {reason}"));
    };
    check(b"PROXY TCP4 203.0.113", "it was cut off after 20 bytes");
    check(&second(1, 0x11, &[0; 12])[..20], "it was cut off after 20 bytes");
    check(
        &[b"PROXY TCP4 ", &[b'1'; 10 << 10][..]].concat(),
        "it is longer than 107 bytes",
    );
    check(&second(1, 0x11, &[0; 10 << 10]), "it is longer than 536 bytes");
    check(
        &second(1, 0x31, &[0; 216]),
        "its address family and protocol are 0x31",
    );
    check(&second(7, 0x11, &[0; 12]), "its command is 7");
    check(
        b"PROXY TCP4 203.0.113.7 127.0.0.1 4711\r\n",
        "the line of version 1 is malformed",
    );
    check(
        b"SSH-2.0-OpenSSH_9.2\r\n",
        "there is none, the connection began with",
    );
    server.wait_for_audit("though [server] proxy_from names this address");
    let refused = |event: &serde_json::Value| event["event"] == "refused";
    assert!(server.events().iter().skip(1).all(refused), "{}", server.audit());
}

#[test]
fn a_header_from_any_other_address_is_no_identification() {
    let server = TestServer::start_with(
        &[("server", "proxy_from = [\"127.0.0.9\", \"10.0.0.0/8\"]")],
        &["alice"],
    );
    for says in [header("203.0.113.7"), second(1, 0x11, &[1; 12])] {
        let mut stream = connect(&server);
        stream.write_all(&says).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(rest(&stream).starts_with(LINE), "{}", says.escape_ascii());
    }
    server.wait_for_audit("\"code\":\"untrusted_proxy\"");
    let refused = &server.events()[1];
    let reason = refused["reason"].as_str().unwrap();
    assert!(
        reason.contains("PROXY header") && reason.contains("[server] proxy_from"),
        "{refused}"
    );
    assert!(
        refused["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{refused}"
    );
    assert!(
        !server.audit().contains("\"peer\":\"203.0.113.7"),
        "{}",
        server.audit()
    );
    assert!(server.sign_in("alice", By::Key, "").status.success());
}

#[test]
fn a_second_header_is_no_identification() {
    let server = behind_proxies(&[]);
    let mut stream = connect(&server);
    let both = [header("203.0.113.7"), header("203.0.113.8")].concat();
    stream.write_all(&both).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(rest(&stream).starts_with(LINE));
    server.wait_for_audit("\"code\":\"untrusted_proxy\"");
    // The first event is that the server has started.
    assert_eq!(server.events()[1]["peer"], "203.0.113.7:4711");
}

#[test]
fn a_slow_header_ends_its_own_connection_only() {
    const LIMIT: Duration = Duration::from_secs(5);
    let server = behind_proxies(&[]);
    // Somebody else is answered before the limit has ended them. A busy machine may not be that fast each time.
    wait_for("another one to be answered meanwhile", || {
        let began = Instant::now();
        let mut slow = connect(&server);
        slow.write_all(b"PROXY ").unwrap();
        let silent = connect(&server);
        let mut other = connect(&server);
        other.write_all(&header("203.0.113.7")).unwrap();
        other.read_exact(&mut [0; LINE.len()]).unwrap();
        let is_first = began.elapsed() < LIMIT;
        assert_eq!((rest(&slow), rest(&silent)), (Vec::new(), Vec::new()));
        assert!(began.elapsed() >= LIMIT);
        is_first
    });
    server.wait_for_audit("PROXY header: it did not arrive within 5 s, though [server] proxy_from names");
}

#[test]
fn connections_that_wait_for_their_header_have_a_limit_of_their_own() {
    let server = behind_proxies(&[]);
    // It is not the limit of five seconds that ends the last one. A busy machine may not be that fast each time.
    wait_for("one too many to be refused at once", || {
        let began = Instant::now();
        let _waiting: Vec<TcpStream> = (0..128).map(|_| connect(&server)).collect();
        assert_eq!(rest(&connect(&server)), b"");
        began.elapsed() < Duration::from_secs(5)
    });
    server.wait_for_audit("too many connections from proxies whose PROXY header has not arrived");
    wait_for("a place", || {
        let mut stream = connect(&server);
        stream.write_all(&header("203.0.113.7")).is_ok() && stream.read_exact(&mut [0; LINE.len()]).is_ok()
    });
}

/// Asserts that the audit log has nothing but the start of the server.
#[track_caller]
fn assert_only_started(server: &TestServer) {
    server.wait_for_audit("\"started\"");
    let events = server.events();
    let names: Vec<&serde_json::Value> = events.iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["started"]);
}

#[test]
fn health_checks_are_answered_and_leave_no_line() {
    let server = behind_proxies(&[]);
    drop(connect(&server));
    for says in [
        &b"PROXY UNKNOWN\r\n"[..],
        &second(0, 0, b""),
        &second(0, 0x11, &[0; 12]),
    ] {
        let mut stream = connect(&server);
        stream.write_all(says).unwrap();
        let mut line = [0; LINE.len()];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(line, LINE);
    }
    server.wait_for_log("so_far=4");
    assert_only_started(&server);
}

#[test]
fn limits_count_the_address_of_the_client() {
    let settings = [
        ("server", "proxy_from = [\"127.0.0.0/30\"]"),
        ("limits", "unauthenticated_per_address = 2"),
    ];
    let server = TestServer::start_with(&settings, &[]);
    let from = |client: &str| {
        let mut stream = connect(&server);
        stream.write_all(&header(client)).unwrap();
        stream.read_exact(&mut [0; LINE.len()]).unwrap();
        stream
    };
    let _others: Vec<TcpStream> = (1..9).map(|n| from(&format!("203.0.113.{n}"))).collect();
    assert_only_started(&server);
    let _crowd: Vec<TcpStream> = (0..3).map(|_| from("198.51.100.1")).collect();
    server.wait_for_audit("made room for others");
    // The first event is that the server has started.
    let crowd = |event: &serde_json::Value| event["peer"] == "198.51.100.1:4711";
    assert!(server.events().iter().skip(1).all(crowd), "{}", server.audit());
}

#[test]
fn a_client_of_a_denied_network_is_refused_behind_a_proxy() {
    let settings = [
        ("server", "proxy_from = [\"127.0.0.1\"]"),
        // The proxy's own address says nothing about its clients.
        ("limits", "deny = [\"203.0.113.0/24\", \"127.0.0.1\"]"),
    ];
    let server = TestServer::start_with(&settings, &["alice"]);
    for (client, may) in [("203.0.113.7", false), ("198.51.100.1", true)] {
        let port = forward(&server, header(client));
        let mut command = server.client_at(port, "sftp", "alice", By::Key);
        command.args(["-q", "-b", "-", "alice@127.0.0.1"]);
        assert_eq!(run(command, "ls\n").status.success(), may, "{client}");
    }
    server.wait_for_audit(
        "\"peer\":\"203.0.113.7:4711\",\"reason\":\"its address is in a network of [limits] deny\"",
    );
}
