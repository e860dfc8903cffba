//! What is open to pods that don't exist yet: such a pod is put into the cluster, and it gets these ports.

use std::cell::Cell;
use std::net::IpAddr;

use policy::analyse::exposure::exposures;
use policy::analyse::names::Addresses;
use policy::analyse::reach::Reach;
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Attribute, Cluster, Endpoint, Family, Flow, Labels, Peer, Peers, Protocol, Selector};
use policy::ports::PortSet;
use policy::spec;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::worlds::pod;
use crate::worlds::random::{cluster, config};

const PORTS: [(Protocol, u16); 6] = [
    (Protocol::Tcp, 53),
    (Protocol::Tcp, 80),
    (Protocol::Udp, 81),
    (Protocol::Udp, 200),
    (Protocol::Sctp, 8080),
    (Protocol::Other(1), 0),
];

/// In no block of a random world but those of all addresses.
const FREE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// Pods of all labels that a random world's selectors may ask for, in all its namespaces.
fn candidates(cluster: &Cluster) -> Vec<Endpoint> {
    let mut labels: Vec<Labels> = vec![Labels::default()];
    for key in ["app", "tier", "canary"] {
        let with = |value: &'static str| {
            labels.iter().map(move |labels| {
                let more = labels.iter().map(|(key, value)| (key.clone(), value.clone()));
                more.chain([(key.into(), value.into())]).collect::<Labels>()
            })
        };
        let more: Vec<Labels> = ["a", "b", ""].into_iter().flat_map(with).collect();
        labels.extend(more);
    }
    let named = |namespace: &str, labels: &Labels, account: &str| Endpoint {
        service_account: account.into(),
        ..pod(&format!("{namespace}/candidate"), labels.clone(), "n1", &FREE, &[])
    };
    let of = |labels: &Labels| -> Vec<Endpoint> {
        let namespaces = cluster.namespaces.keys();
        namespaces.flat_map(|name| ["default", "db"].map(|account| named(name, labels, account))).collect()
    };
    labels.iter().flat_map(of).collect()
}

/// The selectors that name peers of ingress, each once.
fn selectors(cluster: &Cluster) -> Vec<Selector> {
    let mut all: Vec<Selector> = Vec::new();
    for rule in cluster.policies.values().flat_map(|policy| policy.ingress.iter().flatten()) {
        match &rule.peers {
            Peers::Any => (),
            Peers::Of(peers) => all.extend(peers.iter().filter_map(|peer| match peer {
                Peer::Pods(selector) => Some(selector.clone()),
                Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
            })),
        }
    }
    let mut each: Vec<Selector> = Vec::new();
    for selector in all {
        if !each.contains(&selector) {
            each.push(selector);
        }
    }
    each
}

/// A label of pods, and perhaps one of their namespaces.
type Asks = (&'static str, &'static str, Option<(&'static str, &'static str)>);

fn asks() -> impl Strategy<Value = Asks> {
    let label = || (select(vec!["app", "tier", "canary"]), select(vec!["a", "b", ""]));
    (label(), proptest::option::of(label())).prop_map(|((key, value), namespace)| (key, value, namespace))
}

fn selector((key, value, namespace): &Asks) -> Selector {
    let label = Selector::is_in(Attribute::Label((*key).into()), vec![(*value).into()]);
    let of_namespace = namespace
        .iter()
        .map(|(key, value)| Selector::is_in(Attribute::NamespaceLabel((*key).into()), vec![(*value).into()]));
    Selector::all([label].into_iter().chain(of_namespace).collect::<Vec<_>>())
}

