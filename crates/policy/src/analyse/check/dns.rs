//! Pods that may send, but can't resolve names.

use hashbrown::HashMap;
use indexmap::IndexMap;

use super::scene::{Group, Pod, Scene};
use super::{Finding, about, isolating, listed};
use crate::model::{Direction, EndpointId, Family, Peer, PolicyId, Protocol, Selector, TargetPort};
use crate::program::PeerId;

/// A pod that answers, and on which port.
struct Resolver<'s, 'a> {
    pod: &'s Pod<'a>,
    port: u16,
}

/// Egress isolated, open to something, and closed to every pod that serves DNS.
pub(super) fn unresolved(scene: &Scene<'_>) -> Vec<Finding> {
    let resolvers = resolvers(scene);
    if resolvers.is_empty() {
        return Vec::new();
    }
    // Over one family is enough.
    let mut asks: HashMap<&EndpointId, bool> = HashMap::new();
    let mut mute: IndexMap<&PolicyId, Vec<&EndpointId>> = IndexMap::new();
    let egress = || scene.groups.iter().filter(|group| group.program.direction == Direction::Egress);
    for group in egress() {
        let can = has_other_way(scene, group) || !sends(group);
        for pod in scene.subjects(group) {
            let can = can || resolvers.iter().any(|resolver| reaches(group, pod, resolver));
            *asks.entry(&pod.pod.id).or_default() |= can;
        }
    }
    for group in egress() {
        let isolating = isolating(group.program);
        let speaking = isolating.iter().find(|id| {
            scene
                .cluster
                .policies
                .get(*id)
                .and_then(|policy| policy.egress.as_ref())
                .is_some_and(|rules| !rules.is_empty())
        });
        let Some(policy) = speaking.or(isolating.first()) else { continue };
        for pod in scene.subjects(group) {
            if asks.get(&pod.pod.id) == Some(&false) {
                asks.insert(&pod.pod.id, true);
                mute.entry(policy).or_default().push(&pod.pod.id);
            }
        }
    }
    mute.into_iter().filter_map(|(policy, pods)| finding(scene, policy, &pods, &resolvers)).collect()
}

fn finding(
    scene: &Scene<'_>,
    id: &PolicyId,
    pods: &[&EndpointId],
    resolvers: &[Resolver<'_, '_>],
) -> Option<Finding> {
    let policy = scene.cluster.policies.get(id)?;
    let title = format!("{} isolated by `{id}` can't resolve names", listed(pods.iter().copied()));
    let mut finding = about("PC520", policy, None, title);
    let mut ids: Vec<&EndpointId> = resolvers.iter().map(|resolver| &resolver.pod.pod.id).collect();
    ids.dedup();
    let first = resolvers.first()?;
    finding.because = format!(
        "it may send to others, but nothing reaches {} on {}/udp, which serves DNS",
        listed(ids),
        first.port
    );
    finding.fix = format!(
        "add an egress rule to the pods of namespace `{}` with the labels `{}` on ports {port}/udp and {port}/tcp; where \
         that is there, let their ingress accept it",
        first.pod.pod.id.namespace,
        first.pod.pod.labels,
        port = first.port
    );
    Some(finding)
}

/// The pods behind Services that have port 53 over UDP; without such a Service those whose containers have it.
fn resolvers<'s, 'a>(scene: &'s Scene<'a>) -> Vec<Resolver<'s, 'a>> {
    let mut all = Vec::new();
    for service in scene.cluster.services.values() {
        let Some(selector) = &service.selector else { continue };
        for port in service.ports.iter().filter(|port| (port.protocol, port.port) == (Protocol::Udp, 53)) {
            for pod in scene.selected(selector) {
                let named = |name: &str| {
                    let mut ports = pod.pod.ports.iter().filter(|port| port.protocol == Protocol::Udp);
                    ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.port)
                };
                let number = match &port.target {
                    TargetPort::Number(number) => Some(*number),
                    TargetPort::Named(name) => named(name),
                };
                all.extend(number.map(|port| Resolver { pod, port }));
            }
        }
    }
    if all.is_empty() {
        let everyone = Selector::everything();
        let pods = scene.selected(&everyone).into_iter();
        let serves = |pod: &&Pod<'_>| {
            pod.pod.ports.iter().any(|port| (port.protocol, port.port) == (Protocol::Udp, 53))
        };
        all.extend(pods.filter(serves).map(|pod| Resolver { pod, port: 53 }));
    }
    all
}

fn reaches(group: &Group<'_>, pod: &Pod<'_>, resolver: &Resolver<'_, '_>) -> bool {
    let (own, there) = (pod.end.address(), resolver.pod.end.address());
    if Family::of(&there) != group.family {
        return false;
    }
    let out = group.program.allowed(&resolver.pod.end.party(own));
    let into = resolver.pod.end.program(Direction::Ingress);
    out.contains(Protocol::Udp, resolver.port)
        && into.is_none_or(|program| {
            program.is_empty()
                || program.allowed(&pod.end.party(there)).contains(Protocol::Udp, resolver.port)
        })
}

/// Whether something that is no pod may be asked: a node's own resolver, or one outside. A block that holds a
/// Service's address is none: rules never see that.
fn has_other_way(scene: &Scene<'_>, group: &Group<'_>) -> bool {
    let is_service = |block: &PeerId| match scene.index.peer(*block) {
        Some(Peer::Block(block)) => {
            let services = scene.cluster.services.values().flat_map(|service| &service.addresses);
            services.into_iter().any(|address| block.cidr.contains(address))
                && block.cidr.prefix_len() == block.cidr.max_prefix_len()
        }
        Some(Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_)) | None => false,
    };
    let outside = group.meetings.iter().filter(|other| other.is_no_pod());
    let mut open = outside.filter(|other| group.program.allowed(&other.party()).contains(Protocol::Udp, 53));
    open.any(|other| !other.party().blocks.iter().any(is_service))
}

/// Whether anything gets out at all: who sends nothing needs no names.
fn sends(group: &Group<'_>) -> bool {
    let others = group.meetings.iter().filter(|other| !other.is_subject());
    others.into_iter().any(|other| !group.program.allowed(&other.party()).is_empty())
}
