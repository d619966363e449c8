//! Connections that move much have threads of their own, and give them back.

use std::collections::BTreeSet;

use testkit::packets::{
    CREAT, Context, READ, WRITE, close, nth, open, opendir, read, readdir, remove, stat, write,
};
use testkit::random::noise;
use testkit::raw::{RawSftp, Received};
use testkit::replies::{Reply, decode};
use testkit::server::TestServer;
use testkit::stock::{By, run};
use testkit::{PATIENCE, inspectable, wait_for};

/// The names of the server's session threads.
fn session_threads(server: &TestServer) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    // A thread may have ended since the directory was read.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names
        .map(|name| name.trim().to_owned())
        .filter(|name| name.starts_with("session-"))
        .collect()
}

/// Asks until the server has so many session threads. All requests of a round are sent at once, so that a slow machine,
/// too, moves enough in the time that counts.
fn ask_until(sftp: &mut RawSftp, server: &TestServer, threads: usize) {
    let context = Context {
        base: "",
        handles: &[],
    };
    let requests: Vec<u8> = (0..100).flat_map(|id| stat("/").encode(id, &context)).collect();
    wait_for(&format!("{threads} session threads"), || {
        assert!(sftp.send(&requests));
        for number in 0..100 {
            let Received::Packet(packet) = sftp.receive(PATIENCE) else {
                panic!("no reply after {number}");
            };
            let (id, reply) = decode(&packet);
            assert_eq!(id, Some(number));
            assert!(matches!(reply, Reply::Attrs(_)), "{reply:?}");
        }
        session_threads(server).len() >= threads
    });
}

fn wait_until_quiet(server: &TestServer) {
    wait_for("the session threads to end", || {
        session_threads(server).is_empty()
    });
}

/// A file is written and read back while its connection goes to a thread and comes back, several times.
#[test]
fn a_busy_connection_has_a_thread_until_it_is_quiet() {
    let server = TestServer::start(&["alice"]);
    let mut sftp = server.raw("alice");
    assert!(matches!(sftp.ask(&stat("/")), Reply::Attrs(_)));
    assert!(
        session_threads(&server).is_empty(),
        "a quiet session needs no thread"
    );
    let content = noise(3 * 32_768, 1);
    let handle = sftp.handle(&open("file", READ | WRITE | CREAT));
    for (n, part) in content.chunks(32_768).enumerate() {
        let offset = n as u64 * 32_768;
        let reply = sftp.ask_about(&write(nth(0), offset, part), &handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
        ask_until(&mut sftp, &server, 1);
        let reply = sftp.ask_about(&read(nth(0), offset, 32_768), &handle);
        assert!(matches!(reply, Reply::Data(data) if data == part));
        wait_until_quiet(&server);
    }
    let reply = sftp.ask_about(&close(nth(0)), &handle);
    assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    assert_eq!(std::fs::read(server.home("alice").join("file")).unwrap(), content);
    assert_eq!(sftp.finish(), Some(0));
}

/// What supervises a connection does not depend on its thread.
#[test]
fn a_busy_connection_is_ended_on_its_thread() {
    let server = TestServer::start(&["alice"]);
    let mut sftp = server.raw("alice");
    sftp.handle(&open("file", WRITE | CREAT));
    ask_until(&mut sftp, &server, 1);
    server.admin_ok(&["sessions", "kick", "--user", "alice"], "");
    assert!(matches!(sftp.receive(PATIENCE), Received::Ended));
    server.wait_for_audit("session_ended");
    wait_until_quiet(&server);
}

/// A server that stops while connections are on threads of their own ends as fast as otherwise, and loses no file.
#[test]
fn a_server_stops_while_connections_are_busy() {
    let mut server = TestServer::start(&["alice", "bob"]);
    let mut busy: Vec<RawSftp> = ["alice", "bob"].map(|user| server.raw(user)).into();
    for (n, sftp) in busy.iter_mut().enumerate() {
        ask_until(sftp, &server, n + 1);
    }
    server.signal("TERM");
    server.wait_for_log("stopped");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(server.wait_for_exit(), Some(0));
}

/// With few descriptors there are few threads: connections share them.
#[test]
fn connections_share_threads_where_there_are_few() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    server.add_user("bob", &[]);
    // (256 - 64) / 16 descriptors for threads, four each.
    server.serve_by(&["prlimit", "--nofile=256:256"]);
    let mut busy: Vec<RawSftp> = Vec::new();
    for user in ["alice", "alice", "bob", "bob", "alice", "bob"] {
        let sftp = server.raw(user);
        busy.push(sftp);
        for sftp in &mut busy {
            ask_until(sftp, &server, 1);
        }
    }
    assert!(
        session_threads(&server).len() <= 3,
        "{:?}",
        session_threads(&server)
    );
    for sftp in busy {
        assert_eq!(sftp.finish(), Some(0));
    }
}

