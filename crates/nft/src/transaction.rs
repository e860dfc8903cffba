//! A change of a ruleset as a value.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::ruleset::{Base, Chain, Family, Name, Rule, Ruleset, Set, SetKind, Verdict, VerdictMap};

/// Steps that take effect together or not at all. `Display` writes them as `nft -f` reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// In the order in which the kernel takes them.
    pub steps: Vec<Step>,
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Our table with all that is in it goes.
    DeleteTable,
    /// A new, empty set.
    AddSet(Name, SetKind),
    /// More elements in a set.
    AddElements(Name, Arc<Set>),
    /// Fewer elements in a set.
    DeleteElements(Name, Arc<Set>),
    /// A set goes that no rule names any more.
    DeleteSet(Name),
    /// A new, empty dispatch map.
    AddMap(Name, Family),
    /// More entries in a map.
    AddEntries(Name, BTreeMap<IpAddr, Verdict>),
    /// Fewer entries in a map.
    DeleteEntries(Name, BTreeMap<IpAddr, Verdict>),
    /// A map goes that no rule names any more.
    DeleteMap(Name),
    /// A new, empty chain.
    AddChain(Name, Option<Base>),
    /// A rule at a chain's end.
    AddRule(Name, Rule),
    /// All rules of a chain go.
    FlushChain(Name),
    /// An empty chain goes that nothing names any more.
    DeleteChain(Name),
}

impl Transaction {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// From whatever there is to this ruleset.
    pub fn replace(wanted: &Ruleset) -> Self {
        let rest = crate::diff::diff(&Ruleset::default(), wanted).steps;
        Transaction { steps: std::iter::once(Step::DeleteTable).chain(rest).collect() }
    }
}

/// The ruleset after the transaction. A step that the kernel would refuse changes nothing.
pub fn apply(before: &Ruleset, transaction: &Transaction) -> Ruleset {
    let mut ruleset = before.clone();
    for step in &transaction.steps {
        take_step(&mut ruleset, step);
    }
    ruleset
}

fn take_step(ruleset: &mut Ruleset, step: &Step) {
    match step {
        Step::DeleteTable => *ruleset = Ruleset::default(),
        Step::AddSet(name, kind) => {
            ruleset.sets.entry(name.clone()).or_insert_with(|| Arc::new(Set::new(*kind)));
        }
        Step::AddElements(name, elements) => change_set(ruleset, name, |set| set.with(elements)),
        Step::DeleteElements(name, elements) => change_set(ruleset, name, |set| set.without(elements)),
        Step::DeleteSet(name) => drop(ruleset.sets.remove(name)),
        Step::AddMap(name, family) => {
            let empty = VerdictMap { family: *family, entries: BTreeMap::new() };
            ruleset.maps.entry(name.clone()).or_insert(empty);
        }
        Step::AddEntries(name, entries) => {
            if let Some(map) = ruleset.maps.get_mut(name) {
                for (address, verdict) in entries {
                    map.entries.entry(*address).or_insert_with(|| verdict.clone());
                }
            }
        }
        Step::DeleteEntries(name, entries) => {
            if let Some(map) = ruleset.maps.get_mut(name) {
                map.entries.retain(|address, _| !entries.contains_key(address));
            }
        }
        Step::DeleteMap(name) => drop(ruleset.maps.remove(name)),
        Step::AddChain(name, base) => {
            let empty = || Arc::new(Chain { base: *base, rules: Vec::new() });
            ruleset.chains.entry(name.clone()).or_insert_with(empty);
        }
        Step::AddRule(name, rule) => change_chain(ruleset, name, |rules| rules.push(rule.clone())),
        Step::FlushChain(name) => change_chain(ruleset, name, Vec::clear),
        Step::DeleteChain(name) => {
            if ruleset.chains.get(name).is_some_and(|chain| chain.rules.is_empty()) {
                ruleset.chains.remove(name);
            }
        }
    }
}

fn change_set(ruleset: &mut Ruleset, name: &Name, change: impl FnOnce(&Set) -> Set) {
    if let Some(set) = ruleset.sets.get_mut(name) {
        *set = Arc::new(change(set));
    }
}

fn change_chain(ruleset: &mut Ruleset, name: &Name, change: impl FnOnce(&mut Vec<Rule>)) {
    if let Some(chain) = ruleset.chains.get_mut(name) {
        change(&mut Arc::make_mut(chain).rules);
    }
}
