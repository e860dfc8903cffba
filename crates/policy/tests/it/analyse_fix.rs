//! `can --fix` against the specification, flow by flow, on random worlds; and what it proposes, as manifests.

use std::net::IpAddr;

use ipnet::IpNet;
use policy::analyse::can::{Group, Question, Who};
use policy::analyse::fix::{Fix, Flows, What, document, fix};
use policy::analyse::names::{Addresses, Asked, Ends, Target};
use policy::decision::Verdict;
use policy::index::Index;
use policy::manifest::{self, Listed, Options, Settings, Source, Unreadable, Unsupported};
use policy::model::{
    Cluster, Direction, Endpoint, Family, Flow, Origin, Path, Phase, Policy, Protocol, Selector, Tier,
};
use policy::rows::Families;
use policy::spec;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::worlds::random::{cluster, config, flow};

const NAMESPACES: [&str; 4] = ["w", "x", "y", "z"];

/// One side of a question.
#[derive(Clone, Debug)]
enum Named {
    Namespace(&'static str),
    Net(IpNet),
}

fn named() -> impl Strategy<Value = Named> {
    let net = (any::<bool>(), 0..32_u8, 0..4_u8).prop_map(|(v4, at, width)| {
        let (address, bits): (IpAddr, u8) = match v4 {
            true => ([10, 0, 0, at].into(), 32),
            false => ([0xfd00, 0, 0, 0, 0, 0, 0, at.into()].into(), 128),
        };
        Named::Net(IpNet::new(address, bits - width).unwrap().trunc())
    });
    prop_oneof![3 => select(NAMESPACES.to_vec()).prop_map(Named::Namespace), 1 => net]
}

fn ends<'a>(cluster: &'a Cluster, named: &Named) -> Ends<'a> {
    let is_there =
        |pod: &&Endpoint| pod.phase != Phase::Ended && !pod.host_network && !pod.addresses.is_empty();
    match named {
        Named::Namespace(name) => {
            let here = cluster.endpoints.values().filter(|pod| &*pod.id.namespace == *name);
            Ends { pods: here.filter(is_there).collect(), ..Ends::default() }
        }
        Named::Net(net) => Ends { addresses: Addresses::of([net]), ..Ends::default() },
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        3 => select(vec![53, 80, 8080]).prop_map(|port| Asked::Ports(Protocol::Tcp, port, port)),
        1 => Just(Asked::Ports(Protocol::Udp, 50, 90)),
        1 => Just(Asked::Everything),
        1 => Just(Asked::WithoutPorts),
    ]
}

proptest! {
    #![proptest_config(config(512))]

    /// After the edits all that was asked about may pass, and of the rest exactly the flows that are listed get
    /// another verdict.
    #[test]
    fn a_fix_opens_what_was_asked_and_what_it_says(
        cluster in cluster(),
        (from, to, asked) in (named(), named(), asked()),
        path in select(vec![Path::Direct, Path::Direct, Path::Service]),
        families in select(vec![Families::Natural, Families::Only(Family::V4), Families::Both]),
        flows in vec(flow(), 200),
    ) {
        let index = Index::compile(&cluster);
        let target = Target { ends: ends(&cluster, &to), asked, path };
        let question = Question { sources: ends(&cluster, &from), targets: vec![target], families };
        let Some(fix) = fix(&cluster, &index, &question) else { return Ok(()) };
        prop_assert!(fix.left.is_empty(), "{:#?} leaves {:#?}", fix.edits, fix.left);
        prop_assert_eq!(&edited(&cluster, &fix), &fix.cluster);
        let ports = [(Protocol::Tcp, 80), (Protocol::Udp, 80), (Protocol::Other(1), 0), (Protocol::Tcp, 53)];
        let between = between(&question, &ports);
        for flow in flows.iter().chain(&between).filter(|flow| is_two(flow)) {
            let before = spec::decide(&cluster, flow).verdict();
            let after = spec::decide(&fix.cluster, flow).verdict();
            let (is_opened, is_closed) = (holds(&cluster, &fix.opened, flow), holds(&cluster, &fix.closed, flow));
            let is_asked = is_asked(&question, flow);
            let expected = match (before, after) {
                (Verdict::Deny, Verdict::Accept) => (!is_asked, false),
                (Verdict::Accept, Verdict::Deny) => (false, true),
                (Verdict::Deny, Verdict::Deny) | (Verdict::Accept, Verdict::Accept) => (false, false),
            };
            prop_assert_eq!((is_opened, is_closed), expected, "{:?} {} {:#?}", flow, is_asked, fix.edits);
            if is_asked && is_meant(&question, flow) {
                prop_assert_eq!(after, Verdict::Accept, "{:?} {:#?}", flow, fix.edits);
            }
        }
    }

    /// What is to be applied is read as the policy that was held against every flow.
    #[test]
    fn a_new_policy_is_read_as_it_was_meant(
        cluster in cluster(),
        (from, to, asked) in (named(), named(), asked()),
    ) {
        let index = Index::compile(&cluster);
        let target = Target { ends: ends(&cluster, &to), asked, path: Path::Direct };
        let families = Families::Natural;
        let question = Question { sources: ends(&cluster, &from), targets: vec![target], families };
        let Some(fix) = fix(&cluster, &index, &question) else { return Ok(()) };
        for edit in &fix.edits {
            let What::New(policy) = &edit.what else { continue };
            // Rules of the Admin and Baseline tiers can't name senders by their addresses, nor deny them.
            if policy.tier != Tier::NetworkPolicy && edit.direction == Direction::Ingress {
                continue;
            }
            let yaml = document(edit, None).to_string();
            let read = read(&yaml);
            prop_assert_eq!(read.as_ref(), Some(&without_origins(policy)), "{}", yaml);
        }
    }
}

