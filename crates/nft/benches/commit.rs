//! How long commits take in a real kernel, in a network namespace of the bench's own. Prints a table.
//!
//! `cargo bench -p nft --bench commit`, as root or not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints its table and may fail loudly"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use nft::diff::diff;
use nft::kernel::{Committer, Protocol, Socket, read};
use nft::ruleset::{Element, Match, Ports, Rule, Ruleset, Set, TCP, Verdict};

#[path = "../tests/kernel/namespace.rs"]
mod namespace;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/kernel/samples.rs"]
mod samples;

const CHAINS: u32 = 500;
const ELEMENTS: u32 = 100_000;
const RUNS: usize = 7;
const CHANGES: u32 = 200;

fn main() {
    // Cargo also runs this when it tests all targets.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if let Err(error) = namespace::enter() {
        println!("skipped: no network namespace: {error}");
        return;
    }
    let large = samples::large(CHAINS, ELEMENTS);
    println!("{CHAINS} chains, {} rules, {ELEMENTS} set elements", CHAINS * 10 + 1);
    println!("{:<58} {:>10} {:>10} {:>10}", "", "median", "least", "most");
    whole("one batch", &large, None);
    whole("batches of 416 KiB", &large, Some(416 * 1024));
    changes(&large);
}

/// A first commit, and what of it is reading back.
fn whole(name: &str, large: &Ruleset, send_buffer: Option<usize>) {
    let (mut all, mut reading, mut comparing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut committer = committer(send_buffer);
        committer.cleanup().expect("our table goes");
        all.push(timed(|| drop(committer.sync(large).expect("a commit"))));
        let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
        let mut found = None;
        reading.push(timed(|| found = read(&mut socket).expect("a reading").0));
        let found = found.expect("our table");
        comparing.push(timed(|| assert!(diff(&found, large).is_empty())));
    }
    // A commit reads twice: that there is nothing takes no time; then all of it is read and compared.
    let back: Vec<Duration> =
        reading.iter().zip(&comparing).map(|(read, compare)| *read + *compare).collect();
    let writing: Vec<Duration> = all.iter().zip(&back).map(|(all, back)| all.saturating_sub(*back)).collect();
    row(&format!("first commit, {name}: write"), writing);
    row(&format!("first commit, {name}: read back and compare"), back);
}

/// Single changes, each read back.
fn changes(large: &Ruleset) {
    let mut committer = committer(None);
    committer.cleanup().expect("our table goes");
    committer.sync(large).expect("a commit");
    let mut ruleset = large.clone();
    let (mut added, mut removed, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..CHANGES {
        let new = Element::Address(std::net::Ipv4Addr::from(0x0b00_0000 + number * 7919).into());
        let peers = |ruleset: &mut Ruleset, change: &dyn Fn(&mut Set) -> bool| {
            let set = ruleset.sets.get_mut("peers3").expect("a set");
            assert!(change(Arc::make_mut(set)));
        };
        peers(&mut ruleset, &|set| set.insert(new));
        added.push(timed(|| {
            assert_eq!(committer.sync(&ruleset).expect("a commit").transaction.steps.len(), 1)
        }));
        peers(&mut ruleset, &|set| set.remove(&new));
        removed.push(timed(|| {
            assert_eq!(committer.sync(&ruleset).expect("a commit").transaction.steps.len(), 1)
        }));
        let pod = std::net::Ipv4Addr::from(0xac10_0000 + number).into();
        let name: nft::ruleset::Name = format!("changed{number}").into();
        let rules = (0..10).map(|port| {
            Rule::new([Match::Port(TCP, Ports::one(port + 1000))]).verdict(Verdict::Accept).comment("changed")
        });
        ruleset.chains.insert(name.clone(), samples::chain(rules));
        ruleset.chains.remove(&*format!("pod{number}"));
        let pods = ruleset.maps.get_mut("pods4").expect("a map");
        pods.entries.insert(pod, Verdict::Goto(name));
        replaced.push(timed(|| drop(committer.sync(&ruleset).expect("a commit"))));
    }
    row("one element more, read back", added);
    row("one element less, read back", removed);
    row("one pod's chain of 10 rules replaced, read back", replaced);
    committer.cleanup().expect("our table goes");
}

fn committer(send_buffer: Option<usize>) -> Committer {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
    if let Some(bytes) = send_buffer {
        socket.limit_send_buffer(bytes).expect("a smaller buffer");
    }
    Committer::with_socket(socket)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let show = |time: Option<&Duration>| {
        let seconds = time.map_or(0.0, Duration::as_secs_f64);
        if seconds < 0.01 { format!("{:.0} us", seconds * 1e6) } else { format!("{:.0} ms", seconds * 1e3) }
    };
    let median = times.get(times.len() / 2);
    println!("{name:<58} {:>10} {:>10} {:>10}", show(median), show(times.first()), show(times.last()));
}
