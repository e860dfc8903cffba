//! Random large worlds: the specification and the programs agree, reason included.

use policy::decision::{Reason, RuleName};
use policy::index::Index;
use policy::model::RuleId;
use policy::spec;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::worlds::random::{cluster, config, flow};

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn the_programs_decide_random_worlds_as_specified(cluster in cluster(), flows in vec(flow(), 200)) {
        let index = Index::compile(&cluster);
        for flow in &flows {
            let decision = index.decide(flow);
            prop_assert_eq!(spec::decide(&cluster, flow), decision, "{:?}", flow);
            for reason in [decision.egress.reason, decision.ingress.reason] {
                prop_assert_eq!(named(&index, reason), reason, "{:?}", flow);
            }
        }
    }
}

/// A reason by way of its name: what the index says about an id must lead back to it.
fn named(index: &Index, reason: Reason) -> Reason {
    match reason {
        Reason::Rule(id) | Reason::Isolation(id) => match index.rule_name(id).unwrap() {
            RuleName::Rule { policy, direction, index, .. } => {
                Reason::Rule(RuleId::rule(&policy, direction, index))
            }
            RuleName::Isolation { policies, direction } => {
                Reason::Isolation(RuleId::isolation(policies.iter(), direction))
            }
        },
        Reason::NoPolicy | Reason::Exempt(_) => reason,
    }
}
