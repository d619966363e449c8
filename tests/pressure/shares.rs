//! One user keeps the server busy with long operations; those of another user on the same file system are not delayed.

use std::time::Duration;

use crate::pressure::peer::{self, Peer, PeerSettings};
use crate::pressure::story;
use testkit::packets::{CREAT, READ, WRITE, bogus, copy_data, extended_handle, open};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::wait_for;

const CONNECTIONS: usize = 3;
/// The channels of each connection; together they exceed the threads for long operations of one file system.
const CHANNELS: usize = 30;
const SIZE: u64 = 1 << 29;

/// The limits per channel and per connection multiply; what is left for others must not depend on them.
#[test]
fn one_users_open_files_leave_some_for_another_user() {
    let mut server = TestServer::new(&[]);
    for user in ["alice", "bob"] {
        server.add_user(user, &[]);
    }
    // 632 of the 1000 are for users, half of those for one user, whose session takes two.
    server.serve_by(&["prlimit", "--nofile=1000"]);
    let mut bob = server.raw("bob");
    story(async {
        let alice = Peer::connect(&server, "alice", PeerSettings::window(2 << 20)).await;
        let (mut opened, mut refused) = (0, 0);
        let mut channels = Vec::new();
        for number in 0..10 {
            let mut channel = alice.sftp().await;
            for _ in 0..100 {
                let name = format!("f{number}");
                match peer::ask(&mut channel, &open(&name, WRITE | CREAT), b"").await {
                    Reply::Handle(_) => opened += 1,
                    Reply::Status { code: 4, message, .. } => {
                        let message = String::from_utf8_lossy(&message).into_owned();
                        assert!(
                            message.contains("in all sessions of this user (the limit is 316)"),
                            "{message}"
                        );
                        refused += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            channels.push(channel);
        }
        assert_eq!((opened, refused), (314, 686));
        // Other users can sign in, and open files.
        for _ in 0..200 {
            let answer = bob.ask(&open("f", WRITE | CREAT));
            assert!(matches!(answer, Reply::Handle(_)), "{answer:?}");
        }
        let _new = server.raw("bob");
    });
    // All descriptors are released.
    wait_for("the session to end", || {
        !server.admin_ok(&["sessions", "list"], "").contains("alice")
    });
    let mut alice = server.raw("alice");
    for _ in 0..314 {
        assert!(matches!(alice.ask(&open("f", WRITE | CREAT)), Reply::Handle(_)));
    }
}

#[test]
fn one_users_long_copies_do_not_hold_up_another_user() {
    // The home is in memory, so that the copies do not occupy a disk.
    let memory = ["/dev/shm", "/tmp"]
        .into_iter()
        .find(|dir| std::path::Path::new(dir).is_dir());
    let dir = tempfile::Builder::new()
        .prefix("homeport-shares-")
        .tempdir_in(memory.unwrap())
        .unwrap();
    let mut server = TestServer::new(&[("storage", &format!("roots = [{:?}]", dir.path()))]);
    for user in ["alice", "bob"] {
        let home = dir.path().join(user);
        server.add_user(user, &["--home", home.to_str().unwrap()]);
    }
    server.serve();
    story(async {
        let bob = Peer::connect(&server, "bob", PeerSettings::window(2 << 20)).await;
        let mut quick = bob.sftp().await;
        let work = peer::open(&mut quick, &open("work", WRITE | CREAT)).await;
        let sync = extended_handle("fsync@openssh.com", bogus(&work));

        let mut busy = Vec::new();
        for _ in 0..CONNECTIONS {
            let alice = Peer::connect(&server, "alice", PeerSettings::window(2 << 20)).await;
            let mut channels = Vec::new();
            for _ in 0..CHANNELS {
                let mut ends = alice.sftp().await;
                let from = peer::open(&mut ends, &open("from", READ | WRITE | CREAT)).await;
                std::fs::File::options()
                    .write(true)
                    .open(dir.path().join("alice/from"))
                    .and_then(|file| file.set_len(SIZE))
                    .unwrap();
                let to = peer::open(&mut ends, &open("to", WRITE | CREAT)).await;
                channels.push((ends, from, to));
            }
            busy.push((alice, channels));
        }
        for (ends, from, to) in busy.iter().flat_map(|(_, channels)| channels) {
            let copy = copy_data(bogus(from), 0, SIZE, bogus(to), 0);
            ends.0.send(peer::encode(&copy, 7, b"")).await;
        }
        wait_for("the copies to begin", || {
            std::fs::metadata(dir.path().join("alice/to")).is_ok_and(|meta| meta.len() > 0)
        });
        for _ in 0..8 {
            let reply = peer::ask(&mut quick, &sync, b"").await;
            assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // If one of these had waited for the copies, the first copy would be done by now.
        let mut first = busy.swap_remove(0).1.swap_remove(0).0;
        let still = tokio::time::timeout(Duration::from_millis(1), first.1.next()).await;
        assert!(still.is_err(), "a copy was done before");
    });
}
