//! Opens listening sockets. The server keeps them; `check` opens the same ones and closes them again.
//!
//! An IPv6 address accepts only IPv6 (`IPV6_V6ONLY`), whatever the system's default is, so that `0.0.0.0:22` and
//! `[::]:22` can be used together. An IPv4 address in IPv6's form is the IPv4 address.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with, sockopt};

use base::error::Error;

/// The most connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1024;

/// The addresses that one section of the configuration names.
#[derive(Debug, Clone, Copy)]
pub struct ListenList<'a> {
    /// The name of the section.
    pub section: &'static str,
    /// The value of its setting `listen`.
    pub addresses: &'a [SocketAddr],
    /// The addresses that `[server]` names, if this is another section.
    pub of_server: &'a [SocketAddr],
}

/// A socket that cannot be opened.
#[derive(Debug)]
pub struct ListenError {
    /// The address as the configuration has it.
    pub address: SocketAddr,
    section: &'static str,
    cause: ListenFailure,
}

#[derive(Debug)]
enum ListenFailure {
    System(io::Error),
    /// This earlier address of a section uses the same port.
    Overlaps(SocketAddr, &'static str),
}

impl ListenError {
    /// Returns whether another program listens there.
    pub fn is_taken(&self) -> bool {
        matches!(&self.cause, ListenFailure::System(error) if error.kind() == io::ErrorKind::AddrInUse)
    }
}

impl From<ListenError> for Error {
    fn from(refused: ListenError) -> Self {
        let address = refused.address;
        let error = Error::new(format!("cannot listen on {address}"));
        match refused.cause {
            ListenFailure::Overlaps(other, section) => error
                .because(format!(
                    "\"listen\" in [{section}] names {other} too, which is the same port"
                ))
                .hint("remove one of the two"),
            ListenFailure::System(cause) => {
                let hint = hint(address, refused.section, &cause);
                error.because(cause).hint(hint)
            }
        }
    }
}

/// Opens all of these sockets except those that the running server or its service manager holds. The second list says
/// which cannot be opened.
pub fn listen_on(list: ListenList<'_>, held: &[SocketAddr]) -> (Vec<TcpListener>, Vec<ListenError>) {
    let ListenList {
        section,
        addresses,
        of_server,
    } = list;
    let mut listeners = Vec::new();
    let mut refused = Vec::new();
    for (at, address) in addresses.iter().enumerate() {
        let earlier = addresses.get(..at).unwrap_or_default();
        let other = overlapping(of_server, *address).map(|other| ListenFailure::Overlaps(other, "server"));
        let own = || overlapping(earlier, *address).map(|other| ListenFailure::Overlaps(other, section));
        let cause = match other.or_else(own) {
            Some(overlaps) => overlaps,
            None if held.iter().any(|held| covers(*held, *address)) => continue,
            None => match open(plain(*address)) {
                Ok(listener) => {
                    listeners.push(listener);
                    continue;
                }
                Err(error) => ListenFailure::System(error),
            },
        };
        refused.push(ListenError {
            address: *address,
            section,
            cause,
        });
    }
    (listeners, refused)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // A restart must not wait until old connections have timed out.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Accepted connections inherit this: a client whose machine is gone must not stay signed in for ever.
    sockopt::set_socket_keepalive(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Returns whether a socket with the address `held` accepts the connections to `address`.
fn covers(held: SocketAddr, address: SocketAddr) -> bool {
    let address = plain(address);
    let is_part = held.ip().is_unspecified() && held.is_ipv4() == address.is_ipv4();
    held.port() == address.port() && (held.ip() == address.ip() || is_part)
}

/// Returns the address; IPv4 in IPv6's form becomes IPv4.
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
            SocketAddr::new(address.ip().to_canonical(), address.port())
        }
        _ => address,
    }
}

/// Returns the first of `others` that uses the same port of the same address, or of all addresses of its family.
fn overlapping(others: &[SocketAddr], address: SocketAddr) -> Option<SocketAddr> {
    let new = plain(address);
    others.iter().copied().find(|other| {
        let other = plain(*other);
        // Port 0 stands for any free port.
        new.port() != 0
            && other.port() == new.port()
            && other.is_ipv4() == new.is_ipv4()
            && (other == new || other.ip().is_unspecified() || new.ip().is_unspecified())
    })
}

