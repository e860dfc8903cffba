//! Every small world: the specification and the programs agree on each flow, reason included.

use policy::index::Index;
use policy::model::{Cluster, Tier};
use policy::spec;

use crate::worlds::small::{FAMILIES, Family, flows};

#[derive(Default)]
struct Count {
    worlds: usize,
    flows: usize,
    both_tiers: usize,
    network_policies: usize,
    denied: usize,
}

#[test]
fn the_programs_decide_every_small_world_as_specified() {
    let mut total = Count::default();
    for family in FAMILIES {
        let count = compare(&family);
        println!("{}: {} worlds, {} flows", family.name, count.worlds, count.flows);
        total = total.plus(count);
    }
    println!(
        "{} worlds, {} with cluster policies in both tiers, {} flows, {} of them denied",
        total.worlds, total.both_tiers, total.flows, total.denied
    );
    assert!(total.worlds >= 50_000, "{} worlds", total.worlds);
    assert!(total.both_tiers >= 20_000, "{} worlds with policies in both tiers", total.both_tiers);
    assert!(total.network_policies >= 20_000, "{} worlds with NetworkPolicies", total.network_policies);
    assert!(total.denied >= total.flows / 20, "{} of {} flows denied", total.denied, total.flows);
}

/// All worlds of a family, shared out among the cores.
fn compare(family: &Family) -> Count {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = |first| {
        let numbers = (first..family.len()).step_by(cores);
        numbers.map(|number| compare_world(family, number)).fold(Count::default(), Count::plus)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|first| scope.spawn(move || share(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(Count::default(), Count::plus)
    })
}

fn compare_world(family: &Family, number: usize) -> Count {
    let cluster = family.world(number);
    let index = Index::compile(&cluster);
    let flows = flows(&cluster);
    let mut denied = 0;
    for flow in &flows {
        let decision = index.decide(flow);
        let specified = spec::decide(&cluster, flow);
        assert_eq!(specified, decision, "{flow:?} in world {number} of `{}`: {cluster:#?}", family.name);
        denied += usize::from(decision.denial().is_some());
    }
    Count {
        worlds: 1,
        flows: flows.len(),
        both_tiers: usize::from(has(&cluster, Tier::Admin) && has(&cluster, Tier::Baseline)),
        network_policies: usize::from(has(&cluster, Tier::NetworkPolicy)),
        denied,
    }
}

fn has(cluster: &Cluster, tier: Tier) -> bool {
    cluster.policies.values().any(|policy| policy.tier == tier)
}

impl Count {
    fn plus(self, other: Count) -> Count {
        Count {
            worlds: self.worlds + other.worlds,
            flows: self.flows + other.flows,
            both_tiers: self.both_tiers + other.both_tiers,
            network_policies: self.network_policies + other.network_policies,
            denied: self.denied + other.denied,
        }
    }
}
