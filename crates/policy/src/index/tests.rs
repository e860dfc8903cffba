//! What the index's cost hangs on.

use super::{Change, Index};
use crate::model::{
    Action, Attribute, Endpoint, EndpointId, Labels, Origin, Peer, Peers, Phase, Policy, PolicyId,
    PolicyKind, Ports, Rule, Selector, Tier, Workload,
};

fn label(key: &str, value: &str) -> Selector {
    Selector::is_in(Attribute::Label(key.into()), vec![value.into()])
}

/// A policy of its own namespace that lets one app in, and only that app's own selector is new.
fn policy(number: usize) -> Policy {
    let namespace = format!("ns-{}", number % 100);
    let origin = Origin { file: "test".into(), line: 0 };
    let peers =
        Peers::Of(vec![Peer::Pods(label("app", &format!("a{number}")).and(Selector::namespace(&namespace)))]);
    let rule = Rule { name: None, action: Action::Accept, peers, ports: Ports::Any, origin: origin.clone() };
    Policy {
        id: PolicyId {
            kind: PolicyKind::NetworkPolicy,
            namespace: Some(namespace.as_str().into()),
            name: format!("p{number}").into(),
        },
        tier: Tier::NetworkPolicy,
        priority: 0,
        subject: label("app", &format!("b{number}")).and(Selector::namespace(&namespace)),
        ingress: Some(vec![rule]),
        egress: None,
        origin,
    }
}

fn pod(name: &str, address: &str, labels: Labels) -> Endpoint {
    Endpoint {
        id: EndpointId { namespace: "ns-1".into(), name: name.into() },
        labels,
        service_account: "default".into(),
        addresses: vec![address.parse().unwrap()],
        addresses_made_up: false,
        ports: vec![],
        node: None,
        host_network: false,
        phase: Phase::Live,
        workload: Workload { kind: "Pod".into(), name: name.into() },
    }
}

fn index_of(policies: usize) -> Index {
    let mut index = Index::default();
    index.apply_all((0..policies).map(|number| Change::Policy(Box::new(policy(number)))));
    index
}

fn asked_for_one_pod(policies: usize) -> u64 {
    let mut index = index_of(policies);
    let before = index.work().selectors_asked;
    let labels = Labels::from([("app", "a1"), ("pod-template-hash", "5d8"), ("version", "v1")]);
    index.apply(Change::Endpoint(Box::new(pod("new", "10.0.0.1", labels))));
    index.work().selectors_asked - before
}

#[test]
fn a_new_pod_asks_for_its_own_labels_and_not_for_the_policies() {
    assert_eq!(asked_for_one_pod(10_000), asked_for_one_pod(100));
    assert!(asked_for_one_pod(10_000) <= 3);
}

#[test]
fn pods_that_no_policy_tells_apart_are_one_identity_and_ask_once() {
    let mut index = index_of(100);
    let labels = |hash| Labels::from([("app", "a1"), ("pod-template-hash", hash)]);
    index.apply(Change::Endpoint(Box::new(pod("one", "10.0.0.1", labels("x")))));
    let before = index.work();
    index.apply(Change::Endpoint(Box::new(pod("two", "10.0.0.2", labels("y")))));
    assert_eq!(index.identities().len(), 1);
    assert_eq!(index.work(), before);
}

#[test]
fn a_pod_builds_programs_only_where_none_is_there_for_its_policies() {
    let mut index = index_of(100);
    index.apply(Change::Endpoint(Box::new(pod("one", "10.0.0.1", Labels::from([("app", "b1")])))));
    let before = index.work().programs_built;
    index.apply(Change::Endpoint(Box::new(pod(
        "two",
        "10.0.0.2",
        Labels::from([("app", "b1"), ("x", "y")]),
    ))));
    assert_eq!(index.work().programs_built, before);
}

#[test]
fn a_delta_names_the_one_set_that_a_new_pod_belongs_to() {
    let mut index = index_of(10_000);
    let delta =
        index.apply(Change::Endpoint(Box::new(pod("one", "10.0.0.1", Labels::from([("app", "a1")])))));
    let address = "10.0.0.1".parse().unwrap();
    assert_eq!(delta.addresses, [address].into());
    assert_eq!(delta.identities_come.len(), 1);
    let members: Vec<_> = delta.peers.values().collect();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].come, [address].into());
    assert!(members[0].gone.is_empty());
    let gone = index.apply(Change::EndpointGone(EndpointId { namespace: "ns-1".into(), name: "one".into() }));
    assert_eq!(gone.peers.values().next().unwrap().gone, [address].into());
    assert_eq!(index.snapshot(), index_of(10_000).snapshot());
}

#[test]
fn a_delta_names_the_pods_whose_program_differs() {
    let mut index = index_of(10);
    index.apply(Change::Endpoint(Box::new(pod("subject", "10.0.0.1", Labels::from([("app", "b1")])))));
    index.apply(Change::Endpoint(Box::new(pod("other", "10.0.0.2", Labels::from([("app", "c")])))));
    let delta = index.apply(Change::PolicyGone(policy(1).id));
    let names: Vec<String> = delta.programs.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["ns-1/subject"]);
    assert!(delta.addresses.is_empty());
}

#[test]
fn nothing_differs_when_an_object_comes_again_as_it_is() {
    let mut index = index_of(10);
    let one = pod("one", "10.0.0.1", Labels::from([("app", "b1")]));
    index.apply(Change::Endpoint(Box::new(one.clone())));
    assert!(index.apply(Change::Endpoint(Box::new(one))).is_empty());
    assert!(index.apply(Change::Policy(Box::new(policy(1)))).is_empty());
}
