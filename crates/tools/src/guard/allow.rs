//! What the operator opened of the private networks.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses, networks and names that may be reached although they are not public. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowPrivate {
    networks: Vec<Network>,
    names: BTreeSet<String>,
}

/// An entry that is no address, network or name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` in `[http] allow_private` is neither an address (`127.0.0.1`), nor a network (`10.0.0.0/8`), nor a host name (`localhost`)")]
pub struct BadAllowEntry(pub String);

impl AllowPrivate {
    /// Reads a list such as `["127.0.0.1", "10.0.0.0/8", "fd00::/8", "localhost"]`. A name opens whatever it resolves to, under that name.
    ///
    /// # Errors
    /// If an entry is none of these.
    pub fn parse<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, BadAllowEntry> {
        let mut allow = Self::default();
        for entry in entries {
            let text = entry.as_ref().trim();
            let bad = || BadAllowEntry(text.to_owned());
            if let Some((address, bits)) = text.split_once('/') {
                let (address, bits) = (address.parse().map_err(|_| bad())?, bits.parse().map_err(|_| bad())?);
                allow.networks.push(Network::new(address, bits).ok_or_else(bad)?);
            } else if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                allow.networks.push(Network::new(address, bits).ok_or_else(bad)?);
            } else if is_name(text) {
                allow.names.insert(folded(text));
            } else {
                return Err(bad());
            }
        }
        Ok(allow)
    }

    /// Whether this host may be reached at this address.
    #[must_use]
    pub fn opens(&self, host: &str, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address)) || self.names.contains(&folded(host))
    }
}

fn folded(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    // A last label of digits would be a mistyped address.
    name.split('.').all(label) && name.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// A block of addresses. IPv4 lies where IPv6 maps it, so one comparison serves both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: u128,
    mask: u128,
}

impl Network {
    fn new(address: IpAddr, bits: u32) -> Option<Self> {
        let bits = match address {
            IpAddr::V4(_) => bits.checked_add(96)?,
            IpAddr::V6(_) => bits,
        };
        if bits > 128 {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        Some(Self { base: number(address) & mask, mask })
    }

    fn holds(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.base
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(entries: &[&str], host: &str, address: &str) -> bool {
        AllowPrivate::parse(entries).unwrap().opens(host, address.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks() {
        assert!(opens(&["10.0.0.0/8"], "x", "10.255.0.1") && !opens(&["10.0.0.0/8"], "x", "11.0.0.1"));
        assert!(opens(&["10.1.2.3/8"], "x", "10.9.9.9"));
        assert!(opens(&["0.0.0.0/0"], "x", "127.0.0.1") && !opens(&["0.0.0.0/0"], "x", "::1"));
        assert!(opens(&["::/0"], "x", "::1") && opens(&["::1"], "x", "::1") && opens(&["[::1]"], "x", "::1"));
        assert!(opens(&["fd00::/8"], "x", "fd12::1") && !opens(&["fd00::/8"], "x", "fe80::1"));
        assert!(!opens(&[], "localhost", "127.0.0.1"));
    }

    #[test]
    fn what_is_none_of_them_is_named() {
        for entry in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.300", "http://localhost", "a..b", "a b", "*.local", "host:80"] {
            assert_eq!(AllowPrivate::parse([entry]), Err(BadAllowEntry(entry.to_owned())), "{entry}");
        }
    }
}
