//! The header by which a proxy names the client that it connects for: the PROXY protocol, versions 1 and 2.
//!
//! This is a parser without I/O. It says how many more bytes certainly belong to the header, so that a reader that
//! reads no more than that never takes a byte of the client's. What follows from the header is up to
//! [`super::proxies`].

#[doc(hidden)]
pub mod fuzz;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base::visible::sample;

/// The longest header in bytes: the first version has 107 at most, and the second one 52 and what the proxy adds. 536
/// bytes fit into the smallest IPv4 packet, so that a header arrives whole (the specification, section 2.2).
pub const LONGEST: usize = 536;

/// The longest line of version 1 in bytes, with its end.
const LONGEST_LINE: usize = 107;

/// The length in bytes of the shortest header, which is `PROXY UNKNOWN` with its end.
const SHORTEST: usize = 15;

/// The bytes with which a header of version 1 begins.
const LINE_START: &[u8] = b"PROXY ";

/// The bytes with which a header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The length of the fixed part of version 2: the signature, version and command, family, and the length of the rest.
const FIXED: usize = 16;

/// The most bytes that are shown of something that is not a header.
const SHOWN: usize = 64;

/// What is known of a header after its first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyHeader {
    /// At least `more` bytes are missing, and all of them belong to the header.
    Incomplete {
        /// The number of bytes, at least 1.
        more: usize,
    },
    /// The header is complete. The proxy connects for the client at this address.
    Client(SocketAddr),
    /// The header is complete. The proxy connects for itself (LOCAL, or UNKNOWN in version 1).
    HealthCheck,
}

/// Why bytes cannot become a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The connection begins with something else.
    #[error(
        "there is none, the connection began with \"{}\", though [server] proxy_from names this address (hint: set \
         send-proxy or the like at the proxy; if clients connect from there, take the address out of proxy_from)",
        sample(.0, SHOWN)
    )]
    Missing(Vec<u8>),
    /// The line of version 1 does not have its form.
    #[error("the line of version 1 is malformed: \"{}\"", sample(.0, LONGEST_LINE))]
    Malformed(Vec<u8>),
    /// The header has more bytes than it may have.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// The header has another version than 1 or 2.
    #[error("its version is {0}, not 1 or 2")]
    Version(u8),
    /// The command of version 2 is neither LOCAL nor PROXY.
    #[error("its command is {0}, neither LOCAL (0) nor PROXY (1)")]
    Command(u8),
    /// The client did not connect by TCP over IPv4 or IPv6.
    #[error("its address family and protocol are {0:#04x}, not TCP over IPv4 (0x11) or IPv6 (0x21)")]
    Family(u8),
    /// The header of version 2 is too short for its addresses.
    #[error("it ends within its addresses")]
    Addresses,
}

/// Returns whether the first bytes of a connection are those of a header.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(LINE_START) || bytes.starts_with(&SIGNATURE)
}

/// Reads the first bytes of a connection. There must not be more of them than earlier calls have asked for.
///
/// # Errors
/// Returns an error as soon as the bytes cannot become a header.
pub fn parse(bytes: &[u8]) -> Result<ProxyHeader, HeaderError> {
    let can_begin = |start: &[u8]| bytes.iter().zip(start).all(|(byte, expected)| byte == expected);
    if bytes.is_empty() {
        Ok(ProxyHeader::Incomplete { more: SHORTEST })
    } else if can_begin(LINE_START) {
        version_1(bytes)
    } else if can_begin(&SIGNATURE) {
        version_2(bytes)
    } else {
        Err(HeaderError::Missing(bytes.to_vec()))
    }
}

fn version_1(bytes: &[u8]) -> Result<ProxyHeader, HeaderError> {
    if let Some(line) = bytes.strip_suffix(b"\r\n") {
        return line_header(line).ok_or_else(|| HeaderError::Malformed(line.to_vec()));
    }
    if bytes.contains(&b'\n') {
        return Err(HeaderError::Malformed(bytes.to_vec()));
    }
    if bytes.len() >= LONGEST_LINE {
        return Err(HeaderError::TooLong(LONGEST_LINE));
    }
    let missing_end = if bytes.ends_with(b"\r") { 1 } else { 2 };
    let more = SHORTEST.saturating_sub(bytes.len()).max(missing_end);
    Ok(ProxyHeader::Incomplete {
        more: more.min(LONGEST_LINE - bytes.len()),
    })
}

/// Parses a line without its end; `None` if it does not have the form of version 1.
fn line_header(line: &[u8]) -> Option<ProxyHeader> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?;
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    if family == "UNKNOWN" {
        // What follows is to be ignored.
        return Some(ProxyHeader::HealthCheck);
    }
    let mut fields = rest.split(' ');
    let (source, destination) = (fields.next()?, fields.next()?);
    let (source_port, _) = (port(fields.next()?)?, port(fields.next()?)?);
    if fields.next().is_some() {
        return None;
    }
    let source = match family {
        "TCP4" => {
            destination.parse::<Ipv4Addr>().ok()?;
            IpAddr::V4(source.parse().ok()?)
        }
        "TCP6" => {
            destination.parse::<Ipv6Addr>().ok()?;
            IpAddr::V6(source.parse().ok()?)
        }
        _ => return None,
    };
    Some(ProxyHeader::Client(SocketAddr::new(source, source_port)))
}

/// Parses a port, which is a decimal number without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

fn version_2(bytes: &[u8]) -> Result<ProxyHeader, HeaderError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(ProxyHeader::Incomplete {
            more: FIXED - bytes.len(),
        });
    };
    let [.., version_and_command, family, high, low] = *fixed;
    let (version, command) = (version_and_command >> 4, version_and_command & 0xf);
    if version != 2 {
        return Err(HeaderError::Version(version));
    }
    let is_local = match command {
        0 => true,
        1 => false,
        other => return Err(HeaderError::Command(other)),
    };
    if !is_local && !matches!(family, TCP_OVER_IPV4 | TCP_OVER_IPV6) {
        return Err(HeaderError::Family(family));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > LONGEST {
        return Err(HeaderError::TooLong(LONGEST));
    }
    if let Some(more) = length.checked_sub(rest.len()).filter(|more| *more > 0) {
        return Ok(ProxyHeader::Incomplete { more });
    }
    if is_local {
        return Ok(ProxyHeader::HealthCheck);
    }
    // Behind the addresses may be further values of the proxy's, which nothing here needs.
    let client = match family {
        TCP_OVER_IPV4 => addresses::<4>(rest),
        _ => addresses::<16>(rest),
    };
    client.map(ProxyHeader::Client).ok_or(HeaderError::Addresses)
}

/// A stream socket of AF_INET, in version 2.
const TCP_OVER_IPV4: u8 = 0x11;
/// A stream socket of AF_INET6, in version 2.
const TCP_OVER_IPV6: u8 = 0x21;

/// Returns the source of a block of two addresses of `N` bytes and two ports; `None` if the block is too short.
fn addresses<const N: usize>(block: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; N]>,
{
    let (source, block) = block.split_first_chunk::<N>()?;
    let (_destination, block) = block.split_first_chunk::<N>()?;
    let (source_port, block) = block.split_first_chunk::<2>()?;
    let (_destination_port, _) = block.split_first_chunk::<2>()?;
    Some(SocketAddr::new(
        IpAddr::from(*source),
        u16::from_be_bytes(*source_port),
    ))
}

#[cfg(test)]
mod tests;
