//! Verdicts that are given, asked of the kernel with real packets: the literate cases and the corpus.

use std::collections::HashMap;
use std::net::IpAddr;

use lab::{Drawing, Outcome, Stage};
use libtest_mimic::{Failed, Trial};
use policy::decision::{Reason, Verdict};
use policy::index::Index;
use policy::model::{
    Cluster, ContainerPort, Endpoint, EndpointId, Flow, Host, Labels, Path, Phase, Protocol, Workload,
};
use policy::rows::{Actor, Pair, PodPorts};

use crate::given::{cases, corpus};

/// Cases of the corpus that only repeat, with more peers at once, what the others ask one by one.
const REPEATING: [&str; 5] =
    ["multi-peer", "upstream-e2e", "example", "end-port", "namespaces-by-default-label"];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(name, test);
    vec![
        trial("the_kernel_decides_every_literate_case", literate_cases),
        trial("the_kernel_decides_the_corpus", the_corpus),
    ]
}

/// A cluster with the verdicts that packets must get.
struct State {
    title: String,
    cluster: Cluster,
    rows: Vec<Row>,
}

struct Row {
    text: String,
    pair: Pair,
    verdict: Verdict,
}

/// Rows that no probe can ask: protocols that the lab doesn't speak, a pod to itself, and pods that have
/// ended. They are counted, so that it shows if they become many.
struct Asked {
    states: Vec<State>,
    left_out: usize,
}

fn literate_cases() -> Result<(), Failed> {
    let mut asked = Asked { states: Vec::new(), left_out: 0 };
    for case in cases::all() {
        let rows: Vec<(String, Flow, Verdict)> =
            case.rows.into_iter().map(|row| (row.text, row.flow, row.verdict)).collect();
        let flows: Vec<Flow> = rows.iter().map(|(_, flow, _)| *flow).collect();
        asked.add(format!("{}: {}", case.file, case.title), inhabited(case.cluster, &flows), rows);
    }
    let (rows, left_out) = (asked.rows(), asked.left_out);
    println!("{rows} rows, {left_out} left out");
    assert!(rows > 5 * left_out, "{rows} rows are asked, {left_out} left out");
    compare(&asked.states)
}

fn the_corpus() -> Result<(), Failed> {
    let Some(steps) = corpus::steps() else { return Ok(()) };
    let mut asked = Asked { states: Vec::new(), left_out: 0 };
    let mut cases = 0;
    for step in
        steps.into_iter().filter(|step| !step.tags.iter().any(|tag| REPEATING.contains(&tag.as_str())))
    {
        cases += usize::from(step.title.ends_with("step 1"));
        let rows = step.rows.into_iter().map(|row| (row.text, row.flow, row.verdict)).collect();
        asked.add(step.title, step.cluster, rows);
    }
    println!("{cases} cases, {} rows", asked.rows());
    assert!(cases >= 112 && asked.left_out == 0, "{cases} cases, {} rows left out", asked.left_out);
    compare(&asked.states)
}

impl Asked {
    fn add(&mut self, title: String, cluster: Cluster, rows: Vec<(String, Flow, Verdict)>) {
        let actors = actors(&cluster);
        let all = rows.len();
        let rows: Vec<Row> =
            rows.into_iter().filter_map(|(text, flow, verdict)| row(&actors, text, flow, verdict)).collect();
        self.left_out += all - rows.len();
        self.states.push(State { title, cluster, rows });
    }

    fn rows(&self) -> usize {
        self.states.iter().map(|state| state.rows.len()).sum()
    }
}

fn row(actors: &HashMap<IpAddr, Actor>, text: String, flow: Flow, verdict: Verdict) -> Option<Row> {
    let has_probe = match flow.protocol {
        Protocol::Tcp | Protocol::Udp | Protocol::Sctp => flow.source != flow.destination,
        Protocol::Other(_) => false,
    };
    let (source, destination) = (actors.get(&flow.source)?.clone(), actors.get(&flow.destination)?.clone());
    let flow = Flow { path: Path::Direct, ..flow };
    has_probe.then_some(Row { text, pair: Pair { source, destination, flow, twin: None }, verdict })
}

/// Who has which address; a node is stood for by a pod in its network.
fn actors(cluster: &Cluster) -> HashMap<IpAddr, Actor> {
    let running = cluster.endpoints.values().filter(|pod| pod.phase != Phase::Ended);
    let pods =
        running.flat_map(|pod| pod.addresses.iter().map(|address| (*address, Actor::Pod(pod.id.clone()))));
    let hosts = cluster.hosts.values();
    let hosts = hosts
        .flat_map(|host| host.addresses.iter().map(|address| (*address, Actor::Host(host.name.clone()))));
    hosts.chain(pods).collect()
}

