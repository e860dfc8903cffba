//! What policies cost the packets of a node: `cargo bench -p lab --bench flows`. Prints a table; nothing here
//! passes or fails.
//!
//! Each round measures every ruleset in turn, and ratios are taken within a round, so that what else the
//! machine does falls on all alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints its table and may fail loudly"
)]

#[path = "../../policy/benches/engine/clusters.rs"]
mod clusters;

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clusters::{Size, network_policy, rule, tcp};
use lab::{End, Lab, NodePlan, Plan, PodPlan, Protocol};
use nft::kernel::Committer;
use nft::lower::lower;
use nft::ruleset::{Base, Chain, Hook, Match, Rule, Ruleset, States, Verdict};
use policy::index::Index;
use policy::model::{Cluster, Peer, Peers, Selector, Text};
use socket2::{Domain, SockAddr, Socket, Type};

const ROUNDS: usize = 25;
const CONNECTIONS: u32 = 4_000;
const BULK: Duration = Duration::from_millis(250);
const LOCAL_PODS: usize = 10;
const PORT: u16 = 8_080;

fn main() {
    if let Err(refused) = lab::enter() {
        println!("skipped: no lab: {refused}");
        return;
    }
    let small = cluster(Size { namespaces: 1, workloads: 5, pods_per_workload: 2, policies: 10 });
    let large = cluster(Size { namespaces: 200, workloads: 5, pods_per_workload: 5, policies: 10 });
    let rulesets = [
        ("no table", None),
        ("`ct state established,related accept` alone", Some(baseline())),
        ("policies: 10 local pods, 10 endpoints, 11 policies", Some(lower(&Index::compile(&small), "n1"))),
        (
            "policies: 10 local pods, 5,000 endpoints, 2,001 policies",
            Some(lower(&Index::compile(&large), "n1")),
        ),
    ];
    let mut node = Node::build(&small);
    let mut results: Vec<Vec<Measured>> = vec![Vec::new(); rulesets.len()];
    for round in 0..ROUNDS {
        for turn in 0..rulesets.len() {
            let which = (round + turn) % rulesets.len();
            node.enforce(rulesets[which].1.as_ref());
            results[which].push(node.measure());
        }
    }
    let names: Vec<&str> = rulesets.iter().map(|(name, _)| *name).collect();
    table("new connections a second", &names, &results, |measured| measured.connections);
    table("CPU time a connection, us", &names, &results, |measured| measured.cpu);
    table("bulk, Gbit/s", &names, &results, |measured| measured.bulk);
}

/// A generated cluster whose first pods are on node `n1`, all others elsewhere; in the first namespace pods
/// may also reach each other.
fn cluster(size: Size) -> Cluster {
    let mut cluster = clusters::cluster(size);
    for (number, pod) in cluster.endpoints.values_mut().enumerate() {
        pod.node = Some(if number < LOCAL_PODS { "n1" } else { "n2" }.into());
    }
    let namespace: Text = "team-0".into();
    let everything = Selector::namespace(&namespace);
    let rules = vec![rule(Peers::Of(vec![Peer::Pods(everything.clone())]), tcp(PORT, PORT))];
    let policy = network_policy(&namespace, "out-to-same-namespace", everything, None, Some(rules));
    cluster.policies.insert(policy.id.clone(), policy);
    cluster
}

/// What a node with any stateful firewall does anyway.
fn baseline() -> Ruleset {
    let known = Rule::new([Match::State(States::ESTABLISHED.or(States::RELATED))]).verdict(Verdict::Accept);
    let chain = Chain { base: Some(Base { hook: Hook::Forward, priority: 0 }), rules: vec![known] };
    Ruleset { chains: [("forward".into(), Arc::new(chain))].into(), ..Ruleset::default() }
}

#[derive(Clone, Copy)]
struct Measured {
    connections: f64,
    cpu: f64,
    bulk: f64,
}

/// A lab of one node, and a server in its second pod.
struct Node {
    lab: Lab,
    committer: Committer,
    listener: TcpListener,
    server: SocketAddr,
}

