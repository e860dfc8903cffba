//! `--lab`: the questions of assertions, put to a kernel with packets.
//!
//! Every pair of pods that a question is about is asked, on the ports at which verdicts change. Of addresses
//! that nobody has, one of each kind that the policies tell apart is given to a host in the lab. Nodes
//! themselves are not asked, and no protocol without ports.

use std::collections::HashSet;
use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow};
use indexmap::IndexMap;
use ipnet::IpNet;
use lab::{Drawing, Seen, Stage};
use policy::analyse::assertions::{OwnNode, Test, Wanted, wanted};
use policy::analyse::can::{Chain, Group, Part, Who, parts};
use policy::analyse::names::{Addresses, Asked, address};
use policy::decision::{Exemption, Reason, Verdict};
use policy::model::{Cluster, Family, Flow, Host, Path, Protocol, Text};
use policy::rows::{Actor, Pair, PodPorts, ProtocolPort};

use super::judge::{self, Failure, Found, Judged, Outlook, verb};

/// What no machine can have as its address.
const UNUSABLE: [&str; 7] =
    ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/3", "4000::/2", "8000::/2", "fe00::/7"];

/// A flow to be asked.
struct Ask {
    pair: Pair,
    /// Whose claim it is, by the places of the test and of the assertion.
    of: (usize, usize),
}

