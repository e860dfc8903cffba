//! What deserves a look first.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashbrown::HashSet;

use super::{Atom, Change, Diff};
use crate::analyse::names::Addresses;
use crate::analyse::reach::groups::Many;
use crate::model::Protocol;
use crate::ports::PortSet;

/// What a change does, the one to look at first coming first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Something opens between a pod and the internet.
    Internet,
    /// Something opens to an address where clouds hand out credentials.
    Metadata,
    /// DNS (port 53 of a workload that names it) is lost by somebody who is still there.
    Dns,
    /// Something opens between namespaces.
    Namespaces,
    /// Something opens.
    Opened,
    /// Something closes.
    Closed,
}

/// Where clouds hand out credentials to whoever asks: AWS, Azure, Google and others; AWS over IPv6.
const METADATA: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

/// What risks are judged by.
#[derive(Debug)]
pub struct Worries {
    internet: Addresses,
    metadata: Vec<IpAddr>,
    /// Atoms whose containers name port 53.
    resolvers: HashSet<u32>,
}

impl Worries {
    /// `internet` are the addresses that count as that.
    pub fn of(diff: &Diff<'_, '_>, internet: Addresses) -> Self {
        let answers = |atom: &Atom<'_, '_>| {
            atom.pods.iter().copied().flatten().any(|pod| pod.ports.iter().any(|port| port.port == 53))
        };
        let resolvers = (0..).zip(&diff.atoms).filter(|(_, atom)| answers(atom)).map(|(place, _)| place);
        let metadata = METADATA.iter().filter_map(|address| address.parse().ok()).collect();
        Worries { internet, metadata, resolvers: resolvers.collect() }
    }

    /// All that a change does, to somebody at least; the first is its rank.
    pub fn risks(&self, diff: &Diff<'_, '_>, change: &Change) -> BTreeSet<Risk> {
        let Change { sources, destinations, .. } = change;
        let (opens, closed) = (!change.opened().is_empty(), change.closed());
        let meets = |many: &Many| many.outside.without(&self.internet) != many.outside;
        let is_there = |many: &Many| self.metadata.iter().any(|address| many.outside.contains(address));
        let found = [
            (Risk::Internet, opens && (meets(sources) || meets(destinations))),
            (Risk::Metadata, opens && is_there(destinations)),
            (Risk::Dns, self.loses_dns(diff, change)),
            (Risk::Namespaces, opens && crosses(diff, sources, destinations)),
            (Risk::Opened, opens),
            (Risk::Closed, !closed.is_empty()),
        ];
        found.into_iter().filter(|(_, is_so)| *is_so).map(|(risk, _)| risk).collect()
    }

    fn loses_dns(&self, diff: &Diff<'_, '_>, change: &Change) -> bool {
        let stays = |place: &u32| diff.atoms.get(*place as usize).is_some_and(|atom| atom.after.is_some());
        is_dns_lost(&change.before, &change.after)
            && change.destinations.units.iter().any(|place| self.resolvers.contains(place))
            && change.sources.units.iter().any(stays)
    }
}

/// TCP is what a resolver is asked again over, where UDP was too short for an answer.
fn is_dns_lost(before: &PortSet, after: &PortSet) -> bool {
    let [udp_before, udp_after] = [before, after].map(|ports| ports.contains(Protocol::Udp, 53));
    let [tcp_before, tcp_after] = [before, after].map(|ports| ports.contains(Protocol::Tcp, 53));
    (udp_before && !udp_after) || (tcp_before && !tcp_after && !udp_after)
}

/// Whether some source is in another namespace than some destination.
fn crosses(diff: &Diff<'_, '_>, sources: &Many, destinations: &Many) -> bool {
    let namespaces = |many: &Many| -> BTreeSet<&str> {
        let atoms = many.units.iter().filter_map(|place| diff.atoms.get(*place as usize));
        atoms.map(|atom| atom.namespace.as_ref()).collect()
    };
    let (from, to) = (namespaces(sources), namespaces(destinations));
    match (from.len(), to.len()) {
        (0, _) | (_, 0) => false,
        (1, 1) => from != to,
        (_, _) => true,
    }
}
