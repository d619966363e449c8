//! Between the client and the server: forwards, counts, cuts the connection at given offsets, holds it at one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use homeport::transfer::Direction;

/// One direction of all connections together.
pub struct Flow {
    /// Bytes that have come from the sender.
    pub taken: AtomicU64,
    /// Bytes that have gone on to the receiver.
    passed: AtomicU64,
    /// Offsets in what has passed at which the connection is cut, in order.
    pub cuts: Mutex<VecDeque<u64>>,
    /// Nothing beyond this offset is forwarded before it is let go.
    hold: AtomicU64,
    held: Semaphore,
    go: Semaphore,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            taken: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            cuts: Mutex::default(),
            hold: AtomicU64::new(u64::MAX),
            held: Semaphore::new(0),
            go: Semaphore::new(0),
        }
    }
}

#[derive(Default)]
struct Shared {
    target: AtomicU16,
    up: Flow,
    down: Flow,
}

/// Ends with the test.
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
    /// To this port of the loopback address.
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
                tokio::spawn(async move { shared.carry(client, cut).await });
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Self { port, shared, stop }
    }

    /// Where new connections go.
    pub fn aim(&self, target: u16) {
        self.shared.target.store(target, SeqCst);
    }

    pub fn flow(&self, direction: Direction) -> &Flow {
        self.shared.flow(direction)
    }

    /// From now on nothing of this direction passes that offset.
    pub fn hold_at(&self, direction: Direction, offset: u64) {
        self.flow(direction).hold.store(offset, SeqCst);
    }

    /// Waits until it is held.
    pub async fn held(&self, direction: Direction) {
        let held = self.flow(direction).held.acquire();
        let held = tokio::time::timeout(testkit::PATIENCE, held).await;
        held.expect("nothing was held").unwrap().forget();
    }

    /// Lets it go on.
    pub fn let_go(&self, direction: Direction) {
        let flow = self.flow(direction);
        flow.hold.store(u64::MAX, SeqCst);
        flow.go.add_permits(1);
    }
}

impl Shared {
    fn flow(&self, direction: Direction) -> &Flow {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// One connection, until either side ends it or it is cut.
    async fn carry(&self, client: TcpStream, cut: CancellationToken) {
        let target = self.target.load(SeqCst);
        // A server that is away: the client sees that the connection ends.
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
            return;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = self.up.forward(from_client, to_server) => {}
            () = self.down.forward(from_server, to_client) => {}
            () = cut.cancelled() => {}
        }
    }
}

impl Flow {
    async fn forward(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.taken.fetch_add(count as u64, SeqCst);
            let before = self.passed.load(SeqCst);
            if before + count as u64 > self.hold.load(SeqCst) {
                self.held.add_permits(1);
                self.go.acquire().await.unwrap().forget();
            }
            let after = before + count as u64;
            let cut = self.cuts.lock().unwrap().pop_front_if(|at| *at < after);
            let passed = cut.map_or(after, |at| at.max(before)) - before;
            self.passed.fetch_add(passed, SeqCst);
            if to.write_all(&buffer[..passed as usize]).await.is_err() || cut.is_some() {
                return;
            }
        }
    }
}