/// What the engine and a kernel say of all of them.
pub(super) fn judge<'a>(outlook: &Outlook<'_>, tests: &[&'a Test]) -> Result<Vec<Judged<'a>>> {
    let mut judged = judge::all(outlook, tests);
    let mut cast = Cast::of(outlook.cluster);
    let mut asks = Vec::new();
    for (at, test) in tests.iter().enumerate() {
        for (place, written) in test.assertions.iter().enumerate() {
            let wanted = wanted(outlook.cluster, outlook.index, test, written, outlook.families);
            for wanted in wanted.iter().flatten() {
                let of = (at, place);
                asks.extend(cast.flows(outlook, wanted).into_iter().map(|pair| Ask { pair, of }));
            }
        }
    }
    let ports: HashSet<ProtocolPort> =
        asks.iter().map(|ask| (ask.pair.flow.protocol, ask.pair.flow.port)).collect();
    let mut ports: Vec<ProtocolPort> = ports.into_iter().collect();
    ports.sort_unstable();
    // Who doesn't answer on a port can't be told from who was never reached.
    cast.cluster.hosts.values_mut().for_each(|host| host.ports.clone_from(&ports));
    let drawing = Drawing::default()
        .and(&cast.cluster, &PodPorts::These(ports))
        .context("this cluster can't be built")?;
    lab::enter().map_err(|error| anyhow!("no lab here: {error}"))?;
    let mut stage = Stage::build(drawing).context("cannot build the lab")?;
    asks.retain(|ask| stage.families().contains(&Family::of(&ask.pair.flow.destination)));
    let denied: Vec<&Pair> =
        asks.iter().map(|ask| &ask.pair).filter(|pair| decided(outlook, pair) == Verdict::Deny).collect();
    stage.prove(&denied)?;
    stage.enforce(outlook.index)?;
    let pairs: Vec<&Pair> = asks.iter().map(|ask| &ask.pair).collect();
    for (ask, seen) in asks.iter().zip(stage.ask(outlook.index, &pairs)?) {
        let of = judged.get_mut(ask.of.0).and_then(|test| test.assertions.get_mut(ask.of.1));
        if let Some(assertion) = of {
            note(&mut assertion.outcome, ask, &seen);
        }
    }
    Ok(judged)
}

fn decided(outlook: &Outlook<'_>, pair: &Pair) -> Verdict {
    outlook.index.decide(&pair.flow).verdict()
}

/// Adds what packets say beyond what the engine says.
fn note(outcome: &mut Found, ask: &Ask, seen: &Seen) {
    let Pair { source, destination, flow, .. } = &ask.pair;
    let flow = format!("{source} -> {destination} : {}/{}", flow.port, flow.protocol);
    let sentence = match seen.kernel() {
        None => {
            let why = format!("packets gave no verdict on {flow}: {:?}", seen.outcome);
            *outcome = Found::Unanswered(why);
            return;
        }
        Some(kernel) if kernel == seen.decision.verdict() => return,
        Some(kernel) => format!("the kernel {} {flow}, and the engine doesn't", verb(kernel)),
    };
    match outcome {
        Found::Held => *outcome = Found::Failed(vec![Failure::Kernel(sentence)]),
        Found::Failed(failures) => failures.push(Failure::Kernel(sentence)),
        Found::Unanswered(_) => (),
    }
}

/// Who is in the lab: the cluster, and hosts that stand for addresses that nobody has.
struct Cast {
    cluster: Cluster,
    usable: Addresses,
    hosts: IndexMap<IpAddr, Text>,
}

impl Cast {
    fn of(cluster: &Cluster) -> Self {
        let unusable: Vec<IpNet> = UNUSABLE.iter().filter_map(|net| net.parse().ok()).collect();
        let of_hosts = cluster.hosts.values();
        let hosts =
            of_hosts.flat_map(|host| host.addresses.iter().map(|address| (*address, host.name.clone())));
        Cast {
            cluster: cluster.clone(),
            usable: Addresses::all().without(&Addresses::of(&unusable)),
            hosts: hosts.collect(),
        }
    }

    /// The flows of a question that packets can ask.
    fn flows(&mut self, outlook: &Outlook<'_>, wanted: &Wanted<'_>) -> Vec<Pair> {
        let mut all = Vec::new();
        for part in parts(outlook.cluster, outlook.index, &wanted.question) {
            let is_own_node = part.answer.ingress.ruling.reason == Reason::Exempt(Exemption::OwnNode);
            if !(is_own_node && wanted.own_node == OwnNode::Aside) {
                all.extend(self.pairs(&part));
            }
        }
        all
    }

    fn pairs(&mut self, part: &Part<Chain>) -> Vec<Pair> {
        let sources = self.actors(&part.sources, part.family);
        let destinations = self.actors(&part.destinations, part.family);
        let ports: Vec<ProtocolPort> = part.ports.iter().flat_map(|asked| ports(*asked)).collect();
        let ends = sources.iter().flat_map(|from| destinations.iter().map(move |to| (from, to)));
        let ends = ends.filter(|((from, source), (to, destination))| {
            // From host to host there is no policy, and to itself no packet leaves.
            source != destination && (is_pod(from) || is_pod(to))
        });
        ends.flat_map(|((from, source), (to, destination))| {
            ports.iter().map(|(protocol, port)| Pair {
                source: from.clone(),
                destination: to.clone(),
                flow: Flow {
                    source: *source,
                    destination: *destination,
                    protocol: *protocol,
                    port: *port,
                    path: Path::Direct,
                },
                twin: None,
            })
        })
        .collect()
    }

    fn actors(&mut self, group: &Group, family: Family) -> Vec<(Actor, IpAddr)> {
        let mut all = Vec::new();
        for who in &group.members {
            let (actor, address) = match who {
                Who::Pod(id) => {
                    let address = self.cluster.endpoints.get(id).and_then(|pod| pod.address(family));
                    (Actor::Pod(id.clone()), address)
                }
                Who::Host(name) => {
                    let address = self.cluster.hosts.get(name).and_then(|host| host.address(family));
                    (Actor::Host(name.clone()), address)
                }
                Who::Node(..) => continue,
            };
            all.extend(address.map(|address| (actor, address)));
        }
        let known = self
            .hosts
            .iter()
            .filter(|(address, _)| Family::of(address) == family && group.addresses.contains(address));
        let known: Vec<(Actor, IpAddr)> =
            known.map(|(address, name)| (Actor::Host(name.clone()), *address)).take(1).collect();
        match known.is_empty() {
            true => all.extend(self.stand_in(&group.addresses, family)),
            false => all.extend(known),
        }
        all
    }

    /// A host with one of these addresses.
    fn stand_in(&mut self, among: &Addresses, family: Family) -> Option<(Actor, IpAddr)> {
        let usable = self.usable.without(&self.usable.without(among));
        let (first, last) = usable.ranges(family).first()?;
        let address = address(family, (first + 1).min(*last));
        let name: Text = address.to_string().into();
        self.hosts.insert(address, name.clone());
        let host = Host { name: name.clone(), addresses: vec![address], ports: Vec::new() };
        self.cluster.hosts.insert(name.clone(), host);
        Some((Actor::Host(name), address))
    }
}

fn is_pod(actor: &Actor) -> bool {
    match actor {
        Actor::Pod(_) => true,
        Actor::Host(_) => false,
    }
}

/// Where a range begins and ends; of everything a port of each protocol.
fn ports(asked: Asked) -> Vec<ProtocolPort> {
    match asked {
        Asked::Everything => Protocol::WITH_PORTS.iter().map(|protocol| (*protocol, 80)).collect(),
        Asked::WithoutPorts => Vec::new(),
        Asked::Ports(protocol, from, to) if from == to => vec![(protocol, from)],
        Asked::Ports(protocol, from, to) => vec![(protocol, from), (protocol, to)],
    }
}
