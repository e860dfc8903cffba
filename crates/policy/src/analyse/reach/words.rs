//! What a line's ends are called: the shortest of the names a user may use that means exactly them.

use std::cell::OnceCell;

use hashbrown::{HashMap, HashSet};
use indexmap::{IndexMap, IndexSet};

use super::Reach;
use super::groups::Many;
use crate::analyse::diff::Diff;
use crate::analyse::names::{Addresses, internet};
use crate::model::{Cluster, Endpoint, Family, Text};

/// Names for sets of units of one cluster, or of atoms of two.
pub struct Words<'r, 'a> {
    members: Vec<Member<'r, 'a>>,
    clusters: Vec<&'a Cluster>,
    /// The places of each namespace's members.
    by_namespace: IndexMap<&'r Text, Vec<u32>>,
    /// The namespaces with members that have a label, in any of the clusters.
    labelled: HashMap<Label<'a>, Vec<&'r Text>>,
    /// Of the last cluster; asked only where addresses are many.
    internet: OnceCell<Addresses>,
}

type Label<'a> = (&'a Text, &'a Text);

/// As many are named one by one before what they lack is, and as many are excepted.
const FEW: usize = 2;

/// Who can be named.
struct Member<'r, 'a> {
    id: &'r str,
    namespace: &'r Text,
    /// In one cluster, or before and after.
    pods: [&'r [&'a Endpoint]; 2],
}

/// More names than one reads; then what is left out may be shorter.
const MANY: usize = 4;

impl<'r, 'a> Words<'r, 'a> {
    /// Names for the units of `reach`, made of `cluster`.
    pub fn of(reach: &'r Reach<'a>, cluster: &'a Cluster) -> Self {
        let member = |unit: &'r super::Unit<'a>| Member {
            id: &unit.id,
            namespace: &unit.namespace,
            pods: [&unit.pods, &[]],
        };
        Words::made(reach.units.iter().map(member).collect(), vec![cluster])
    }

