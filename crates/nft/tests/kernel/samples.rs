//! Rulesets to try.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use nft::ruleset::{
    Addresses, Base, Chain, Element, Family, Hook, Log, Match, Ports, Rule, Ruleset, Sense, Set, SetKind,
    Side, States, TCP, UDP, Verdict, VerdictMap,
};

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn prefix(text: &str) -> ipnet::IpNet {
    text.parse().expect("a prefix")
}

pub(crate) fn chain(rules: impl IntoIterator<Item = Rule>) -> Arc<Chain> {
    Arc::new(Chain { base: None, rules: rules.into_iter().collect() })
}

pub(crate) fn base(hook: Hook, priority: i32, rules: impl IntoIterator<Item = Rule>) -> Arc<Chain> {
    Arc::new(Chain { base: Some(Base { hook, priority }), rules: rules.into_iter().collect() })
}

/// Everything that a ruleset can hold, each spelling at least once.
pub(crate) fn everything() -> Ruleset {
    let v4 = |text| Element::Address(address(text));
    let block = |first, last| Element::Block(address(first), address(last));
    let elements = [
        v4("10.0.0.1"),
        v4("10.0.0.200"),
        v4("fd00::1"),
        Element::Service(address("10.0.0.1"), TCP, 80),
        Element::Service(address("10.0.0.1"), UDP, 53),
        Element::Service(address("fd00::1"), 132, 9999),
        Element::Pair(address("10.0.0.1"), address("10.0.0.1")),
        Element::Pair(address("fd00::1"), address("fd00::1")),
        block("0.0.0.0", "9.255.255.255"),
        block("10.1.0.0", "10.1.255.255"),
        block("10.2.0.7", "10.2.0.9"),
        block("224.0.0.0", "255.255.255.255"),
        block("fd00::", "fd00::ffff"),
        block("ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ];
    let mut ruleset = Ruleset::default();
    for family in Family::BOTH {
        let kinds = [
            ("addresses", SetKind::Address(family)),
            ("services", SetKind::Service(family)),
            ("pairs", SetKind::Pair(family)),
            ("blocks", SetKind::Block(family)),
        ];
        for (name, kind) in kinds {
            let name = format!("{name}{}", if family == Family::V4 { 4 } else { 6 });
            ruleset.sets.insert(name.into(), Arc::new(Set::collect(kind, elements)));
        }
    }
    ruleset.sets.insert("empty4".into(), Arc::new(Set::new(SetKind::Address(Family::V4))));
    ruleset.chains.insert("pod".into(), chain(pod_rules()));
    ruleset.chains.insert("other".into(), chain([]));
    ruleset.maps.insert("pods4".into(), map(Family::V4, &[("10.0.0.1", "pod"), ("10.0.0.2", "other")]));
    ruleset.maps.insert("pods6".into(), map(Family::V6, &[("fd00::1", "pod")]));
    ruleset.maps.insert("nobody6".into(), map(Family::V6, &[]));
    let dispatch = |side| {
        [
            Rule::new([Match::State(States::ESTABLISHED.or(States::RELATED))]).verdict(Verdict::Accept),
            Rule::new([]).dispatch(side, Family::V4, "pods4"),
            Rule::new([Match::Icmpv6(133, 137)]).verdict(Verdict::Accept),
            Rule::new([Match::State(States::NEW)]).dispatch(side, Family::V6, "pods6"),
        ]
    };
    ruleset.chains.insert("egress".into(), base(Hook::Forward, -10, dispatch(Side::Source)));
    ruleset.chains.insert("ingress".into(), base(Hook::Forward, -5, dispatch(Side::Destination)));
    ruleset.chains.insert("node".into(), base(Hook::Input, 0, dispatch(Side::Source)));
    ruleset
}

fn map(family: Family, entries: &[(&str, &str)]) -> VerdictMap {
    let entries = entries.iter().map(|(key, chain)| (address(key), Verdict::Goto((*chain).into()))).collect();
    VerdictMap { family, entries }
}

fn pod_rules() -> Vec<Rule> {
    use Addresses::{Anonymous, Named, One, Prefix};
    use Sense::{Is, IsNot};
    use Side::{Destination, Source};
    let set = |kind, elements: &[&str]| {
        Arc::new(Set::collect(kind, elements.iter().map(|text| Element::Address(address(text)))))
    };
    let blocks = |ranges: &[(&str, &str)]| {
        let ranges = ranges.iter().map(|(first, last)| Element::Block(address(first), address(last)));
        Arc::new(Set::collect(SetKind::Block(Family::V4), ranges))
    };
    let log = |prefix: &str, snaplen| Log { prefix: prefix.into(), group: 7, snaplen };
    let matches: Vec<Vec<Match>> = vec![
        vec![Match::State(States::INVALID)],
        vec![
            Match::Protocol(TCP),
            Match::State(States::NEW),
            Match::TcpFlags { mask: 2, sense: IsNot, value: 2 },
        ],
        vec![Match::TcpFlags { mask: 0x17, sense: Is, value: 2 }],
        vec![Match::TcpFlags { mask: 0x17, sense: Is, value: 0 }],
        vec![Match::Family(Family::V4)],
        vec![Match::Family(Family::V6), Match::Protocol(58)],
        vec![Match::Address(Source, Is, One(address("10.0.0.7")))],
        vec![Match::Address(Source, IsNot, One(address("fd00::7")))],
        vec![Match::Address(Destination, Is, Prefix(prefix("10.0.0.7/20")))],
        vec![Match::Address(Destination, IsNot, Prefix(prefix("fd00::/61")))],
        vec![Match::Address(Source, Is, Prefix(prefix("0.0.0.0/0")))],
        vec![Match::Address(Source, Is, Named(Family::V4, "addresses4".into()))],
        vec![
            Match::Address(Source, IsNot, Named(Family::V6, "blocks6".into())),
            Match::Port(UDP, Ports::one(53)),
        ],
        vec![Match::Address(
            Source,
            Is,
            Anonymous(set(SetKind::Address(Family::V4), &["10.0.0.1", "10.0.0.2"])),
        )],
        vec![Match::Address(
            Source,
            IsNot,
            Anonymous(set(SetKind::Address(Family::V6), &["fd00::1", "fd00::2", "fd00::3"])),
        )],
        vec![Match::Address(
            Destination,
            Is,
            Anonymous(blocks(&[("10.0.0.0", "10.0.0.255"), ("10.0.2.1", "255.255.255.255")])),
        )],
        vec![Match::Service(Family::V4, "services4".into())],
        vec![Match::Service(Family::V6, "services6".into())],
        vec![Match::Pair(Family::V4, "pairs4".into())],
        vec![Match::Pair(Family::V6, "pairs6".into())],
        vec![
            Match::Address(Source, Is, One(address("10.0.0.7"))),
            Match::Address(Destination, Is, Named(Family::V4, "addresses4".into())),
            Match::Port(TCP, Ports::ranges([(80, 80), (8000, 9000), (443, 443), (65000, 65535)])),
        ],
        vec![Match::Port(TCP, Ports::ranges([(1, 1023)]))],
        vec![Match::Port(132, Ports::ranges([(0, 5), (65535, 65535)]))],
        vec![Match::Port(TCP, Ports::ranges([(80, 80), (443, 443)]))],
        vec![Match::Icmpv6(133, 137)],
        vec![Match::Icmpv6(128, 128)],
        vec![Match::Protocol(47)],
    ];
    let mut rules: Vec<Rule> = matches.into_iter().map(|matches| Rule::new(matches).counted()).collect();
    rules.push(Rule::new([]).logged(log("0123456789abcdef", 0)));
    rules.push(Rule::new([]).logged(log(&"é".repeat(100), 65535)));
    rules
        .push(Rule::new([]).verdict(Verdict::Jump("other".into())).comment("NetworkPolicy shop/web, rule 1"));
    rules.push(Rule::new([Match::Protocol(1)]).verdict(Verdict::Return).comment(&"é".repeat(100)));
    let denied = Rule::new([]).counted().logged(log("fedcba9876543210", 128)).verdict(Verdict::Drop);
    rules.push(denied.comment("no rule of `default` \"quoted\"\n allows it"));
    rules
}

/// `chains` chains of ten rules each, ten sets with `elements` addresses in all, and a pod for each chain.
pub(crate) fn large(chains: u32, elements: u32) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let set = |number: u32| format!("peers{number}").into();
    for number in 0..10 {
        let first = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number * (elements / 10);
        let addresses = (first..first + elements / 10).map(|a| Element::Address(Ipv4Addr::from(a).into()));
        let peers = Set::collect(SetKind::Address(Family::V4), addresses);
        ruleset.sets.insert(set(number), Arc::new(peers));
    }
    let mut pods = BTreeMap::new();
    for number in 0..chains {
        let name: nft::ruleset::Name = format!("pod{number}").into();
        let rules = (0..10).map(|rule| {
            let peers = Addresses::Named(Family::V4, set((number + rule) % 10));
            let matches = [
                Match::Address(Side::Source, Sense::Is, peers),
                Match::Port(TCP, Ports::one(rule as u16 + 80)),
            ];
            Rule::new(matches).verdict(Verdict::Accept).comment(&format!("rule {rule} of pod {number}"))
        });
        ruleset.chains.insert(name.clone(), chain(rules));
        let pod = u32::from(Ipv4Addr::new(172, 16, 0, 0)) + number;
        pods.insert(Ipv4Addr::from(pod).into(), Verdict::Goto(name));
    }
    ruleset.maps.insert("pods4".into(), VerdictMap { family: Family::V4, entries: pods });
    let dispatch = Rule::new([]).dispatch(Side::Destination, Family::V4, "pods4");
    ruleset.chains.insert("ingress".into(), base(Hook::Forward, 0, [dispatch]));
    ruleset
}
