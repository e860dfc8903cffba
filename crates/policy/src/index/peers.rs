//! Every distinct selector and block that some policy names, with what it matches.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::blocks::Blocks;
use super::compile::peer_id;
use super::matching::{Cabinets, matches};
use crate::model::{Family, Node, Peer, Text};
use crate::program::PeerId;

/// The sets of peers, by the name that their definition gives them.
#[derive(Clone, Default)]
pub(super) struct PeerTable {
    entries: HashMap<PeerId, PeerEntry>,
    pub(super) cabinets: Cabinets,
    pub(super) blocks: Blocks,
    node_peers: BTreeSet<PeerId>,
}

/// One set of peers.
#[derive(Clone)]
pub(super) struct PeerEntry {
    pub(super) peer: Peer,
    uses: usize,
    /// The identities in it, by their number.
    pub(super) members: HashSet<u32>,
    /// The addresses of nodes in it.
    pub(super) nodes: BTreeSet<IpAddr>,
}

impl PeerTable {
    pub(super) fn get(&self, id: PeerId) -> Option<&PeerEntry> {
        self.entries.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut PeerEntry> {
        self.entries.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &PeerEntry)> {
        self.entries.iter()
    }

    /// Counts one more use. `Some`: the set is new, and whom it holds is still to be found out.
    pub(super) fn add(&mut self, peer: Peer, nodes: &BTreeMap<Text, Node>) -> Option<PeerId> {
        let id = peer_id(&peer);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.uses += 1;
            return None;
        }
        match &peer {
            Peer::Pods(selector) => self.cabinets.insert(id, selector),
            Peer::Block(block) => self.blocks.insert(id, block),
            Peer::Nodes(_) => drop(self.node_peers.insert(id)),
            Peer::Domains(_) => (),
        }
        let nodes = selected_nodes(&peer, nodes);
        self.entries.insert(id, PeerEntry { peer, uses: 1, members: HashSet::new(), nodes });
        Some(id)
    }

    /// The members of a set that is used only once more.
    pub(super) fn last_members(&self, id: PeerId) -> Option<HashSet<u32>> {
        self.entries.get(&id).filter(|entry| entry.uses == 1).map(|entry| entry.members.clone())
    }

    /// Counts one use less; with the last one the set is gone.
    pub(super) fn drop(&mut self, peer: &Peer) {
        let id = peer_id(peer);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.uses -= 1;
        if entry.uses > 0 {
            return;
        }
        match peer {
            Peer::Pods(selector) => self.cabinets.remove(id, selector),
            Peer::Block(block) => self.blocks.remove(id, block),
            Peer::Nodes(_) => drop(self.node_peers.remove(&id)),
            Peer::Domains(_) => (),
        }
        self.entries.remove(&id);
    }

    /// Looks anew which nodes are meant, after one came, changed or went.
    pub(super) fn select_nodes(&mut self, nodes: &BTreeMap<Text, Node>) {
        for id in &self.node_peers {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.nodes = selected_nodes(&entry.peer, nodes);
            }
        }
    }

    /// The node selectors that match `address`, sorted.
    pub(super) fn node_selectors(&self, address: &IpAddr) -> Vec<PeerId> {
        let holds = |id: &&PeerId| self.entries.get(*id).is_some_and(|entry| entry.nodes.contains(address));
        self.node_peers.iter().filter(holds).copied().collect()
    }
}

impl PeerEntry {
    /// Whether addresses of that family can be in it: a block has one family, the rest have both.
    pub(super) fn may_hold(&self, family: Family) -> bool {
        match &self.peer {
            Peer::Block(block) => Family::of(&block.cidr.addr()) == family,
            Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => true,
        }
    }
}

fn selected_nodes(peer: &Peer, nodes: &BTreeMap<Text, Node>) -> BTreeSet<IpAddr> {
    match peer {
        Peer::Nodes(selector) => {
            let meant = nodes.values().filter(|node| matches(selector, &node.labels));
            meant.flat_map(|node| node.addresses.iter().copied()).collect()
        }
        Peer::Pods(_) | Peer::Block(_) | Peer::Domains(_) => BTreeSet::new(),
    }
}
