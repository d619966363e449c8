//! A proxy between client and server: it forwards and counts bytes, cuts the connection at given offsets, and pauses at
//! one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use homeport::transfer::Direction;

/// One direction of all connections together, with its counters.
pub struct ProxyDirection {
    /// The bytes that the sender has sent.
    pub taken: AtomicU64,
    /// The bytes that were forwarded to the receiver.
    passed: AtomicU64,
    /// The offsets of forwarded bytes at which the connection is cut, in order.
    pub cuts: Mutex<VecDeque<u64>>,
    /// The offset beyond which nothing is forwarded until [`Proxy::resume`].
    pause_offset: AtomicU64,
    paused: Semaphore,
    resumed: Semaphore,
}

impl Default for ProxyDirection {
    fn default() -> Self {
        Self {
            taken: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            cuts: Mutex::default(),
            pause_offset: AtomicU64::new(u64::MAX),
            paused: Semaphore::new(0),
            resumed: Semaphore::new(0),
        }
    }
}

struct Refusals(Semaphore);

impl Default for Refusals {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

#[derive(Default)]
struct Shared {
    target: AtomicU16,
    /// One permit for each connection for which there was no server.
    refusals: Refusals,
    up: ProxyDirection,
    down: ProxyDirection,
    /// What ends each connection, in the order in which they were made.
    connections: Mutex<Vec<CancellationToken>>,
}

/// A running proxy, which ends when this is dropped.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Proxy {
    /// Starts a proxy to this port of the loopback address.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        shared.target.store(target, SeqCst);
        let stop = CancellationToken::new();
        let (theirs, ended) = (Arc::clone(&shared), stop.clone());
        let serving = async move {
            while let Ok((client, _)) = listener.accept().await {
                let (shared, cut) = (Arc::clone(&theirs), ended.child_token());
                shared.connections.lock().unwrap().push(cut.clone());
                tokio::spawn(async move { shared.carry(client, cut).await });
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Self { port, shared, stop }
    }

    /// Sets the port to which new connections resumed.
    pub fn set_target(&self, target: u16) {
        self.shared.target.store(target, SeqCst);
    }

    pub fn direction_state(&self, direction: Direction) -> &ProxyDirection {
        self.shared.direction_state(direction)
    }

    /// Cuts the connection when so many more bytes were forwarded in this direction.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        let state = self.direction_state(direction);
        let at = state.passed.load(SeqCst) + bytes;
        state.cuts.lock().unwrap().push_back(at);
    }

    /// Cuts the first connection now.
    pub fn cut_first(&self) {
        self.shared.connections.lock().unwrap()[0].cancel();
    }

    /// Ends the server for all connections that are still to come.
    pub async fn refuse_others(&self) {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.set_target(nobody.local_addr().unwrap().port());
    }

    /// Pauses this direction at an offset.
    pub fn pause_at(&self, direction: Direction, offset: u64) {
        self.direction_state(direction).pause_offset.store(offset, SeqCst);
    }

    /// Waits until this direction is paused.
    pub async fn wait_for_pause(&self, direction: Direction) {
        let paused = self.direction_state(direction).paused.acquire();
        let paused = tokio::time::timeout(testkit::PATIENCE, paused).await;
        paused.expect("nothing was paused").unwrap().forget();
    }

    /// Waits until a connection has ended because there is no server.
    pub async fn wait_for_refusal(&self) {
        let refused = self.shared.refusals.0.acquire();
        let refused = tokio::time::timeout(testkit::PATIENCE, refused).await;
        refused.expect("no connection was refused").unwrap().forget();
    }

    /// Ends the pause of this direction.
    pub fn resume(&self, direction: Direction) {
        let direction_state = self.direction_state(direction);
        direction_state.pause_offset.store(u64::MAX, SeqCst);
        direction_state.resumed.add_permits(1);
    }
}

impl Shared {
    fn direction_state(&self, direction: Direction) -> &ProxyDirection {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// Forwards one connection until either side ends it or it is cut.
    async fn carry(&self, client: TcpStream, cut: CancellationToken) {
        let target = self.target.load(SeqCst);
        // If the server is down, the client sees that the connection ends.
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
            drop(client);
            self.refusals.0.add_permits(1);
            return;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut down = std::pin::pin!(self.down.forward(from_server, to_client));
        tokio::select! {
            was_cut = self.up.forward(from_client, to_server) => {
                if was_cut {
                    // The server does what has reached it, and ends the connection. So how much of that the client finds
                    // again does not depend on which of the two is faster.
                    let _ = tokio::time::timeout(testkit::PATIENCE, down).await;
                }
            }
            _ = &mut down => {}
            () = cut.cancelled() => {}
        }
    }
}

impl ProxyDirection {
    /// Forwards until the connection ends, and returns whether it was cut.
    async fn forward(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> bool {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.taken.fetch_add(count as u64, SeqCst);
            let before = self.passed.load(SeqCst);
            if before + count as u64 > self.pause_offset.load(SeqCst) {
                self.paused.add_permits(1);
                self.resumed.acquire().await.unwrap().forget();
            }
            let after = before + count as u64;
            let cut = self.cuts.lock().unwrap().pop_front_if(|at| *at < after);
            let passed = cut.map_or(after, |at| at.max(before)) - before;
            self.passed.fetch_add(passed, SeqCst);
            if to.write_all(&buffer[..passed as usize]).await.is_err() || cut.is_some() {
                return cut.is_some();
            }
        }
        false
    }
}
