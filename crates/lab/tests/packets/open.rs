//! A lab without policies: all can talk to all.

use std::time::Duration;

use lab::{End, Family, Flowing, Lab, Outcome, Plan, Protocol};
use libtest_mimic::{Failed, Trial};

use super::world::{self, PROTOCOLS, all_pairs, expect_all, probe};

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    vec![
        trial("everybody_reaches_everybody", everybody_reaches_everybody),
        trial("a_closed_port_refuses", a_closed_port_refuses),
        trial("another_name_is_noticed", another_name_is_noticed),
        trial("an_address_that_nobody_has_is_named", an_address_that_nobody_has_is_named),
        trial("what_cannot_be_asked_is_said", what_cannot_be_asked_is_said),
        trial("a_node_reaches_its_pods", a_node_reaches_its_pods),
        trial("a_stream_flows", a_stream_flows),
        trial("an_empty_lab_is_a_lab", an_empty_lab_is_a_lab),
        trial("labs_do_not_see_each_other", labs_do_not_see_each_other),
        trial("probes_may_come_again_and_again", probes_may_come_again_and_again),
    ]
}

fn everybody_reaches_everybody() {
    let (mut lab, members) = world::build();
    let probes = all_pairs(&lab, &members);
    assert_eq!(probes.len(), lab.families().len() * 3 * 5 * 6);
    expect_all(&mut lab, &probes, &Outcome::Allowed);
}

fn a_closed_port_refuses() {
    let (mut lab, members) = world::build();
    let mut probes = all_pairs(&lab, &members);
    probes.iter_mut().for_each(|probe| probe.port += 1);
    expect_all(&mut lab, &probes, &Outcome::Refused);
}

fn another_name_is_noticed() {
    let (mut lab, members) = world::build();
    let (web, api) = (&members[0], &members[1]);
    for protocol in PROTOCOLS {
        let mut wrong = probe(web, api, Family::V4, protocol, api.port);
        wrong.expect = "shop/web".to_owned();
        expect_all(&mut lab, &[wrong], &Outcome::Failed("`shop/api` answered".to_owned()));
    }
}

fn an_address_that_nobody_has_is_named() {
    let (mut lab, members) = world::build();
    let nobody = [(Family::V4, "10.244.7.7"), (Family::V6, "fd00:10:244:7::7")];
    let words = [": network unreachable", ": no route to destination"];
    for ((family, address), words) in nobody.into_iter().zip(words) {
        for protocol in PROTOCOLS {
            if !lab.families().contains(&family) {
                continue;
            }
            let mut lost = probe(&members[0], &members[1], family, protocol, 80);
            lost.destination = address.parse().expect("an address");
            let outcomes = lab.probe(&[lost]).expect("probes are sent");
            assert!(
                matches!(outcomes.as_slice(), [Outcome::Failed(cause)] if cause.ends_with(words)),
                "{protocol}: {outcomes:?}"
            );
        }
    }
}

fn what_cannot_be_asked_is_said() {
    let (mut lab, members) = world::build();
    let mut plan = world::plan(&members);
    let other = probe(&members[0], &members[1], Family::V4, Protocol::Other(47), 0);
    expect_all(&mut lab, &[other], &Outcome::Failed("protocol 47 can't be probed".to_owned()));
    let mut nobody = probe(&members[0], &members[1], Family::V4, Protocol::Tcp, 80);
    nobody.source = End::Pod(99);
    expect_all(&mut lab, &[nobody], &Outcome::Failed("there is no such source".to_owned()));
    plan.pods[0].addresses.truncate(1);
    let mut lab = Lab::build(&plan).expect("a lab");
    let no_address = probe(&members[0], &members[1], Family::V6, Protocol::Tcp, 80);
    expect_all(&mut lab, &[no_address], &Outcome::Failed("`shop/web` has no IPv6 address".to_owned()));
}

fn a_node_reaches_its_pods() {
    let (mut lab, members) = world::build();
    let mut probes = all_pairs(&lab, &members);
    probes.retain(|probe| matches!(probe.expect.as_str(), "shop/web" | "shop/db"));
    probes.iter_mut().for_each(|probe| probe.source = End::Node(0));
    expect_all(&mut lab, &probes, &Outcome::Allowed);
}

fn a_stream_flows() {
    let (mut lab, _) = world::build();
    let mut stream = lab.stream(End::Pod(0), End::Pod(2), Family::V4, 7000).expect("a stream");
    let state = stream.read_until_silent(Duration::from_secs(2), Duration::from_millis(50)).expect("bytes");
    assert!(matches!(state, Flowing::On { bytes } if bytes > 0), "{state:?}");
}

fn an_empty_lab_is_a_lab() {
    let mut lab = Lab::build(&Plan::default()).expect("a lab");
    assert_eq!(lab.probe(&[]).expect("nothing to do"), []);
    lab.flush_conntrack().expect("nothing to flush");
    assert!(lab.node(0).is_none());
}

fn labs_do_not_see_each_other() {
    let (mut one, members) = world::build();
    let mut plan = world::plan(&members);
    plan.pods[1].name = "other/api".to_owned();
    let mut two = Lab::build(&plan).expect("a second lab of the same addresses");
    let mut question = probe(&members[0], &members[1], Family::V4, Protocol::Tcp, members[1].port);
    expect_all(&mut one, std::slice::from_ref(&question), &Outcome::Allowed);
    question.expect = "other/api".to_owned();
    expect_all(&mut two, std::slice::from_ref(&question), &Outcome::Allowed);
}

fn probes_may_come_again_and_again() {
    let (mut lab, members) = world::build();
    let probes = all_pairs(&lab, &members);
    for _ in 0..5 {
        expect_all(&mut lab, &probes, &Outcome::Allowed);
        lab.flush_conntrack().expect("flows are forgotten");
    }
}
