//! Assertions against every flow of random worlds, as the specification decides it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use policy::analyse::assertions::{Assertion, Claim, Test, violations, wanted};
use policy::analyse::can::{Chain, Group, Part, Who};
use policy::analyse::names::{self, Asked, Destination, Name, Which};
use policy::decision::{Exemption, Reason, Verdict};
use policy::index::Index;
use policy::model::{Attribute, Cluster, Family, Flow, Origin, Phase, Protocol, Selector};
use policy::rows::Families;
use policy::spec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::worlds::random::{cluster, config};

const FLOWS: [(Protocol, u16); 6] = [
    (Protocol::Tcp, 53),
    (Protocol::Tcp, 80),
    (Protocol::Tcp, 8080),
    (Protocol::Udp, 80),
    (Protocol::Sctp, 81),
    (Protocol::Other(1), 0),
];

/// A line: whose addresses, to whose, on which ports.
struct Line {
    from: BTreeSet<IpAddr>,
    to: BTreeSet<IpAddr>,
    asked: Asked,
}

impl Line {
    fn covers(&self, flow: &Flow) -> bool {
        self.to.contains(&flow.destination) && is_asked(self.asked, flow)
    }
}

fn is_asked(asked: Asked, flow: &Flow) -> bool {
    match asked {
        Asked::Everything => true,
        Asked::WithoutPorts => matches!(flow.protocol, Protocol::Other(_)),
        Asked::Ports(protocol, from, to) => flow.protocol == protocol && (from..=to).contains(&flow.port),
    }
}

/// What a claim says of a flow, given all lines of its kind; `None`: nothing.
fn said(kind: &str, lines: &[Line], flow: &Flow) -> Option<Verdict> {
    let covering = || lines.iter().filter(|line| line.covers(flow));
    let is_named = covering().any(|line| line.from.contains(&flow.source));
    match kind {
        "allow" => is_named.then_some(Verdict::Accept),
        "deny" => is_named.then_some(Verdict::Deny),
        "isolated" => {
            let is_in = |address| lines.iter().any(|line| line.from.contains(address));
            (is_in(&flow.source) != is_in(&flow.destination)).then_some(Verdict::Deny)
        }
        _ if is_named => Some(Verdict::Accept),
        "only" => covering().next().map(|_| Verdict::Deny),
        "exactly" => lines.iter().any(|line| line.to.contains(&flow.destination)).then_some(Verdict::Deny),
        "reaches" => lines.iter().any(|line| line.from.contains(&flow.source)).then_some(Verdict::Deny),
        other => panic!("{other}"),
    }
}

fn live(cluster: &Cluster) -> impl Iterator<Item = &policy::model::Endpoint> {
    cluster.endpoints.values().filter(|pod| pod.phase != Phase::Ended)
}

/// Pods with a network of their own, nodes, and who is neither.
fn everybody(cluster: &Cluster) -> BTreeSet<IpAddr> {
    let addresses = (0..32_u8).flat_map(|number| {
        [IpAddr::from([10, 0, 0, number]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)])]
    });
    let of_nodes: BTreeSet<IpAddr> =
        cluster.nodes.values().flat_map(|node| &node.addresses).copied().collect();
    let of = |host_network: bool| -> BTreeSet<IpAddr> {
        live(cluster)
            .filter(|pod| pod.host_network == host_network)
            .flat_map(|pod| &pod.addresses)
            .copied()
            .collect()
    };
    let (own, shared) = (of(false), of(true));
    addresses
        .filter(|address| own.contains(address) || of_nodes.contains(address) || !shared.contains(address))
        .collect()
}

