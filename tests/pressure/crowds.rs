//! Many connections before the sign-in: silent ones from a few addresses, and peers that disconnect while their answer
//! is delayed.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::client::{self, Config, Handle};
use tokio::net::{TcpSocket, TcpStream};

use crate::pressure::story;
use testkit::audit::Lines;
use testkit::processes::open_sockets;
use testkit::russh_client::AnyServer;
use testkit::server::{TestServer, password};
use testkit::{PATIENCE, inspectable, wait_for};

/// Connects from one of the loopback addresses.
pub async fn dial(from: &str, port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0))?;
    socket
        .connect(SocketAddr::new("127.0.0.1".parse().unwrap(), port))
        .await
}

/// Connects and exchanges keys, without signing in.
pub async fn connect(from: &str, port: u16) -> Result<Handle<AnyServer>, russh::Error> {
    let stream = dial(from, port).await?;
    client::connect_stream(Arc::new(Config::default()), stream, AnyServer).await
}

pub async fn signs_in(from: &str, port: u16, user: &str) -> bool {
    let sign_in = async {
        let mut connection = connect(from, port).await.ok()?;
        let result = connection.authenticate_password(user, password(user)).await;
        result.ok().map(|result| result.success())
    };
    matches!(tokio::time::timeout(PATIENCE, sign_in).await, Ok(Some(true)))
}

/// Returns how many connections the server has, and its listening sockets.
pub fn sockets(server: &TestServer) -> usize {
    open_sockets(server.pid())
}

/// Three addresses occupy all places with silent connections.
#[test]
fn silent_connections_do_not_exclude_others() {
    let limits = "unauthenticated = 200\nunauthenticated_per_address = 80";
    let server = TestServer::start_with(
        &[("limits", limits), ("auth", "login_grace_secs = 120")],
        &["bob"],
    );
    let port = server.port();
    story(async {
        let mut silent = Vec::new();
        for from in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
            for _ in 0..80 {
                silent.push(dial(from, port).await.unwrap());
            }
        }
        for (from, least) in [("127.0.0.5", 20), ("127.0.0.2", 18)] {
            let mut signed_in = 0;
            for _ in 0..10 {
                // The flood continues with two connections at a time.
                silent.push(dial("127.0.0.3", port).await.unwrap());
                let (one, other) = tokio::join!(signs_in(from, port, "bob"), signs_in(from, port, "bob"));
                signed_in += usize::from(one) + usize::from(other);
            }
            assert!(signed_in >= least, "{signed_in} of 20 from {from}");
        }
    });
    // Refusals are summarized: of each address, one line at once, and then one every ten seconds.
    let refused = Lines::of_each_source(&server, "refused");
    assert!(!refused.is_empty());
    for source in refused {
        assert!(source.lines <= 4 + source.seconds / 5, "{source:?}");
    }
}

/// A user who is typing a password keeps the connection.
#[test]
fn a_user_who_types_a_password_is_not_displaced_by_silent_connections() {
    let limits = "unauthenticated = 20\nunauthenticated_per_address = 20";
    let server = TestServer::start_with(&[("limits", limits)], &["bob"]);
    let port = server.port();
    story(async {
        let mut typing = Vec::new();
        for from in ["127.0.0.2", "127.0.0.5"] {
            typing.push(connect(from, port).await.unwrap());
        }
        let mut silent = Vec::new();
        for n in 0..60 {
            silent.push(dial(&format!("127.0.0.{}", 2 + n % 3), port).await.unwrap());
        }
        for mut connection in typing {
            let result = connection.authenticate_password("bob", password("bob")).await;
            assert!(result.unwrap().success());
        }
    });
}

/// The answers are delayed for longer than a test waits; the places are free as soon as the peers have disconnected.
#[test]
fn a_delayed_answer_does_not_keep_the_place_of_a_disconnected_peer() {
    let throttle = "login_grace_secs = 3600\nthrottle = { first_delay_ms = 1_000_000, max_delay_ms = 1_000_000, failures = 12 }";
    let server = TestServer::start_with(&[("auth", throttle), inspectable()], &["bob"]);
    let port = server.port();
    let before = sockets(&server);
    const PEERS: usize = 20;
    story(async {
        let mut attempts = tokio::task::JoinSet::new();
        let connected = Arc::new(AtomicUsize::new(0));
        for n in 0..PEERS {
            let connected = Arc::clone(&connected);
            attempts.spawn(async move {
                let mut connection = connect("127.0.0.1", port).await.unwrap();
                connected.fetch_add(1, Ordering::SeqCst);
                // After so many failures, some attempts are verified and some are not.
                let _ = connection.authenticate_password(format!("u{n}"), "wrong").await;
            });
        }
        // An attempt is in the audit log before it is answered.
        while server.audit().matches("unknown user").count() < 12 || connected.load(Ordering::SeqCst) < PEERS
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Nothing shows that the other attempts have arrived, but they were sent by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(sockets(&server) >= before + PEERS);
        attempts.shutdown().await;
        wait_for("the places to be free", || sockets(&server) <= before + 1);
    });
    wait_for("an event for each", || {
        server.audit().matches("\"denied\"").count() == PEERS
    });
}

/// A connection that is delayed because of its address ends when its peer disconnects.
#[test]
fn a_delayed_banner_does_not_keep_the_connection_of_a_disconnected_peer() {
    let server = TestServer::start_with(&[inspectable()], &["bob"]);
    let before = sockets(&server);
    let port = server.port();
    let connect = || std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let come_and_go = || {
        let mut stream = connect();
        stream.write_all(b"QUIT\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // The connection may be reset, because the server did not read everything.
        let _ = stream.read_to_end(&mut Vec::new());
    };
    (0..60).for_each(|_| come_and_go());
    // Banners are delayed for two seconds by now. A connection that waited for its own would end after the banner of an
    // earlier peer that stays. On a busy machine that may happen once, but not always.
    let ended_first = (0..10).any(|_| {
        let staying = connect();
        come_and_go();
        staying.set_nonblocking(true).unwrap();
        staying.peek(&mut [0]).is_err()
    });
    assert!(ended_first, "each has waited for its banner");
    wait_for("all to be gone", || sockets(&server) <= before + 1);
}

/// There is one line for each source, reason and interval, with the number of refusals.
#[test]
fn refusals_are_summarized() {
    let mut server = TestServer::start_with(&[inspectable()], &["bob"]);
    let port = server.port();
    let before = sockets(&server);
    const TIMES: u64 = 150;
    story(async {
        let mut peers = tokio::task::JoinSet::new();
        for _ in 0..TIMES {
            peers.spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut stream = dial("127.0.0.9", port).await.unwrap();
                stream
                    .write_all(b"GET / HTTP/1.1\r\n\r\nSSH-1.0-x\r\n")
                    .await
                    .unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
        while peers.join_next().await.is_some() {}
    });
    // A client gets its refusal before the server has counted it.
    wait_for("all to be gone", || sockets(&server) <= before);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    let refused = Lines::of(&server, "refused");
    assert_eq!(refused.count, TIMES, "{}", server.audit());
    // There are at most two reasons, each logged at once, then every ten seconds, and at the end.
    assert!(refused.lines <= 6 + refused.seconds / 5, "{refused:?}");
}
