//! Which addresses are not of the public internet.
//!
//! After the special-purpose registries of IANA (RFC 6890 and its successors). Of IPv6 only the block from which public addresses are given
//! out counts as public, so a range that is reserved later is refused today.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Kinds of addresses that are not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// The machine itself.
    Loopback,
    /// No address: connecting to it reaches the machine itself.
    Unspecified,
    /// A private network.
    Private,
    /// The network segment, where clouds serve their metadata.
    LinkLocal,
    /// Behind a provider's address translation.
    Shared,
    /// Many receivers.
    Multicast,
    /// For documents and measurements, or reserved.
    Reserved,
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "an address of this machine itself",
            Self::Unspecified => "the unspecified address",
            Self::Private => "an address of a private network",
            Self::LinkLocal => "an address of the local network segment",
            Self::Shared => "an address behind a provider's translation",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
        })
    }
}

/// What is special about an address; `None` if it is public.
#[must_use]
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    Some(match address.octets() {
        [0, 0, 0, 0] => Special::Unspecified,
        [127, ..] => Special::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Special::Private,
        [169, 254, ..] => Special::LinkLocal,
        [100, 64..=127, ..] => Special::Shared,
        [224..=239, ..] => Special::Multicast,
        // This network; protocol assignments; documentation; 6to4 relays; benchmarks; the former class E with the broadcast address.
        [0, ..] | [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => {
            Special::Reserved
        }
        // Public by its number, but answered by the host of every Azure machine, with its settings.
        [168, 63, 129, 16] => Special::LinkLocal,
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Special::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Special::Loopback),
        // An IPv4 address in another dress is judged as that address: mapped, translated (NAT64), 6to4. The long-dead `::a.b.c.d` is refused.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => special_v4(embedded(high, low)),
        [0xfc00..=0xfdff, ..] => Some(Special::Private),
        [0xfe80..=0xfebf, ..] => Some(Special::LinkLocal),
        [0xfec0..=0xfeff, ..] => Some(Special::Private),
        [0xff00..=0xffff, ..] => Some(Special::Multicast),
        // Protocol assignments with Teredo; documentation, twice.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(Special::Reserved),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Special::Reserved),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Special> {
        special(text.parse().unwrap())
    }

    #[test]
    fn edges_of_every_range() {
        let table = [
            ("0.0.0.0", Some(Special::Unspecified)),
            ("0.0.0.1", Some(Special::Reserved)),
            ("1.0.0.0", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some(Special::Private)),
            ("10.255.255.255", Some(Special::Private)),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some(Special::Shared)),
            ("100.100.100.200", Some(Special::Shared)),
            ("100.128.0.0", None),
            ("126.255.255.255", None),
            ("127.0.0.0", Some(Special::Loopback)),
            ("127.255.255.255", Some(Special::Loopback)),
            ("128.0.0.0", None),
            ("168.63.129.16", Some(Special::LinkLocal)),
            ("168.63.129.17", None),
            ("169.253.255.255", None),
            ("169.254.169.254", Some(Special::LinkLocal)),
            ("169.255.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some(Special::Private)),
            ("172.31.255.255", Some(Special::Private)),
            ("172.32.0.0", None),
            ("192.0.0.192", Some(Special::Reserved)),
            ("192.0.1.0", None),
            ("192.0.2.1", Some(Special::Reserved)),
            ("192.88.99.1", Some(Special::Reserved)),
            ("192.167.255.255", None),
            ("192.168.0.0", Some(Special::Private)),
            ("192.169.0.0", None),
            ("198.17.255.255", None),
            ("198.18.0.0", Some(Special::Reserved)),
            ("198.19.255.255", Some(Special::Reserved)),
            ("198.20.0.0", None),
            ("198.51.100.1", Some(Special::Reserved)),
            ("203.0.113.1", Some(Special::Reserved)),
            ("203.0.114.0", None),
            ("223.255.255.255", None),
            ("224.0.0.0", Some(Special::Multicast)),
            ("239.255.255.255", Some(Special::Multicast)),
            ("240.0.0.0", Some(Special::Reserved)),
            ("255.255.255.255", Some(Special::Reserved)),
        ];
        for (text, expected) in table {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn edges_of_every_range_of_ipv6() {
        let table = [
            ("::", Some(Special::Unspecified)),
            ("::1", Some(Special::Loopback)),
            ("::2", Some(Special::Reserved)),
            ("::8.8.8.8", Some(Special::Reserved)),
            ("::ffff:8.8.8.8", None),
            ("::ffff:10.1.2.3", Some(Special::Private)),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b::169.254.169.254", Some(Special::LinkLocal)),
            ("64:ff9b:1::8.8.8.8", Some(Special::Reserved)),
            ("100::1", Some(Special::Reserved)),
            ("2001::1", Some(Special::Reserved)),
            ("2001:1ff::1", Some(Special::Reserved)),
            ("2001:200::1", None),
            ("2001:db8::1", Some(Special::Reserved)),
            ("2001:db9::1", None),
            ("2002:808:808::1", None),
            ("2002:c0a8:1::1", Some(Special::Private)),
            ("2606:4700::1111", None),
            ("3fff::1", Some(Special::Reserved)),
            ("3fff:1000::1", None),
            ("4000::1", Some(Special::Reserved)),
            ("5f00::1", Some(Special::Reserved)),
            ("fc00::1", Some(Special::Private)),
            ("fd00:ec2::254", Some(Special::Private)),
            ("fe80::1", Some(Special::LinkLocal)),
            ("fec0::1", Some(Special::Private)),
            ("ff02::1", Some(Special::Multicast)),
        ];
        for (text, expected) in table {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
