//! The addresses of peers in one canonical form, and lists of allowed addresses.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use base::glob::{self, PatternByte};

/// Whether the list allows the peer. An empty list allows every peer.
pub fn allowed(nets: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    nets.is_empty() || nets.iter().any(|net| canonical(*net).contains(&peer))
}

/// Converts an IPv4 network that is written as IPv6 (`::ffff:10.0.0.0/104`) to IPv4.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped();
    let prefix = v6.prefix_len().checked_sub(96);
    match (mapped, prefix) {
        (Some(v4), Some(prefix)) => Ipv4Net::new(v4, prefix).map_or(net, IpNet::V4),
        _ => net,
    }
}

/// The source of attempts, as precisely as sources can be distinguished: an IPv4 address or an IPv6 /64.
///
/// A single IPv6 host commonly has a whole /64 to choose addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// Returns the IPv4 address, or the first address of the /64.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for Source {
    fn from(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

/// The value of `from="…"` in authorized_keys: patterns in the form of sshd's `match_list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromList(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    negated: bool,
    pattern: AddressPattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AddressPattern {
    /// The rule matches an address or a network.
    Net(IpNet),
    /// The rule matches the address as text by a pattern of `*` and `?`.
    Text(String),
}

impl FromList {
    /// Parses a list of addresses, CIDR blocks and wildcards, each of which may be negated by `!`. The error says what
    /// is wrong with the list.
    pub fn parse(list: &str) -> Result<Self, String> {
        let rules: Result<Vec<Rule>, String> = list.split(',').map(|entry| rule(entry.trim())).collect();
        rules.map(Self)
    }

    /// Whether the list permits the peer. As in sshd, a negated match refuses the peer whatever else matches, and at
    /// least one entry must match.
    pub fn permits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let text = peer.to_string();
        let mut permitted = false;
        for rule in &self.0 {
            let matches = match &rule.pattern {
                AddressPattern::Net(net) => net.contains(&peer),
                AddressPattern::Text(pattern) => wildcard(pattern.as_bytes(), text.as_bytes()),
            };
            if matches && rule.negated {
                return false;
            }
            permitted |= matches;
        }
        permitted
    }
}

fn rule(entry: &str) -> Result<Rule, String> {
    let (negated, text) = match entry.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, entry),
    };
    let shown = text.escape_debug();
    let pattern = if let Ok(address) = text.parse::<IpAddr>() {
        AddressPattern::Net(IpNet::from(address.to_canonical()))
    } else if let Ok(net) = text.parse::<IpNet>() {
        if net.trunc() != net {
            return Err(format!(
                "\"{shown}\" has bits set behind its prefix (meant: {})",
                net.trunc()
            ));
        }
        AddressPattern::Net(canonical(net))
    } else if text.is_empty() {
        return Err("an empty address pattern".to_owned());
    } else if text.contains('/') {
        return Err(format!("\"{shown}\" is not a network"));
    } else if text
        .bytes()
        .all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':' | b'*' | b'?'))
    {
        AddressPattern::Text(text.to_ascii_lowercase())
    } else {
        return Err(format!(
            "\"{shown}\": host names are not looked up, only addresses"
        ));
    };
    Ok(Rule { negated, pattern })
}

/// Whether the text matches a pattern in which `*` stands for any run of characters and `?` for exactly one character.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let unquoted: Vec<PatternByte> = pattern.iter().map(|&byte| (byte, false)).collect();
    glob::Pattern::compile(&unquoted).matches(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn allowed_from_knows_both_forms_of_an_ipv4_address() {
        let check = |nets: &[&str], peer: &str, expected: bool| {
            let nets: Vec<IpNet> = nets.iter().map(|n| n.parse().unwrap()).collect();
            assert_eq!(allowed(&nets, ip(peer)), expected, "{nets:?} {peer}");
        };
        check(&[], "192.0.2.1", true);
        check(&["192.0.2.0/24"], "192.0.2.1", true);
        check(&["192.0.2.0/24"], "::ffff:192.0.2.1", true);
        check(&["192.0.2.0/24"], "192.0.3.1", false);
        check(&["::ffff:192.0.2.0/120"], "192.0.2.1", true);
        check(&["::ffff:192.0.2.0/120"], "::ffff:192.0.2.1", true);
        check(&["::/0"], "192.0.2.1", false);
        check(&["::/0"], "::ffff:192.0.2.1", false);
        check(&["2001:db8::/32"], "2001:db8:1::1", true);
        check(&["10.0.0.0/8", "2001:db8::/32"], "10.255.0.1", true);
    }

    #[test]
    fn sources_are_addresses_or_64s() {
        let same = |a: &str, b: &str| Source::from(ip(a)) == Source::from(ip(b));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8::1", "2001:db8::ffff:1:2:3"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
    }

    #[test]
    fn from_lists_decide_as_sshd_does() {
        let check = |list: &str, peer: &str, expected: bool| {
            let list = FromList::parse(list).unwrap();
            assert_eq!(list.permits(ip(peer)), expected, "{list:?} {peer}");
        };
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("::ffff:192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.10", false);
        check("192.0.2.*", "192.0.2.10", true);
        check("192.0.2.?", "192.0.2.10", false);
        check("192.0.2.?0", "192.0.2.10", true);
        check("*", "2001:db8::1", true);
        check("*.2", "192.0.2.2", true);
        check("10.0.0.0/8,192.0.2.0/24", "192.0.2.9", true);
        check("10.0.0.0/8, !10.1.0.0/16", "10.1.2.3", false);
        check("!10.1.0.0/16,10.0.0.0/8", "10.1.2.3", false);
        check("!10.1.0.0/16,10.0.0.0/8", "10.2.2.3", true);
        // The list holds only a negation, so it permits no address.
        check("!10.1.0.0/16", "10.2.2.3", false);
        check("2001:DB8:*", "2001:db8::1", true);
        check("2001:db8::/32", "2001:db8::1", true);
        check("::/0", "192.0.2.1", false);
    }

    #[test]
    fn from_lists_that_could_not_mean_anything_are_refused() {
        for (list, says) in [
            ("", "empty"),
            ("10.0.0.1,,10.0.0.2", "empty"),
            ("!", "empty"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.0.0.0/33", "not a network"),
            ("*.example.com", "host names"),
            ("a\nb", "\\n"),
        ] {
            let error = FromList::parse(list).unwrap_err();
            assert!(error.contains(says), "{list:?}: {error}");
        }
    }

    #[test]
    fn wildcards_take_no_exponential_time() {
        let pattern = "*1".repeat(2000);
        assert!(!wildcard(
            pattern.as_bytes(),
            b"2001:1111:1111:1111:1111:1111:1111:1112"
        ));
    }
}
