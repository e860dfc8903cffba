//! The sets that a node's chains name.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use policy::index::Index;
use policy::model::{Block, ContainerPort, Peer, Protocol, Text};
use policy::program::{PeerId, PeerMatch, PeerSet};

use super::chain::hash;
use super::suffix;
use crate::ruleset::{Addresses, Element, Family, Name, Set, SetKind};

/// Sets by name, as far as they are asked for.
pub(super) struct Sets<'a> {
    index: &'a Index,
    sets: BTreeMap<Name, Arc<Set>>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Sets { index, sets: BTreeMap::new() }
    }

    pub(super) fn finish(self) -> BTreeMap<Name, Arc<Set>> {
        self.sets
    }

    /// The addresses of that family in one of `peers`: one alternative for each set of pods or nodes, one
    /// for all blocks together. `None` as an alternative is every address.
    pub(super) fn addresses(&mut self, peers: &[PeerSet], family: Family) -> Vec<Option<Addresses>> {
        let mut alternatives = Vec::new();
        let mut blocks = Vec::new();
        for peer in peers {
            match peer {
                PeerSet::Pods(id) => alternatives.push(Some(self.members("pods", *id, family))),
                PeerSet::Nodes(id) => alternatives.push(Some(self.members("nodes", *id, family))),
                PeerSet::Block(id, of) if *of == family => blocks.extend(self.block(*id)),
                // Of the other family; and names of hosts hold no address until one is learnt.
                PeerSet::Block(..) | PeerSet::Domains(_) => (),
            }
        }
        if !blocks.is_empty() {
            alternatives.push(self.blocks(&blocks, family));
        }
        alternatives
    }

    /// (address, protocol, port) of the pods among `peers` that have a port of one of these names.
    pub(super) fn services(
        &mut self,
        peers: &PeerMatch,
        names: &[(Option<Protocol>, Text)],
        family: Family,
    ) -> Name {
        let name: Name = format!("ports_{}_{}", suffix(family), hash(&format!("{peers:?} {names:?}"))).into();
        let index = self.index;
        self.sets.entry(name.clone()).or_insert_with(|| {
            let there = match peers {
                PeerMatch::Any => index.named_ports(None, family),
                PeerMatch::Of(sets) => {
                    let sets = sets.iter().filter(|set| may_have_names(set, family));
                    sets.flat_map(|set| index.named_ports(Some(set.id()), family)).collect()
                }
            };
            let meant = there.into_iter().filter(|(_, port)| names.iter().any(|name| is_meant(port, name)));
            let elements =
                meant.map(|(address, port)| Element::Service(address, port.protocol.number(), port.port));
            Arc::new(Set::collect(SetKind::Service(family), elements))
        });
        name
    }

    fn members(&mut self, what: &str, id: PeerId, family: Family) -> Addresses {
        let name: Name = format!("{what}_{}_{id}", suffix(family)).into();
        let index = self.index;
        self.sets.entry(name.clone()).or_insert_with(|| {
            let members = index.members(id, family).into_iter().map(Element::Address);
            Arc::new(Set::collect(SetKind::Address(family), members))
        });
        Addresses::Named(family, name)
    }

    fn block(&self, id: PeerId) -> Option<&'a Block> {
        match self.index.peer(id)? {
            Peer::Block(block) => Some(block),
            Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
        }
    }

    /// A single CIDR is compared in place; several, or one with exceptions, are an interval set. `None`
    /// where they are every address of the family.
    fn blocks(&mut self, blocks: &[&Block], family: Family) -> Option<Addresses> {
        if let [Block { cidr, except }] = blocks
            && except.is_empty()
        {
            return (cidr.prefix_len() > 0).then_some(Addresses::Prefix(*cidr));
        }
        let ranges = blocks.iter().flat_map(|block| ranges(block));
        let set =
            Set::collect(SetKind::Block(family), ranges.map(|(first, last)| Element::Block(first, last)));
        let name: Name = format!("blocks_{}_{}", suffix(family), hash(&format!("{set:?}"))).into();
        self.sets.entry(name.clone()).or_insert_with(|| Arc::new(set));
        Some(Addresses::Named(family, name))
    }
}

/// Only pods have named ports; a block may hold pods (D2).
fn may_have_names(set: &PeerSet, family: Family) -> bool {
    match set {
        PeerSet::Pods(_) => true,
        PeerSet::Block(_, of) => *of == family,
        PeerSet::Nodes(_) | PeerSet::Domains(_) => false,
    }
}

fn is_meant(port: &ContainerPort, (protocol, name): &(Option<Protocol>, Text)) -> bool {
    port.name.as_ref() == Some(name) && protocol.is_none_or(|protocol| protocol == port.protocol)
}

/// What is left of a block's CIDR between its exceptions: first and last address of each piece.
fn ranges(block: &Block) -> Vec<(IpAddr, IpAddr)> {
    let (mut from, last) = ends(&block.cidr);
    let mut except: Vec<(u128, u128)> = block.except.iter().map(ends).collect();
    except.sort_unstable();
    let mut left = Vec::new();
    for (first_out, last_out) in except {
        if first_out > from {
            left.push((from, first_out - 1));
        }
        match last_out.checked_add(1) {
            Some(next) => from = from.max(next),
            None => return addresses(&block.cidr, left),
        }
    }
    if from <= last {
        left.push((from, last));
    }
    addresses(&block.cidr, left)
}

fn ends(net: &IpNet) -> (u128, u128) {
    (number(net.network()), number(net.broadcast()))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn addresses(like: &IpNet, ranges: Vec<(u128, u128)>) -> Vec<(IpAddr, IpAddr)> {
    let address = |number: u128| match like {
        IpNet::V4(_) => {
            u32::try_from(number).map_or(IpAddr::V4(Ipv4Addr::BROADCAST), |bits| Ipv4Addr::from(bits).into())
        }
        IpNet::V6(_) => Ipv6Addr::from(number).into(),
    };
    ranges.into_iter().map(|(first, last)| (address(first), address(last))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(cidr: &str, except: &[&str]) -> Vec<String> {
        let net = |text: &&str| text.parse().unwrap();
        let block = Block { cidr: net(&cidr), except: except.iter().map(net).collect() };
        ranges(&block).into_iter().map(|(first, last)| format!("{first}-{last}")).collect()
    }

    #[test]
    fn a_block_is_what_its_exceptions_leave() {
        assert_eq!(pieces("10.0.0.0/30", &[]), ["10.0.0.0-10.0.0.3"]);
        assert_eq!(pieces("10.0.0.0/30", &["10.0.0.1/32"]), ["10.0.0.0-10.0.0.0", "10.0.0.2-10.0.0.3"]);
        assert_eq!(pieces("10.0.0.0/30", &["10.0.0.0/31", "10.0.0.3/32"]), ["10.0.0.2-10.0.0.2"]);
        assert_eq!(pieces("0.0.0.0/0", &["128.0.0.0/1"]), ["0.0.0.0-127.255.255.255"]);
        assert_eq!(pieces("10.0.0.0/24", &["10.0.0.0/25", "10.0.0.64/26"]), ["10.0.0.128-10.0.0.255"]);
        assert_eq!(pieces("10.0.0.0/31", &["10.0.0.0/32", "10.0.0.1/32"]), [""; 0]);
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_special_case() {
        assert_eq!(pieces("::/0", &["8000::/1"]), ["::-7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]);
        assert_eq!(pieces("::/0", &["::/1"]), ["8000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]);
    }
}
