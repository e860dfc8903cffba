//! Which blocks hold an address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

use crate::model::Block;
use crate::program::PeerId;

/// All blocks of all policies, found by the prefixes of an address: at most one look-up for each prefix
/// length in use, however many blocks there are.
#[derive(Clone, Default)]
pub(super) struct Blocks {
    by_prefix: HashMap<IpNet, Vec<(PeerId, Part)>>,
    /// (IPv6, length) → how many prefixes have it.
    lengths: BTreeMap<(bool, u8), usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Exception,
}

impl Blocks {
    pub(super) fn insert(&mut self, id: PeerId, block: &Block) {
        for (net, part) in parts(block) {
            self.by_prefix.entry(net).or_default().push((id, part));
            *self.lengths.entry(length(&net)).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, id: PeerId, block: &Block) {
        for (net, part) in parts(block) {
            if let Some(listed) = self.by_prefix.get_mut(&net) {
                listed.retain(|entry| *entry != (id, part));
                if listed.is_empty() {
                    self.by_prefix.remove(&net);
                }
            }
            if let Some(count) = self.lengths.get_mut(&length(&net)) {
                *count -= 1;
                if *count == 0 {
                    self.lengths.remove(&length(&net));
                }
            }
        }
    }

    /// The blocks that hold `address`, sorted. An address in an exception is not held (N16).
    pub(super) fn holding(&self, address: IpAddr) -> Vec<PeerId> {
        let (mut held, mut excepted) = (Vec::new(), Vec::new());
        for (_, length) in
            self.lengths.range((address.is_ipv6(), 0)..=(address.is_ipv6(), 128)).map(|(key, _)| key)
        {
            let Ok(net) = IpNet::new(address, *length) else { continue };
            for (id, part) in self.by_prefix.get(&net.trunc()).into_iter().flatten() {
                match part {
                    Part::Whole => held.push(*id),
                    Part::Exception => excepted.push(*id),
                }
            }
        }
        held.retain(|id| !excepted.contains(id));
        held.sort_unstable();
        held
    }
}

fn parts(block: &Block) -> impl Iterator<Item = (IpNet, Part)> {
    let except = block.except.iter().map(|net| (*net, Part::Exception));
    std::iter::once((block.cidr, Part::Whole)).chain(except)
}

fn length(net: &IpNet) -> (bool, u8) {
    (net.addr().is_ipv6(), net.prefix_len())
}
