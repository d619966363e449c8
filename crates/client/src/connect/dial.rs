//! TCP connections: from a host's name to a socket, over whichever of its addresses answers first. It knows nothing of
//! SSH.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::destination::Destination;
use super::error::{ConnectError, cannot_bind, unknown_host, unreachable};
use super::ssh_config::settings::AddressFamily;
use crate::verbose;

/// How long to wait before the next address is tried beside those that have not answered (RFC 8305, 5).
const STAGGER: Duration = Duration::from_millis(250);
/// The most addresses of one host that are tried; real hosts have fewer.
const MAX_ADDRESSES: usize = 16;

/// Why there is no connection to an address.
#[derive(Debug)]
enum DialError {
    /// This machine does not let the connection begin at its BindAddress.
    Bind(io::Error),
    /// The address does not answer, or refuses.
    Connect(io::Error),
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Connect(error)
    }
}

/// Connects to the destination.
///
/// # Errors
/// When the name is not known, or no address answers in time.
pub(super) async fn dial(destination: &Destination) -> Result<TcpStream, ConnectError> {
    let limit = destination.connect_timeout;
    let failed = |error| unreachable(destination, error);
    let lookup = |host, port| async move {
        let found = tokio::time::timeout(limit, tokio::net::lookup_host((host, port))).await;
        found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    };
    let found = lookup(destination.host.as_str(), destination.port).await;
    let found = found.map_err(|error| unknown_host(destination, error))?;
    let from = match &destination.bind_address {
        None => Vec::new(),
        Some(address) => {
            let found = lookup(address.as_str(), 0).await;
            found
                .map_err(|error| cannot_bind(destination, address, error))?
                .collect()
        }
    };
    let wanted = |address: &SocketAddr| match destination.addresses {
        AddressFamily::Any => true,
        AddressFamily::V4 => address.is_ipv4(),
        AddressFamily::V6 => address.is_ipv6(),
    };
    let addresses = alternating(found.filter(wanted).take(MAX_ADDRESSES).collect());
    verbose::say(verbose::STEPS, || format!("connecting to {addresses:?}"));
    let stream = race(addresses, &from, limit).await;
    let stream = stream.map_err(|error| match (error, &destination.bind_address) {
        (DialError::Bind(error), Some(address)) => cannot_bind(destination, address, error),
        (DialError::Bind(error) | DialError::Connect(error), _) => failed(error),
    })?;
    verbose::say(verbose::STEPS, || match stream.peer_addr() {
        Ok(peer) => format!("connected to {peer}"),
        Err(error) => format!("connected, and lost again: {error}"),
    });
    // Requests are small, and the client waits for each reply.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// Connects to an address from one of ours of the same family, or from any if none is given.
async fn connect_from(address: SocketAddr, from: &[SocketAddr]) -> Result<TcpStream, DialError> {
    if from.is_empty() {
        return Ok(TcpStream::connect(address).await?);
    }
    let ours = from.iter().find(|ours| ours.is_ipv4() == address.is_ipv4());
    let other_family = || DialError::Bind(io::Error::other("the server has no address of that family"));
    let ours = ours.ok_or_else(other_family)?;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(*ours).map_err(DialError::Bind)?;
    Ok(socket.connect(address).await?)
}

/// The addresses with IPv4 and IPv6 in turn, beginning with the system's first choice, so that a family that does not
/// work costs little time.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let (ours, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first);
    let mut others = others.into_iter();
    let mut ordered = Vec::new();
    for address in ours {
        ordered.push(address);
        ordered.extend(others.next());
    }
    ordered.extend(others);
    ordered
}

/// Connects to the address that answers first. If none does, the error is that of the first address, which the system
/// prefers.
async fn race(
    addresses: Vec<SocketAddr>,
    from: &[SocketAddr],
    limit: Duration,
) -> Result<TcpStream, DialError> {
    let mut attempts = JoinSet::new();
    for (place, address) in addresses.into_iter().enumerate() {
        let delay = STAGGER.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX));
        let from = from.to_vec();
        attempts.spawn(async move {
            tokio::time::sleep(delay).await;
            let connected = tokio::time::timeout(limit, connect_from(address, &from)).await;
            (
                place,
                connected.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())),
            )
        });
    }
    let mut failed: Option<((bool, usize), DialError)> = None;
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            // Dropping the set ends the other attempts.
            Ok((_, Ok(stream))) => return Ok(stream),
            Ok((place, Err(error))) => {
                // Of two families, BindAddress can only be of one. What the server says to that one counts.
                let rank = (matches!(error, DialError::Bind(_)), place);
                if failed.as_ref().is_none_or(|(earlier, _)| rank < *earlier) {
                    failed = Some((rank, error));
                }
            }
            Err(error) => failed = failed.or(Some(((true, usize::MAX), io::Error::other(error).into()))),
        }
    }
    Err(failed.map_or_else(
        || io::Error::other("the host has no address of the wanted family").into(),
        |(_, error)| error,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn address_families_alternate() {
        let mixed = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternating(mixed), expected);
        assert!(alternating(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn the_first_address_that_answers_is_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // The port is bound, so that no other program gets it, but nothing listens on it.
        let taken = tokio::net::TcpSocket::new_v4().unwrap();
        taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refused = taken.local_addr().unwrap();
        let limit = Duration::from_secs(10);
        let stream = race(vec![refused, good], &[], limit).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let error = race(vec![refused], &[], limit).await.unwrap_err();
        let DialError::Connect(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(race(Vec::new(), &[], limit).await.is_err());
    }
}
