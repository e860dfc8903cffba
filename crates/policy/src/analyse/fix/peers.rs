//! The peers and ports of a rule that lets something pass, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::blocks::blocks;
use super::needs::Others;
use super::tight::selectors;
use crate::index::Index;
use crate::model::{
    Attribute, Block, Cluster, EndpointId, NAMESPACE_NAME_LABEL, Peer, PolicyKind, Port, Ports, Selector,
    Text,
};
use crate::ports::PortSet;

/// The peers that `others` are, in a rule of such a policy.
pub(super) fn peers(
    cluster: &Cluster,
    index: &Index,
    (kind, namespace): (PolicyKind, Option<&Text>),
    others: &Others,
) -> Vec<Peer> {
    let blocks = match kind {
        PolicyKind::NetworkPolicy => blocks(&others.addresses),
        PolicyKind::AdminNetworkPolicy
        | PolicyKind::BaselineAdminNetworkPolicy
        | PolicyKind::ClusterNetworkPolicy => others.addresses.nets().into_iter().map(whole).collect(),
    };
    pods(cluster, index, namespace, &others.pods)
        .into_iter()
        .chain(blocks.into_iter().map(Peer::Block))
        .collect()
}

/// The pods that `pods` of `namespace` selects, as a rule's peer or a policy's subject.
pub(super) fn of_namespace(namespace: &Text, pods: Selector) -> Selector {
    let name = Attribute::NamespaceLabel(NAMESPACE_NAME_LABEL.into());
    Selector::is_in(name, vec![namespace.clone()]).and(pods)
}

fn pods(cluster: &Cluster, index: &Index, own: Option<&Text>, chosen: &BTreeSet<EndpointId>) -> Vec<Peer> {
    let mut by_namespace: BTreeMap<&Text, BTreeSet<EndpointId>> = BTreeMap::new();
    for id in chosen {
        by_namespace.entry(&id.namespace).or_default().insert(id.clone());
    }
    if by_namespace.len() > 1 && is_everyone(cluster, index, chosen) {
        return vec![Peer::Pods(Selector::everything())];
    }
    let within = |namespace: &Text, pods: Selector| match own {
        Some(own) if own == namespace => Selector::namespace(namespace).and(pods),
        Some(_) | None => of_namespace(namespace, pods),
    };
    let each = by_namespace.iter().flat_map(|(namespace, chosen)| {
        selectors(cluster, namespace, chosen).into_iter().map(|pods| within(namespace, pods))
    });
    each.map(Peer::Pods).collect()
}

fn is_everyone(cluster: &Cluster, index: &Index, chosen: &BTreeSet<EndpointId>) -> bool {
    let mut all = cluster.endpoints.values().filter(|pod| pod.is_policed());
    all.all(|pod| {
        let owns = |address| index.owner(address).is_some_and(|owner| owner.id == pod.id);
        chosen.contains(&pod.id) || !pod.addresses.iter().any(|address| owns(*address))
    })
}

fn whole(cidr: IpNet) -> Block {
    Block { cidr, except: Vec::new() }
}

/// A rule's ports; protocols without ports can't be named, so a rule about them is about everything. Only a
/// NetworkPolicy can name a protocol without its ports.
pub(super) fn ports(kind: PolicyKind, ports: &PortSet) -> Ports {
    let one = |(protocol, from, to): &(_, u16, u16)| match (kind, *from, *to) {
        (PolicyKind::NetworkPolicy, 1, u16::MAX) => Port::Protocol(*protocol),
        (_, from, to) => Port::Range(*protocol, from, to),
    };
    if ports.has_other() { Ports::Any } else { Ports::Of(ports.ranges().iter().map(one).collect()) }
}
