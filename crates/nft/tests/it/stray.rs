//! Packets of no known flow (D20), of known ones, and neighbour discovery (D10).

use std::net::IpAddr;

use nft::lower::{STRAY_CHAIN, lower};
use nft::ruleset::{Hook, ICMPV6, Ruleset, States, TCP, UDP};
use nft::trace::{ACK, Fate, Packet, SYN};
use policy::index::Index;
use policy::model::{Labels, Selector};

use crate::worlds;

const SUBJECT: [&str; 2] = ["10.244.0.1", "fd00:10:244::1"];
const OTHER: [&str; 2] = ["10.244.0.2", "fd00:10:244::2"];

/// Two pods of one node; one of them may send nothing, and nothing is said of what it receives.
fn ruleset() -> Ruleset {
    let subject = worlds::pod("x/a", Labels::from([("app", "a")]), "n", &SUBJECT, &[]);
    let other = worlds::pod("x/b", Labels::default(), "n", &OTHER, &[]);
    let about = worlds::label("app", "a").and(Selector::namespace("x"));
    let policy = worlds::network_policy("x", "mute", about, None, Some(vec![]));
    let cluster = worlds::cluster(
        vec![worlds::node("n", Labels::default(), &["172.18.0.2"])],
        vec![subject, other],
        vec![policy],
    );
    lower(&Index::compile(&cluster), "n")
}

fn packet(source: &str, destination: &str, protocol: u8) -> Packet {
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    Packet::opening(address(source), address(destination), protocol, 80)
}

/// The chain that settled it, and whether the packet passed.
fn settled(packet: Packet) -> (bool, String) {
    let trace = ruleset().trace(&packet);
    let last = trace.path.last().map(|visit| visit.chain.to_string());
    (trace.fate == Fate::Accepted, last.unwrap_or_default())
}

#[test]
fn tcp_without_syn_is_no_new_flow_at_a_pod_with_a_program_in_either_direction() {
    for (subject, other) in SUBJECT.into_iter().zip(OTHER) {
        for (from, to) in [(subject, other), (other, subject)] {
            let ack = Packet { tcp_flags: ACK, ..packet(from, to, TCP) };
            assert_eq!(settled(ack), (false, STRAY_CHAIN.into()), "{from} to {to}");
        }
        // Ingress isn't isolated: a SYN comes in.
        assert!(settled(packet(other, subject, TCP)).0);
    }
}

#[test]
fn invalid_packets_are_dropped_and_not_logged_as_a_denial() {
    let invalid = Packet { state: States::INVALID, ..packet(OTHER[0], SUBJECT[0], UDP) };
    let trace = ruleset().trace(&invalid);
    assert!(matches!(trace.fate, Fate::Dropped { prefix: None, .. }), "{trace:?}");
}

#[test]
fn pods_without_a_policy_keep_their_stray_packets() {
    let elsewhere = Packet { tcp_flags: ACK, ..packet(OTHER[0], "198.51.100.7", TCP) };
    assert!(settled(elsewhere).0);
}

#[test]
fn flows_that_are_known_pass_whatever_the_policies_say() {
    for state in [States::ESTABLISHED, States::RELATED] {
        for hook in [Hook::Forward, Hook::Input] {
            let known = Packet { state, hook, tcp_flags: SYN | ACK, ..packet(SUBJECT[0], OTHER[0], TCP) };
            assert!(settled(known).0, "{state:?} {hook:?}");
        }
    }
    assert!(!settled(packet(SUBJECT[0], OTHER[0], TCP)).0);
}

#[test]
fn a_pod_reaches_its_own_node_only_as_its_egress_allows() {
    let to_node = Packet { hook: Hook::Input, ..packet(SUBJECT[0], "172.18.0.2", TCP) };
    assert!(!settled(to_node).0);
    let unpoliced = Packet { hook: Hook::Input, ..packet(OTHER[0], "172.18.0.2", TCP) };
    assert!(settled(unpoliced).0);
}

#[test]
fn neighbour_discovery_always_passes_and_other_icmp_does_not() {
    let icmp = |icmp_type| Packet { icmp_type, hook: Hook::Input, ..packet(SUBJECT[1], OTHER[1], ICMPV6) };
    for discovery in 133..=137 {
        assert!(settled(icmp(discovery)).0, "type {discovery}");
    }
    assert!(!settled(icmp(128)).0);
}
