//! The pods of both clusters, so cut that on each side nothing tells those of one atom apart.

use indexmap::{IndexMap, IndexSet};

use crate::analyse::reach::{Reach, Unit};
use crate::model::{Endpoint, EndpointId, Text, Workload};

/// The same pods in both clusters, or pods of one: a workload, or, where its pods differ on one side, a pod.
#[derive(Clone, Debug)]
pub struct Atom<'r, 'a> {
    /// As the new cluster calls it, or the old one where it is gone or its name says more.
    pub id: String,
    /// The namespace.
    pub namespace: Text,
    /// The unit that it was, or was part of; `None` where it was not there.
    pub before: Option<&'r Unit<'a>>,
    /// The same after.
    pub after: Option<&'r Unit<'a>>,
    /// Its pods, before and after.
    pub pods: [&'r [&'a Endpoint]; 2],
}

/// What a workload is known by in both clusters, whatever its pods are called.
type Key<'a> = (&'a Text, &'a Workload);

/// Units of one workload on one side.
type Units<'r, 'a> = Vec<&'r Unit<'a>>;

/// In the order of the new cluster; those that are gone follow in the order of the old one.
pub(super) fn atoms<'r, 'a>(before: &'r Reach<'a>, after: &'r Reach<'a>) -> Vec<Atom<'r, 'a>> {
    let mut workloads: IndexMap<Key<'a>, [Units<'r, 'a>; 2]> = IndexMap::new();
    for (side, reach) in [(1, after), (0, before)] {
        for unit in &reach.units {
            if let Some(pod) = unit.pods.first() {
                let sides = workloads.entry((&pod.id.namespace, &pod.workload)).or_default();
                sides.get_mut(side).into_iter().for_each(|units| units.push(unit));
            }
        }
    }
    workloads.into_values().flat_map(|[before, after]| of_workload(&before, &after)).collect()
}

fn of_workload<'r, 'a>(before: &[&'r Unit<'a>], after: &[&'r Unit<'a>]) -> Vec<Atom<'r, 'a>> {
    match (before, after) {
        ([], units) => units.iter().map(|unit| atom(None, Some(whole(unit)))).collect(),
        (units, []) => units.iter().map(|unit| atom(Some(whole(unit)), None)).collect(),
        ([old], [new]) => vec![atom(Some(whole(old)), Some(whole(new)))],
        (before, after) => by_pod(before, after),
    }
    .into_iter()
    .flatten()
    .collect()
}

/// A unit, or one pod of it.
type Part<'r, 'a> = (&'r Unit<'a>, &'r [&'a Endpoint]);

fn whole<'r, 'a>(unit: &'r Unit<'a>) -> Part<'r, 'a> {
    (unit, &unit.pods)
}

/// A workload that is cut on one side at least: pod by pod.
fn by_pod<'r, 'a>(before: &[&'r Unit<'a>], after: &[&'r Unit<'a>]) -> Vec<Option<Atom<'r, 'a>>> {
    let of = |units: &[&'r Unit<'a>]| -> IndexMap<&'a EndpointId, Part<'r, 'a>> {
        let pods = units.iter().flat_map(|unit| unit.pods.iter().map(move |pod| (*unit, pod)));
        pods.map(|(unit, pod)| (&pod.id, (unit, std::slice::from_ref(pod)))).collect()
    };
    let (before, after) = (of(before), of(after));
    let all: IndexSet<&EndpointId> = after.keys().chain(before.keys()).copied().collect();
    let atoms = all.into_iter().map(|id| {
        // Of what is one pod now there were several: the name of the workload would mean all of them.
        let named = |atom| Atom { id: id.to_string(), ..atom };
        atom(before.get(id).copied(), after.get(id).copied()).map(named)
    });
    atoms.collect()
}

fn atom<'r, 'a>(before: Option<Part<'r, 'a>>, after: Option<Part<'r, 'a>>) -> Option<Atom<'r, 'a>> {
    let (unit, _) = after.or(before)?;
    // The longer name says the kind, because on that side another one shares the rest.
    let ids = [after, before].into_iter().flatten().map(|(unit, _)| &unit.id);
    Some(Atom {
        id: ids.rev().max_by_key(|id| id.len())?.clone(),
        namespace: unit.namespace.clone(),
        before: before.map(|(unit, _)| unit),
        after: after.map(|(unit, _)| unit),
        pods: [before, after].map(|part| part.map_or(&[][..], |(_, pods)| pods)),
    })
}

impl Atom<'_, '_> {
    /// Whether it is a single pod, so that there is nothing to say from it to itself.
    pub(super) fn is_single(&self) -> bool {
        self.pods.iter().all(|pods| pods.len() < 2)
    }
}
