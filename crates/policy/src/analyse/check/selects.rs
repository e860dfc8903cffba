//! Selectors that select nothing, and what they may have meant.

use hashbrown::HashMap;

use super::effect::rules;
use super::scene::Scene;
use super::{Finding, about, listed, peers_word};
use crate::analyse::names::suggest::nearest;
use crate::model::{Attribute, Endpoint, NAMESPACE_NAME_LABEL, Peer, Peers, Policy, Selector, Text};

/// Policies without subjects, and rules with peers who aren't there.
pub(super) fn nothing(scene: &Scene<'_>) -> Vec<Finding> {
    let mut known = Known { scene, misses: HashMap::new() };
    let mut findings = Vec::new();
    for policy in scene.cluster.policies.values() {
        match known.miss(&policy.subject) {
            Some(miss) => findings.extend(subject(policy, &miss)),
            None => findings.extend(peers(&mut known, policy)),
        }
    }
    findings
}

fn subject(policy: &Policy, miss: &Miss) -> Option<Finding> {
    if !miss.is_worth_saying {
        return None;
    }
    let title = format!("`{}` selects no pod", policy.id);
    Some(miss.tell(about("PC501", policy, None, title), "it protects nobody"))
}

fn peers(known: &mut Known<'_, '_>, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, rule) in rules(policy) {
        let peers = match &rule.peers {
            Peers::Any => continue,
            Peers::Of(peers) => peers,
        };
        for peer in peers {
            let selector = match peer {
                Peer::Pods(selector) => selector,
                Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_) => continue,
            };
            if let Some(miss) = known.miss(selector).filter(|miss| miss.is_worth_saying) {
                let word = peers_word(at.direction);
                let title =
                    format!("{} rule {} of `{}` is {word} nobody", at.direction, at.index + 1, policy.id);
                let finding = about("PC502", policy, Some(rule), title);
                findings.push(miss.tell(finding, &format!("no pod matches `{selector}`")));
            }
        }
    }
    findings
}

/// Why a selector selects nothing.
#[derive(Clone)]
struct Miss {
    is_worth_saying: bool,
    /// What it selects with one label changed, with the pods.
    meant: Option<(String, String)>,
    /// What else is to be known.
    note: Option<String>,
}

impl Miss {
    fn tell(&self, mut finding: Finding, because: &str) -> Finding {
        finding.because = because.to_owned();
        if let Some(note) = &self.note {
            finding.because += &format!("; {note}");
        }
        finding.fix = match &self.meant {
            Some((meant, pods)) => format!("did you mean `{meant}`? that selects {pods}"),
            None => "compare its labels with those of the pods, or remove it".to_owned(),
        };
        finding
    }
}

struct Known<'s, 'a> {
    scene: &'s Scene<'a>,
    misses: HashMap<Selector, Option<Miss>>,
}

impl Known<'_, '_> {
    /// `None`: it selects something.
    fn miss(&mut self, selector: &Selector) -> Option<Miss> {
        if let Some(known) = self.misses.get(selector) {
            return known.clone();
        }
        let miss = miss(self.scene, selector);
        self.misses.insert(selector.clone(), miss.clone());
        miss
    }
}

fn miss(scene: &Scene<'_>, selector: &Selector) -> Option<Miss> {
    if scene.matching(selector).any(Endpoint::is_policed) {
        return None;
    }
    let (hosts, ended): (Vec<_>, Vec<_>) = scene.matching(selector).partition(|pod| pod.host_network);
    let note = match (hosts.as_slice(), ended.as_slice()) {
        ([_, ..], _) => {
            let names = listed(hosts.iter().map(|pod| &pod.id));
            Some(format!("it matches only pods on their nodes' network, which no policy selects: {names}"))
        }
        ([], [_, ..]) => Some("it matches only pods that have ended".to_owned()),
        ([], []) => None,
    };
    let meant = meant(scene, selector);
    let is_worth_saying =
        meant.is_some() || !hosts.is_empty() || (ended.is_empty() && is_populated(scene, selector));
    Some(Miss { is_worth_saying, meant, note })
}

