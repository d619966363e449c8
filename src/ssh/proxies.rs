//! The proxies that may connect for clients (`[server] proxy_from`), and the beginning of their connections.
//!
//! A connection from there begins with a header ([`super::proxy_header`]), which names the client. It is read before
//! anything else happens: before the limits, which count the client's address, and before the identification line.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::algorithms::SERVER_ID;
use super::proxy_header::{LONGEST, ProxyHeader, parse};

/// The most time for a header to arrive. A proxy sends it together with the connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The most connections from proxies whose header has not arrived. Each is there for the time of one round trip, and
/// clients cannot make it longer. They are counted here alone, so that clients never wait for them.
const MAX_WAITING: usize = 128;

/// An address or a network of proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ProxyNetwork(IpNet);

impl TryFrom<String> for ProxyNetwork {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shown = text.escape_debug();
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map_err(|_| {
                format!("\"{shown}\" is neither an address nor a network (hint: for example \"10.0.0.5\" or \"10.0.0.0/28\")")
            })?,
        };
        if network.trunc() != network {
            return Err(format!(
                "\"{shown}\" has bits set behind its prefix (hint: the network is \"{}\")",
                network.trunc()
            ));
        }
        let network = without_mapping(network);
        if network.prefix_len() == 0 {
            return Err(format!(
                "\"{shown}\" is every address, so that anyone could claim to be anyone (hint: name the proxies alone)"
            ));
        }
        Ok(Self(network))
    }
}

/// Returns a network of IPv4 addresses that are written as IPv6 ones as one of IPv4, as which peers are compared.
fn without_mapping(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(six) => six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let plain = mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    plain.map_or(network, IpNet::V4)
}

impl std::fmt::Display for ProxyNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The proxies, and the number of their connections whose header has not arrived.
pub struct Proxies {
    networks: Vec<ProxyNetwork>,
    waiting: Arc<Semaphore>,
}

impl Proxies {
    /// Creates the list of these networks.
    pub fn new(networks: Vec<ProxyNetwork>) -> Self {
        Self {
            networks,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }

    /// Returns whether a peer is one of the proxies.
    pub fn include(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.0.contains(&peer))
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
    let arrival =
        arrival.unwrap_or_else(|_| Err(format!("it did not arrive within {} s", HEADER_TIMEOUT.as_secs())));
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
    if stream.write_all(line.as_bytes()).await.is_err() {
        return;
    }
    let mut ignored = [0; 512];
    let closed = async { while stream.read(&mut ignored).await.is_ok_and(|count| count > 0) {} };
    let _ = tokio::time::timeout(HEADER_TIMEOUT, closed).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_or_networks_but_not_everything() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let network = ProxyNetwork::try_from(text.to_owned());
            match (network.map(|network| network.to_string()), expected) {
                (Ok(network), Ok(expected)) => assert_eq!(network, expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (network, expected) => panic!("{text}: {network:?}, expected {expected:?}"),
            }
        };
        check("10.0.0.5", Ok("10.0.0.5/32"));
        check("::ffff:10.0.0.5", Ok("10.0.0.5/32"));
        check("10.0.0.0/24", Ok("10.0.0.0/24"));
        check("2001:db8::/32", Ok("2001:db8::/32"));
        check("::ffff:10.0.0.0/120", Ok("10.0.0.0/24"));
        check("::ffff:0:0/96", Err("every address"));
        check("10.0.0.5/24", Err("the network is \"10.0.0.0/24\""));
        check("0.0.0.0/0", Err("every address"));
        check("::/0", Err("every address"));
        check("haproxy", Err("neither an address nor a network"));
        check("", Err("neither an address nor a network"));
    }

    #[test]
    fn only_named_addresses_are_proxies_and_few_may_wait() {
        let network = |text: &str| ProxyNetwork::try_from(text.to_owned()).unwrap();
        let proxies = Proxies::new(vec![network("10.0.0.0/30"), network("2001:db8::5")]);
        let includes = |peer: &str| proxies.include(peer.parse().unwrap());
        assert!(includes("10.0.0.3") && includes("::ffff:10.0.0.1") && includes("2001:db8::5"));
        assert!(!includes("10.0.0.4") && !includes("2001:db8::6"));
        assert!(!Proxies::new(Vec::new()).include("127.0.0.1".parse().unwrap()));
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| proxies.enter().unwrap()).collect();
        assert!(proxies.enter().is_none());
        waiting.pop();
        assert!(proxies.enter().is_some());
    }
}
