//! What changes in who can talk to whom between two clusters.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use indexmap::IndexMap;

use super::names::Addresses;
use super::reach::{Reach, Unit};
use crate::model::{EndpointId, Family, Protocol};
use crate::ports::PortSet;
use crate::rows::Families;

/// One end of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// A workload or pod, by its id and namespace.
    Unit(String, String),
    /// Addresses that are no pod's.
    Outside(Addresses),
}

/// What a pair gets now and got before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who.
    pub source: Party,
    /// To whom.
    pub destination: Party,
    /// Over which family.
    pub family: Family,
    /// Before.
    pub before: PortSet,
    /// After.
    pub after: PortSet,
}

/// What kind of change it is, the one to look at first coming first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Something opens between a pod and the internet.
    Internet,
    /// DNS (port 53) is lost.
    Dns,
    /// Something opens between namespaces.
    Namespaces,
    /// Something opens otherwise.
    Opened,
    /// Something closes, and nothing opens.
    Closed,
}

/// How the ports changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Nothing before.
    Added,
    /// Nothing after.
    Removed,
    /// Something before and after.
    Changed,
}

impl Change {
    /// How the ports changed.
    pub fn shape(&self) -> Shape {
        match (self.before.is_empty(), self.after.is_empty()) {
            (true, _) => Shape::Added,
            (false, true) => Shape::Removed,
            (false, false) => Shape::Changed,
        }
    }

    /// What opens.
    pub fn opened(&self) -> PortSet {
        self.after.without(&self.before)
    }

    /// What closes.
    pub fn closed(&self) -> PortSet {
        self.before.without(&self.after)
    }

    /// How much there is to worry; `internet` are the addresses that count as that, `resolvers` the ids of the
    /// units that answer DNS ([`resolvers`]).
    pub fn risk(&self, internet: &Addresses, resolvers: &BTreeSet<String>) -> Risk {
        let dns = PortSet::of([(Protocol::Tcp, 53, 53), (Protocol::Udp, 53, 53)]);
        let opens = !self.opened().is_empty();
        let meets = |addresses: &Addresses| addresses.without(internet) != *addresses;
        match (&self.source, &self.destination) {
            (Party::Outside(there), _) | (_, Party::Outside(there)) if opens && meets(there) => {
                Risk::Internet
            }
            (_, Party::Unit(to, _)) if resolvers.contains(to) && !self.closed().and(&dns).is_empty() => {
                Risk::Dns
            }
            (Party::Unit(_, from), Party::Unit(_, to)) if opens && from != to => Risk::Namespaces,
            _ if opens => Risk::Opened,
            _ => Risk::Closed,
        }
    }
}

/// The ids of the units whose containers name port 53.
pub fn resolvers(reach: &Reach<'_>) -> BTreeSet<String> {
    let answers = |unit: &&Unit<'_>| unit.pods.iter().any(|pod| pod.ports.iter().any(|port| port.port == 53));
    reach.units.iter().filter(answers).map(|unit| unit.id.clone()).collect()
}

/// The same pods in both clusters, or in one.
struct Atom<'r, 'a> {
    id: String,
    namespace: String,
    before: Option<&'r Unit<'a>>,
    after: Option<&'r Unit<'a>>,
}

/// All changes, in the order of the units. A workload whose pods are alike on one side only is taken apart.
pub fn diff(before: &Reach<'_>, after: &Reach<'_>) -> Vec<Change> {
    let atoms = atoms(before, after);
    let mut changes = Vec::new();
    for source in &atoms {
        for destination in &atoms {
            for family in Family::BOTH {
                changes.extend(between(before, after, source, destination, family));
            }
        }
        for family in Family::BOTH {
            changes.extend(outside(before, after, source, family));
        }
    }
    changes
}

