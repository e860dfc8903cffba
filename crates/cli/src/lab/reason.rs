//! Reasons of denials, for people.

use policy::decision::{Decision, Exemption, Reason, RuleName};
use policy::index::Index;
use policy::model::{Direction, PolicyId, RuleId};

use super::report::Why;

/// Why a flow is denied; `None` where it is allowed.
pub(crate) fn why(index: &Index, decision: &Decision) -> Option<Why> {
    let (direction, reason) = decision.denial()?;
    let full = match reason {
        Reason::Rule(id) | Reason::Isolation(id) => return Some(rule(index, id, direction)),
        Reason::NoPolicy => format!("no policy decides its {direction}"),
        Reason::Exempt(Exemption::NotAPod) => format!("its {direction} is no pod's"),
        Reason::Exempt(Exemption::Loopback) => "it never leaves the pod".to_owned(),
        Reason::Exempt(Exemption::OwnNode) => "it comes from the pod's own node".to_owned(),
        Reason::Exempt(Exemption::OwnService) => "it comes back through the pod's own service".to_owned(),
    };
    Some(Why { brief: full.clone(), full })
}

fn rule(index: &Index, id: RuleId, direction: Direction) -> Why {
    let name = index.rule_name(id);
    let full = name.as_ref().map_or_else(|| format!("{direction} rule {id}"), ToString::to_string);
    let brief = name.and_then(|name| match name {
        RuleName::Isolation { policies, .. } => counted(&policies),
        RuleName::Rule { .. } => None,
    });
    Why { brief: brief.unwrap_or_else(|| full.clone()), full }
}

fn counted(policies: &[PolicyId]) -> Option<String> {
    let namespace = policies.first()?.namespace.as_ref()?;
    let many = policies.len() > 1;
    many.then(|| format!("no rule of {} policies in `{namespace}` allows it", policies.len()))
}