    /// Names for the atoms of `diff`, made of these two clusters, that mean them in both.
    pub fn of_diff(diff: &'r Diff<'r, 'a>, clusters: [&'a Cluster; 2]) -> Self {
        let atoms = diff.atoms.iter();
        let members = atoms.map(|atom| Member { id: &atom.id, namespace: &atom.namespace, pods: atom.pods });
        Words::made(members.collect(), clusters.to_vec())
    }

    fn made(members: Vec<Member<'r, 'a>>, clusters: Vec<&'a Cluster>) -> Self {
        let mut by_namespace: IndexMap<&Text, Vec<u32>> = IndexMap::new();
        for (place, member) in (0..).zip(&members) {
            by_namespace.entry(member.namespace).or_default().push(place);
        }
        let mut labelled: HashMap<Label<'a>, Vec<&Text>> = HashMap::new();
        for name in by_namespace.keys() {
            let labels = clusters.iter().filter_map(|cluster| cluster.namespaces.get(*name));
            let labels: IndexSet<Label<'a>> = labels.flat_map(|namespace| namespace.labels.iter()).collect();
            for label in labels {
                labelled.entry(label).or_default().push(*name);
            }
        }
        Words { members, clusters, by_namespace, labelled, internet: OnceCell::new() }
    }

    /// What they are called together.
    pub fn name(&self, many: &Many) -> String {
        let pods = self.pods(&many.units);
        let outside = if many.outside.is_empty() { Vec::new() } else { self.outside(&many.outside) };
        if pods == ["*/*"] && outside == ["any address"] {
            return "anyone".to_owned();
        }
        pods.into_iter().chain(outside).collect::<Vec<_>>().join(", ")
    }

    fn outside(&self, addresses: &Addresses) -> Vec<String> {
        let names = outside(addresses);
        let internet = || self.clusters.last().map(|cluster| internet(cluster)).unwrap_or_default();
        match names.len() > MANY && self.internet.get_or_init(internet) == addresses {
            true => vec!["internet".to_owned()],
            false => names,
        }
    }

    fn pods(&self, places: &[u32]) -> Vec<String> {
        if places.len() == self.members.len() && !places.is_empty() {
            return vec!["*/*".to_owned()];
        }
        let names = self.names(places, FEW);
        if names.len() <= MANY {
            return names;
        }
        let mut is_named = vec![false; self.members.len()];
        for place in places {
            is_named.get_mut(*place as usize).into_iter().for_each(|is_named| *is_named = true);
        }
        let rest: Vec<u32> =
            (0..).zip(is_named).filter(|(_, is_named)| !is_named).map(|(place, _)| place).collect();
        let rest = self.names(&rest, 0);
        match rest.len() * 2 < names.len() {
            true => vec![format!("*/* except {}", rest.join(" "))],
            false => names,
        }
    }

    /// Whole namespaces first; a label of theirs may be had by so many others, which are then excepted.
    fn names(&self, places: &[u32], most_excepted: usize) -> Vec<String> {
        let mut by_namespace: IndexMap<&'r Text, Vec<u32>> = IndexMap::new();
        for (place, member) in places.iter().filter_map(|place| Some((*place, self.member(*place)?))) {
            by_namespace.entry(member.namespace).or_default().push(place);
        }
        let is_full =
            |name: &Text, some: &Vec<u32>| self.by_namespace.get(name).map(Vec::len) == Some(some.len());
        let full: IndexSet<&Text> =
            by_namespace.iter().filter(|(name, some)| is_full(name, some)).map(|(name, _)| *name).collect();
        let mut names = self.namespaces(&full, most_excepted);
        for (namespace, some) in by_namespace.iter().filter(|(name, _)| !full.contains(*name)) {
            names.extend(self.some_of(namespace, some));
        }
        names
    }

    fn member(&self, place: u32) -> Option<&Member<'r, 'a>> {
        self.members.get(place as usize)
    }

    /// Whole namespaces: by a label that they have and few others, or each by its name.
    fn namespaces(&self, full: &IndexSet<&'r Text>, most_excepted: usize) -> Vec<String> {
        let most = if full.len() > MANY { most_excepted } else { 0 };
        let first = full.first().filter(|_| full.len() > 1);
        let of_first =
            first.into_iter().flat_map(|first| self.clusters.iter().map(|of| of.namespaces.get(*first)));
        let candidates = of_first.flatten().flat_map(|namespace| namespace.labels.iter());
        let others = candidates.filter_map(|label| {
            let named = self.labelled.get(&label).filter(|named| named.len() <= full.len() + most)?;
            let all_have = full.iter().all(|name| self.is_labelled(name, label.0, label.1));
            all_have.then(|| (label, named.iter().filter(|name| !full.contains(*name)).collect::<Vec<_>>()))
        });
        match others.min_by_key(|(_, others)| others.len()) {
            None => full.iter().map(|name| format!("{name}/*")).collect(),
            Some(((key, value), others)) if others.is_empty() => vec![format!("[{key}={value}]/*")],
            Some(((key, value), others)) => {
                let others: Vec<String> = others.iter().map(|name| format!("{name}/*")).collect();
                vec![format!("[{key}={value}]/* except {}", others.join(" "))]
            }
        }
    }

    /// In every cluster that has it, and in one at least.
    fn is_labelled(&self, namespace: &Text, key: &Text, value: &Text) -> bool {
        let mut there =
            self.clusters.iter().filter_map(|cluster| cluster.namespaces.get(namespace)).peekable();
        there.peek().is_some() && there.all(|namespace| namespace.labels.get(key) == Some(value))
    }

    /// Some members of a namespace: by a label that all their pods and no others of it have, by one that all
    /// the others have and they have not, or by name.
    fn some_of(&self, namespace: &Text, some: &[u32]) -> Vec<String> {
        let members: Vec<&Member<'r, 'a>> = some.iter().filter_map(|place| self.member(*place)).collect();
        let meant: HashSet<&u32> = some.iter().collect();
        let there = self.by_namespace.get(namespace).into_iter().flatten();
        let others = || there.clone().filter(|place| !meant.contains(*place));
        let others: Vec<&Member<'r, 'a>> = others().filter_map(|place| self.member(*place)).collect();
        let shared = if members.len() > 1 { only_of(&members, &others) } else { None };
        let lacked = if members.len() > FEW { only_of(&others, &members) } else { None };
        match (shared, lacked) {
            (Some((key, value)), _) => vec![format!("{namespace}/{key}={value}")],
            (None, Some((key, value))) => vec![format!("{namespace}/{key}!={value}")],
            (None, None) => members.iter().map(|member| member.id.to_owned()).collect(),
        }
    }
}

/// A label that all pods of these and none of those have.
fn only_of<'a>(these: &[&Member<'_, 'a>], those: &[&Member<'_, 'a>]) -> Option<Label<'a>> {
    let first = these.first()?.all().next()?;
    first.labels.iter().find(|(key, value)| {
        let has = |pod: &Endpoint| pod.labels.get(key) == Some(*value);
        these.iter().all(|member| member.all().all(has)) && !those.iter().any(|member| member.all().any(has))
    })
}

impl<'r, 'a> Member<'r, 'a> {
    fn all(&self) -> impl Iterator<Item = &'a Endpoint> + use<'r, 'a> {
        self.pods.into_iter().flatten().copied()
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