/// Whether the namespaces that are meant have pods: of others we know perhaps too little.
fn is_populated(scene: &Scene<'_>, selector: &Selector) -> bool {
    let place: Vec<Selector> = parts(selector).into_iter().filter(|part| !asks_pod(part)).collect();
    let has_rest = place.len() < parts(selector).len();
    let place = Selector::all(place);
    has_rest && scene.matching(&place).any(Endpoint::is_policed)
}

pub(super) fn asks_pod(part: &Selector) -> bool {
    match part {
        Selector::All(parts) | Selector::Any(parts) => parts.iter().any(asks_pod),
        Selector::Not(part) => asks_pod(part),
        Selector::In(attribute, _) | Selector::Has(attribute) => match attribute {
            Attribute::Label(_) | Attribute::ServiceAccountName => true,
            Attribute::NamespaceLabel(_) | Attribute::NamespaceName => false,
        },
    }
}

pub(super) fn parts(selector: &Selector) -> Vec<Selector> {
    match selector {
        Selector::All(parts) => parts.clone(),
        Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_) => vec![selector.clone()],
    }
}

/// The same selector with one label's key or value as some pod has it, where that is spelt almost alike.
fn meant(scene: &Scene<'_>, selector: &Selector) -> Option<(String, String)> {
    let all = parts(selector);
    all.iter().enumerate().find_map(|(at, part)| {
        let (attribute, value) = match part {
            Selector::In(attribute, values) => (attribute, values.first().filter(|_| values.len() == 1)?),
            Selector::All(_) | Selector::Any(_) | Selector::Not(_) | Selector::Has(_) => return None,
        };
        let others: Vec<Selector> =
            all.iter().enumerate().filter(|(there, _)| *there != at).map(|(_, part)| part.clone()).collect();
        let rest = Selector::all(others.clone());
        let near: Vec<&Endpoint> = scene.matching(&rest).filter(|pod| pod.is_policed()).collect();
        let changed = respelt(scene, attribute, value, &near)?;
        let meant = Selector::all(others.into_iter().chain([changed.clone()]).collect());
        let found: Vec<_> = near.into_iter().filter(|pod| scene.index.selects(&meant, pod)).collect();
        let pods = listed(found.iter().map(|pod| &pod.id));
        (!found.is_empty()).then(|| (changed.to_string(), pods))
    })
}

fn respelt(scene: &Scene<'_>, attribute: &Attribute, value: &Text, near: &[&Endpoint]) -> Option<Selector> {
    let values: Vec<String> = near.iter().filter_map(|pod| scene.index.attribute(attribute, pod)).collect();
    if let Some(value) = nearest(value, values.iter().map(String::as_str)).filter(|_| value.len() > 1) {
        return Some(Selector::is_in(attribute.clone(), vec![value.into()]));
    }
    let labels = |pod: &&Endpoint| -> Vec<(Text, Text)> {
        let own = match attribute {
            Attribute::Label(_) => Some(&pod.labels),
            Attribute::NamespaceLabel(_) => {
                scene.cluster.namespaces.get(&pod.id.namespace).map(|namespace| &namespace.labels)
            }
            Attribute::NamespaceName | Attribute::ServiceAccountName => None,
        };
        own.into_iter()
            .flat_map(|labels| labels.iter())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let (key, of): (&Text, fn(Text) -> Attribute) = match attribute {
        Attribute::Label(key) => (key, Attribute::Label),
        Attribute::NamespaceLabel(key) => (key, Attribute::NamespaceLabel),
        Attribute::NamespaceName | Attribute::ServiceAccountName => return None,
    };
    let same: Vec<Text> =
        near.iter().flat_map(labels).filter(|(_, there)| there == value).map(|(key, _)| key).collect();
    // The name of a namespace is often asked for by the short name that it hasn't got.
    let by_name = same.iter().find(|there| there.as_ref() == NAMESPACE_NAME_LABEL);
    let key = match by_name {
        Some(name) => Some(name.to_string()),
        None => nearest(key, same.iter().map(AsRef::as_ref)),
    };
    Some(Selector::is_in(of(key?.into()), vec![value.clone()]))
}
