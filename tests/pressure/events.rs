//! A flood of events, and logs that nobody reads: other users are served, and their events are kept.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};

use crate::pressure::peer::{self, Peer, PeerSettings};
use crate::pressure::story;
use testkit::audit::Lines;
use testkit::packets::{Attrs, mkdir, remove, stat};
use testkit::programs::homeportd;
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::wait_for;

/// The number of forbidden REMOVEs that a user sends, each of another name.
const FLOOD: u32 = 60_000;
/// The number of requests that are under way at once.
const AT_ONCE: u32 = 500;
/// The number of operations of another user meanwhile.
const HONEST: usize = 200;

#[test]
fn thousands_of_forbidden_requests_are_summarized_and_lose_no_events_of_others() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--read-only"]);
    server.add_user("bob", &[]);
    server.serve();
    story(async {
        let alice = Peer::connect(&server, "alice", PeerSettings::window(2 << 20)).await;
        let mut flood = alice.sftp().await;
        let bob = Peer::connect(&server, "bob", PeerSettings::window(2 << 20)).await;
        let mut honest = bob.sftp().await;
        let flooding = tokio::spawn(async move {
            for first in (0..FLOOD).step_by(AT_ONCE as usize) {
                let ids = first..first + AT_ONCE;
                for id in ids.clone() {
                    flood
                        .0
                        .send(peer::encode(&remove(format!("x{id}")), id, b""))
                        .await;
                }
                for id in ids {
                    let reply = flood.1.reply_to(id).await;
                    assert!(matches!(reply, Reply::Status { code: 3, .. }), "{reply:?}");
                }
            }
        });
        for number in 0..HONEST {
            let made = peer::ask(&mut honest, &mkdir(format!("d{number}"), &Attrs::default()), b"").await;
            assert!(matches!(made, Reply::Status { code: 0, .. }), "{made:?}");
        }
        flooding.await.unwrap();
    });
    wait_for("all refusals to be logged", || {
        Lines::of(&server, "forbidden").count == u64::from(FLOOD)
    });
    // There is one line per second, the first one, and those that the clock divides.
    let logged = Lines::of(&server, "forbidden");
    assert!(logged.lines <= logged.seconds + 3, "{logged:?}");
    wait_for("all that the other user has made to be logged", || {
        Lines::of(&server, "directory_made").count == HONEST as u64
    });
    assert!(server.events().iter().all(|event| event["event"] != "lost"));
}

/// A server whose standard error is not read after it has started to listen.
struct ServerWithUnreadLog {
    child: Child,
    port: u16,
    _stderr: std::io::BufReader<std::process::ChildStderr>,
}

impl ServerWithUnreadLog {
    fn start(server: &TestServer) -> Self {
        let mut child = Command::new(homeportd())
            .arg("-c")
            .arg(server.config())
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on ") {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the server has ended");
        }
        let port = line.trim_end().trim_end_matches(['"', '}']);
        let port = port.rsplit(':').next().unwrap().parse().unwrap();
        Self {
            child,
            port,
            _stderr: stderr,
        }
    }
}

impl Drop for ServerWithUnreadLog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_unread_log_does_not_block_the_server() {
    let server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    server.add_user("bob", &[]);
    let mut unread = ServerWithUnreadLog::start(&server);
    let port = unread.port;
    story(async {
        let bob = Peer::connect_to(port, "bob", &server.key("bob"), PeerSettings::window(1 << 20)).await;
        let mut honest = bob.sftp().await;
        // Each logs a warning, at most eight per connection; a pipe holds 64 KiB, which is some hundreds of them.
        for _ in 0..100 {
            let alice =
                Peer::connect_to(port, "alice", &server.key("alice"), PeerSettings::window(1 << 20)).await;
            for _ in 0..8 {
                let channel = alice.sftp().await;
                channel.0.send(vec![0xff; 16]).await;
            }
        }
        // A session that waited for the log would wait for ever.
        for _ in 0..100 {
            let reply = peer::ask(&mut honest, &stat("/"), b"").await;
            assert!(matches!(reply, Reply::Attrs(_)), "{reply:?}");
        }
        let _new = Peer::connect_to(port, "bob", &server.key("bob"), PeerSettings::window(1 << 20)).await;
    });
    // The server also shuts down.
    let killed = Command::new("kill").arg(unread.child.id().to_string()).status();
    assert!(killed.unwrap().success());
    wait_for("the server to end", || unread.child.try_wait().unwrap().is_some());
}
