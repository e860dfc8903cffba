//! `apply(a, diff(a, b)) == b`, and no step more than that takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use nft::diff::diff;
use nft::ruleset::{
    Base, Chain, Element, Family, Hook, Match, Name, Ports, Rule, Ruleset, Set, SetKind, Side, TCP, Verdict,
    VerdictMap,
};
use nft::transaction::{Step, Transaction, apply};
use proptest::prelude::*;

use crate::random::{rulesets, sets};
use crate::samples::{address, everything, large};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_difference_leads_there(a in rulesets(), b in rulesets()) {
        prop_assert_eq!(apply(&a, &diff(&a, &b)), b);
    }

    #[test]
    fn there_is_no_difference_to_itself(a in rulesets()) {
        let same = Ruleset { sets: a.sets.iter().map(|(k, v)| (k.clone(), Arc::new((**v).clone()))).collect(), ..a.clone() };
        prop_assert!(diff(&a, &same).is_empty());
    }

    /// Whoever forgets a step never arrives. (But a block may lie in one that is added; only the kernel wants
    /// it gone first.)
    #[test]
    fn every_step_is_needed(a in rulesets(), b in rulesets()) {
        let transaction = diff(&a, &b);
        if transaction.steps.first() != Some(&Step::DeleteTable) {
            for forgotten in 0..transaction.steps.len() {
                let mut steps = transaction.steps.clone();
                let step = steps.remove(forgotten);
                if matches!(&step, Step::DeleteElements(_, set) if matches!(set.kind(), SetKind::Block(_))) {
                    continue;
                }
                prop_assert_ne!(apply(&a, &Transaction { steps }), b.clone(), "{}", step);
            }
        }
    }

    /// The union of what is common and what differs is the whole.
    #[test]
    fn sets_hold_what_was_put_in(set in sets(), other in sets()) {
        let collected = Set::collect(set.kind(), set.iter());
        prop_assert_eq!(&collected, &*set);
        let mut grown = Set::new(set.kind());
        for element in set.iter() {
            prop_assert!(grown.insert(element));
            prop_assert!(grown.contains(&element));
        }
        prop_assert_eq!(&grown, &*set);
        for element in other.iter().filter(|element| element.kind() == Some(set.kind())) {
            if !matches!(element, Element::Block(..)) {
                prop_assert_eq!(set.contains(&element), set.iter().any(|own| own == element));
            }
        }
        for element in set.iter() {
            prop_assert!(grown.remove(&element));
            prop_assert!(!grown.contains(&element));
        }
        prop_assert!(grown.is_empty());
    }
}

#[test]
fn one_element_more_is_one_step_of_one_element() {
    let before = large(10, 100_000);
    for new in ["0.0.0.1", "10.0.0.0", "192.0.2.1", "255.255.255.255"] {
        let mut after = before.clone();
        let new = Element::Address(address(new));
        let changed = Arc::make_mut(after.sets.get_mut("peers1").unwrap()).insert(new);
        let only = Arc::new(Set::collect(SetKind::Address(Family::V4), [new]));
        let step = |step: fn(Name, Arc<Set>) -> Step| match changed {
            true => vec![step("peers1".into(), only.clone())],
            false => vec![],
        };
        assert_eq!(diff(&before, &after).steps, step(Step::AddElements));
        assert_eq!(diff(&after, &before).steps, step(Step::DeleteElements));
    }
}

/// A changed program is a new chain under a new name.
#[test]
fn a_moved_pod_is_dispatched_before_its_old_chain_goes() {
    let chain = |port| {
        let rule = Rule::new([Match::Port(TCP, Ports::one(port))]).verdict(Verdict::Accept);
        Arc::new(Chain { base: None, rules: vec![rule] })
    };
    let ruleset = |name: &str, port| {
        let pod = address("10.0.0.1");
        let entries = BTreeMap::from([(pod, Verdict::Goto(name.into()))]);
        let base = Some(Base { hook: Hook::Forward, priority: 0 });
        let dispatch = Rule::new([]).dispatch(Side::Source, Family::V4, "pods");
        Ruleset {
            sets: BTreeMap::new(),
            maps: BTreeMap::from([("pods".into(), VerdictMap { family: Family::V4, entries })]),
            chains: BTreeMap::from([
                (name.into(), chain(port)),
                ("egress".into(), Arc::new(Chain { base, rules: vec![dispatch] })),
            ]),
        }
    };
    let transaction = diff(&ruleset("old", 80), &ruleset("new", 81));
    assert_eq!(
        transaction.to_string(),
        "add chain inet portcullis new\n\
         add rule inet portcullis new tcp dport 81 accept\n\
         delete element inet portcullis pods { 10.0.0.1 : goto old }\n\
         add element inet portcullis pods { 10.0.0.1 : goto new }\n\
         flush chain inet portcullis old\n\
         delete chain inet portcullis old\n"
    );
}

#[test]
fn a_name_for_another_kind_of_thing_replaces_the_table() {
    let mut other = everything();
    other.sets.insert("empty4".into(), Arc::new(Set::new(SetKind::Address(Family::V6))));
    let transaction = diff(&everything(), &other);
    assert_eq!(transaction.steps.first(), Some(&Step::DeleteTable));
    assert_eq!(apply(&everything(), &transaction), other);
}
