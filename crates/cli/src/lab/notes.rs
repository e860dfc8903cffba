//! What holds for a whole table.

use ipnet::IpNet;
use policy::model::{Block, Cluster, Direction, Peer, Peers, Policy};

/// Verdicts that hang on addresses that we made up: blocks that hold a part of the pod network (D21).
pub(crate) fn notes(cluster: &Cluster) -> Vec<String> {
    if !cluster.endpoints.values().any(|pod| pod.addresses_made_up) {
        return Vec::new();
    }
    let cut = |block: &&Block| cluster.pod_networks.iter().any(|network| cuts(block, network));
    let of_policy = |policy: &Policy| {
        let mut notes: Vec<String> =
            blocks(policy).iter().filter(cut).map(|block| note(policy, block)).collect();
        notes.dedup();
        notes
    };
    cluster.policies.values().flat_map(of_policy).collect()
}

fn note(policy: &Policy, block: &Block) -> String {
    format!(
        "note: {block} of {} holds a part of the pod network, and pods have made-up addresses here: \
         in another cluster it may hold other pods",
        policy.id
    )
}

fn blocks(policy: &Policy) -> Vec<Block> {
    let rules =
        [Direction::Ingress, Direction::Egress].into_iter().filter_map(|direction| policy.rules(direction));
    let peers = rules.flatten().flat_map(|rule| match &rule.peers {
        Peers::Any => &[],
        Peers::Of(peers) => peers.as_slice(),
    });
    let block = |peer: &Peer| match peer {
        Peer::Block(block) => Some(block.clone()),
        Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
    };
    peers.filter_map(block).collect()
}

/// Whether some of the network's addresses are meant and others aren't.
fn cuts(block: &Block, network: &IpNet) -> bool {
    let is_part = |part: &IpNet| network.contains(part) && part != network;
    is_part(&block.cidr) || (overlaps(&block.cidr, network) && block.except.iter().any(is_part))
}

fn overlaps(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cut(cidr: &str, except: &[&str]) -> bool {
        let except = except.iter().map(|part| part.parse().unwrap()).collect();
        cuts(&Block { cidr: cidr.parse().unwrap(), except }, &"10.244.0.0/16".parse().unwrap())
    }

    #[test]
    fn a_block_cuts_the_pod_network_where_it_holds_a_part_of_it() {
        assert!(is_cut("10.244.1.0/24", &[]));
        assert!(is_cut("0.0.0.0/0", &["10.244.7.0/24"]));
        assert!(is_cut("10.244.0.0/16", &["10.244.0.9/32"]));
        assert!(!is_cut("0.0.0.0/0", &[]));
        assert!(!is_cut("0.0.0.0/0", &["10.244.0.0/16"]));
        assert!(!is_cut("0.0.0.0/0", &["10.0.0.0/8"]));
        assert!(!is_cut("192.168.0.0/16", &["192.168.1.0/24"]));
        assert!(!is_cut("::/0", &["fd00::/8"]));
    }
}
