//! The body of the fuzz target for `X-Forwarded-*` and `Forwarded`: no input makes the parser panic, nothing is
//! believed from a stranger, and nothing that stands in front of the client's address changes who it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderValue;
use http::header::{FORWARDED, HeaderMap};

use super::{MOST_HOPS, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, resolve};
use crate::domain::network::Network;

/// Takes the lines of `data` for headers: addresses, scheme, host, and the standard's header.
pub fn fuzz_forwarded(data: &[u8]) {
    let names = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, FORWARDED];
    let mut headers = HeaderMap::new();
    for (name, line) in names.into_iter().zip(data.split(|&byte| byte == b'\n')) {
        match HeaderValue::from_bytes(line) {
            Ok(value) if !value.is_empty() => headers.append(name, value),
            _ => false,
        };
    }
    let trusted: Vec<Network> = Network::try_from("10.0.0.0/8".to_owned()).into_iter().collect();
    let proxy = SocketAddr::from(([10, 0, 0, 1], 443));
    let stranger = SocketAddr::from(([192, 0, 2, 1], 5000));

    let direct = resolve(&headers, stranger, &trusted);
    assert!(direct.client == stranger && direct.scheme.is_none() && direct.host.is_none());

    let found = resolve(&headers, proxy, &trusted);
    assert_eq!(found.client.ip(), found.client.ip().to_canonical());
    if let Some(host) = &found.host {
        assert!(host.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    // A trusted proxy adds the address that it was called from.
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));
    if headers.contains_key(X_FORWARDED_FOR) {
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("192.0.2.77"));
    } else {
        headers.append(FORWARDED, HeaderValue::from_static("for=192.0.2.77"));
    }
    let found = resolve(&headers, proxy, &trusted);
    let is_short = data.len() < super::LONGEST - 64;
    assert!(
        !is_short || found.client.ip() == client,
        "{MOST_HOPS} hops at most"
    );
}
