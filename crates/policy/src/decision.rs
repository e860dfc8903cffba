//! Answers, each with its reason.

use std::fmt;

use crate::model::{Direction, PolicyId, RuleId, Text};

/// What a flow gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The connection may be opened.
    Accept,
    /// Its packets are dropped.
    Deny,
}

/// The answer for a flow: both ends must let it pass (N7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// At the source. `Reason::NotAPod` where the source is no policed pod.
    pub egress: Ruling,
    /// At the destination.
    pub ingress: Ruling,
}

/// The answer for one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ruling {
    /// Let through or dropped.
    pub verdict: Verdict,
    /// By what.
    pub reason: Reason,
}

/// What settled a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// This rule.
    Rule(RuleId),
    /// A NetworkPolicy isolates the subject and no rule lets the flow in: `RuleId::isolation`.
    Isolation(RuleId),
    /// No tier said anything final.
    NoPolicy,
    /// Policies don't apply to this end.
    Exempt(Exemption),
}

/// Why policies don't apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exemption {
    /// This end is no pod with a network of its own (nodes, hosts, host network pods: D8).
    NotAPod,
    /// A pod to its own address; the packet never leaves it (D5).
    Loopback,
    /// From the pod's own node (D6).
    OwnNode,
    /// A pod to itself through a Service; the NetworkPolicy tier accepts that (D5).
    OwnService,
}

impl Ruling {
    /// Accepted because of `reason`.
    pub fn accept(reason: Reason) -> Self {
        Ruling { verdict: Verdict::Accept, reason }
    }

    /// Denied because of `reason`.
    pub fn deny(reason: Reason) -> Self {
        Ruling { verdict: Verdict::Deny, reason }
    }
}

impl Decision {
    /// What the flow gets in the end.
    pub fn verdict(&self) -> Verdict {
        match (self.egress.verdict, self.ingress.verdict) {
            (Verdict::Accept, Verdict::Accept) => Verdict::Accept,
            (Verdict::Deny, _) | (_, Verdict::Deny) => Verdict::Deny,
        }
    }

    /// The direction and reason of the denial; egress is asked first. `None` where the flow is allowed.
    pub fn denial(&self) -> Option<(Direction, Reason)> {
        match (self.egress.verdict, self.ingress.verdict) {
            (Verdict::Deny, _) => Some((Direction::Egress, self.egress.reason)),
            (Verdict::Accept, Verdict::Deny) => Some((Direction::Ingress, self.ingress.reason)),
            (Verdict::Accept, Verdict::Accept) => None,
        }
    }
}

/// What a `RuleId` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleName {
    /// A rule of a policy.
    Rule {
        /// Of which policy.
        policy: PolicyId,
        /// In which list.
        direction: Direction,
        /// At which place, from 0.
        index: usize,
        /// The name the author gave it.
        name: Option<Text>,
    },
    /// The denial of what no rule of these policies allows.
    Isolation {
        /// The policies that isolate the pod, sorted.
        policies: Vec<PolicyId>,
        /// In which direction.
        direction: Direction,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Accept => "allow",
            Verdict::Deny => "deny",
        })
    }
}

/// `rule 2 of NetworkPolicy shop/web (ingress)`; `no rule of default, web in shop allows it`.
impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleName::Rule { policy, direction, index, name } => {
                write!(f, "{direction} rule {} ", index + 1)?;
                if let Some(name) = name {
                    write!(f, "`{name}` ")?;
                }
                write!(f, "of {policy}")
            }
            RuleName::Isolation { policies, .. } => {
                let names: Vec<String> = policies.iter().map(|policy| format!("`{}`", policy.name)).collect();
                write!(f, "no rule of {}", names.join(", "))?;
                if let Some(namespace) = policies.first().and_then(|policy| policy.namespace.as_ref()) {
                    write!(f, " in `{namespace}`")?;
                }
                f.write_str(" allows it")
            }
        }
    }
}