/// The world with few pods and plain peers, so that selectors without pods are many; without egress, as what the
/// newcomer lets out is another question; and without blocks that hold its address.
fn thinned(mut cluster: Cluster, asks: &[Asks]) -> Cluster {
    cluster.endpoints.truncate(4);
    // Whom an address is shared by is another question too.
    for (at, pod) in (1_u8..).zip(cluster.endpoints.values_mut()) {
        pod.addresses = vec![[10, 0, 0, at].into(), [0xfd00, 0, 0, 0, 0, 0, 0, at.into()].into()];
    }
    let mut asks = asks.iter().map(selector).cycle();
    let free: Vec<IpAddr> = FREE.iter().map(|address| address.parse().unwrap()).collect();
    for policy in cluster.policies.values_mut() {
        policy.egress = None;
        for rule in policy.ingress.iter_mut().flatten() {
            if let Peers::Of(peers) = &mut rule.peers {
                for peer in peers.iter_mut() {
                    if let (Peer::Pods(selector), Some(plain)) = (peer, asks.next()) {
                        *selector = plain;
                    }
                }
                peers.retain(|peer| match peer {
                    Peer::Block(block) => !free.iter().any(|address| block.cidr.contains(address)),
                    Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => true,
                });
            }
        }
    }
    cluster
}

/// What `newcomer` gets to, on some ports, by the specification.
fn allowed(cluster: &Cluster, newcomer: &Endpoint, to: &Endpoint) -> PortSet {
    let mut cluster = cluster.clone();
    cluster.endpoints.insert(newcomer.id.clone(), newcomer.clone());
    let family = Family::BOTH.into_iter().find(|family| to.address(*family).is_some()).unwrap();
    let (from, to) = (newcomer.address(family).unwrap(), to.address(family).unwrap());
    let gets = PORTS.into_iter().filter(|(protocol, port)| {
        spec::decide(&cluster, &Flow::direct(from, to, *protocol, *port)).verdict() == Verdict::Accept
    });
    gets.fold(PortSet::default(), |all, (protocol, port)| all.or(&one(protocol, port)))
}

fn one(protocol: Protocol, port: u16) -> PortSet {
    match protocol {
        Protocol::Other(_) => PortSet::without_ports(),
        Protocol::Tcp | Protocol::Udp | Protocol::Sctp => PortSet::of([(protocol, port, port)]),
    }
}

/// Those of `PORTS` that are among these.
fn asked(ports: &PortSet) -> PortSet {
    PORTS
        .into_iter()
        .fold(PortSet::default(), |all, (protocol, port)| all.or(&one(protocol, port).and(ports)))
}

/// How many selectors without pods have been tried, and how many of them open something.
fn check(cluster: Cluster, asks: &[Asks]) -> Result<(usize, usize), TestCaseError> {
    let cluster = thinned(cluster, asks);
    let index = Index::compile(&cluster);
    let reach = Reach::of(&cluster, &index);
    let (selectors, candidates) = (selectors(&cluster), candidates(&cluster));
    let matching = |pod: &Endpoint| -> Vec<&Selector> {
        selectors.iter().filter(|selector| index.selects(selector, pod)).collect()
    };
    let nobody = candidates.iter().find(|pod| matching(pod).is_empty());
    let (mut tried, mut opening) = (0, 0);
    for open in exposures(&reach, &index, &Addresses::default()) {
        let to = reach.units[open.unit].pods[0];
        for selector in &selectors {
            let has_pods =
                reach.units.iter().flat_map(|unit| &unit.pods).any(|pod| index.selects(selector, pod));
            let newcomer = candidates.iter().find(|pod| matching(pod) == [selector]);
            let (false, Some(newcomer), Some(nobody)) = (has_pods, newcomer, nobody) else { continue };
            let expected = allowed(&cluster, newcomer, to).without(&allowed(&cluster, nobody, to));
            let told = open.from_nobody_yet.iter().find(|(listed, _)| listed == selector);
            let told = told.map(|(_, ports)| asked(ports)).unwrap_or_default();
            prop_assert_eq!(&told, &expected, "{} to {}", selector, to.id);
            tried += 1;
            opening += usize::from(!told.is_empty());
        }
    }
    Ok((tried, opening))
}

#[test]
fn a_pod_that_comes_gets_what_was_open_to_it() {
    let (tried, opening) = (Cell::new(0), Cell::new(0));
    let run = TestRunner::new(config(512)).run(&(cluster(), vec(asks(), 3)), |(cluster, asks)| {
        let (more, open) = check(cluster, &asks)?;
        tried.set(tried.get() + more);
        opening.set(opening.get() + open);
        Ok(())
    });
    run.unwrap();
    // Else the test would be about nothing.
    assert!(opening.get() * 100 > tried.get(), "{} tried, {} opening", tried.get(), opening.get());
}
