//! A server with a low limit on open files: the sessions and files of one user leave some for others, for new
//! connections, and for the administrator.

use crate::pressure::peer::{Peer, PeerSettings, ask, encode};
use crate::pressure::story;
use testkit::packets::{CREAT, Part, WRITE, extended, open};
use testkit::processes::{open_descriptors, wait_for_rest};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::{inspectable, wait_for};

const FEW: [&str; 2] = ["prlimit", "--nofile=1024:1024"];

fn start(users: &[&str], limits: &str) -> TestServer {
    let mut server = TestServer::new(&[("limits", limits), inspectable()]);
    for user in users {
        server.add_user(user, &[]);
    }
    server.serve_by(&FEW);
    server
}

#[test]
fn one_users_idle_sessions_leave_descriptors_for_others_and_the_administrator() {
    let limits = "sessions_per_user = 4000\nconnections = 4000";
    let server = start(&["alice", "bob"], limits);
    let log = server.log();
    assert!(
        log.contains("only 1024 files may be open at once")
            && log.contains("sessions_per_user is 81 instead of 4000"),
        "{log}"
    );
    story(async {
        let mut held = Vec::new();
        let mut refused = 0;
        for _ in 0..120 {
            let peer = Peer::connect(&server, "alice", PeerSettings::window(1 << 20)).await;
            match peer.try_sftp().await {
                Some(channel) => held.push((peer, channel)),
                None => refused += 1,
            }
        }
        assert_eq!((held.len(), refused), (81, 39));
        let list = server.admin_ok(&["sessions", "list"], "");
        assert_eq!(list.matches("alice").count(), 81, "{list}");
        let mut bob = server.raw("bob");
        for _ in 0..100 {
            assert!(matches!(bob.ask(&open("f", WRITE | CREAT)), Reply::Handle(_)));
        }
        assert!(
            open_descriptors(server.pid()) < 1024 - 256,
            "{}",
            open_descriptors(server.pid())
        );
    });
}

#[test]
fn without_descriptors_peers_are_refused_and_the_administrator_is_served() {
    let mut server = start(&["alice", "bob"], "");
    let idle = server.raw("alice");
    // Beyond all limits of the configuration, the process may not open any more files.
    let now = open_descriptors(server.pid());
    let cut = |limit: String| {
        let done = std::process::Command::new("prlimit")
            .args(["--pid", &server.pid().to_string(), &format!("--nofile={limit}")])
            .status();
        assert!(done.unwrap().success());
    };
    cut(format!("{now}:1024"));
    // The lower descriptor numbers have gaps, which are filled first.
    let mut held = Vec::new();
    wait_for("the last descriptor to be taken", || {
        let (stream, words) = connect_and_read_line(server.port());
        held.push(stream);
        words == b"Exceeded MaxStartups\r\n"
    });
    for _ in 0..5 {
        assert_eq!(
            connect_and_read_line(server.port()).1,
            b"Exceeded MaxStartups\r\n"
        );
    }
    // The server gets no requests meanwhile.
    wait_for_rest(&server);
    let list = server.admin_ok(&["sessions", "list"], "");
    assert!(list.contains("alice"), "{list}");
    server.admin_ok(&["sessions", "kick", "--user", "alice"], "");
    wait_for("the kicked session to end", || {
        !server.admin_ok(&["sessions", "list"], "").contains("alice")
    });
    drop((idle, held));
    // The server works again as soon as it may open files.
    cut("1024:1024".to_owned());
    wait_for("bob to get in", || {
        connect_and_read_line(server.port()).1.starts_with(b"SSH-2.0-")
    });
    let mut bob = server.raw("bob");
    assert!(matches!(bob.ask(&open("f", WRITE | CREAT)), Reply::Handle(_)));
    server.wait_for_log("cannot accept connections");
    assert!(server.is_alive());
}

/// Connects, and returns the connection and the first line from the server.
fn connect_and_read_line(port: u16) -> (std::net::TcpStream, Vec<u8>) {
    use std::io::{BufRead as _, BufReader};
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    let mut line = Vec::new();
    let _ = BufReader::new(&stream).read_until(b'\n', &mut line);
    (stream, line)
}

/// Hash requests that wait for a CPU slot have their files open.
#[test]
fn files_that_wait_to_be_hashed_count_for_their_user() {
    const PEERS: usize = 8;
    const CHANNELS: usize = 30;
    let server = start(&["alice"], "");
    std::fs::create_dir_all(server.home("alice")).unwrap();
    let large = std::fs::File::create(server.home("alice").join("large")).unwrap();
    // The file is sparse, and so large that hashing does not end within the test.
    large.set_len(1 << 40).unwrap();
    story(async {
        let connect = || Peer::connect(&server, "alice", PeerSettings::window(1 << 20));
        let (mut peers, mut asking) = (Vec::new(), Vec::new());
        let path = Part::Path(b"large".to_vec());
        let parts = vec![path, Part::U64(0), Part::U64(0), Part::Text(Vec::new())];
        let before = open_descriptors(server.pid());
        for _ in 0..PEERS {
            let peer = connect().await;
            for _ in 0..CHANNELS {
                let channel = peer.sftp().await;
                let asked = extended("md5-hash", parts.clone());
                channel.0.send(encode(&asked, 1, b"")).await;
                asking.push(channel);
            }
            peers.push(peer);
        }
        let most = before + PEERS * (CHANNELS + 2);
        wait_for("all files to be open", || open_descriptors(server.pid()) >= most);
        let peer = connect().await;
        let mut channel = peer.sftp().await;
        let mut opened = 0;
        while let Reply::Handle(_) = ask(&mut channel, &open("f", WRITE | CREAT), b"").await {
            opened += 1;
        }
        // One user may have 364 files open.
        let all = opened + PEERS * (CHANNELS + 2) + 2;
        assert!(opened > 0 && all <= 364, "{opened} files beside the hashes");
    });
}
