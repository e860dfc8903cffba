//! How a cluster came about never shows in its index.

use std::collections::BTreeMap;

use policy::decision::{Decision, Reason, Ruling, Verdict};
use policy::index::{Change, Index};
use policy::model::{Action, Cluster, Direction, Flow, Labels, Peer, Peers, Ports, Protocol, Selector};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::worlds;
use crate::worlds::random::{cluster, config};

#[test]
fn n28_deleting_the_last_policy_that_selects_a_pod_ends_its_isolation() {
    let pods = [worlds::pod("x/a", Labels::default(), "n1", &["10.0.0.1"], &[])];
    let closed = |name| worlds::network_policy("x", name, Selector::everything(), Some(vec![]), None);
    let (first, last) = (closed("first"), closed("last"));
    let mut index = Index::compile(&worlds::cluster(vec![], pods.into(), vec![first.clone(), last.clone()]));
    let from_outside =
        Flow::direct("198.51.100.7".parse().unwrap(), "10.0.0.1".parse().unwrap(), Protocol::Tcp, 80);

    index.apply(Change::PolicyGone(first.id));
    assert_eq!(index.decide(&from_outside).verdict(), Verdict::Deny);
    assert_eq!(
        index.decide(&from_outside).denial().map(|(direction, _)| direction),
        Some(Direction::Ingress)
    );

    index.apply(Change::PolicyGone(last.id));
    let Decision { ingress, .. } = index.decide(&from_outside);
    assert_eq!(ingress, Ruling::accept(Reason::NoPolicy));
}

/// The subject of the first is a peer of the second, so that the selector outlives the first policy and goes
/// with the second, in one batch.
#[test]
fn policies_that_go_together_take_their_programs_with_them() {
    let pods = [worlds::pod("x/a", Labels::default(), "n1", &["10.0.0.1"], &[])];
    let here = Selector::namespace("x");
    let closed = worlds::network_policy("x", "closed", Selector::everything(), Some(vec![]), None);
    let peers = Peers::Of(vec![Peer::Pods(here)]);
    let rules = vec![worlds::rule(Action::Accept, peers, Ports::Any)];
    let other = worlds::network_policy("y", "other", Selector::everything(), Some(rules), None);
    let gone = [closed.id.clone(), other.id.clone()].map(Change::PolicyGone);
    let open = worlds::cluster(vec![], pods.clone().into(), vec![]);

    let mut index = Index::compile(&worlds::cluster(vec![], pods.into(), vec![closed, other]));
    index.apply_all(gone);
    assert_eq!(index.snapshot(), Index::compile(&open).snapshot());
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn an_index_hangs_on_the_cluster_and_not_on_its_history(
        before in cluster(),
        between in cluster(),
        end in cluster(),
        order in vec(any::<prop::sample::Index>(), 1..64),
    ) {
        let expected = Index::compile(&end).snapshot();
        let history = history(&[&before, &between], &end, &order);

        let mut one_by_one = Index::default();
        for change in &history {
            one_by_one.apply(change.clone());
        }
        prop_assert_eq!(one_by_one.snapshot(), expected.clone(), "one by one");

        let mut split = Index::default();
        for batch in history.chunks(order.len()) {
            split.apply_all(batch.to_vec());
        }
        prop_assert_eq!(split.snapshot(), expected.clone(), "in batches of {}", order.len());

        let mut twice = Index::default();
        twice.apply_all(history.iter().flat_map(|change| [change.clone(), change.clone()]));
        prop_assert_eq!(twice.snapshot(), expected, "each twice");
    }

    #[test]
    fn a_change_that_changes_nothing_is_an_empty_delta(end in cluster()) {
        let mut index = Index::compile(&end);
        for change in changes(&end).into_values() {
            let delta = index.apply(change);
            prop_assert!(delta.is_empty(), "{:?}", delta);
        }
    }
}

/// A way to `end` over other states: each object goes through its versions in them, and objects of `end` end
/// as they are there, others are gone. Objects take turns as `order` has it.
fn history(states: &[&Cluster], end: &Cluster, order: &[prop::sample::Index]) -> Vec<Change> {
    let mut lives: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for state in states {
        for (object, change) in changes(state) {
            lives.entry(object).or_default().extend([change.clone(), gone(&change), change]);
        }
    }
    let mut last = changes(end);
    for (object, life) in &mut lives {
        let goes = || life.last().map(gone);
        let end = last.remove(object).or_else(goes);
        life.extend(end);
    }
    lives.extend(last.into_iter().map(|(object, change)| (object, vec![change])));
    interleaved(lives.into_values().map(Vec::into_iter).collect(), order)
}

fn interleaved(mut lives: Vec<std::vec::IntoIter<Change>>, order: &[prop::sample::Index]) -> Vec<Change> {
    let mut history = Vec::new();
    for turn in order.iter().cycle() {
        if lives.is_empty() {
            break;
        }
        // All lives move on by one, so that a short order doesn't play the same few to their end.
        lives.rotate_left(1);
        let at = turn.index(lives.len());
        match lives[at].next() {
            Some(change) => history.push(change),
            None => drop(lives.swap_remove(at)),
        }
    }
    history
}

/// All objects of a cluster as having come, each under its name.
fn changes(cluster: &Cluster) -> BTreeMap<String, Change> {
    let namespaces = cluster.namespaces.values().cloned().map(Change::Namespace);
    let nodes = cluster.nodes.values().cloned().map(Change::Node);
    let pods = cluster.endpoints.values().cloned().map(|pod| Change::Endpoint(Box::new(pod)));
    let policies = cluster.policies.values().cloned().map(|policy| Change::Policy(Box::new(policy)));
    let all = namespaces.chain(nodes).chain(pods).chain(policies);
    all.map(|change| (format!("{:?}", gone(&change)), change)).collect()
}

fn gone(change: &Change) -> Change {
    match change {
        Change::Namespace(namespace) => Change::NamespaceGone(namespace.name.clone()),
        Change::Node(node) => Change::NodeGone(node.name.clone()),
        Change::Endpoint(pod) => Change::EndpointGone(pod.id.clone()),
        Change::Policy(policy) => Change::PolicyGone(policy.id.clone()),
        Change::NamespaceGone(_) | Change::NodeGone(_) | Change::EndpointGone(_) | Change::PolicyGone(_) => {
            change.clone()
        }
    }
}
