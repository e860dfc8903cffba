//! Selectors that mean some pods of a namespace, and as few others as can be.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Attribute, Cluster, Endpoint, EndpointId, Selector, Text};

/// Labels that controllers give: they change with every version of a workload.
const PASSING: [&str; 4] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "batch.kubernetes.io/controller-uid",
];

/// Selectors that together mean `chosen`, all pods of `namespace`, by their labels: one where one is enough.
/// Pods that have the same labels can't be told apart.
pub(super) fn selectors(cluster: &Cluster, namespace: &Text, chosen: &BTreeSet<EndpointId>) -> Vec<Selector> {
    let here = cluster.endpoints.values().filter(|pod| pod.id.namespace == *namespace && pod.is_policed());
    let (chosen, others): (Vec<&Endpoint>, Vec<&Endpoint>) = here.partition(|pod| chosen.contains(&pod.id));
    let workloads: BTreeSet<_> = chosen.iter().map(|pod| &pod.workload).collect();
    if others.is_empty() && workloads.len() > 1 {
        return vec![Selector::everything()];
    }
    if let Some(one) = shared(&chosen, &others).or_else(|| one_key(&chosen, &others)) {
        return vec![one];
    }
    let mut apart: BTreeMap<_, Vec<&Endpoint>> = BTreeMap::new();
    for pod in &chosen {
        apart.entry(&pod.workload).or_default().push(pod);
    }
    let each = apart.values().flat_map(|pods| match shared(pods, &others) {
        Some(one) => vec![one],
        None => exact(pods, &others),
    });
    let mut all: Vec<Selector> = each.collect();
    all.sort();
    all.dedup();
    all
}

/// As few labels as possible that all of `chosen` have and none of `others` has.
fn shared(chosen: &[&Endpoint], others: &[&Endpoint]) -> Option<Selector> {
    let (first, rest) = chosen.split_first()?;
    let is_shared = |(key, value): &(&Text, &Text)| rest.iter().all(|pod| pod.labels.get(key) == Some(value));
    let mut labels: Vec<(&Text, &Text)> = first.labels.iter().filter(is_shared).collect();
    labels.sort_by_key(|(key, _)| (PASSING.contains(&key.as_ref()), *key));
    let is_tight = |labels: &[(&Text, &Text)]| {
        let has = |pod: &&Endpoint| labels.iter().all(|(key, value)| pod.labels.get(key) == Some(*value));
        !labels.is_empty() && !others.iter().any(has)
    };
    let lasting = labels.iter().filter(|(key, _)| !PASSING.contains(&key.as_ref()));
    let lasting: Vec<(&Text, &Text)> = lasting.copied().collect();
    let ones = lasting.iter().map(|one| vec![*one]);
    let pairs = lasting.iter().enumerate();
    let pairs = pairs.flat_map(|(at, one)| lasting.iter().skip(at + 1).map(move |two| vec![*one, *two]));
    let mut tried = ones.chain(pairs).chain([lasting.clone(), labels]);
    let found = tried.find(|labels| is_tight(labels))?;
    Some(Selector::all(found.into_iter().map(is).collect()))
}

/// One key that all of `chosen` have, with values that none of `others` has.
fn one_key(chosen: &[&Endpoint], others: &[&Endpoint]) -> Option<Selector> {
    let (first, _) = chosen.split_first()?;
    let mut keys = first.labels.iter().map(|(key, _)| key).filter(|key| !PASSING.contains(&key.as_ref()));
    keys.find_map(|key| {
        let values: Option<Vec<Text>> = chosen.iter().map(|pod| pod.labels.get(key).cloned()).collect();
        let values = values?;
        let is_other = |pod: &&Endpoint| pod.labels.get(key).is_some_and(|value| values.contains(value));
        if others.iter().any(is_other) {
            return None;
        }
        Some(Selector::is_in(Attribute::Label(key.clone()), values))
    })
}

/// For each set of labels: all of them, and none of those that others have besides.
fn exact(chosen: &[&Endpoint], others: &[&Endpoint]) -> Vec<Selector> {
    let label_sets: BTreeSet<Vec<(&Text, &Text)>> =
        chosen.iter().map(|pod| pod.labels.iter().collect()).collect();
    let one = |labels: Vec<(&Text, &Text)>| {
        let has_all =
            |pod: &&&Endpoint| labels.iter().all(|(key, value)| pod.labels.get(key) == Some(*value));
        let is_more = |(key, _): &(&Text, &Text)| !labels.iter().any(|(there, _)| there == key);
        let besides = others.iter().filter(has_all).filter_map(|pod| pod.labels.iter().find(is_more));
        let lacking: Vec<Selector> = besides
            .map(|(key, _)| Selector::Not(Box::new(Selector::Has(Attribute::Label(key.clone())))))
            .collect();
        Selector::all(labels.iter().copied().map(is).chain(lacking).collect())
    };
    label_sets.into_iter().map(one).collect()
}

fn is((key, value): (&Text, &Text)) -> Selector {
    Selector::is_in(Attribute::Label(key.clone()), vec![value.clone()])
}
