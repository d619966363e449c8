//! Who a request comes from, if it came through proxies: `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`,
//! or `Forwarded` (RFC 7239). Whom to believe is decided here alone.
//!
//! Headers count only if the connection comes from a proxy in `[web] trusted_proxies`. Each proxy adds the address that
//! it was called from at the end, so the addresses are read from the end: the first that is not a trusted proxy's is
//! the client. What stands in front of it was written by the client, and is never looked at.
//!
//! If both headers for addresses are there, `X-Forwarded-For` counts and `Forwarded` is ignored as a whole: nearly
//! every proxy writes the former, and passes on the latter as the client sent it. A proxy that writes `Forwarded` must
//! therefore remove `X-Forwarded-For`.

mod elements;
#[doc(hidden)]
pub mod fuzz;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::{FORWARDED, HeaderMap};
use http::{HeaderName, HeaderValue};

use self::elements::{ForwardedElement, last_element};
use super::host::{HostPort, WebScheme, port_number};
use crate::domain::network::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The most bytes of one kind of header that are looked at.
const LONGEST: usize = 4096;

/// The most proxies in a row. More is a loop, or an attack.
const MOST_HOPS: usize = 16;

/// Who a request comes from, and what it was for before proxies passed it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxiedRequest {
    /// The client's address. The port is 0 if a proxy did not say it.
    pub client: SocketAddr,
    /// How the client came to the outermost proxy; `None` if no proxy says it.
    pub scheme: Option<WebScheme>,
    /// The host that the client asked for; `None` if no proxy says it.
    pub host: Option<String>,
}

/// Finds the client of a request that came from `peer`.
///
/// An address that cannot be read (`unknown`, a name, garbage), more than 16 proxies or more than 4 KiB make the client
/// unknown. Then it is the peer itself, which is a trusted proxy: limits by address hit it, and nobody else. If all
/// addresses are those of trusted proxies, the client is the first of them.
pub fn resolve(headers: &HeaderMap, peer: SocketAddr, trusted: &[Network]) -> ProxiedRequest {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let direct = ProxiedRequest {
        client: peer,
        scheme: None,
        host: None,
    };
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer.ip()) {
        return direct;
    }
    if !headers.contains_key(X_FORWARDED_FOR) && headers.contains_key(FORWARDED) {
        return by_standard(headers, direct, is_trusted);
    }
    let scheme = last(headers, X_FORWARDED_PROTO).and_then(WebScheme::parse);
    let host = last(headers, X_FORWARDED_HOST).and_then(|host| known_host(host, scheme));
    let values = all(headers, X_FORWARDED_FOR).unwrap_or_default();
    // Several headers are one list, in their order (RFC 9110, section 5.3).
    let hops = values
        .iter()
        .rev()
        .flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','))
        .map(node);
    let client = client(hops, is_trusted).unwrap_or(peer);
    ProxiedRequest { client, scheme, host }
}

/// Reads `Forwarded`. The scheme and the host are those that the nearest proxy has written.
fn by_standard(
    headers: &HeaderMap,
    direct: ProxiedRequest,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> ProxiedRequest {
    let Some(values) = all(headers, FORWARDED) else {
        return direct;
    };
    let mut hops = Vec::new();
    let mut nearest = None;
    'all: for value in values.iter().rev() {
        let mut rest = value.as_bytes();
        while let Some((before, element)) = last_element(rest) {
            let element = ForwardedElement::parse(element);
            let address = element.as_ref().and_then(|element| node(&element.node));
            if hops.is_empty() {
                nearest = element;
            }
            hops.push(address);
            // What is in front was written by the client, or is too much.
            if address.is_none_or(|address| !is_trusted(address.ip())) || hops.len() > MOST_HOPS {
                break 'all;
            }
            rest = before;
        }
    }
    let client = client(hops.into_iter(), is_trusted).unwrap_or(direct.client);
    let nearest = nearest.unwrap_or_default();
    let scheme = WebScheme::parse(&nearest.scheme);
    let host = known_host(&nearest.host, scheme);
    ProxiedRequest { client, scheme, host }
}

/// Returns the first address that is not a trusted proxy's, or the last one if all are; `None` if an address in between
/// cannot be read, or if there are too many.
fn client(
    hops: impl Iterator<Item = Option<SocketAddr>>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<SocketAddr> {
    let mut outermost = None;
    for (count, hop) in hops.enumerate() {
        let address = hop.filter(|_| count < MOST_HOPS)?;
        if !is_trusted(address.ip()) {
            return Some(address);
        }
        outermost = Some(address);
    }
    outermost
}

/// Parses an address as proxies write it: `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1`, `[2001:db8::1]:5000`.
fn node(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address.to_canonical(), 0));
    }
    let (address, port): (IpAddr, &str) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => {
            let (address, _) = text.split_once(':')?;
            (address.parse().ok()?, text.strip_prefix(address)?)
        }
    };
    let port = match port.strip_prefix(':') {
        // A port may be hidden behind a name that begins with `_` (RFC 7239, section 6.2).
        Some(hidden) if hidden.starts_with('_') => 0,
        Some("") => return None,
        Some(digits) => port_number(digits)?,
        None if port.is_empty() => 0,
        None => return None,
    };
    Some(SocketAddr::new(address.to_canonical(), port))
}

/// Returns the values of a header; `None` if there is none, or if they are too long together.
fn all(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&HeaderValue>> {
    let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    let length: usize = values.iter().map(|value| value.len()).sum();
    (!values.is_empty() && length <= LONGEST).then_some(values)
}

/// Returns the last element of a list, which the nearest proxy has written.
fn last(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let value = all(headers, name)?.pop()?;
    let element = value.as_bytes().rsplit(|&byte| byte == b',').next()?;
    Some(element.trim_ascii())
}

/// Returns a host in its usual form; `None` if it is not a host.
fn known_host(host: &[u8], scheme: Option<WebScheme>) -> Option<String> {
    HostPort::parse(host, scheme.unwrap_or(WebScheme::Https)).map(|host| host.to_string())
}

#[cfg(test)]
mod tests;
