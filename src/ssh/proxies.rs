//! The proxies that may connect for clients (`[server] proxy_from`), and the beginning of their connections.
//!
//! A connection from there begins with a header ([`super::proxy_header`]), which names the client. It is read before
//! anything else happens: before the limits, which count the client's address, and before the identification line.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::algorithms::SERVER_ID;
use super::proxy_header::{LONGEST, ProxyHeader, parse};
use crate::domain::network::Network;

/// The most time for a header to arrive. A proxy sends it together with the connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The most time that an answered health check may take to close its connection. It holds the place of a header so
/// long.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// An address or a network of proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Network")]
pub struct ProxyNetwork(Network);

impl TryFrom<Network> for ProxyNetwork {
    type Error = String;

    fn try_from(network: Network) -> Result<Self, String> {
        if network.is_everything() {
            return Err(format!(
                "\"{network}\" is every address, so that anyone could claim to be anyone (hint: name the proxies alone)"
            ));
        }
        Ok(Self(network))
    }
}

impl std::fmt::Display for ProxyNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The proxies, and the number of their connections whose header has not arrived.
pub struct Proxies {
    networks: Vec<ProxyNetwork>,
    places: usize,
    waiting: Arc<Semaphore>,
}

impl Proxies {
    /// Creates the list of these networks. At most so many of their connections may wait for their header at once
    /// ([`crate::io::descriptors::DescriptorShares::proxy_headers`]). Each is there for the time of one round trip, and
    /// clients cannot make it longer. They are counted here alone, so that clients never wait for them.
    pub fn new(networks: Vec<ProxyNetwork>, places: usize) -> Self {
        Self {
            networks,
            places,
            waiting: Arc::new(Semaphore::new(places)),
        }
    }

    /// Returns whether a peer is one of the proxies.
    pub fn include(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.0.contains(peer))
    }

    /// Returns the number of connections whose header has not arrived.
    pub fn waiting(&self) -> usize {
        self.places.saturating_sub(self.waiting.available_permits())
    }

    /// Returns the right to wait for one header; `None` if there are too many connections that do so.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.waiting).try_acquire_owned().ok()
    }
}

/// What the beginning of a proxy's connection has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProxiedArrival {
    /// The proxy connects for the client at this address.
    Client(SocketAddr),
    /// The proxy only checks whether the server is there.
    HealthCheck,
    /// The header is broken. The sentence for the log says why.
    Broken(String),
}

/// Reads the header, and not a byte more. A health check is answered.
pub(super) async fn receive(stream: &mut TcpStream) -> ProxiedArrival {
    let arrival = tokio::time::timeout(HEADER_TIMEOUT, read(stream)).await;
    let arrival = arrival.unwrap_or_else(|_| {
        Err(format!(
            "it did not arrive within {} s, though [server] proxy_from names this address (hint: set send-proxy or the like \
             at the proxy; if clients connect from there, take the address out of proxy_from)",
            HEADER_TIMEOUT.as_secs()
        ))
    });
    if arrival == Ok(ProxiedArrival::HealthCheck) {
        answer_health_check(stream).await;
    }
    arrival.unwrap_or_else(|why| ProxiedArrival::Broken(format!("PROXY header: {why}")))
}

async fn read(stream: &mut TcpStream) -> Result<ProxiedArrival, String> {
    let mut header = Vec::with_capacity(LONGEST);
    loop {
        let more = match parse(&header).map_err(|error| error.to_string())? {
            ProxyHeader::Incomplete { more } => more,
            ProxyHeader::Client(client) => return Ok(ProxiedArrival::Client(client)),
            ProxyHeader::HealthCheck => return Ok(ProxiedArrival::HealthCheck),
        };
        let mut rest = (&mut *stream).take(more as u64);
        match rest.read_buf(&mut header).await {
            Ok(0) | Err(_) if header.is_empty() => return Ok(ProxiedArrival::HealthCheck),
            Ok(0) => return Err(format!("it was cut off after {} bytes", header.len())),
            Ok(_) => {}
            Err(error) => return Err(format!("it was cut off after {} bytes: {error}", header.len())),
        }
    }
}

/// Sends the identification line, which some health checks wait for, and lets the proxy close the connection.
async fn answer_health_check(stream: &mut TcpStream) {
    let line = format!("{SERVER_ID}\r\n");
    // A proxy that has closed the connection needs no answer.
    if stream.write_all(line.as_bytes()).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut ignored = [0; 512];
    let closed = async { while stream.read(&mut ignored).await.is_ok_and(|count| count > 0) {} };
    let _ = tokio::time::timeout(CHECK_TIMEOUT, closed).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Result<ProxyNetwork, String> {
        ProxyNetwork::try_from(Network::try_from(text.to_owned())?)
    }

    #[test]
    fn every_address_is_no_proxy() {
        for everything in ["0.0.0.0/0", "::/0", "::ffff:0:0/96"] {
            let error = network(everything).unwrap_err();
            assert!(error.contains("every address"), "{error}");
        }
        assert_eq!(network("10.0.0.0/24").unwrap().to_string(), "10.0.0.0/24");
    }

    #[test]
    fn only_named_addresses_are_proxies_and_few_may_wait() {
        let networks = ["10.0.0.0/30", "2001:db8::5"].map(|text| network(text).unwrap());
        let proxies = Proxies::new(networks.to_vec(), 2);
        let includes = |peer: &str| proxies.include(peer.parse().unwrap());
        assert!(includes("10.0.0.3") && includes("::ffff:10.0.0.1") && includes("2001:db8::5"));
        assert!(!includes("10.0.0.4") && !includes("2001:db8::6"));
        assert!(!Proxies::new(Vec::new(), 2).include("127.0.0.1".parse().unwrap()));
        let mut waiting: Vec<_> = (0..2).map(|_| proxies.enter().unwrap()).collect();
        assert!(proxies.enter().is_none());
        waiting.pop();
        assert!(proxies.enter().is_some());
    }

    #[tokio::test]
    async fn a_health_check_that_stays_does_not_hold_its_place_for_long() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut check = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        // The header of version 2 for connections of the proxy itself.
        check.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let arrival = tokio::time::timeout(HEADER_TIMEOUT, receive(&mut accepted)).await;
        assert_eq!(arrival.unwrap(), ProxiedArrival::HealthCheck);
        // The answer has arrived, and its end.
        let mut answer = String::new();
        check.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, format!("{SERVER_ID}\r\n"));
    }
}
