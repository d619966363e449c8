//! Transfers that are interrupted, and resumed where they stopped.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::clients::{assert_same, local_file};
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::wait_for;

const LENGTH: usize = 40_000_000;

/// Starts a slow `sftp` that does these commands.
fn start(server: &TestServer, batch: &str) -> Child {
    let mut command: Command = server.client("sftp", "alice", By::Key);
    // 16 Mbit/s: forty megabytes take twenty seconds, so that there is a middle.
    command.args(["-q", "-l", "16000", "-b", "-", "alice@127.0.0.1"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
    child
}

fn size(path: &std::path::Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

#[test]
fn an_interrupted_upload_is_resumed() {
    let server = TestServer::start(&["alice"]);
    let local = local_file(&server, "local", LENGTH);
    let remote = server.home("alice").join("remote");
    let mut client = start(&server, "put local remote\n");
    wait_for("some of the upload", || size(&remote) > 1_000_000);
    client.kill().unwrap();
    client.wait().unwrap();
    // ssh is a child of sftp, and ends with it. Then the server closes the file.
    server.wait_for_audit("\"session_ended\"");
    assert!(
        size(&remote) < LENGTH as u64,
        "the transfer was done before it could be broken off"
    );
    server.sftp_ok("alice", "reput local remote\n");
    assert_same(&local, &remote);
}

#[test]
fn an_interrupted_download_is_resumed() {
    let server = TestServer::start(&["alice"]);
    let remote = server.home("alice").join("remote");
    let source = local_file(&server, "source", LENGTH);
    fs::create_dir_all(server.home("alice")).unwrap();
    fs::copy(source, &remote).unwrap();
    let local = server.path().join("local");
    let mut client = start(&server, "get remote local\n");
    wait_for("some of the download", || size(&local) > 1_000_000);
    client.kill().unwrap();
    client.wait().unwrap();
    assert!(
        size(&local) < LENGTH as u64,
        "the transfer was done before it could be broken off"
    );
    server.sftp_ok("alice", "reget remote local\n");
    assert_same(&remote, &local);
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_a_write_leaves_what_it_wrote() {
    use testkit::packets::{CREAT, Context, WRITE, nth, open, write};
    let server = TestServer::start(&["alice", "bob"]);
    let mut bob = server.raw("bob");
    let mut alice = server.raw("alice");
    let handle = alice.handle(&open("half", WRITE | CREAT));
    alice.ask_about(&write(nth(0), 0, [b'a'; 1000]), &handle);
    let whole = write(nth(0), 1000, [b'b'; 30_000]).encode(
        9,
        &Context {
            base: "",
            handles: &[handle],
        },
    );
    alice.send(&whole[..whole.len() / 2]);
    drop(alice);
    server.wait_for_audit("half");
    assert_eq!(size(&server.home("alice").join("half")), 1000);
    bob.ask(&testkit::packets::stat("/"));
}