fn addresses(cluster: &Cluster, name: &Name) -> BTreeSet<IpAddr> {
    let all: BTreeSet<IpAddr> = match name {
        Name::Net(net) => {
            let (first, last) = names::range(net);
            (first..=last).map(|number| names::address(Family::of(&net.addr()), number)).collect()
        }
        Name::Pods(namespace, which) => {
            let is_meant = |pod: &&policy::model::Endpoint| {
                let is_here = namespace.as_ref().is_none_or(|name| *name == pod.id.namespace);
                is_here
                    && match which {
                        Which::All => true,
                        Which::Labelled(_) => {
                            pod.labels.get("app").is_some_and(|value| value.as_ref() == "a")
                        }
                        Which::Named(..) => panic!("not among the names here"),
                    }
            };
            live(cluster).filter(is_meant).flat_map(|pod| &pod.addresses).copied().collect()
        }
        Name::External(_) | Name::Internet | Name::Outside => panic!("not among the names here"),
    };
    all
}

fn is_own_node(part: &Part<Chain>) -> bool {
    part.answer.ingress.ruling.reason == Reason::Exempt(Exemption::OwnNode)
}

/// Whether a part is about a flow between these addresses, whoever else has them.
fn holds(cluster: &Cluster, part: &Part<Chain>, flow: &Flow) -> bool {
    let has = |who: &Who, address| match who {
        Who::Pod(pod) => cluster.endpoints[pod].addresses.contains(&address),
        Who::Node(_, at) => *at == address,
        Who::Host(_) => false,
    };
    let is_in = |group: &Group, address| {
        group.addresses.contains(&address) || group.members.iter().any(|who| has(who, address))
    };
    part.family == Family::of(&flow.source)
        && part.ports.iter().any(|asked| is_asked(*asked, flow))
        && is_in(&part.sources, flow.source)
        && is_in(&part.destinations, flow.destination)
}

fn pods() -> impl Strategy<Value = Name> {
    let labelled = Selector::is_in(Attribute::Label("app".into()), vec!["a".into()]);
    prop_oneof![
        4 => select(vec!["w", "x", "y", "z"]).prop_map(|name| Name::Pods(Some(name.into()), Which::All)),
        1 => Just(Name::Pods(None, Which::Labelled(labelled))),
        1 => Just(Name::Pods(None, Which::All)),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    let net = (any::<bool>(), 0..32_u8, 0..4_u8).prop_map(|(v4, number, width)| {
        let (address, bits) = match v4 {
            true => (IpAddr::from([10, 0, 0, number]), 32),
            false => (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)]), 128),
        };
        Name::Net(IpNet::new(address, bits - width).unwrap().trunc())
    });
    prop_oneof![3 => pods(), 1 => net]
}

fn asked() -> impl Strategy<Value = Asked> {
    select(vec![
        Asked::Everything,
        Asked::Ports(Protocol::Tcp, 80, 80),
        Asked::Ports(Protocol::Tcp, 1, 8080),
        Asked::Ports(Protocol::Udp, 1, u16::MAX),
        Asked::WithoutPorts,
    ])
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let kind = select(vec!["allow", "deny", "only", "exactly", "reaches", "isolated"]);
    let line = || (name(), pods(), name(), asked());
    (kind, proptest::collection::vec(line(), 1..3)).prop_map(|(kind, lines)| {
        let claim = |(from, pods, to, asked): (Name, Name, Name, Asked)| {
            let to = Destination::Of(to, asked);
            match kind {
                "allow" => Claim::Allow(from, to),
                "deny" => Claim::Deny(from, to),
                "only" => Claim::Only(from, to),
                "exactly" => Claim::Exactly(from, to),
                "reaches" => Claim::Reaches(pods, to),
                _ => Claim::Isolated(pods),
            }
        };
        let take = if kind == "isolated" { 1 } else { 2 };
        lines.into_iter().take(take).map(claim).collect()
    })
}

