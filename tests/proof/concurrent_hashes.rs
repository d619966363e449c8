//! Hashing does not delay other requests, and stops when its client disconnects.

use std::time::Duration;

use crate::proof::commands::ssh_command;
use crate::proof::hashes::{md5, md5_in, sum};
use testkit::packets::*;
use testkit::raw::{RawSftp, Received};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::wait_for;

/// A size that no machine hashes within a test, and that ext4 supports, in bytes.
const ENDLESS: u64 = 1 << 43;

fn sparse(server: &TestServer, name: &str, size: u64) {
    let file = std::fs::File::create(server.home("alice").join(name)).unwrap();
    file.set_len(size).unwrap();
}

/// Returns a session on a channel of the shared connection, which the first one opens.
fn channel_of_one_connection(server: &TestServer) -> RawSftp {
    let mut command = server.client("ssh", "alice", By::Key);
    command.args(["-o", "ControlMaster=auto", "-o", "ControlPath=master-%C"]);
    command.args(["-s", "alice@127.0.0.1", "sftp"]);
    RawSftp::start(command)
}

/// Sends a request without waiting for its reply.
fn send(session: &mut RawSftp, request: &Request) {
    let context = Context {
        base: "",
        handles: &[],
    };
    assert!(session.send(&request.encode(1, &context)));
}

#[test]
fn other_channels_of_the_connection_continue() {
    let server = TestServer::start(&["alice"]);
    let mut hashing = channel_of_one_connection(&server);
    let mut other = channel_of_one_connection(&server);
    sparse(&server, "large", ENDLESS);
    std::fs::write(server.home("alice").join("small"), "abc").unwrap();
    let handle = other.handle(&open("small", READ));
    send(&mut hashing, &md5("large", 0, 0));
    let before = server.cpu_ticks();
    wait_for("the hashing to begin", || server.cpu_ticks() > before + 5);
    for _ in 0..100 {
        let names = other.handle(&opendir("/"));
        assert!(matches!(
            other.ask_about(&readdir(nth(0)), &names),
            Reply::Names(_)
        ));
        other.ask_about(&close(nth(0)), &names);
        assert_eq!(
            other.ask_about(&read(nth(0), 0, 10), &handle),
            Reply::Data(b"abc".into())
        );
        // A hash of a small file does not wait for the large one.
        assert_eq!(
            md5_in(other.ask(&md5("small", 0, 0)), "md5-hash"),
            sum("md5sum", b"abc")
        );
    }
    // If one of these had waited for the large file, its hash would have arrived.
    assert_eq!(
        hashing.receive(Duration::ZERO),
        Received::Silence,
        "it cannot have ended"
    );
}

#[test]
fn more_hashes_than_cores_do_not_delay_slow_operations() {
    let server = TestServer::start(&["alice"]);
    let mut first = channel_of_one_connection(&server);
    sparse(&server, "large", ENDLESS);
    let mut hashing: Vec<RawSftp> = (0..20).map(|_| channel_of_one_connection(&server)).collect();
    for session in &mut hashing {
        send(session, &md5("large", 0, 0));
    }
    // Small requests wait for none of them, whether extension or command.
    std::fs::write(server.home("alice").join("small"), "abc").unwrap();
    assert_eq!(
        md5_in(first.ask(&md5("small", 0, 0)), "md5-hash"),
        sum("md5sum", b"abc")
    );
    let output = crate::proof::commands::ssh(&server, "alice", "md5sum small -");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().count(),
        2,
        "{output:?}"
    );
    // fsync needs one of the slots for slow operations, of which a home has as many as there are hashes now.
    let handle = first.handle(&open("f", WRITE | CREAT));
    for _ in 0..20 {
        let reply = first.ask_about(&extended_handle("fsync@openssh.com", nth(0)), &handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    }
}

/// Asserts that the hashing stops, which would take hours. Hashing uses at least half of a processor even on a busy
/// machine, and the clock of some kernels advances by four hundredths of a second.
fn assert_ends(server: &TestServer, what: &str) {
    wait_for(&format!("the end of {what}"), || {
        let before = server.cpu_ticks();
        std::thread::sleep(Duration::from_millis(500));
        server.cpu_ticks() - before <= 8
    });
}

#[test]
fn hashing_ends_with_its_client() {
    let server = TestServer::start(&["alice"]);
    std::fs::create_dir_all(server.home("alice")).unwrap();
    let mut session = server.raw("alice");
    sparse(&server, "large", ENDLESS);
    let busy = |server: &TestServer| {
        let before = server.cpu_ticks();
        wait_for("the hashing to begin", || server.cpu_ticks() > before + 10);
    };
    send(&mut session, &md5("large", 0, 0));
    busy(&server);
    drop(session);
    assert_ends(&server, "md5-hash");

    let mut command = ssh_command(&server, "alice", "sha256sum large");
    let mut client = command.spawn().unwrap();
    busy(&server);
    client.kill().unwrap();
    client.wait().unwrap();
    assert_ends(&server, "sha256sum");
}
