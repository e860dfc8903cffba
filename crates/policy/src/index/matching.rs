//! Which selectors match a pod, asking only those that could.

use hashbrown::HashMap;

use crate::model::{Attribute, Labels, Selector, Text};
use crate::program::PeerId;

/// Whatever has attributes that a selector asks for.
pub(super) trait Attributes {
    /// The value of an attribute; `None` where it is absent.
    fn value(&self, of: &Attribute) -> Option<&str>;
}

/// Nodes have labels and nothing else.
impl Attributes for Labels {
    fn value(&self, of: &Attribute) -> Option<&str> {
        match of {
            Attribute::Label(key) => self.get(key).map(AsRef::as_ref),
            Attribute::NamespaceLabel(_) | Attribute::NamespaceName | Attribute::ServiceAccountName => None,
        }
    }
}

/// Whether `selector` matches `subject`.
pub(super) fn matches(selector: &Selector, subject: &impl Attributes) -> bool {
    match selector {
        Selector::All(parts) => parts.iter().all(|part| matches(part, subject)),
        Selector::Any(parts) => parts.iter().any(|part| matches(part, subject)),
        Selector::Not(part) => !matches(part, subject),
        Selector::In(of, values) => subject
            .value(of)
            .is_some_and(|value| values.binary_search_by(|listed| listed.as_ref().cmp(value)).is_ok()),
        Selector::Has(of) => subject.value(of).is_some(),
    }
}

/// Calls `each` with every attribute that a selector mentions, as often as it does.
pub(super) fn mentioned(selector: &Selector, each: &mut impl FnMut(&Attribute)) {
    match selector {
        Selector::All(parts) | Selector::Any(parts) => parts.iter().for_each(|part| mentioned(part, each)),
        Selector::Not(part) => mentioned(part, each),
        Selector::In(of, _) | Selector::Has(of) => each(of),
    }
}

/// Selectors, filed under something that a pod must have for them to match.
///
/// A pod asks the drawers of its own attributes, in its own namespace's cabinet and in the one of no
/// namespace. What demands nothing positive (it matches an absent key) is in a drawer that is always asked.
#[derive(Clone, Default)]
pub(super) struct Cabinets(HashMap<Option<Text>, Cabinet>);

type Cabinet = HashMap<Demand, Vec<(PeerId, Selector)>>;

/// What a pod must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Demand {
    Value(Attribute, Text),
    Present(Attribute),
    Nothing,
}

impl Cabinets {
    pub(super) fn insert(&mut self, id: PeerId, selector: &Selector) {
        for (namespace, demand) in places(selector) {
            self.0.entry(namespace).or_default().entry(demand).or_default().push((id, selector.clone()));
        }
    }

    pub(super) fn remove(&mut self, id: PeerId, selector: &Selector) {
        for (namespace, demand) in places(selector) {
            let Some(cabinet) = self.0.get_mut(&namespace) else { continue };
            let Some(drawer) = cabinet.get_mut(&demand) else { continue };
            drawer.retain(|(there, _)| *there != id);
            if drawer.is_empty() {
                cabinet.remove(&demand);
            }
            if cabinet.is_empty() {
                self.0.remove(&namespace);
            }
        }
    }

    /// The selectors that match `subject`, sorted, and how many were asked.
    pub(super) fn matching(
        &self,
        namespace: &Text,
        attributes: &[(Attribute, Text)],
        subject: &impl Attributes,
    ) -> (Vec<PeerId>, u64) {
        let (mut found, mut asked) = (Vec::new(), 0);
        for cabinet in [self.0.get(&Some(namespace.clone())), self.0.get(&None)].into_iter().flatten() {
            let mut ask = |demand: &Demand| {
                for (id, selector) in cabinet.get(demand).into_iter().flatten() {
                    asked += 1;
                    if matches(selector, subject) {
                        found.push(*id);
                    }
                }
            };
            ask(&Demand::Nothing);
            for (of, value) in attributes {
                ask(&Demand::Value(of.clone(), value.clone()));
                ask(&Demand::Present(of.clone()));
            }
        }
        found.sort_unstable();
        (found, asked)
    }
}

/// Where a selector is filed. A pod meets at most one of the places: they differ in the value of one
/// attribute, or in the namespace.
fn places(selector: &Selector) -> Vec<(Option<Text>, Demand)> {
    let parts = match selector {
        Selector::All(parts) => parts.as_slice(),
        one @ (Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_)) => {
            std::slice::from_ref(one)
        }
    };
    let demands = parts.iter().find_map(values).or_else(|| parts.iter().find_map(presence));
    let demands = demands.unwrap_or_else(|| vec![Demand::Nothing]);
    let namespaces = parts.iter().find_map(namespaces).unwrap_or_else(|| vec![None]);
    let places = namespaces.iter().flat_map(|ns| demands.iter().map(|demand| (ns.clone(), demand.clone())));
    places.collect()
}

fn namespaces(part: &Selector) -> Option<Vec<Option<Text>>> {
    match part {
        Selector::In(Attribute::NamespaceName, names) => Some(names.iter().cloned().map(Some).collect()),
        Selector::In(..) | Selector::Has(_) | Selector::Not(_) | Selector::All(_) | Selector::Any(_) => None,
    }
}

fn values(part: &Selector) -> Option<Vec<Demand>> {
    match part {
        Selector::In(Attribute::NamespaceName, _) => None,
        Selector::In(of, values) => {
            Some(values.iter().map(|value| Demand::Value(of.clone(), value.clone())).collect())
        }
        Selector::Has(_) | Selector::Not(_) | Selector::All(_) | Selector::Any(_) => None,
    }
}

fn presence(part: &Selector) -> Option<Vec<Demand>> {
    match part {
        // Every pod has a namespace, so that demands nothing, and isn't among the attributes asked for.
        Selector::Has(Attribute::NamespaceName) => None,
        Selector::Has(of) => Some(vec![Demand::Present(of.clone())]),
        Selector::In(..) | Selector::Not(_) | Selector::All(_) | Selector::Any(_) => None,
    }
}