fn line(cluster: &Cluster, claim: &Claim) -> Line {
    let (from, to, asked) = match claim {
        Claim::Isolated(name) => (name, name, Asked::Everything),
        Claim::Allow(from, Destination::Of(to, asked))
        | Claim::Deny(from, Destination::Of(to, asked))
        | Claim::Only(from, Destination::Of(to, asked))
        | Claim::Exactly(from, Destination::Of(to, asked))
        | Claim::Reaches(from, Destination::Of(to, asked)) => (from, to, *asked),
        Claim::Allow(..) | Claim::Deny(..) | Claim::Only(..) | Claim::Exactly(..) | Claim::Reaches(..) => {
            panic!("no Service here: {claim:?}")
        }
    };
    Line { from: addresses(cluster, from), to: addresses(cluster, to), asked }
}

fn a_test(claims: Vec<Claim>) -> Test {
    let origin = Origin { file: "-".into(), line: 1 };
    let assertion = |claim| Assertion { claim, text: String::new(), origin: origin.clone() };
    Test {
        name: String::new(),
        assertions: claims.into_iter().map(assertion).collect(),
        origin: origin.clone(),
    }
}

proptest! {
    #![proptest_config(config(512))]

    /// Every flow that gets another verdict than the claims say of it is told, and no other.
    #[test]
    fn a_claim_fails_exactly_where_a_flow_contradicts_it(cluster in cluster(), claims in claims()) {
        let index = Index::compile(&cluster);
        let kind = claims[0].kind();
        let lines: Vec<Line> = claims.iter().map(|claim| line(&cluster, claim)).collect();
        let test = a_test(claims);
        let mut failing: Vec<(Part<Chain>, Verdict)> = Vec::new();
        let mut is_answered = true;
        for assertion in &test.assertions {
            let Ok(wanted) = wanted(&cluster, &index, &test, assertion, Some(Families::Both)) else { return Ok(()) };
            for wanted in &wanted {
                match violations(&cluster, &index, wanted) {
                    Ok(parts) => failing.extend(parts.into_iter().map(|part| (part, wanted.verdict))),
                    Err(_) => is_answered = false,
                }
            }
        }
        for (part, wanted) in &failing {
            let flow = &part.example;
            prop_assert_ne!(spec::decide(&cluster, flow).verdict(), *wanted, "{:?}", flow);
            // A pod alone is asked about itself.
            if flow.source != flow.destination {
                prop_assert_eq!(said(kind, &lines, flow), Some(*wanted), "{:?} of {}", flow, kind);
            }
        }
        if !is_answered {
            return Ok(());
        }
        let everybody = everybody(&cluster);
        let named: BTreeSet<IpAddr> = lines.iter().flat_map(|line| line.from.union(&line.to)).copied().collect();
        for source in everybody.union(&named) {
            for destination in everybody.union(&named) {
                if source == destination || Family::of(source) != Family::of(destination) { continue }
                for (protocol, port) in FLOWS {
                    let flow = Flow::direct(*source, *destination, protocol, port);
                    let decision = spec::decide(&cluster, &flow);
                    let is_aside = kind != "allow" && kind != "deny"
                        && decision.ingress.reason == Reason::Exempt(Exemption::OwnNode);
                    // An address of the host's network that is no node's is nobody else.
                    let is_nobody = |address| !everybody.contains(address);
                    let is_else = match kind {
                        "allow" | "deny" => true,
                        "only" | "exactly" => !is_nobody(source),
                        "reaches" => !is_nobody(destination),
                        _ if lines[0].from.contains(source) => !is_nobody(destination),
                        _ => !is_nobody(source),
                    };
                    match said(kind, &lines, &flow) {
                        Some(Verdict::Deny) if is_aside || !is_else => (),
                        Some(verdict) if verdict != decision.verdict() => {
                            let is_told = |(part, wanted): &(Part<Chain>, Verdict)| *wanted == verdict && holds(&cluster, part, &flow);
                            prop_assert!(failing.iter().any(is_told), "{} {:?}: {:?}", kind, flow, decision);
                        }
                        Some(_) | None => (),
                    }
                }
            }
        }
        prop_assert!(kind == "allow" || kind == "deny"
            || failing.iter().all(|(part, wanted)| *wanted == Verdict::Accept || !is_own_node(part)));
    }
}
