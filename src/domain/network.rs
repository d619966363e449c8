//! A network of peers' addresses, as the configuration writes it.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;

/// An address or a network. IPv4 in IPv6's form is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

impl Network {
    /// Returns whether the network has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Returns whether the network has every address of its family.
    pub fn is_everything(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shown = text.escape_debug();
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map_err(|_| {
                format!(
                    "\"{shown}\" is neither an address nor a network (hint: for example \"10.0.0.5\" or \
                     \"10.0.0.0/28\")"
                )
            })?,
        };
        if network.trunc() != network {
            return Err(format!(
                "\"{shown}\" has bits set behind its prefix (hint: the network is \"{}\")",
                network.trunc()
            ));
        }
        Ok(Self(without_mapping(network)))
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

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_or_networks() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let network = Network::try_from(text.to_owned());
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
        check("::ffff:0:0/96", Ok("0.0.0.0/0"));
        check("::/0", Ok("::/0"));
        check("10.0.0.5/24", Err("the network is \"10.0.0.0/24\""));
        check("haproxy", Err("neither an address nor a network"));
        check("", Err("neither an address nor a network"));
    }

    #[test]
    fn both_forms_of_an_ipv4_address_are_the_same() {
        let network = |text: &str| Network::try_from(text.to_owned()).unwrap();
        let check = |of: &str, address: &str, expected: bool| {
            assert_eq!(
                network(of).contains(address.parse().unwrap()),
                expected,
                "{of} {address}"
            );
        };
        check("10.0.0.0/30", "10.0.0.3", true);
        check("10.0.0.0/30", "::ffff:10.0.0.1", true);
        check("10.0.0.0/30", "10.0.0.4", false);
        check("::ffff:10.0.0.0/126", "10.0.0.1", true);
        check("2001:db8::5", "2001:db8::6", false);
        assert!(network("0.0.0.0/0").is_everything() && !network("10.0.0.0/8").is_everything());
    }
}
