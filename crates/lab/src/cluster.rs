//! The lab itself.

use std::net::SocketAddr;

use nft::kernel::{LogListener, Protocol as Netlink, RequestError, Socket, end_all_flows};
use nft::lower::LOG_GROUP;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::namespace::Namespace;
use crate::network::{self, NetworkError, Networks, has_ipv6};
use crate::plan::{End, Family, Plan, PlanError, Protocol, Sites};
use crate::ports::Ports;
use crate::probe::{Means, Outcome, Probe, ProbeError, run};
use crate::responder::{ResponderError, Responders};
use crate::stream::{Stream, StreamError};

/// How much of a denied packet is copied to its log: the headers.
const LOG_BYTES: u32 = 128;

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The plan can't be built.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The networks can't be made.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The responders can't be started.
    #[error(transparent)]
    Responder(#[from] ResponderError),
    /// A node's own sockets can't be opened.
    #[error("cannot open the {purpose} of node `{node}`")]
    Node {
        /// Which node.
        node: String,
        /// What the socket is for.
        purpose: &'static str,
        /// Why not.
        source: RequestError,
    },
}

/// A cluster of network namespaces. Dropping it takes all of it away.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: nobody answers in a network that is gone.
    _responders: Responders,
    logs: Vec<LogListener>,
    conntracks: Vec<(String, Socket)>,
    networks: Networks,
    sites: Sites,
    nodes: usize,
    ports: Ports,
    families: Vec<Family>,
}

impl Lab {
    /// Builds a cluster, as planned, in which everybody can talk to everybody. [`crate::enter`] comes first.
    pub fn build(plan: &Plan) -> Result<Self, LabError> {
        allow_many_descriptors();
        let families = if has_ipv6() { Family::BOTH.to_vec() } else { vec![Family::V4] };
        let sites = plan.sites(&families)?;
        let networks = network::build(&sites.all, &families)?;
        let responders = Responders::start(&sites.all, &networks.sites)?;
        let (mut logs, mut conntracks) = (Vec::new(), Vec::new());
        for (node, namespace) in plan.nodes.iter().zip(&networks.sites) {
            let refused = |purpose| {
                move |source: RequestError| LabError::Node { node: node.name.clone(), purpose, source }
            };
            let log = namespace.enter(|| LogListener::open(LOG_GROUP, LOG_BYTES));
            logs.push(
                log.map_err(RequestError::from).and_then(|opened| opened).map_err(refused("packet log"))?,
            );
            let conntrack = namespace.socket(Netlink::Netfilter).map_err(RequestError::from);
            conntracks.push((node.name.clone(), conntrack.map_err(refused("connection tracking"))?));
        }
        let nodes = plan.nodes.len();
        Ok(Lab {
            _responders: responders,
            logs,
            conntracks,
            networks,
            sites,
            nodes,
            ports: Ports::default(),
            families,
        })
    }

    /// The families that this machine's kernel speaks. Addresses of others were left out.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The network of a node, where an agent would work.
    pub fn node(&self, node: usize) -> Option<&Namespace> {
        self.networks.sites.get(..self.nodes)?.get(node)
    }

    /// The network in which an end lives.
    pub fn network(&self, end: End) -> Option<&Namespace> {
        self.networks.sites.get(self.sites.of(end)?)
    }

    /// Sends all probes, and says of each in turn what became of it.
    pub fn probe(&mut self, probes: &[Probe]) -> Result<Vec<Outcome>, ProbeError> {
        let means = Means {
            sites: &self.sites,
            namespaces: &self.networks.sites,
            logs: &mut self.logs,
            ports: &mut self.ports,
        };
        run(means, probes)
    }

    /// Makes all nodes forget all flows. Not while probes are under way.
    pub fn flush_conntrack(&mut self) -> Result<(), LabError> {
        for (node, socket) in &mut self.conntracks {
            let refused =
                |source| LabError::Node { node: node.clone(), purpose: "connection tracking", source };
            end_all_flows(socket).map_err(refused)?;
        }
        Ok(())
    }

    /// Connects `client` to a server that is made for it on that port of `server`, and that sends without
    /// end.
    pub fn stream(
        &mut self,
        client: End,
        server: End,
        family: Family,
        port: u16,
    ) -> Result<Stream, StreamError> {
        let site = self.sites.of(client).ok_or(StreamError::NoSuchEnd)?;
        let source_port = self.ports.take(site, family, Protocol::Tcp);
        let place = |end, port| {
            let site = self.sites.of(end)?;
            let address = self.sites.all.get(site)?.address(family)?;
            Some((self.networks.sites.get(site)?, SocketAddr::new(address, port)))
        };
        let (client, server) =
            place(client, source_port).zip(place(server, port)).ok_or(StreamError::NoSuchEnd)?;
        Stream::open(client, server)
    }
}

/// Raises the limit of open files as far as it goes: a lab has several for each pod.
fn allow_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, opening a file will say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
