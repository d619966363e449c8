//! Connections that are not from SSH clients: health checks, half-closed connections, other and old protocols.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use testkit::PATIENCE;
use testkit::server::TestServer;

const LINE: &[u8] = b"SSH-2.0-Homeport\r\n";
const INVALID: &[u8] = b"Invalid SSH identification string.\r\n";

fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends these bytes, and returns everything that arrives until the server disconnects.
fn answer(server: &TestServer, says: &[u8], half_close: bool) -> Vec<u8> {
    let mut stream = connect(server);
    stream.write_all(says).unwrap();
    if half_close {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn every_peer_gets_the_identification_string() {
    let server = TestServer::start(&[]);
    server.wait_for_audit("\"started\"");
    let check = |says: &[u8], half_close: bool, expected: &[&[u8]], reason: &str| {
        let before = server.audit().lines().count();
        let said = answer(&server, says, half_close);
        let shown = says.escape_ascii();
        assert_eq!(
            said.escape_ascii().to_string(),
            expected.concat().escape_ascii().to_string(),
            "{shown}"
        );
        if !reason.is_empty() {
            server.wait_for_audit(reason);
            let lines = server.audit().lines().count() - before;
            assert_eq!(lines, 1, "{shown}: {}", server.audit());
        }
    };
    check(b"", true, &[LINE], "");
    check(b"QUIT\r\n", false, &[LINE, INVALID], "it began with \\\"QUIT\\\"");
    check(
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        false,
        &[LINE, INVALID],
        "it began with \\\"GET / HTTP/1.1\\\"",
    );
    check(
        b"PUT / HTTP/1.1\r\n\r\n",
        true,
        &[LINE, INVALID],
        "it began with \\\"PUT / HTTP/1.1\\\"",
    );
    check(
        b"SSH-1.5-old\r\n",
        false,
        &[LINE, b"Protocol major versions differ.\r\n"],
        "it began with \\\"SSH-1.5-old\\\"",
    );
    check(&[b'x'; 255], false, &[LINE, INVALID], "it began with \\\"xxxxx");
    check(
        b"caf\xe9\r\n",
        false,
        &[LINE, INVALID],
        "it began with \\\"caf\\\\xE9\\\"",
    );
    check(
        b"SSH-2.0-ha",
        true,
        &[LINE],
        "before the client had sent its identification",
    );
}

#[test]
fn the_identification_string_of_a_client_need_not_be_utf8() {
    let server = TestServer::start(&[]);
    let mut stream = connect(&server);
    stream.write_all(b"SSH-2.0-caf\xe9 \xff\xfe\r\n").unwrap();
    let mut start = vec![0; LINE.len() + 6];
    stream.read_exact(&mut start).unwrap();
    assert!(start.starts_with(LINE));
    // SSH_MSG_KEXINIT, behind the packet's length and the length of its padding.
    assert_eq!(start.last(), Some(&20));
}

#[test]
fn health_checks_are_counted_and_leave_no_line() {
    let server = TestServer::start_with(&[("log", "level = \"debug\"")], &[]);
    // They connect at the same time, because repeated disconnects are throttled.
    std::thread::scope(|scope| {
        for _ in 0..11 {
            scope.spawn(|| drop(connect(&server)));
            scope.spawn(|| {
                // Closing with unread data resets the connection.
                connect(&server).read_exact(&mut [0; 1]).unwrap();
            });
            scope.spawn(|| assert_eq!(answer(&server, b"", true), LINE));
            scope.spawn(|| connect(&server).read_exact(&mut [0; LINE.len()]).unwrap());
            scope.spawn(|| connect(&server).shutdown(Shutdown::Both).unwrap());
        }
    });
    server.wait_for_log("so_far=55");
    server.wait_for_audit("\"started\"");
    assert_eq!(server.audit().lines().count(), 1, "{}", server.audit());
    // A peer that sends something gets a line of its own.
    answer(&server, b"QUIT\r\n", false);
    server.wait_for_audit("QUIT");
    assert_eq!(server.audit().lines().count(), 2, "{}", server.audit());
}
