//! What a line's ends are called: the shortest of the names a user may use that means exactly them.

use hashbrown::HashMap;
use indexmap::{IndexMap, IndexSet};

use super::groups::Many;
use super::{Reach, Unit};
use crate::analyse::names::Addresses;
use crate::model::{Cluster, Family, Text};

/// Names for sets of units of one cluster.
pub struct Words<'r, 'a> {
    reach: &'r Reach<'a>,
    cluster: &'a Cluster,
    /// The places of each namespace's units.
    by_namespace: HashMap<&'r Text, usize>,
    /// How many namespaces with units have a label.
    labelled: HashMap<(&'a Text, &'a Text), usize>,
}

impl<'r, 'a> Words<'r, 'a> {
    /// Names for the units of `reach`, made of `cluster`.
    pub fn of(reach: &'r Reach<'a>, cluster: &'a Cluster) -> Self {
        let mut by_namespace: HashMap<&Text, usize> = HashMap::new();
        for unit in &reach.units {
            *by_namespace.entry(&unit.namespace).or_default() += 1;
        }
        let mut labelled: HashMap<(&Text, &Text), usize> = HashMap::new();
        for namespace in by_namespace.keys().filter_map(|name| cluster.namespaces.get(*name)) {
            for label in namespace.labels.iter() {
                *labelled.entry(label).or_default() += 1;
            }
        }
        Words { reach, cluster, by_namespace, labelled }
    }

    /// What they are called together.
    pub fn name(&self, many: &Many) -> String {
        let pods = self.pods(&many.units);
        let outside = if many.outside.is_empty() { Vec::new() } else { outside(&many.outside) };
        if pods == ["*/*"] && outside == ["any address"] {
            return "anyone".to_owned();
        }
        pods.into_iter().chain(outside).collect::<Vec<_>>().join(", ")
    }

    fn pods(&self, units: &[u32]) -> Vec<String> {
        if units.len() == self.reach.units.len() && !units.is_empty() {
            return vec!["*/*".to_owned()];
        }
        let mut by_namespace: IndexMap<&Text, Vec<&Unit<'a>>> = IndexMap::new();
        for unit in units.iter().filter_map(|place| self.reach.units.get(*place as usize)) {
            by_namespace.entry(&unit.namespace).or_default().push(unit);
        }
        let is_full = |name: &Text, units: &Vec<_>| self.by_namespace.get(name) == Some(&units.len());
        let full: IndexSet<&Text> =
            by_namespace.iter().filter(|(name, units)| is_full(name, units)).map(|(name, _)| *name).collect();
        let mut names = self.namespaces(&full);
        for (namespace, units) in by_namespace.iter().filter(|(name, _)| !full.contains(*name)) {
            names.extend(self.some_of(namespace, units));
        }
        names
    }

    /// Whole namespaces: by a label that they and no others have, or each by its name.
    fn namespaces(&self, full: &IndexSet<&'r Text>) -> Vec<String> {
        let labels = |name: &Text| self.cluster.namespaces.get(name).map(|namespace| &namespace.labels);
        if full.len() > 1 {
            let candidates = full.first().and_then(|name| labels(name)).into_iter().flat_map(|of| of.iter());
            for (key, value) in candidates.filter(|label| self.labelled.get(label) == Some(&full.len())) {
                let has = |name: &&Text| labels(name).and_then(|of| of.get(key)) == Some(value);
                if full.iter().all(has) {
                    return vec![format!("[{key}={value}]/*")];
                }
            }
        }
        full.iter().map(|name| format!("{name}/*")).collect()
    }

    /// Some units of a namespace: by a label that all their pods and no others of it have, or by name.
    fn some_of(&self, namespace: &str, units: &[&Unit<'a>]) -> Vec<String> {
        if let (true, Some(pod)) = (units.len() > 1, units.first().and_then(|unit| unit.pods.first())) {
            let has = |unit: &Unit<'_>, key: &str, value: &Text| {
                unit.pods.iter().all(|pod| pod.labels.get(key) == Some(value))
            };
            let there = || self.reach.units.iter().filter(|unit| unit.namespace.as_ref() == namespace);
            for (key, value) in pod.labels.iter() {
                if units.iter().all(|unit| has(unit, key, value))
                    && there().filter(|unit| has(unit, key, value)).count() == units.len()
                {
                    return vec![format!("{namespace}/{key}={value}")];
                }
            }
        }
        units.iter().map(|unit| unit.id.clone()).collect()
    }
}

/// Networks, or for each family all of it except some, whichever is shorter.
fn outside(addresses: &Addresses) -> Vec<String> {
    if *addresses == Addresses::all() {
        return vec!["any address".to_owned()];
    }
    let all = Addresses::all();
    let rest = all.without(addresses).nets();
    let mut names = Vec::new();
    for (family, whole) in [(Family::V4, "0.0.0.0/0"), (Family::V6, "::/0")] {
        let of = |nets: &[ipnet::IpNet]| -> Vec<String> {
            let these = nets.iter().filter(|net| Family::of(&net.addr()) == family);
            these.map(ToString::to_string).collect()
        };
        let (these, others) = (of(&addresses.nets()), of(&rest));
        match (these.len(), others.len()) {
            (0, _) => (),
            (_, 0) => names.push(whole.to_owned()),
            (count, except) if except < count => names.push(format!("{whole} except {}", others.join(" "))),
            (_, _) => names.extend(these),
        }
    }
    names
}
