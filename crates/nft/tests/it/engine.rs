//! The rulesets of all nodes do to a flow what the engine says, and name the same rule.

use nft::lower::lower_all;
use nft::walk::{Walk, walk};
use policy::decision::{Decision, Reason};
use policy::index::Index;
use policy::model::{Cluster, Flow, RuleId};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::worlds::random;
use crate::worlds::small::{FAMILIES, flows};

/// The rule behind a denial; `None` where the flow is allowed.
fn denied_by(decision: &Decision) -> Option<RuleId> {
    let (_, reason) = decision.denial()?;
    match reason {
        Reason::Rule(id) | Reason::Isolation(id) => Some(id),
        Reason::NoPolicy | Reason::Exempt(_) => None,
    }
}

fn compare(cluster: &Cluster, flows: &[Flow]) -> Result<usize, String> {
    let index = Index::compile(cluster);
    let rulesets = lower_all(&index);
    let mut denied = 0;
    for flow in flows {
        let expected = denied_by(&index.decide(flow));
        let (arrived, rule) = match walk(&index, &rulesets, flow) {
            Walk::Arrived => (true, None),
            Walk::Dropped { rule, .. } => (false, rule),
        };
        if rule != expected || arrived != expected.is_none() {
            let name = expected.and_then(|id| index.rule_name(id));
            return Err(format!("{flow:?}: arrived {arrived} {rule:?}, expected {expected:?} {name:?}"));
        }
        denied += usize::from(!arrived);
    }
    Ok(denied)
}

/// Only a pod that runs somewhere has packets.
fn scheduled(mut cluster: Cluster) -> Cluster {
    for pod in cluster.endpoints.values_mut() {
        pod.node.get_or_insert_with(|| "n1".into());
    }
    cluster
}

/// One world in three: the interpreter is slow, and every family is seen.
#[test]
fn rulesets_do_in_small_worlds_what_the_engine_says() {
    let (mut worlds, mut denied) = (0, 0);
    for family in &FAMILIES {
        for number in (0..family.len()).step_by(3) {
            let cluster = family.world(number);
            match compare(&cluster, &flows(&cluster)) {
                Ok(count) => denied += count,
                Err(differs) => panic!("world {number} of `{}`: {differs}\n{cluster:#?}", family.name),
            }
            worlds += 1;
        }
    }
    assert!(worlds > 17_000 && denied > worlds, "{worlds} worlds, {denied} flows denied");
}

proptest! {
    #![proptest_config(random::config(256))]

    #[test]
    fn rulesets_do_in_random_worlds_what_the_engine_says(
        cluster in random::cluster(),
        flows in vec(random::flow(), 200),
    ) {
        let cluster = scheduled(cluster);
        if let Err(differs) = compare(&cluster, &flows) {
            prop_assert!(false, "{differs}");
        }
    }

    #[test]
    fn equal_clusters_give_equal_rulesets(cluster in random::cluster()) {
        let mut turned = cluster.clone();
        turned.endpoints.reverse();
        turned.policies.reverse();
        prop_assert_eq!(lower_all(&Index::compile(&cluster)), lower_all(&Index::compile(&turned)));
    }
}
