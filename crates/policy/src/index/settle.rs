//! How the index takes changes: first the facts, then, once for all of them, what follows.

use std::sync::{Arc, Weak};

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;

use super::change::{Change, Delta};
use super::compile::{Compiled, program};
use super::identity::{Entry, Identity, Mention};
use super::matching::matches;
use super::record::Recorder;
use super::{Index, ProgramKey};
use crate::model::{Direction, Labels, NAMESPACE_NAME_LABEL, Peer, Text};
use crate::program::{Fallback, PeerId, Program};

/// What is still to be looked at again.
pub(super) struct Pending {
    pub(super) recorder: Recorder,
    pub(super) pods: HashSet<u32>,
    pub(super) mentions: HashSet<Mention>,
    pub(super) blocks: Vec<IpNet>,
    /// Sets of peers that came or went.
    pub(super) peers: HashSet<PeerId>,
    /// Subjects whose policies came, changed or went.
    pub(super) subjects: HashSet<PeerId>,
    /// Identities that need their programs built.
    pub(super) identities: HashSet<u32>,
    pub(super) delta: Delta,
}

impl Index {
    /// Takes one change and says what differs now.
    pub fn apply(&mut self, change: Change) -> Delta {
        self.apply_all([change])
    }

    /// Takes several changes at once: what follows from them is worked out only once.
    pub fn apply_all(&mut self, changes: impl IntoIterator<Item = Change>) -> Delta {
        self.take_all(changes, Recorder::On(HashMap::new()))
    }

    /// The same where nobody asks what differs.
    pub(super) fn load(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.take_all(changes, Recorder::Off);
    }

    fn take_all(&mut self, changes: impl IntoIterator<Item = Change>, recorder: Recorder) -> Delta {
        let mut pending = Pending::new(recorder);
        for change in changes {
            self.take(change, &mut pending);
        }
        self.settle(pending)
    }

    /// Works out what follows from the facts that changed.
    fn settle(&mut self, mut pending: Pending) -> Delta {
        self.find_pods(&mut pending);
        self.introduce_peers(&mut pending);
        for number in std::mem::take(&mut pending.pods) {
            self.identify(number, &mut pending);
        }
        self.build_programs(&mut pending);
        self.compare(pending)
    }

    /// The pods whose identity may be another, because something came to be mentioned or no longer is.
    fn find_pods(&self, pending: &mut Pending) {
        if !pending.blocks.is_empty() {
            pending.pods.extend(self.pods.within(&pending.blocks));
        }
        if pending.mentions.is_empty() {
            return;
        }
        for (number, pod) in self.pods.numbered() {
            let namespace = self.namespace_labels(&pod.endpoint.id.namespace);
            if pending.mentions.iter().any(|mention| mention.concerns(&pod.endpoint, &namespace)) {
                pending.pods.insert(number);
            }
        }
    }

    /// Holds sets of peers that are new against the identities that are there.
    fn introduce_peers(&mut self, pending: &mut Pending) {
        for id in std::mem::take(&mut pending.peers) {
            let Some(peer) = self.peers.get(id).map(|entry| entry.peer.clone()) else { continue };
            let matched = self.identities_in(id, &peer);
            self.note_identities(&matched, pending);
            if let Peer::Pods(_) = peer {
                for number in &matched {
                    if let Some(entry) = self.identities.get_mut(*number)
                        && let Err(at) = entry.selectors.binary_search(&id)
                    {
                        entry.selectors.insert(at, id);
                    }
                }
            }
            if let Some(entry) = self.peers.get_mut(id) {
                entry.members.extend(matched);
            }
        }
    }

    fn identities_in(&mut self, id: PeerId, peer: &Peer) -> HashSet<u32> {
        let all = self.identities.iter();
        match peer {
            Peer::Pods(selector) => {
                self.work.selectors_asked += self.identities.len() as u64;
                all.filter(|(_, entry)| matches(selector, entry.identity.as_ref()))
                    .map(|(at, _)| at)
                    .collect()
            }
            Peer::Block(_) => {
                let holds = |entry: &Entry| entry.identity.blocks.binary_search(&id).is_ok();
                all.filter(|(_, entry)| holds(entry)).map(|(at, _)| at).collect()
            }
            Peer::Nodes(_) | Peer::Domains(_) => HashSet::new(),
        }
    }

    /// The labels of a namespace; of one that we know only by name, that (D23).
    pub(super) fn namespace_labels(&self, name: &Text) -> Labels {
        let known = self.namespaces.get(name).cloned();
        known.unwrap_or_else(|| Labels::from([(NAMESPACE_NAME_LABEL, name.as_ref())]))
    }

    /// Gives a pod the identity it has now.
    fn identify(&mut self, number: u32, pending: &mut Pending) {
        let Some(pod) = self.pods.at(number) else { return };
        let old = pod.identity;
        let namespace = &pod.endpoint.id.namespace;
        let identity = pod.endpoint.is_policed().then(|| {
            let mut blocks: Vec<PeerId> = pod
                .endpoint
                .addresses
                .iter()
                .flat_map(|address| self.peers.blocks.holding(*address))
                .collect();
            blocks.sort_unstable();
            self.mentions.identity(&pod.endpoint, &self.namespace_labels(namespace), blocks)
        });
        let same = old.and_then(|old| self.identities.get(old)).map(|entry| entry.identity.as_ref())
            == identity.as_ref();
        if same {
            return;
        }
        for address in pod.endpoint.addresses.clone() {
            self.note(address, pending);
        }
        if let Some(old) = old {
            self.leave(number, old, pending);
        }
        let joined = identity.map(|identity| match self.identities.number(&identity) {
            Some(known) => known,
            None => self.create(identity, pending),
        });
        if let Some(entry) = joined.and_then(|joined| self.identities.get_mut(joined)) {
            entry.pods.insert(number);
        }
        if let Some(pod) = self.pods.at_mut(number) {
            pod.identity = joined;
        }
    }

