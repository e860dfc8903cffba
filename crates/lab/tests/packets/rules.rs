//! A lab with hand-made rules in its nodes.

use std::sync::Arc;
use std::time::Duration;

use lab::{End, Family, Flowing, Lab, Outcome, Protocol};
use libtest_mimic::{Failed, Trial};
use nft::kernel::{Committer, Protocol as Netlink, end_all_flows, flows};
use nft::lower::LOG_GROUP;
use nft::ruleset::{
    Addresses, Base, Chain, Hook, Log, Match, Rule, Ruleset, Sense, Side, States, TCP, Verdict,
};

use super::world::{self, PROTOCOLS, all_pairs, expect_all, probe};

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    vec![
        trial("a_denial_names_its_rule", a_denial_names_its_rule),
        trial("a_denial_without_a_prefix_is_one", a_denial_without_a_prefix_is_one),
        trial("a_drop_that_nobody_logs_is_a_failure", a_drop_that_nobody_logs_is_a_failure),
        trial("a_packet_that_is_logged_and_allowed_is_allowed", logged_and_allowed_is_allowed),
        trial("a_pod_and_its_own_node_pass_input", a_pod_and_its_own_node_pass_input),
        trial("what_one_node_denies_another_does_not", what_one_node_denies_another_does_not),
        trial("flushing_forgets_every_flow", flushing_forgets_every_flow),
        trial("a_stream_that_is_dropped_falls_silent", a_stream_that_is_dropped_falls_silent),
    ]
}

/// What every node enforces: in both of its ways in, established flows and then these.
fn enforce(lab: &Lab, nodes: &[usize], hooks: &[Hook], rules: &[Rule]) {
    let known = Rule::new([Match::State(States::ESTABLISHED.or(States::RELATED))]).verdict(Verdict::Accept);
    // Neighbour discovery is never anybody's flow.
    let neighbours = Rule::new([Match::Icmpv6(133, 137)]).verdict(Verdict::Accept);
    let rules: Vec<Rule> = [known, neighbours].iter().chain(rules).cloned().collect();
    let mut ruleset = Ruleset::default();
    for hook in hooks {
        let chain = Chain { base: Some(Base { hook: *hook, priority: 0 }), rules: rules.clone() };
        ruleset.chains.insert(format!("{hook:?}").to_lowercase().into(), Arc::new(chain));
    }
    for node in nodes {
        let socket = lab.node(*node).expect("a node").socket(Netlink::Netfilter).expect("a socket");
        Committer::with_socket(socket).sync(&ruleset).expect("a commit");
    }
}

fn log(prefix: &str) -> Log {
    Log { prefix: prefix.into(), group: LOG_GROUP, snaplen: 128 }
}

fn denied(by: &str) -> Outcome {
    Outcome::Denied { by: Some(by.to_owned()) }
}

fn a_denial_names_its_rule() {
    let (mut lab, members) = world::build();
    let deny = Rule::new([]).counted().logged(log("portcullis 0123456789abcdef")).verdict(Verdict::Drop);
    enforce(&lab, &[0, 1], &[Hook::Forward, Hook::Input], &[deny]);
    let mut probes = all_pairs(&lab, &members);
    // From host to host no node is passed.
    let is_host = |name: &str| name.starts_with("external/");
    probes.retain(|probe| !(matches!(probe.source, End::Host(_)) && is_host(&probe.expect)));
    expect_all(&mut lab, &probes, &denied("portcullis 0123456789abcdef"));
}

fn a_denial_without_a_prefix_is_one() {
    let (mut lab, members) = world::build();
    enforce(&lab, &[0], &[Hook::Forward], &[Rule::new([]).logged(log("")).verdict(Verdict::Drop)]);
    let question = probe(&members[0], &members[1], Family::V4, Protocol::Udp, members[1].port);
    expect_all(&mut lab, &[question], &Outcome::Denied { by: None });
}