/// The cluster with somebody at every address that a flow names: a host outside, or a pod in a node's
/// network, which no policy knows (D8).
fn inhabited(mut cluster: Cluster, flows: &[Flow]) -> Cluster {
    let ends = flows
        .iter()
        .flat_map(|flow| [(flow.source, None), (flow.destination, Some((flow.protocol, flow.port)))]);
    for (address, port) in ends {
        let node = cluster.nodes.values().find(|node| node.addresses.contains(&address));
        match node.map(|node| node.name.clone()) {
            Some(node) => {
                let name = format!("stack-of-{node}");
                let id = EndpointId { namespace: "kube-system".into(), name: name.as_str().into() };
                let addresses = cluster.nodes[&node].addresses.clone();
                let pod = cluster.endpoints.entry(id.clone()).or_insert_with(|| stack(id, addresses, &node));
                pod.ports.extend(port.map(|(protocol, port)| ContainerPort { name: None, protocol, port }));
            }
            None if !is_known(&cluster, address) => {
                let name: policy::model::Text = format!("at-{address}").into();
                let host =
                    Host { name: name.clone(), addresses: vec![address], ports: port.into_iter().collect() };
                cluster.hosts.insert(name, host);
            }
            None => (),
        }
    }
    cluster
}

fn is_known(cluster: &Cluster, address: IpAddr) -> bool {
    cluster.endpoints.values().any(|pod| pod.addresses.contains(&address))
        || cluster.hosts.values().any(|host| host.addresses.contains(&address))
}

fn stack(id: EndpointId, addresses: Vec<IpAddr>, node: &str) -> Endpoint {
    Endpoint {
        workload: Workload { kind: "Pod".into(), name: id.name.clone() },
        id,
        labels: Labels::default(),
        service_account: "default".into(),
        addresses,
        addresses_made_up: false,
        ports: vec![],
        node: Some(node.into()),
        host_network: true,
        phase: Phase::Live,
    }
}

/// Asks all states, with as few labs as the addresses in them allow.
fn compare(states: &[State]) -> Result<(), Failed> {
    let mut problems = Vec::new();
    let mut left = states;
    while !left.is_empty() {
        let (drawing, together) = draw(left);
        let (now, later) = left.split_at(together);
        let mut stage = Stage::build(drawing).map_err(|error| error.to_string())?;
        for state in now {
            problems.extend(ask(&mut stage, state)?);
        }
        left = later;
    }
    match problems.as_slice() {
        [] => Ok(()),
        some => Err(format!("{} rows differ:\n{}", some.len(), some.join("\n")).into()),
    }
}

/// The drawing of the longest run of states, from the first, in which nobody moves.
fn draw(states: &[State]) -> (Drawing, usize) {
    let mut drawing = Drawing::default();
    for (place, state) in states.iter().enumerate() {
        drawing = match drawing.clone().and(&state.cluster, &PodPorts::Containers) {
            Ok(grown) => grown,
            Err(_) if place > 0 => return (drawing, place),
            Err(error) => panic!("{}: {error}", state.title),
        };
    }
    (drawing, states.len())
}

fn ask(stage: &mut Stage, state: &State) -> Result<Vec<String>, Failed> {
    let index = Index::compile(&state.cluster);
    let pairs: Vec<&Pair> = state.rows.iter().map(|row| &row.pair).collect();
    let staged = |error: lab::StageError| Failed::from(format!("{}: {error}", state.title));
    stage.prove(&pairs).map_err(staged)?;
    stage.enforce(&index).map_err(staged)?;
    let seen = stage.ask(&index, &pairs).map_err(staged)?;
    let differs = state.rows.iter().zip(seen).filter_map(|(row, seen)| {
        let named =
            named_rule(&seen.outcome) == seen.decision.denial().map(|(_, reason)| reason).and_then(rule_id);
        let right = seen.kernel() == Some(row.verdict) && (named || row.verdict == Verdict::Accept);
        (!right)
            .then(|| format!("{}: {}\n  but {:?} ({:?})", state.title, row.text, seen.outcome, seen.decision))
    });
    Ok(differs.collect())
}

/// The rule that the kernel's log named.
fn named_rule(outcome: &Outcome) -> Option<policy::model::RuleId> {
    match outcome {
        Outcome::Denied { by } => by.as_deref().and_then(nft::lower::logged_rule),
        Outcome::Allowed | Outcome::Refused | Outcome::Failed(_) => None,
    }
}

fn rule_id(reason: Reason) -> Option<policy::model::RuleId> {
    match reason {
        Reason::Rule(id) | Reason::Isolation(id) => Some(id),
        Reason::NoPolicy | Reason::Exempt(_) => None,
    }
}