    fn create(&mut self, identity: Identity, pending: &mut Pending) -> u32 {
        let (selectors, asked) =
            self.peers.cabinets.matching(&identity.namespace, &identity.attributes, &identity);
        self.work.selectors_asked += asked;
        let identity = Arc::new(identity);
        let empty = |direction| Arc::new(Program { direction, stages: Vec::new() });
        let sets: Vec<PeerId> = selectors.iter().chain(&identity.blocks).copied().collect();
        let number = self.identities.insert(Entry {
            identity: identity.clone(),
            selectors,
            pods: HashSet::new(),
            ingress: empty(Direction::Ingress),
            egress: empty(Direction::Egress),
        });
        for id in sets {
            if let Some(entry) = self.peers.get_mut(id) {
                entry.members.insert(number);
            }
        }
        pending.identities.insert(number);
        pending.come(identity);
        number
    }

    /// Takes a pod off an identity, and the identity away with its last pod.
    pub(super) fn leave(&mut self, pod: u32, identity: u32, pending: &mut Pending) {
        let Some(entry) = self.identities.get_mut(identity) else { return };
        entry.pods.remove(&pod);
        if !entry.pods.is_empty() {
            return;
        }
        let Some(entry) = self.identities.remove(identity) else { return };
        for id in entry.selectors.iter().chain(&entry.identity.blocks) {
            if let Some(peer) = self.peers.get_mut(*id) {
                peer.members.remove(&identity);
            }
        }
        pending.identities.remove(&identity);
        pending.gone(entry.identity);
    }

    /// Builds the programs of new identities, and of all that a changed policy selects.
    fn build_programs(&mut self, pending: &mut Pending) {
        let subjects = std::mem::take(&mut pending.subjects);
        if !subjects.is_empty() || self.programs.len() > 64 + 4 * self.identities.len() {
            self.programs.retain(|key, program| {
                program.strong_count() > 0 && !key.subjects.iter().any(|subject| subjects.contains(subject))
            });
            self.isolations.retain(|_, program| program.strong_count() > 0);
        }
        for subject in subjects {
            self.note_members(subject, pending);
            if let Some(entry) = self.peers.get(subject) {
                pending.identities.extend(entry.members.iter().copied());
            }
        }
        for number in std::mem::take(&mut pending.identities) {
            let ingress = self.shared_program(number, Direction::Ingress);
            let egress = self.shared_program(number, Direction::Egress);
            if let (Some(entry), Some(ingress), Some(egress)) =
                (self.identities.get_mut(number), ingress, egress)
            {
                (entry.ingress, entry.egress) = (ingress, egress);
            }
        }
    }

    /// The program of an identity: one that is there for the same policies, or a new one.
    fn shared_program(&mut self, identity: u32, direction: Direction) -> Option<Arc<Program>> {
        let entry = self.identities.get(identity)?;
        let subject = |id: &PeerId| self.by_subject.contains_key(id);
        let subjects: Vec<PeerId> = entry.selectors.iter().copied().filter(subject).collect();
        let asks_ports = !entry.identity.ports.is_empty()
            && self.selecting(&subjects).any(|compiled| compiled.asks_own_ports(direction));
        let ports = if asks_ports { entry.identity.ports.clone() } else { Vec::new() };
        let key = ProgramKey { direction, subjects, ports };
        if let Some(known) = self.programs.get(&key).and_then(Weak::upgrade) {
            return Some(known);
        }
        let mut policies: Vec<&Compiled> = self.selecting(&key.subjects).collect();
        policies.sort_by(|a, b| a.policy.order().cmp(&b.policy.order()));
        let built = Arc::new(program(direction, &policies, &key.ports));
        self.work.programs_built += 1;
        for stage in &built.stages {
            match &stage.default {
                Fallback::Isolate(id, _) => drop(self.isolations.insert(*id, Arc::downgrade(&built))),
                Fallback::Pass => (),
            }
        }
        self.programs.insert(key, Arc::downgrade(&built));
        Some(built)
    }

    fn selecting<'a>(&'a self, subjects: &'a [PeerId]) -> impl Iterator<Item = &'a Compiled> {
        let ids = subjects.iter().filter_map(|subject| self.by_subject.get(subject)).flatten();
        ids.filter_map(|id| self.policies.get(id))
    }
}

impl Pending {
    fn new(recorder: Recorder) -> Self {
        Pending {
            recorder,
            pods: HashSet::new(),
            mentions: HashSet::new(),
            blocks: Vec::new(),
            peers: HashSet::new(),
            subjects: HashSet::new(),
            identities: HashSet::new(),
            delta: Delta::default(),
        }
    }

    fn come(&mut self, identity: Arc<Identity>) {
        if let (Recorder::On(_), false) = (&self.recorder, self.delta.identities_gone.remove(&identity)) {
            self.delta.identities_come.insert(identity);
        }
    }

    fn gone(&mut self, identity: Arc<Identity>) {
        if let (Recorder::On(_), false) = (&self.recorder, self.delta.identities_come.remove(&identity)) {
            self.delta.identities_gone.insert(identity);
        }
    }
}

/// The addresses that a block starts from; nothing for other peers.
pub(super) fn block(peer: &Peer) -> Option<IpNet> {
    match peer {
        Peer::Block(block) => Some(block.cidr),
        Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
    }
}
