//! The engine's speed: `cargo bench -p policy`. Prints a table; nothing here passes or fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints its table and may fail loudly"
)]

mod clusters;
mod questions;

use std::hint::black_box;
use std::time::{Duration, Instant};

use clusters::{Size, addresses, cluster, endpoint, label, network_policy, rule, tcp};
use policy::index::{Change, Index};
use policy::model::{Cluster, Direction, Flow, Peer, Peers, Protocol, Selector, Text};

fn main() {
    println!("{:<72} {:>12}", "what", "measured");
    let large = cluster(Size { namespaces: 1_000, workloads: 10, pods_per_workload: 10, policies: 10 });
    let (index, took) = timed(|| Index::compile(&large));
    line("compile 10,000 policies, 100,000 pods, 1,000 namespaces", took);
    println!("{:<72} {:>12}", "  peak memory, cluster and index together", peak_memory());
    println!("{:<72} {:>12}", "  identities", index.identities().len());
    questions::questions(&large, &index);
    one_pod_more(&large, index);
    drop(large);
    eval();
    worst();
}

/// A pod of a workload that is there already, and one with labels that nobody has yet.
fn one_pod_more(large: &Cluster, mut index: Index) {
    let namespace: Text = "team-7".into();
    let mut known = endpoint(&namespace, 3, 200_000);
    known.id.name = "one-more".into();
    let mut new = endpoint(&namespace, 77, 200_001);
    new.id.name = "one-of-its-own".into();
    for (what, pod) in
        [("one pod more, of a known identity", known), ("one pod more, of a new identity", new)]
    {
        let rounds = 200;
        let mut times: Vec<Duration> = (0..rounds)
            .map(|_| {
                let (_, took) = timed(|| index.apply(Change::Endpoint(Box::new(pod.clone()))));
                index.apply(Change::EndpointGone(pod.id.clone()));
                took
            })
            .collect();
        times.sort();
        line(&format!("{what} (median of {rounds})"), times[rounds / 2]);
    }
    let policy = large.policies.values().next().expect("a policy").clone();
    let mut changed = policy.clone();
    changed.ingress = Some(vec![rule(Peers::Of(vec![Peer::Pods(label("app", "never-seen"))]), tcp(1, 1))]);
    let (_, took) = timed(|| index.apply(Change::Policy(Box::new(changed))));
    line("one policy changed, with a selector of its own", took);
}

/// Uniformly random pairs of 1,000 identities under 1,000 policies.
fn eval() {
    let cluster = cluster(Size { namespaces: 100, workloads: 10, pods_per_workload: 1, policies: 10 });
    let index = Index::compile(&cluster);
    println!(
        "{:<72} {:>12}",
        "identities in the next line's cluster of 1,000 policies",
        index.identities().len()
    );
    let rounds = 1_000_000_u32;
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below) as usize
    };
    let flows: Vec<Flow> = (0..rounds)
        .map(|_| {
            let (source, destination) = (addresses(next(1_000))[0], addresses(next(1_000))[0]);
            Flow::direct(source, destination, Protocol::Tcp, [8080, 443, 9050, 53][next(4)])
        })
        .collect();
    let (_, took) = timed(|| flows.iter().for_each(|flow| _ = black_box(index.decide(flow))));
    println!(
        "{:<72} {:>9} ns",
        "decide a flow: both directions, reason and address look-ups",
        (took / rounds).as_nanos()
    );
}

/// 10,000 policies of one namespace, all of which select everything in it.
fn worst() {
    let mut cluster = cluster(Size { namespaces: 1, workloads: 1_000, pods_per_workload: 1, policies: 1 });
    let namespace: Text = "team-0".into();
    for number in 0..10_000 {
        let peers = Peers::Of(vec![Peer::Pods(label("app", &format!("app-{}", number % 1_000)))]);
        let rules = vec![rule(peers, tcp(1_000 + number % 50, 2_000))];
        let name = format!("policy-{number}");
        let everything = Selector::namespace(&namespace);
        let policy = network_policy(&namespace, &name, everything, Some(rules), None);
        cluster.policies.insert(policy.id.clone(), policy);
    }
    let (index, took) = timed(|| Index::compile(&cluster));
    line("compile 10,000 policies of one namespace of 1,000 identities, all selecting all", took);
    let pod = cluster.endpoints.keys().next().expect("a pod");
    let clauses = index.program(pod, Direction::Ingress).map_or(0, |program| program.stages[0].clauses.len());
    println!("{:<72} {:>12}", "  clauses in the one program", clauses);
    let flow = Flow::direct(addresses(1)[0], addresses(2)[0], Protocol::Tcp, 9);
    let (_, took) = timed(|| (0..1_000).for_each(|_| _ = black_box(index.decide(black_box(&flow)))));
    line("  deny a flow there: every clause is asked", took / 1_000);
    let mut change = cluster.policies.values().last().expect("a policy").clone();
    change.ingress = Some(vec![]);
    let mut index = index;
    let (_, took) = timed(|| index.apply(Change::Policy(Box::new(change))));
    line("  one of them changed", took);
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn line(what: &str, took: Duration) {
    println!("{what:<72} {:>12}", format!("{took:.1?}"));
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".into(), |kib| kib.trim().to_owned())
}