fn atoms<'r, 'a>(before: &'r Reach<'a>, after: &'r Reach<'a>) -> Vec<Atom<'r, 'a>> {
    let by_id: HashMap<&str, &'r Unit<'a>> =
        before.units.iter().map(|unit| (unit.id.as_str(), unit)).collect();
    let by_pod: HashMap<&EndpointId, &'r Unit<'a>> =
        before.units.iter().flat_map(|unit| unit.pods.iter().map(move |pod| (&pod.id, unit))).collect();
    let atom = |named: &Unit<'_>, before, after| Atom {
        id: named.id.clone(),
        namespace: named.namespace.to_string(),
        before,
        after,
    };
    let mut met: IndexMap<&str, ()> = IndexMap::new();
    let mut atoms = Vec::new();
    for unit in &after.units {
        if let Some(old) = by_id.get(unit.id.as_str()) {
            met.insert(old.id.as_str(), ());
            atoms.push(atom(unit, Some(*old), Some(unit)));
            continue;
        }
        let sharing: IndexMap<&str, &'r Unit<'a>> = unit
            .pods
            .iter()
            .filter_map(|pod| by_pod.get(&pod.id))
            .map(|old| (old.id.as_str(), *old))
            .collect();
        if sharing.is_empty() {
            atoms.push(atom(unit, None, Some(unit)));
        }
        for (id, old) in sharing {
            met.insert(id, ());
            let finer = if old.pods.len() < unit.pods.len() { old } else { unit };
            atoms.push(atom(finer, Some(old), Some(unit)));
        }
    }
    let gone = before.units.iter().filter(|unit| !met.contains_key(unit.id.as_str()));
    atoms.extend(gone.map(|unit| atom(unit, Some(unit), None)));
    atoms
}

fn between(
    before: &Reach<'_>,
    after: &Reach<'_>,
    source: &Atom<'_, '_>,
    destination: &Atom<'_, '_>,
    family: Family,
) -> Option<Change> {
    let ports = |reach: &Reach<'_>, from: Option<&Unit<'_>>, to: Option<&Unit<'_>>| {
        let passing = reach.between(from?, to?, Families::Only(family)).pop()?;
        Some(passing.ports)
    };
    let before = ports(before, source.before, destination.before).unwrap_or_default();
    let after = ports(after, source.after, destination.after).unwrap_or_default();
    (before != after).then(|| Change {
        source: source.party(),
        destination: destination.party(),
        family,
        before,
        after,
    })
}

/// What changes between a unit and the address space outside, in both ways: one change for each pair of
/// ports that addresses get.
fn outside(before: &Reach<'_>, after: &Reach<'_>, atom: &Atom<'_, '_>, family: Family) -> Vec<Change> {
    let mut changed: IndexMap<(bool, PortSet, PortSet), Addresses> = IndexMap::new();
    for old in &before.plane(family).pieces {
        for new in &after.plane(family).pieces {
            let shared = old.addresses.without(&old.addresses.without(&new.addresses));
            if shared.is_empty() {
                continue;
            }
            for is_out in [true, false] {
                let ports = |reach: &Reach<'_>, unit: Option<&Unit<'_>>, piece| match (unit, is_out) {
                    (Some(unit), true) => reach.outwards(unit, piece, family),
                    (Some(unit), false) => reach.inwards(piece, unit, family),
                    (None, _) => PortSet::default(),
                };
                let (was, is) = (ports(before, atom.before, old), ports(after, atom.after, new));
                if was != is {
                    let entry = changed.entry((is_out, was, is)).or_default();
                    *entry = std::mem::take(entry).and(&shared);
                }
            }
        }
    }
    let change = |((is_out, before, after), addresses)| {
        let (unit, there) = (atom.party(), Party::Outside(addresses));
        let (source, destination) = if is_out { (unit, there) } else { (there, unit) };
        Change { source, destination, family, before, after }
    };
    changed.into_iter().map(change).collect()
}

impl Atom<'_, '_> {
    fn party(&self) -> Party {
        Party::Unit(self.id.clone(), self.namespace.clone())
    }
}
