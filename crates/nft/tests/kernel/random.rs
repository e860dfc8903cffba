//! Random rulesets that a kernel takes, near enough to each other that most changes are made in place.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use nft::ruleset::{
    Addresses, Base, Chain, Element, Family, Hook, Match, Name, Ports, Rule, Ruleset, Sense, Set, SetKind,
    Side, TCP, Verdict, VerdictMap,
};
use proptest::prelude::*;

fn families() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn addresses(family: Family) -> BoxedStrategy<IpAddr> {
    let near = 0u8..12;
    match family {
        Family::V4 => near.prop_map(|low| Ipv4Addr::new(10, 0, 0, low).into()).boxed(),
        Family::V6 => near.prop_map(|low| Ipv6Addr::from(0xfd00 << 112 | u128::from(low)).into()).boxed(),
    }
}

/// A set of any kind.
pub(crate) fn sets() -> impl Strategy<Value = Arc<Set>> {
    let kinds: [fn(Family) -> SetKind; 4] =
        [SetKind::Address, SetKind::Service, SetKind::Pair, SetKind::Block];
    (families(), proptest::sample::select(kinds.to_vec())).prop_flat_map(|(family, kind)| {
        let element = (addresses(family), addresses(family), 0u8..2, 80u16..82);
        let elements = proptest::collection::vec(element, 0..10);
        elements.prop_map(move |elements| {
            let all = elements.into_iter().flat_map(|(a, b, protocol, port)| {
                [
                    Element::Address(a),
                    Element::Service(a, protocol, port),
                    Element::Pair(a, b),
                    Element::Block(a.min(b), a.max(b)),
                ]
            });
            Arc::new(Set::collect(kind(family), all))
        })
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let ports = proptest::collection::vec((80u16..84, 80u16..90), 1..3).prop_map(Ports::ranges);
    let rule = (ports, any::<bool>()).prop_filter_map("some port", |(ports, accept)| {
        let verdict = if accept { Verdict::Accept } else { Verdict::Drop };
        let some = !ports.as_slice().is_empty();
        some.then(|| Rule::new([Match::Port(TCP, ports)]).verdict(verdict))
    });
    proptest::collection::vec(rule, 0..4)
}

fn maps() -> impl Strategy<Value = VerdictMap> {
    families().prop_flat_map(|family| {
        let verdict = prop_oneof![Just(Verdict::Accept), Just(Verdict::Goto("c0".into()))];
        proptest::collection::btree_map(addresses(family), verdict, 0..5)
            .prop_map(move |entries| VerdictMap { family, entries })
    })
}

/// Several of a thing, whose names mostly tell its sort, so that a name seldom stands for another sort.
fn named<T: Clone + std::fmt::Debug>(
    letter: &'static str,
    value: impl Strategy<Value = T>,
    sort: impl Fn(&T) -> String + Clone,
) -> impl Strategy<Value = BTreeMap<Name, T>> {
    let one = (0..3, 0..100, value).prop_map(move |(number, any, value)| {
        let sort = if any == 0 { String::new() } else { sort(&value) };
        let name: String = format!("{letter}{number}{sort}").to_lowercase();
        (name.replace(['(', ')', '-'], "_").into(), value)
    });
    proptest::collection::vec(one, 0..6).prop_map(|all| all.into_iter().collect())
}

fn base_chains() -> impl Strategy<Value = Arc<Chain>> {
    let base = (prop_oneof![Just(Hook::Forward), Just(Hook::Input)], -1..2);
    (base, rules())
        .prop_map(|((hook, priority), rules)| Arc::new(Chain { base: Some(Base { hook, priority }), rules }))
}

/// A ruleset that a kernel takes: every chain, set and map that is named is there.
pub(crate) fn rulesets() -> impl Strategy<Value = Ruleset> {
    let sets = named("s", sets(), |set| format!("{:?}", set.kind()));
    let maps = named("m", maps(), |map| format!("{:?}", map.family));
    let hooked = named("b", base_chains(), |chain| {
        chain.base.map_or_else(String::new, |base| format!("{:?}{}", base.hook, base.priority))
    });
    let plain = proptest::collection::btree_map((0..4).prop_map(|n| format!("c{n}").into()), rules(), 0..4);
    (sets, maps, hooked, plain).prop_map(|(sets, maps, hooked, plain)| {
        let mut chains: BTreeMap<Name, Vec<Rule>> = plain;
        chains.entry("c0".into()).or_default().extend(sets.iter().map(|(name, set)| lookup(name, set)));
        let plain = chains.into_iter().map(|(name, rules)| (name, Arc::new(Chain { base: None, rules })));
        let mut chains: BTreeMap<Name, Arc<Chain>> = plain.collect();
        for (name, mut chain) in hooked {
            let dispatch =
                maps.iter().map(|(name, map)| Rule::new([]).dispatch(Side::Source, map.family, name.clone()));
            Arc::make_mut(&mut chain).rules.extend(dispatch);
            chains.insert(name, chain);
        }
        Ruleset { sets, maps, chains }
    })
}

fn lookup(name: &Name, set: &Set) -> Rule {
    let condition = match set.kind() {
        SetKind::Address(family) | SetKind::Block(family) => {
            Match::Address(Side::Source, Sense::Is, Addresses::Named(family, name.clone()))
        }
        SetKind::Service(family) => Match::Service(family, name.clone()),
        SetKind::Pair(family) => Match::Pair(family, name.clone()),
    };
    Rule::new([condition]).verdict(Verdict::Accept)
}
