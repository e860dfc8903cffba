//! What a lab of 100 pods costs: to build, and to probe all its pairs, allowed and denied.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints its table and may fail loudly"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::{End, Family, Lab, NodePlan, Outcome, Plan, PodPlan, Probe, Protocol};
use nft::kernel::{Committer, Protocol as Netlink};
use nft::lower::LOG_GROUP;
use nft::ruleset::{Base, Chain, Hook, Log, Match, Rule, Ruleset, States, Verdict};

const PODS: u8 = 100;
const NODES: u8 = 2;
const ROUNDS: usize = 3;
const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

type Times = BTreeMap<String, Vec<Duration>>;

fn main() -> Result<(), Box<dyn Error>> {
    lab::enter()?;
    let mut times = Times::new();
    for _ in 0..ROUNDS {
        round(&mut times)?;
    }
    println!(
        "{PODS} pods on {NODES} nodes, {} pairs, {ROUNDS} rounds",
        probes(Family::V4, Protocol::Tcp).len()
    );
    println!("{:<28}{:>10}{:>10}", "", "best", "worst");
    for (what, times) in &times {
        let best = times.iter().min().copied().unwrap_or_default();
        let worst = times.iter().max().copied().unwrap_or_default();
        println!("{what:<28}{:>8} ms{:>7} ms", best.as_millis(), worst.as_millis());
    }
    Ok(())
}

fn round(times: &mut Times) -> Result<(), Box<dyn Error>> {
    let mut lab = timed(times, "build", || Lab::build(&plan()))?;
    for family in lab.families().to_vec() {
        for protocol in PROTOCOLS {
            let what = format!("{protocol} over IPv{family}");
            let questions = probes(family, protocol);
            for (verdict, ruleset) in
                [("allowed", ruleset(Verdict::Accept)), ("denied", ruleset(Verdict::Drop))]
            {
                enforce(&lab, &ruleset)?;
                let outcomes = timed(times, &format!("{what}, {verdict}"), || lab.probe(&questions))?;
                check(&questions, &outcomes, verdict)?;
                lab.flush_conntrack()?;
            }
        }
    }
    timed(times, "take away", || drop(lab));
    Ok(())
}

fn timed<T>(times: &mut Times, what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    times.entry(what.to_owned()).or_default().push(begin.elapsed());
    result
}

/// A time counts only if all that was measured is right.
fn check(questions: &[Probe], outcomes: &[Outcome], verdict: &str) -> Result<(), String> {
    let is_right = |outcome: &Outcome| match outcome {
        Outcome::Allowed => verdict == "allowed",
        Outcome::Denied { .. } => verdict == "denied",
        Outcome::Refused | Outcome::Failed(_) => false,
    };
    let wrong: Vec<_> = questions.iter().zip(outcomes).filter(|(_, outcome)| !is_right(outcome)).collect();
    match wrong.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} of {} should be {verdict}: {first:?}", wrong.len(), outcomes.len())),
    }
}

fn addresses(pod: u8) -> Vec<IpAddr> {
    let v4 = Ipv4Addr::new(10, 244, pod % NODES, pod + 1);
    let v6 = Ipv6Addr::new(0xfd00, 0x10, 0x244, u16::from(pod % NODES), 0, 0, 0, u16::from(pod) + 1);
    vec![v4.into(), v6.into()]
}

fn plan() -> Plan {
    let node = |node| NodePlan {
        name: format!("n{node}"),
        addresses: vec![Ipv4Addr::new(192, 168, 0, node + 1).into()],
    };
    let pod = |pod| PodPlan {
        name: format!("x/pod{pod}"),
        node: usize::from(pod % NODES),
        addresses: addresses(pod),
        host_network: false,
        listen: PROTOCOLS.map(|protocol| (protocol, 80)).to_vec(),
    };
    Plan { nodes: (0..NODES).map(node).collect(), pods: (0..PODS).map(pod).collect(), hosts: Vec::new() }
}

/// From every pod to every other.
fn probes(family: Family, protocol: Protocol) -> Vec<Probe> {
    let pairs =
        (0..PODS).flat_map(|from| (0..PODS).map(move |to| (from, to))).filter(|(from, to)| from != to);
    let probe = |(from, to)| {
        let destination = addresses(to).into_iter().find(|address| Family::of(address) == family)?;
        let source = End::Pod(usize::from(from));
        Some(Probe { source, destination, protocol, port: 80, expect: format!("x/pod{to}") })
    };
    pairs.filter_map(probe).collect()
}

/// Established flows pass, and all others get this.
fn ruleset(verdict: Verdict) -> Ruleset {
    let log = Log { prefix: "portcullis 0123456789abcdef".into(), group: LOG_GROUP, snaplen: 128 };
    let known = Rule::new([Match::State(States::ESTABLISHED.or(States::RELATED))]).verdict(Verdict::Accept);
    let new = match verdict {
        Verdict::Drop => Rule::new([]).counted().logged(log),
        Verdict::Accept | Verdict::Return | Verdict::Jump(_) | Verdict::Goto(_) => Rule::new([]),
    };
    let base = Some(Base { hook: Hook::Forward, priority: 0 });
    let chain = Chain { base, rules: vec![known, new.verdict(verdict)] };
    Ruleset { chains: [("forward".into(), Arc::new(chain))].into(), ..Ruleset::default() }
}

fn enforce(lab: &Lab, ruleset: &Ruleset) -> Result<(), Box<dyn Error>> {
    for node in 0..usize::from(NODES) {
        let namespace = lab.node(node).ok_or("no such node")?;
        Committer::with_socket(namespace.socket(Netlink::Netfilter)?).sync(ruleset)?;
    }
    Ok(())
}