impl Node {
    fn build(cluster: &Cluster) -> Node {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let nodes = vec![NodePlan { name: "n1".into(), addresses: vec![address("172.18.0.2")] }];
        let pod = |pod: &policy::model::Endpoint| PodPlan {
            name: pod.id.to_string(),
            addresses: pod.addresses.clone(),
            listen: vec![(Protocol::Tcp, 80)],
            ..PodPlan::default()
        };
        let pods: Vec<PodPlan> = cluster.endpoints.values().take(LOCAL_PODS).map(pod).collect();
        let server = SocketAddr::new(pods[1].addresses[0], PORT);
        let lab = Lab::build(&Plan { nodes, pods, hosts: vec![] }).expect("a lab");
        let network = lab.node(0).expect("a node");
        let committer = network.enter(Committer::open).expect("its network").expect("a socket");
        let listener =
            lab.network(End::Pod(1)).expect("a pod").enter(|| listen(server)).expect("its network");
        Node { lab, committer, listener, server }
    }

    fn enforce(&mut self, ruleset: Option<&Ruleset>) {
        match ruleset {
            Some(ruleset) => drop(self.committer.sync(ruleset).expect("a commit")),
            None => self.committer.cleanup().expect("the table gone"),
        }
    }

    fn measure(&mut self) -> Measured {
        self.lab.flush_conntrack().expect("no flow left");
        let client = self.lab.network(End::Pod(0)).expect("a pod");
        let (connections, cpu) = client.enter(|| connect(self.server, &self.listener)).expect("its network");
        let bulk = client.enter(|| stream(self.server, &self.listener)).expect("its network");
        Measured { connections, cpu, bulk }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SockAddr::from(address)).expect("the address");
    socket.listen(128).expect("a listener");
    socket.into()
}

/// Connections a second and CPU microseconds for each: opened, accepted, and closed by RST, one after another
/// in one thread, so that all work of the kernel for them is on its account.
fn connect(server: SocketAddr, listener: &TcpListener) -> (f64, f64) {
    let (begin, cpu) = (Instant::now(), cpu_time());
    for _ in 0..CONNECTIONS {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.set_linger(Some(Duration::ZERO)).expect("to close by RST");
        client.connect(&SockAddr::from(server)).expect("a connection");
        let (accepted, _) = listener.accept().expect("the other end");
        drop(client);
        drop(accepted);
    }
    let (took, cpu) = (begin.elapsed().as_secs_f64(), cpu_time() - cpu);
    (f64::from(CONNECTIONS) / took, cpu.as_secs_f64() * 1e6 / f64::from(CONNECTIONS))
}

/// Gigabits a second over one connection.
fn stream(server: SocketAddr, listener: &TcpListener) -> f64 {
    let mut client = TcpStream::connect(server).expect("a connection");
    let (mut accepted, _) = listener.accept().expect("the other end");
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        let mut bytes = 0_usize;
        while let Ok(read @ 1..) = accepted.read(&mut buffer) {
            bytes += read;
        }
        bytes
    });
    let begin = Instant::now();
    let piece = vec![0; 256 * 1024];
    while begin.elapsed() < BULK {
        client.write_all(&piece).expect("to send");
    }
    client.shutdown(Shutdown::Write).expect("to end");
    let bytes = reader.join().expect("the reader");
    bytes as f64 * 8.0 / 1e9 / begin.elapsed().as_secs_f64()
}

/// Of this thread, in user and kernel mode.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Medians, and the median of the ratios to the second ruleset in the same round, with their middle half.
fn table(what: &str, names: &[&str], results: &[Vec<Measured>], value: impl Fn(&Measured) -> f64) {
    println!("\n{what:<60} {:>10} {:>12}   middle half", "median", "to the 2nd");
    for (name, measured) in names.iter().zip(results) {
        let values = sorted(measured.iter().map(&value));
        let ratios = sorted(measured.iter().zip(&results[1]).map(|(own, base)| value(own) / value(base)));
        let quarter = |of: &[f64], part: usize| of[of.len() * part / 4];
        let (low, middle, high) = (quarter(&ratios, 1), quarter(&ratios, 2), quarter(&ratios, 3));
        println!(
            "{name:<60} {:>10.1} {:>11.1} %   {:.1}-{:.1} %",
            quarter(&values, 2),
            middle * 100.0,
            low * 100.0,
            high * 100.0
        );
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