fn a_drop_that_nobody_logs_is_a_failure() {
    let (mut lab, members) = world::build();
    enforce(&lab, &[0], &[Hook::Forward], &[Rule::new([]).verdict(Verdict::Drop)]);
    let questions =
        PROTOCOLS.map(|protocol| probe(&members[0], &members[1], Family::V4, protocol, members[1].port));
    expect_all(&mut lab, &questions, &Outcome::Failed("no answer and no log".to_owned()));
}

fn logged_and_allowed_is_allowed() {
    let (mut lab, members) = world::build();
    enforce(&lab, &[0, 1], &[Hook::Forward, Hook::Input], &[Rule::new([]).logged(log("seen"))]);
    let probes = all_pairs(&lab, &members);
    expect_all(&mut lab, &probes, &Outcome::Allowed);
}

fn a_pod_and_its_own_node_pass_input() {
    let (mut lab, members) = world::build();
    let deny = Rule::new([]).logged(log("input")).verdict(Verdict::Drop);
    enforce(&lab, &[0], &[Hook::Input], &[deny]);
    let (web, near, far) = (&members[0], &members[3], &members[4]);
    for family in lab.families().to_vec() {
        for protocol in PROTOCOLS {
            expect_all(&mut lab, &[probe(web, near, family, protocol, near.port)], &denied("input"));
            expect_all(&mut lab, &[probe(web, far, family, protocol, far.port)], &Outcome::Allowed);
        }
    }
}

fn what_one_node_denies_another_does_not() {
    let (mut lab, members) = world::build();
    let api = Addresses::One(members[1].address(Family::V4));
    let deny = Rule::new([Match::Address(Side::Destination, Sense::Is, api)])
        .logged(log("api"))
        .verdict(Verdict::Drop);
    enforce(&lab, &[1], &[Hook::Forward], &[deny]);
    let (web, api, db) = (&members[0], &members[1], &members[2]);
    let question = |from, to: &world::Member| probe(from, to, Family::V4, Protocol::Tcp, to.port);
    let probes = [question(web, api), question(db, api), question(db, web)];
    let outcomes = lab.probe(&probes).expect("probes are sent");
    assert_eq!(outcomes, [Outcome::Allowed, denied("api"), Outcome::Allowed]);
}

fn flushing_forgets_every_flow() {
    let (mut lab, members) = world::build();
    enforce(&lab, &[0, 1], &[Hook::Forward], &[Rule::new([])]);
    let probes = all_pairs(&lab, &members);
    expect_all(&mut lab, &probes, &Outcome::Allowed);
    let mut socket = lab.node(0).expect("a node").socket(Netlink::Netfilter).expect("a socket");
    assert!(!flows(&mut socket).expect("flows").is_empty());
    lab.flush_conntrack().expect("flows are forgotten");
    assert_eq!(flows(&mut socket).expect("flows"), []);
}

/// Its flow is forgotten, and what isn't the beginning of a new one is dropped (D20).
fn a_stream_that_is_dropped_falls_silent() {
    let (mut lab, _) = world::build();
    let stray = Rule::new([
        Match::Protocol(TCP),
        Match::State(States::NEW),
        Match::TcpFlags { mask: 2, sense: Sense::IsNot, value: 2 },
    ]);
    enforce(&lab, &[0, 1], &[Hook::Forward], &[stray.verdict(Verdict::Drop)]);
    let mut stream = lab.stream(End::Pod(0), End::Pod(1), Family::V4, 7000).expect("a stream");
    let mut read = |quiet, longest| {
        stream.read_until_silent(Duration::from_millis(quiet), Duration::from_millis(longest)).expect("bytes")
    };
    assert!(matches!(read(5000, 50), Flowing::On { bytes } if bytes > 0));
    let mut socket = lab.node(0).expect("a node").socket(Netlink::Netfilter).expect("a socket");
    end_all_flows(&mut socket).expect("flows are forgotten");
    assert!(matches!(read(300, 10_000), Flowing::Silent { .. }));
}
