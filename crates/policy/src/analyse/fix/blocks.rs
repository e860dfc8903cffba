//! Addresses as few blocks as possible, as a NetworkPolicy can say them: with exceptions.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::analyse::names::{Addresses, Range, range};
use crate::model::{Block, Family};

/// Blocks that together hold these addresses and no other.
pub(super) fn blocks(addresses: &Addresses) -> Vec<Block> {
    let nowhere = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
    let all = nowhere.into_iter().filter_map(|zero| IpNet::new(zero, 0).ok());
    all.flat_map(|net| ways(net, addresses.ranges(Family::of(&net.addr()))).alone).collect()
}

/// How the addresses of a network can be said.
struct Ways {
    /// By blocks of their own.
    alone: Vec<Block>,
    /// Inside a block that holds the whole network: what it must except, and what stands beside it then.
    inside: (Vec<IpNet>, Vec<Block>),
}

/// From the halves of a network to the whole: each way is the shorter one of two.
fn ways(net: IpNet, meant: &[Range]) -> Ways {
    let (first, last) = range(&net);
    let here = meant.iter().filter(|range| range.0 <= last && first <= range.1);
    let here: Vec<Range> = here.map(|range| (range.0.max(first), range.1.min(last))).collect();
    if here.is_empty() {
        return Ways { alone: vec![], inside: (vec![net], vec![]) };
    }
    if here == [(first, last)] {
        return Ways { alone: vec![Block { cidr: net, except: vec![] }], inside: (vec![], vec![]) };
    }
    let mut halves = Ways { alone: vec![], inside: (vec![], vec![]) };
    for half in net.subnets(net.prefix_len().saturating_add(1)).into_iter().flatten() {
        let Ways { alone, inside: (except, beside) } = ways(half, &here);
        halves.alone.extend(alone);
        halves.inside.0.extend(except);
        halves.inside.1.extend(beside);
    }
    let Ways { alone, inside } = halves;
    let mut excepting = vec![Block { cidr: net, except: inside.0.clone() }];
    excepting.extend(inside.1.iter().cloned());
    let alone = if length(&excepting) < length(&alone) { excepting } else { alone };
    let is_shorter = 1 + length(&alone) < inside.0.len() + length(&inside.1);
    let inside = if is_shorter { (vec![net], alone.clone()) } else { inside };
    Ways { alone, inside }
}

/// How many networks there are to read.
fn length(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| 1 + block.except.len()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analyse::names::address;

    proptest! {
        #[test]
        fn blocks_hold_what_they_should(ranges in proptest::collection::vec((0..200_u128, 0..40_u128), 0..6)) {
            let ranges = ranges.into_iter().map(|(first, more)| (first, first + more)).collect();
            let meant = Addresses::of_ranges(Family::V4, ranges);
            let blocks = blocks(&meant);
            prop_assert!(length(&blocks) <= meant.nets().len());
            for at in 0..256 {
                let at = address(Family::V4, at);
                let holds = |block: &&Block| {
                    block.cidr.contains(&at) && !block.except.iter().any(|net| net.contains(&at))
                };
                prop_assert_eq!(blocks.iter().filter(holds).count(), usize::from(meant.contains(&at)));
            }
            for (block, except) in blocks.iter().flat_map(|block| block.except.iter().map(move |net| (block, net))) {
                prop_assert!(block.cidr.contains(except) && block.cidr != *except);
            }
        }
    }

    #[test]
    fn many_networks_are_one_with_exceptions() {
        let all: IpNet = "0.0.0.0/0".parse().unwrap();
        let private: IpNet = "10.0.0.0/8".parse().unwrap();
        let gateway: IpNet = "10.1.2.3/32".parse().unwrap();
        let meant = Addresses::of([&all]).without(&Addresses::of([&private])).and(&Addresses::of([&gateway]));
        let said: Vec<String> = blocks(&meant).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["0.0.0.0/0 except 10.0.0.0/8", "10.1.2.3/32"]);
    }
}
