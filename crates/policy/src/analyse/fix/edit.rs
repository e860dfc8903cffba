//! Edits of policies.

use crate::model::{Direction, Peer, Peers, Policy, PolicyId, Port, Ports, Rule};

/// One edit of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which policy.
    pub policy: PolicyId,
    /// Of which direction it speaks then.
    pub direction: Direction,
    /// What is done.
    pub what: What,
}

/// What an edit does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// There was no such policy.
    New(Box<Policy>),
    /// A rule comes before the one at this place, counted from 0, or after all.
    Rule(usize, Rule),
    /// The rule at this place is about more peers.
    Peers(usize, Vec<Peer>),
    /// The rule at this place is about more ports.
    Ports(usize, Vec<Port>),
}

impl Edit {
    /// How much of it there is to read: a word, a rule, a policy.
    pub(super) fn size(&self) -> usize {
        match &self.what {
            What::Peers(_, peers) => peers.len(),
            What::Ports(_, ports) => ports.len(),
            What::Rule(..) => 10,
            What::New(_) => 100,
        }
    }

    pub(super) fn place(&self) -> usize {
        match self.what {
            What::New(_) => 0,
            What::Rule(at, _) | What::Peers(at, _) | What::Ports(at, _) => at,
        }
    }

    /// The policy after the edit, of what it was before; `None` where the place is not there.
    pub fn applied(&self, before: Option<&Policy>) -> Option<Policy> {
        let mut policy = match &self.what {
            What::New(policy) => return Some(Policy::clone(policy)),
            What::Rule(..) | What::Peers(..) | What::Ports(..) => before?.clone(),
        };
        let rules = match self.direction {
            Direction::Ingress => policy.ingress.as_mut()?,
            Direction::Egress => policy.egress.as_mut()?,
        };
        match &self.what {
            What::New(_) => (),
            What::Rule(at, rule) => rules.insert((*at).min(rules.len()), rule.clone()),
            What::Peers(at, more) => match &mut rules.get_mut(*at)?.peers {
                Peers::Any => (),
                Peers::Of(peers) => peers.extend(more.iter().cloned()),
            },
            What::Ports(at, more) => match &mut rules.get_mut(*at)?.ports {
                Ports::Any => (),
                Ports::Of(ports) => ports.extend(more.iter().cloned()),
            },
        }
        Some(policy)
    }
}
