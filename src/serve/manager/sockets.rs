//! Listening sockets that the service manager holds and passes to the server (sd_listen_fds(3)). They stay open while
//! the server restarts, so that no client is refused: nothing here shuts them down or removes them.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use rustix::net::sockopt;

use base::error::{Error, Result};

/// A listening socket that the manager holds.
#[derive(Debug)]
pub struct HeldSocket {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The socket itself; closing it leaves the manager's open.
    pub listener: TcpListener,
    /// Whether it accepts IPv4, too, although its address is one of IPv6.
    is_for_both: bool,
}

impl HeldSocket {
    /// Returns the addresses that it covers: its own, and that of IPv4 if it accepts both.
    pub fn covers(&self) -> Vec<SocketAddr> {
        let mut covered = vec![self.address];
        if self.is_for_both {
            covered.push(SocketAddr::from(([0, 0, 0, 0], self.address.port())));
        }
        covered
    }

    fn new(listener: TcpListener) -> std::io::Result<Self> {
        if !sockopt::socket_acceptconn(&listener)? {
            return Err(std::io::Error::other("it is not a listening socket"));
        }
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let is_for_both =
            address.is_ipv6() && address.ip().is_unspecified() && !sockopt::ipv6_v6only(&listener)?;
        Ok(Self {
            address,
            listener,
            is_for_both,
        })
    }
}

/// Takes the sockets that were passed to this process. Further calls return none.
///
/// # Errors
/// Returns an error if one of them is not a listening TCP socket.
pub fn take() -> Result<Vec<HeldSocket>> {
    // Without this variable they were passed to another process, whose environment this one has inherited.
    let ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if !ours {
        return Ok(Vec::new());
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for at in 0..passed.len() {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        let socket = passed.take_tcp_listener(at).and_then(|listener| {
            let listener = listener.ok_or_else(|| std::io::Error::other("it was taken before"))?;
            HeldSocket::new(listener)
        });
        sockets.push(socket.map_err(|error| {
            Error::new(format!(
                "cannot use the socket \"{}\" that the service manager holds",
                name.escape_debug()
            ))
            .because(error)
            .hint("it must be a TCP port: ListenStream=PORT in the socket unit, without Accept=yes")
        })?);
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_for_both_families_covers_both() {
        let four = HeldSocket::new(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        assert_eq!(four.covers(), [four.address]);
        let Ok(both) = TcpListener::bind("[::]:0") else {
            // A machine without IPv6 cannot test this.
            return;
        };
        let is_for_both = !sockopt::ipv6_v6only(&both).unwrap();
        let held = HeldSocket::new(both).unwrap();
        let port = held.address.port();
        let four = SocketAddr::from(([0, 0, 0, 0], port));
        assert_eq!(held.covers().contains(&four), is_for_both);
    }
}
