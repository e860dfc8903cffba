//! The smallest transaction from one ruleset to another.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::ruleset::{Chain, Name, Ruleset, Verdict};
use crate::transaction::{Step, Transaction};

/// What turns `current` into `wanted`, and nothing else: only elements that differ, only chains that differ.
///
/// The order is one the kernel takes: what is new comes before what names it, and what goes does so after
/// the last that named it. Up to the first step that a packet could notice, all steps fill sets and chains
/// that nothing names yet, so that they can be committed ahead (`batch`).
pub fn diff(current: &Ruleset, wanted: &Ruleset) -> Transaction {
    if redefined(current, wanted) {
        return Transaction::replace(wanted);
    }
    let mut steps = Vec::new();
    add_sets(current, wanted, &mut steps);
    add_chains(current, wanted, &mut steps);
    add_maps(current, wanted, &mut steps);
    change_sets(current, wanted, &mut steps);
    change_chains(current, wanted, &mut steps);
    change_maps(current, wanted, &mut steps);
    hook_chains(current, wanted, &mut steps);
    delete(current, wanted, &mut steps);
    Transaction { steps }
}

/// Whether a name stands for another kind of thing. The kernel can't change that in place.
fn redefined(current: &Ruleset, wanted: &Ruleset) -> bool {
    both(&current.sets, &wanted.sets).any(|(_, a, b)| a.kind() != b.kind())
        || both(&current.maps, &wanted.maps).any(|(_, a, b)| a.family != b.family)
        || both(&current.chains, &wanted.chains).any(|(_, a, b)| a.base != b.base)
        // Sets and maps share one space of names.
        || current.sets.keys().any(|name| wanted.maps.contains_key(name))
        || current.maps.keys().any(|name| wanted.sets.contains_key(name))
}

fn add_sets(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    for (name, set) in only_in_second(&current.sets, &wanted.sets) {
        steps.push(Step::AddSet(name.clone(), set.kind()));
        if !set.is_empty() {
            steps.push(Step::AddElements(name.clone(), set.clone()));
        }
    }
}

/// New chains that packets can't enter yet. All exist before the first rule names one.
fn add_chains(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    let new = || only_in_second(&current.chains, &wanted.chains).filter(|(_, chain)| chain.base.is_none());
    steps.extend(new().map(|(name, _)| Step::AddChain(name.clone(), None)));
    // A rule that looks up a new map, or a set that is filled, needs it to exist.
    for (name, map) in only_in_second(&current.maps, &wanted.maps) {
        steps.push(Step::AddMap(name.clone(), map.family));
    }
    for (name, chain) in new() {
        add_rules(name, chain, steps);
    }
}

fn add_maps(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    for (name, map) in only_in_second(&current.maps, &wanted.maps) {
        add_entries(name, map.entries.clone(), steps);
    }
}

fn change_sets(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    for (name, old, new) in both(&current.sets, &wanted.sets).filter(|(_, old, new)| !Arc::ptr_eq(old, new)) {
        let (gone, come) = old.changes(new);
        if !gone.is_empty() {
            steps.push(Step::DeleteElements(name.clone(), Arc::new(gone)));
        }
        if !come.is_empty() {
            steps.push(Step::AddElements(name.clone(), Arc::new(come)));
        }
    }
}

fn change_chains(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    for (name, old, new) in both(&current.chains, &wanted.chains).filter(|(_, old, new)| old != new) {
        if !old.rules.is_empty() {
            steps.push(Step::FlushChain(name.clone()));
        }
        add_rules(name, new, steps);
    }
}

fn change_maps(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    for (name, old, new) in both(&current.maps, &wanted.maps) {
        delete_entries(name, missing(&old.entries, &new.entries), steps);
        add_entries(name, missing(&new.entries, &old.entries), steps);
    }
}

fn hook_chains(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    for (name, chain) in only_in_second(&current.chains, &wanted.chains) {
        if chain.base.is_some() {
            steps.push(Step::AddChain(name.clone(), chain.base));
            add_rules(name, chain, steps);
        }
    }
}

/// Rules first: they name chains, maps and sets. Then maps: their entries name chains.
fn delete(current: &Ruleset, wanted: &Ruleset, steps: &mut Vec<Step>) {
    let chains = || only_in_second(&wanted.chains, &current.chains);
    let full = chains().filter(|(_, chain)| !chain.rules.is_empty());
    // Base chains first, so that no packet is half way through.
    let (hooked, others): (Vec<_>, Vec<_>) = full.partition(|(_, chain)| chain.base.is_some());
    steps.extend(hooked.into_iter().chain(others).map(|(name, _)| Step::FlushChain(name.clone())));
    let maps = only_in_second(&wanted.maps, &current.maps);
    steps.extend(maps.map(|(name, _)| Step::DeleteMap(name.clone())));
    steps.extend(chains().map(|(name, _)| Step::DeleteChain(name.clone())));
    let sets = only_in_second(&wanted.sets, &current.sets);
    steps.extend(sets.map(|(name, _)| Step::DeleteSet(name.clone())));
}

fn add_rules(name: &Name, chain: &Chain, steps: &mut Vec<Step>) {
    steps.extend(chain.rules.iter().map(|rule| Step::AddRule(name.clone(), rule.clone())));
}

fn add_entries(name: &Name, entries: BTreeMap<IpAddr, Verdict>, steps: &mut Vec<Step>) {
    if !entries.is_empty() {
        steps.push(Step::AddEntries(name.clone(), entries));
    }
}

fn delete_entries(name: &Name, entries: BTreeMap<IpAddr, Verdict>, steps: &mut Vec<Step>) {
    if !entries.is_empty() {
        steps.push(Step::DeleteEntries(name.clone(), entries));
    }
}

/// The entries of `these` that aren't so in `those`.
fn missing(
    these: &BTreeMap<IpAddr, Verdict>,
    those: &BTreeMap<IpAddr, Verdict>,
) -> BTreeMap<IpAddr, Verdict> {
    let missing = these.iter().filter(|(address, verdict)| those.get(address) != Some(verdict));
    missing.map(|(address, verdict)| (*address, verdict.clone())).collect()
}

fn only_in_second<'a, T>(
    first: &'a BTreeMap<Name, T>,
    second: &'a BTreeMap<Name, T>,
) -> impl Iterator<Item = (&'a Name, &'a T)> {
    second.iter().filter(|(name, _)| !first.contains_key(*name))
}

fn both<'a, T>(
    first: &'a BTreeMap<Name, T>,
    second: &'a BTreeMap<Name, T>,
) -> impl Iterator<Item = (&'a Name, &'a T, &'a T)> {
    first.iter().filter_map(|(name, old)| second.get(name).map(|new| (name, old, new)))
}