/// One user's connections, which ask for much and for little in turns, leave the threads to another user that are more
/// than their part.
#[test]
fn alternating_between_storms_and_bulk_gains_no_threads() {
    const CONNECTIONS: usize = 20;
    let server = TestServer::start(&["alice", "bob"]);
    let mut many: Vec<(RawSftp, Vec<u8>)> = (0..CONNECTIONS)
        .map(|_| {
            let mut sftp = server.raw("alice");
            let handle = sftp.handle(&open("file", READ | WRITE | CREAT));
            (sftp, handle)
        })
        .collect();
    let content = noise(32_768, 4);
    let (first, handle) = &mut many[0];
    first.ask_about(&write(nth(0), 0, &content), handle);
    let alternate = |many: &mut Vec<(RawSftp, Vec<u8>)>, round: usize| {
        for (n, (sftp, handle)) in many.iter_mut().enumerate() {
            if (round + n).is_multiple_of(2) {
                for _ in 0..60 {
                    assert!(matches!(sftp.ask(&stat("/")), Reply::Attrs(_)));
                }
            } else {
                let reply = sftp.ask_about(&read(nth(0), 0, 32_768), handle);
                assert!(matches!(reply, Reply::Data(data) if data == content));
            }
        }
    };
    let mut round = 0;
    wait_for("threads of one user who is alone", || {
        alternate(&mut many, round);
        round += 1;
        session_threads(&server).len() >= 8
    });
    let mut other = server.raw("bob");
    // Four for each core, and at least eight.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let part = (4 * cores).max(8);
    let started = std::time::Instant::now();
    wait_for(
        "the threads of the first user to be no more than their part",
        || {
            alternate(&mut many, round);
            round += 1;
            for _ in 0..100 {
                assert!(matches!(other.ask(&stat("/")), Reply::Attrs(_)));
            }
            // The other user's connection may still be on the event loop.
            started.elapsed().as_secs() >= 3 && session_threads(&server).len() <= part + 1
        },
    );
    for (sftp, _) in many {
        assert_eq!(sftp.finish(), Some(0));
    }
    assert_eq!(other.finish(), Some(0));
}

/// A stock client moves files while its server gives it a thread.
#[test]
fn stock_clients_move_files_over_session_threads() {
    let server = TestServer::start(&["alice"]);
    let content = noise(20 << 20, 2);
    let local = server.path().join("local");
    std::fs::write(&local, &content).unwrap();
    server.sftp_ok("alice", &format!("put {} there\n", local.display()));
    assert!(!session_threads(&server).is_empty(), "the thread lingers");
    server.sftp_ok("alice", &format!("get there {}.back\n", local.display()));
    assert!(std::fs::read(server.path().join("local.back")).unwrap() == content);
}

/// What the server's session threads have read from and written to files, in bytes, from `/proc/PID/task/TID/io`.
fn bytes_moved_by_session_threads(server: &TestServer) -> FileBytes {
    let mut moved = FileBytes { read: 0, written: 0 };
    for task in std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        let task = task.unwrap().path();
        // A thread may have ended since the directory was read.
        let file = |name| std::fs::read_to_string(task.join(name)).unwrap_or_default();
        if !file("comm").starts_with("session-") {
            continue;
        }
        for line in file("io").lines() {
            match line.split_once(": ") {
                Some(("rchar", bytes)) => moved.read += bytes.parse::<u64>().unwrap(),
                Some(("wchar", bytes)) => moved.written += bytes.parse::<u64>().unwrap(),
                _ => {}
            }
        }
    }
    moved
}

struct FileBytes {
    read: u64,
    written: u64,
}