fn hint(address: SocketAddr, section: &str, error: &io::Error) -> String {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let port = address.port();
    match error.kind() {
        AddrInUse => format!("another program listens there: ss -ltnp 'sport = :{port}' names it; stop it or choose \
             another port"),
        PermissionDenied if port < 1024 => {
            "ports below 1024 need root (with [server] user to give it up again), or CAP_NET_BIND_SERVICE (setcap, or \
             AmbientCapabilities= in the systemd unit), or a socket that systemd holds"
                .to_owned()
        }
        PermissionDenied => "a sandbox or a security module forbids it".to_owned(),
        AddrNotAvailable if address.is_ipv6() => {
            "this machine does not have that address, or IPv6 is switched off (ip -6 addr lists those that it \
             has)".to_owned()
        }
        AddrNotAvailable => "this machine does not have that address (ip addr lists those that it has)".to_owned(),
        _ if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
            format!("the machine is without {}, or a sandbox forbids it: take the address out of \"listen\"",
                if address.is_ipv6() { "IPv6" } else { "IPv4" })
        }
        _ => format!("see \"listen\" in [{section}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(addresses: &[SocketAddr]) -> ListenList<'_> {
        ListenList {
            section: "server",
            addresses,
            of_server: &[],
        }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_port_serves_both_families() {
        let four = open(address("0.0.0.0:0")).unwrap();
        let port = four.local_addr().unwrap().port();
        let Ok(six) = open(SocketAddr::new(address("[::]:0").ip(), port)) else {
            // A machine without IPv6 cannot test this.
            assert!(std::net::TcpListener::bind("[::]:0").is_err());
            return;
        };
        assert!(sockopt::ipv6_v6only(&six).unwrap());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(std::net::TcpStream::connect(("::1", port)).is_ok());
    }

    #[test]
    fn each_socket_that_cannot_be_opened_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let list = [
            address("127.0.0.1:0"),
            SocketAddr::new(address("127.0.0.1:0").ip(), port),
            address("192.0.2.1:0"),
        ];
        let (listeners, refused) = listen_on(server(&list), &[]);
        assert_eq!(listeners.len(), 1);
        assert!(refused[0].is_taken() && !refused[1].is_taken());
        let texts: Vec<String> = refused
            .into_iter()
            .map(|it| Error::from(it).to_string())
            .collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains(&format!(
            "127.0.0.1:{port}: address already in use (hint: another"
        )));
        assert!(texts[1].contains("this machine does not have that address"));
        // The running server may hold it.
        assert_eq!(listen_on(server(&list[1..2]), &list[1..2]).1.len(), 0);
    }

    #[test]
    fn a_socket_for_all_addresses_covers_each() {
        let check = |held: &str, wanted: &str, expected: bool| {
            assert_eq!(
                covers(address(held), address(wanted)),
                expected,
                "{held} {wanted}"
            );
        };
        check("0.0.0.0:22", "0.0.0.0:22", true);
        check("0.0.0.0:22", "127.0.0.1:22", true);
        check("0.0.0.0:22", "[::ffff:127.0.0.1]:22", true);
        check("0.0.0.0:22", "127.0.0.1:2222", false);
        check("0.0.0.0:22", "[::1]:22", false);
        check("127.0.0.1:22", "0.0.0.0:22", false);
        check("[::]:22", "[::1]:22", true);
        check("[::]:22", "0.0.0.0:22", false);
    }

    #[test]
    fn addresses_that_are_the_same_port_are_found() {
        let check = |list: &[&str], expected: Option<&str>| {
            let list: Vec<SocketAddr> = list.iter().map(|text| address(text)).collect();
            let (last, others) = list.split_last().unwrap();
            assert_eq!(overlapping(others, *last), expected.map(address), "{list:?}");
        };
        check(&["0.0.0.0:22", "[::]:22"], None);
        check(&["0.0.0.0:22", "0.0.0.0:2222"], None);
        check(&["10.0.0.1:22", "10.0.0.2:22"], None);
        check(&["127.0.0.1:0", "127.0.0.1:0"], None);
        check(&["10.0.0.1:22", "10.0.0.1:22"], Some("10.0.0.1:22"));
        check(&["0.0.0.0:22", "127.0.0.1:22"], Some("0.0.0.0:22"));
        check(&["127.0.0.1:22", "0.0.0.0:22"], Some("127.0.0.1:22"));
        check(&["[::]:22", "[::1]:22"], Some("[::]:22"));
        check(&["10.0.0.1:22", "[::ffff:10.0.0.1]:22"], Some("10.0.0.1:22"));
    }

    #[test]
    fn metrics_have_ports_of_their_own() {
        let (ssh, metrics) = ([address("0.0.0.0:2222")], [address("127.0.0.1:2222")]);
        let list = ListenList {
            section: "metrics",
            addresses: &metrics,
            of_server: &ssh,
        };
        let (listeners, refused) = listen_on(list, &[]);
        assert!(listeners.is_empty());
        let text = Error::from(refused.into_iter().next().unwrap()).to_string();
        assert!(
            text.contains("\"listen\" in [server] names 0.0.0.0:2222 too"),
            "{text}"
        );
    }

    #[test]
    fn ports_that_need_a_right_say_every_way_to_it() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let text = hint(address("0.0.0.0:22"), "server", &denied);
        for way in ["root", "CAP_NET_BIND_SERVICE", "systemd"] {
            assert!(text.contains(way), "{text}");
        }
        assert!(!hint(address("0.0.0.0:2222"), "server", &denied).contains("below 1024"));
    }
}
