//! A small cluster, and questions to it.

use std::net::IpAddr;

use lab::{End, Family, HostPlan, Lab, NodePlan, Outcome, Plan, PodPlan, Probe, Protocol};

pub(crate) const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// Somebody in the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) end: End,
    pub(crate) addresses: [IpAddr; 2],
    /// Listens here over all three protocols.
    pub(crate) port: u16,
    pub(crate) has_own_network: bool,
}

impl Member {
    pub(crate) fn address(&self, family: Family) -> IpAddr {
        self.addresses[if family == Family::V4 { 0 } else { 1 }]
    }
}

/// Two nodes, two pods on the first and one on the second, a pod in each node's network, two hosts.
pub(crate) fn members() -> Vec<Member> {
    let member = |name, end, v4: &str, v6: &str, port, has_own_network| Member {
        name,
        end,
        addresses: [v4.parse().expect("an address"), v6.parse().expect("an address")],
        port,
        has_own_network,
    };
    vec![
        member("shop/web", End::Pod(0), "10.244.0.1", "fd00:10:244::1", 80, true),
        member("shop/api", End::Pod(1), "10.244.0.2", "fd00:10:244::2", 8080, true),
        member("shop/db", End::Pod(2), "10.244.1.1", "fd00:10:244:1::1", 5432, true),
        member("system/near", End::Pod(3), "192.168.0.1", "fd00:192::1", 9100, false),
        member("system/far", End::Pod(4), "192.168.0.2", "fd00:192::2", 9100, false),
        member("external/one", End::Host(0), "203.0.113.1", "2001:db8::1", 443, true),
        member("external/two", End::Host(1), "203.0.113.2", "2001:db8::2", 443, true),
    ]
}

pub(crate) fn plan(members: &[Member]) -> Plan {
    let listen = |member: &Member| PROTOCOLS.map(|protocol| (protocol, member.port)).to_vec();
    let mut plan = Plan::default();
    for (name, addresses) in [("n1", ["192.168.0.1", "fd00:192::1"]), ("n2", ["192.168.0.2", "fd00:192::2"])]
    {
        let addresses = addresses.map(|text| text.parse().expect("an address")).to_vec();
        plan.nodes.push(NodePlan { name: name.to_owned(), addresses });
    }
    for member in members {
        let (name, addresses) = (member.name.to_owned(), member.addresses.to_vec());
        match member.end {
            End::Pod(_) => plan.pods.push(PodPlan {
                name,
                node: usize::from(["shop/db", "system/far"].contains(&member.name)),
                addresses,
                host_network: !member.has_own_network,
                listen: listen(member),
            }),
            End::Host(_) => plan.hosts.push(HostPlan { name, addresses, listen: listen(member) }),
            End::Node(_) => panic!("nodes are no members"),
        }
    }
    plan
}

pub(crate) fn build() -> (Lab, Vec<Member>) {
    let members = members();
    (Lab::build(&plan(&members)).expect("a lab"), members)
}

pub(crate) fn probe(from: &Member, to: &Member, family: Family, protocol: Protocol, port: u16) -> Probe {
    Probe { source: from.end, destination: to.address(family), protocol, port, expect: to.name.to_owned() }
}

/// All pairs of different members that have a network each, in all families and protocols.
pub(crate) fn all_pairs(lab: &Lab, members: &[Member]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for family in lab.families() {
        for protocol in PROTOCOLS {
            for from in members.iter().filter(|member| member.has_own_network) {
                for to in members.iter().filter(|to| to.name != from.name) {
                    probes.push(probe(from, to, *family, protocol, to.port));
                }
            }
        }
    }
    probes
}

/// Probes, and expects one outcome of all.
pub(crate) fn expect_all(lab: &mut Lab, probes: &[Probe], outcome: &Outcome) {
    let outcomes = lab.probe(probes).expect("probes are sent");
    assert_eq!(outcomes.len(), probes.len());
    let others: Vec<_> = probes.iter().zip(&outcomes).filter(|(_, got)| *got != outcome).collect();
    assert!(others.is_empty(), "{} of {}: {:#?}", others.len(), probes.len(), others.first());
}
