//! What a step changed: the difference of two clusters.

use std::hash::Hash;

use indexmap::IndexMap;
use policy::model::Cluster;

use super::report::{Change, How};

/// The objects that differ, policies first.
pub(crate) fn changes(before: &Cluster, after: &Cluster) -> Vec<Change> {
    let policies = between(&before.policies, &after.policies, true, |id| id.to_string());
    let others = [
        between(&before.namespaces, &after.namespaces, false, |name| format!("namespace {name}")),
        between(&before.nodes, &after.nodes, false, |name| format!("node {name}")),
        between(&before.endpoints, &after.endpoints, false, |id| format!("pod {id}")),
        between(&before.services, &after.services, false, |id| format!("service {id}")),
        between(&before.hosts, &after.hosts, false, |name| format!("host {name}")),
    ];
    policies.into_iter().chain(others.into_iter().flatten()).collect()
}

fn between<K: Hash + Eq, V: PartialEq>(
    before: &IndexMap<K, V>,
    after: &IndexMap<K, V>,
    is_policy: bool,
    name: impl Fn(&K) -> String,
) -> Vec<Change> {
    let come = after.iter().filter_map(|(key, value)| match before.get(key) {
        None => Some((How::Added, key)),
        Some(old) if old != value => Some((How::Replaced, key)),
        Some(_) => None,
    });
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (How::Removed, key));
    come.chain(gone).map(|(how, key)| Change { how, object: name(key), is_policy }).collect()
}

#[cfg(test)]
mod tests {
    use policy::model::{Labels, Namespace};

    use super::*;

    fn cluster(namespaces: &[(&str, &str)]) -> Cluster {
        let namespace = |(name, tier): &(&str, &str)| {
            let labels = Labels::from_iter([("tier".into(), (*tier).into())]);
            (std::sync::Arc::from(*name), Namespace { name: (*name).into(), labels })
        };
        Cluster { namespaces: namespaces.iter().map(namespace).collect(), ..Cluster::default() }
    }

    #[test]
    fn what_came_changed_or_went_is_named() {
        let before = cluster(&[("same", "a"), ("other", "a"), ("gone", "a")]);
        let after = cluster(&[("same", "a"), ("other", "b"), ("new", "a")]);
        let found: Vec<(How, String)> =
            changes(&before, &after).into_iter().map(|change| (change.how, change.object)).collect();
        assert_eq!(
            found,
            [
                (How::Replaced, "namespace other".to_owned()),
                (How::Added, "namespace new".to_owned()),
                (How::Removed, "namespace gone".to_owned())
            ]
        );
        assert_eq!(changes(&after, &after), []);
    }
}
