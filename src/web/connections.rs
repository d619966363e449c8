//! The connections of the web page: how many there may be, and which one makes room.
//!
//! Beyond the limit, the oldest connection without a request gives its place up, of the address that has the most. If all
//! of them have requests, the new one is refused: what is being served is never cut for a newcomer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The most connections of one address that is not a proxy. A browser opens 6.
const OF_ONE_ADDRESS: usize = 64;

/// The connections that are open.
#[derive(Default)]
pub(super) struct WebConnections {
    table: Mutex<ConnectionTable>,
}

#[derive(Default)]
struct ConnectionTable {
    last: u64,
    open: HashMap<u64, OpenConnection>,
}

struct OpenConnection {
    address: IpAddr,
    requests: Arc<AtomicUsize>,
    cut: CancellationToken,
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    /// In total.
    pub all: usize,
    /// Whether the address is a proxy's, which may have all of them.
    pub is_proxy: bool,
}

/// The place of a connection. Dropping it frees the place.
pub(super) struct ConnectionPlace {
    connections: Arc<WebConnections>,
    number: u64,
    /// The number of requests that are being served on the connection.
    pub(super) requests: Arc<AtomicUsize>,
    /// Cancelled when the connection must make room.
    pub(super) cut: CancellationToken,
}

impl WebConnections {
    /// Gives a connection a place; `None` if there is none.
    pub(super) fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        limits: ConnectionLimits,
    ) -> Option<ConnectionPlace> {
        let mut table = self.table.lock();
        let of_address = table.open.values().filter(|open| open.address == address).count();
        if of_address >= OF_ONE_ADDRESS && !limits.is_proxy {
            table.make_room(Some(address))?;
        } else if table.open.len() >= limits.all {
            table.make_room(None)?;
        }
        table.last += 1;
        let place = ConnectionPlace {
            connections: Arc::clone(self),
            number: table.last,
            requests: Arc::default(),
            cut: CancellationToken::new(),
        };
        let open = OpenConnection {
            address,
            requests: Arc::clone(&place.requests),
            cut: place.cut.clone(),
        };
        table.open.insert(place.number, open);
        Some(place)
    }

    /// Returns the number of connections.
    #[cfg(test)]
    pub(super) fn number(&self) -> usize {
        self.table.lock().open.len()
    }
}

impl ConnectionTable {
    /// Cuts the oldest connection without a request, of this address or else of the one that has the most; `None` if all
    /// have requests.
    fn make_room(&mut self, address: Option<IpAddr>) -> Option<()> {
        let mut idle: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        for (number, open) in &self.open {
            if open.requests.load(Ordering::Relaxed) == 0 {
                let (count, oldest) = idle.entry(open.address).or_insert((0, *number));
                *count += 1;
                *oldest = (*oldest).min(*number);
            }
        }
        let (_, oldest) = match address {
            Some(address) => idle.get(&address).copied(),
            None => idle.values().max_by_key(|(count, _)| *count).copied(),
        }?;
        self.open.remove(&oldest)?.cut.cancel();
        Some(())
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.connections.table.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        all: 100,
        is_proxy: false,
    };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_address_with_the_most_idle_connections_makes_room() {
        let connections = Arc::<WebConnections>::default();
        let enter = |last| connections.enter(address(last), LIMITS);
        let greedy: Vec<_> = (0..60).map(|_| enter(1).unwrap()).collect();
        let honest: Vec<_> = (0..40).map(|_| enter(2).unwrap()).collect();
        let newcomer = enter(3).unwrap();
        assert!(greedy[0].cut.is_cancelled() && !honest[0].cut.is_cancelled());
        for place in greedy.iter().chain(&honest).chain([&newcomer]) {
            place.requests.store(1, Ordering::Relaxed);
        }
        assert!(enter(4).is_none(), "what is served is not cut");
        drop(honest);
        assert!(enter(4).is_some());
    }

    #[test]
    fn one_address_has_a_limit_of_its_own() {
        let connections = Arc::<WebConnections>::default();
        let places: Vec<_> = (0..OF_ONE_ADDRESS)
            .map(|_| connections.enter(address(1), LIMITS).unwrap())
            .collect();
        let next = connections.enter(address(1), LIMITS).unwrap();
        assert!(places[0].cut.is_cancelled());
        drop((places, next));
        assert_eq!(connections.number(), 0);
    }
}