/// The files of a command are read and written by the thread of its connection, as those of SFTP are, and not by the
/// event loop that all connections share.
#[test]
fn scp_moves_files_on_a_session_thread() {
    const SIZE: usize = 64 << 20;
    let server = TestServer::start_with(&[inspectable()], &["alice"]);
    let content = noise(SIZE, 3);
    std::fs::write(server.path().join("local"), &content).unwrap();
    let scp = |from: &str, to: &str| {
        let mut command = server.client("scp", "alice", By::Key);
        command.args(["-O", from, to]);
        let output = run(command, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
    };
    scp("local", "alice@127.0.0.1:there");
    let written = bytes_moved_by_session_threads(&server).written;
    assert!(std::fs::read(server.home("alice").join("there")).unwrap() == content);
    scp("alice@127.0.0.1:there", "back");
    let read = bytes_moved_by_session_threads(&server).read;
    assert!(std::fs::read(server.path().join("back")).unwrap() == content);
    // A transfer begins on the event loop, and a call that would wait takes a thread of the blocking pool.
    for moved in [written, read] {
        assert!(
            moved > SIZE as u64 / 2,
            "written {written}, read {read} of {SIZE}"
        );
    }
}

/// A thread reads a large directory ahead: each name comes once, in large replies, also if other requests come in between
/// and another directory is listed at the same time.
#[test]
fn directories_that_are_read_ahead_are_listed_whole() {
    const FILES: usize = 3000;
    let server = TestServer::start(&["alice"]);
    for directory in ["one", "other"] {
        let path = server.home("alice").join(directory);
        std::fs::create_dir_all(&path).unwrap();
        (0..FILES).for_each(|n| std::fs::write(path.join(format!("{directory}-{n}")), "").unwrap());
    }
    let mut sftp = server.raw("alice");
    ask_until(&mut sftp, &server, 1);
    let mut listings =
        ["one", "other"].map(|directory| (directory, sftp.handle(&opendir(directory)), Vec::new()));
    let mut largest = 0;
    let mut ended = 0;
    while ended < listings.len() {
        ended = 0;
        for (directory, handle, names) in &mut listings {
            match sftp.ask_about(&readdir(nth(0)), handle) {
                Reply::Names(batch) => {
                    largest = largest.max(batch.len());
                    names.extend(batch.into_iter().map(|entry| entry.name));
                }
                Reply::Status { code: 1, .. } => ended += 1,
                other => panic!("{other:?}"),
            }
            assert!(matches!(sftp.ask(&stat(*directory)), Reply::Attrs(_)));
        }
    }
    for (directory, _, names) in listings {
        let count = names.len();
        let names: BTreeSet<Vec<u8>> = names.into_iter().collect();
        assert_eq!((names.len(), count), (FILES + 2, FILES + 2), "{directory}");
        assert!((0..FILES).all(|n| names.contains(format!("{directory}-{n}").as_bytes())));
    }
    assert!(largest > 100, "{largest} names at once");
}

/// What the client has changed since a part of the directory was read ahead is in the listing as it is then.
#[test]
fn what_was_read_ahead_is_not_told_after_the_client_has_changed_it() {
    const FILES: usize = 3000;
    let server = TestServer::start(&["alice"]);
    let path = server.home("alice").join("d");
    std::fs::create_dir(&path).unwrap();
    (0..FILES).for_each(|n| std::fs::write(path.join(n.to_string()), "").unwrap());
    let mut sftp = server.raw("alice");
    ask_until(&mut sftp, &server, 1);
    let handle = sftp.handle(&opendir("d"));
    let mut left: BTreeSet<Vec<u8>> = (0..FILES).map(|n| n.to_string().into_bytes()).collect();
    let mut told = 0;
    while let Reply::Names(batch) = sftp.ask_about(&readdir(nth(0)), &handle) {
        for entry in batch.iter().filter(|entry| !entry.name.starts_with(b".")) {
            told += 1;
            assert!(
                left.remove(&entry.name),
                "{:?} was removed, or came twice",
                entry.name
            );
        }
        // These come later: what is left of half of them.
        let gone: Vec<Vec<u8>> = left.iter().step_by(2).cloned().collect();
        for name in gone {
            let reply = sftp.ask(&remove([&b"d/"[..], &name[..]].concat()));
            assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
            left.remove(&name);
        }
    }
    assert!(left.is_empty() && told > 0, "{} were not told", left.len());
}