/// A pod never sends to its own address but through a Service.
fn is_two(flow: &Flow) -> bool {
    flow.source != flow.destination || flow.path == Path::Service
}

fn edited(cluster: &Cluster, fix: &Fix) -> Cluster {
    let mut cluster = cluster.clone();
    for edit in &fix.edits {
        let policy = edit.applied(cluster.policies.get(&edit.policy)).unwrap();
        cluster.policies.insert(edit.policy.clone(), policy);
    }
    cluster
}

fn between(question: &Question<'_>, ports: &[(Protocol, u16)]) -> Vec<Flow> {
    let addresses = |ends: &Ends<'_>| {
        let nets = ends.all_addresses().nets();
        nets.iter().flat_map(IpNet::hosts).take(12).collect::<Vec<IpAddr>>()
    };
    let to = addresses(&question.targets[0].ends);
    let pairs = addresses(&question.sources);
    let pairs = pairs.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    let pairs = pairs.filter(|(from, to)| from != to && from.is_ipv4() == to.is_ipv4());
    pairs
        .flat_map(|(from, to)| ports.iter().map(move |(of, port)| Flow::direct(from, to, *of, *port)))
        .collect()
}

fn is_asked(question: &Question<'_>, flow: &Flow) -> bool {
    let target = &question.targets[0];
    let is_port = match target.asked {
        Asked::Everything => true,
        Asked::WithoutPorts => matches!(flow.protocol, Protocol::Other(_)),
        Asked::Ports(protocol, from, to) => protocol == flow.protocol && (from..=to).contains(&flow.port),
    };
    let is_family = match question.families {
        Families::Natural | Families::Both => true,
        Families::Only(family) => family == Family::of(&flow.source),
    };
    is_port
        && is_family
        && (flow.source != flow.destination || target.path == Path::Service)
        && question.sources.all_addresses().contains(&flow.source)
        && target.ends.all_addresses().contains(&flow.destination)
}

/// Whether the answer must be about this flow: over IPv6 it may leave out what has IPv4 as well.
fn is_meant(question: &Question<'_>, flow: &Flow) -> bool {
    match question.families {
        Families::Only(_) | Families::Both => true,
        Families::Natural => Family::of(&flow.source) == Family::V4,
    }
}

fn holds(cluster: &Cluster, all: &[Flows], flow: &Flow) -> bool {
    all.iter().any(|flows| {
        flows.family == Family::of(&flow.source)
            && flows.is_own == (flow.source == flow.destination)
            && flows.ports.contains(flow.protocol, flow.port)
            && is_in(cluster, &flows.sources, flow.source)
            && is_in(cluster, &flows.destinations, flow.destination)
    })
}

fn is_in(cluster: &Cluster, group: &Group, address: IpAddr) -> bool {
    let has = |who: &Who| match who {
        Who::Pod(pod) => cluster.endpoints[pod].addresses.contains(&address),
        Who::Node(_, at) => *at == address,
        Who::Host(_) => false,
    };
    group.addresses.contains(&address) || group.members.iter().any(has)
}

fn read(yaml: &str) -> Option<Policy> {
    let source = Source { name: "fix.yaml".into(), bytes: yaml.as_bytes().into(), listed: Listed::ByName };
    let options = Options { unreadable: Unreadable::Reject, unsupported: Unsupported::Reject };
    let read = manifest::read([source], options);
    assert!(read.diagnostics.is_empty(), "{:?} in {yaml}", read.diagnostics);
    let (cluster, _) = read.objects.cluster(&Settings {
        nodes: 1,
        replicas: 1,
        pod_networks: Vec::new(),
        hosts: Vec::new(),
    });
    cluster.policies.values().next().map(without_origins)
}

/// Where it is written is not what it means; neither is the order of a list.
fn without_origins(policy: &Policy) -> Policy {
    let origin = Origin { file: "".into(), line: 0 };
    let mut policy = Policy { origin: origin.clone(), ..policy.clone() };
    policy.subject = Selector::everything().and(policy.subject);
    for rule in policy.ingress.iter_mut().chain(&mut policy.egress).flatten() {
        rule.origin = origin.clone();
    }
    policy
}
