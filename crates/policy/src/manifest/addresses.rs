//! Addresses for those that have none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashSet;
use ipnet::IpNet;

/// A network that addresses are taken from.
pub(super) struct Pool {
    net: IpNet,
    /// How many addresses it has, as far as they are used.
    size: u64,
    next: u64,
    is_full: bool,
}

/// The network itself and the router that most networks have.
const RESERVED: u64 = 2;

impl Pool {
    pub(super) fn new(net: IpNet) -> Self {
        let bits = (net.max_prefix_len() - net.prefix_len()).min(32);
        Pool { net, size: 1 << bits, next: 0, is_full: false }
    }

    /// One after another.
    pub(super) fn next(&mut self, taken: &mut HashSet<IpAddr>) -> Option<IpAddr> {
        let from = self.next;
        let offset = self.free(from, taken)?;
        self.next = offset + 1;
        Some(self.address(offset))
    }

    /// The one that a name chooses, or the next free one after it.
    pub(super) fn named(&mut self, name: &str, taken: &mut HashSet<IpAddr>) -> Option<IpAddr> {
        let offset = self.free(hash(name) % self.usable(), taken)?;
        Some(self.address(offset))
    }

    /// Small networks have no address to spare.
    fn reserved(&self) -> u64 {
        if self.size > 8 { RESERVED } else { 0 }
    }

    fn usable(&self) -> u64 {
        // one less than what is left: the last address of an IPv4 network is broadcast
        if self.size > 8 { self.size - RESERVED - 1 } else { self.size }
    }

    fn free(&mut self, from: u64, taken: &mut HashSet<IpAddr>) -> Option<u64> {
        if self.is_full {
            return None;
        }
        let usable = self.usable();
        let found =
            (0..usable).map(|step| (from + step) % usable).find(|offset| taken.insert(self.address(*offset)));
        self.is_full = found.is_none();
        found
    }

    fn address(&self, offset: u64) -> IpAddr {
        let offset = offset + self.reserved();
        match self.net {
            IpNet::V4(net) => {
                IpAddr::V4(Ipv4Addr::from_bits(net.network().to_bits() | u32::try_from(offset).unwrap_or(0)))
            }
            IpNet::V6(net) => IpAddr::V6(Ipv6Addr::from_bits(net.network().to_bits() | u128::from(offset))),
        }
    }
}

/// FNV-1a with a finish that stirs the low bits; the same on every machine and for ever, as addresses are.
pub(super) fn hash(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}
