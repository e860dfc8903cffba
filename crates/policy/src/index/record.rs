//! What differs: how addresses were before some changes, held against how they are after.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::Index;
use super::change::Delta;
use super::settle::Pending;
use crate::model::{EndpointId, Family, Peer};
use crate::program::{PeerId, Program};

/// How things were before the changes, so that the end can name what differs.
pub(super) enum Recorder {
    /// Nobody asks: the index was empty.
    Off,
    On(HashMap<IpAddr, View>),
}

/// All that a delta compares of one address.
#[derive(Clone, Default, PartialEq)]
pub(super) struct View {
    owner: Option<EndpointId>,
    peers: Vec<PeerId>,
    programs: Option<(Arc<Program>, Arc<Program>)>,
}

impl Index {
    /// Remembers how an address was before the first change to it.
    pub(super) fn note(&self, address: IpAddr, pending: &mut Pending) {
        match &mut pending.recorder {
            Recorder::Off => (),
            Recorder::On(before) => {
                before.entry(address).or_insert_with(|| self.view(address));
            }
        }
    }

    pub(super) fn note_members(&self, peer: PeerId, pending: &mut Pending) {
        if let Some(entry) = self.peers.get(peer) {
            self.note_identities(&entry.members, pending);
        }
    }

    pub(super) fn note_identities(&self, identities: &HashSet<u32>, pending: &mut Pending) {
        match pending.recorder {
            Recorder::Off => (),
            Recorder::On(_) => {
                let pods = identities.iter().filter_map(|number| self.identities.get(*number));
                let pods = pods.flat_map(|entry| entry.pods.iter()).filter_map(|pod| self.pods.at(*pod));
                for address in pods.flat_map(|pod| pod.endpoint.addresses.iter()) {
                    self.note(*address, pending);
                }
            }
        }
    }

    /// Every node's addresses, where a set of nodes comes or goes.
    pub(super) fn note_nodes(&self, peer: &Peer, pending: &mut Pending) {
        match peer {
            Peer::Nodes(_) => self.node_at.keys().for_each(|address| self.note(*address, pending)),
            Peer::Pods(_) | Peer::Block(_) | Peer::Domains(_) => (),
        }
    }

    fn view(&self, address: IpAddr) -> View {
        let mut peers = self.peers.node_selectors(&address);
        let Some(pod) = self.pods.owner(address) else {
            return View { owner: None, peers, programs: None };
        };
        let owner = Some(pod.endpoint.id.clone());
        match pod.identity.and_then(|identity| self.identities.get(identity)) {
            None => View { owner, peers, programs: None },
            Some(entry) => {
                peers.extend(&entry.selectors);
                let family = Family::of(&address);
                let of_family =
                    |id: &&PeerId| self.peers.get(**id).is_some_and(|entry| entry.may_hold(family));
                peers.extend(entry.identity.blocks.iter().filter(of_family));
                View { owner, peers, programs: Some((entry.ingress.clone(), entry.egress.clone())) }
            }
        }
    }

    /// Holds every address that was noted against what it was.
    pub(super) fn compare(&self, pending: Pending) -> Delta {
        let mut delta = pending.delta;
        let before = match pending.recorder {
            Recorder::Off => return Delta::default(),
            Recorder::On(before) => before,
        };
        for (address, old) in before {
            let new = self.view(address);
            if old.owner != new.owner {
                delta.addresses.insert(address);
            }
            if old.owner != new.owner || old.programs != new.programs {
                delta.programs.extend([&old.owner, &new.owner].into_iter().flatten().cloned());
            }
            for id in new.peers.iter().filter(|id| !old.peers.contains(id)) {
                delta.peers.entry(*id).or_default().come.insert(address);
            }
            for id in old.peers.iter().filter(|id| !new.peers.contains(id)) {
                delta.peers.entry(*id).or_default().gone.insert(address);
            }
        }
        delta
    }
}
