//! How a user names things, in every command and in files of assertions.
//!
//! | written | means |
//! |---|---|
//! | `ns/name` | the pods of a workload, or a pod; `ns/kind/name` where two kinds share the name |
//! | `ns/*`, `*/*` | all pods of a namespace, of the cluster |
//! | `ns/app=web,tier!=db`, `*/app=web` | the pods that a label selector matches |
//! | `10.0.0.1`, `10.0.0.0/8`, `[fd00::1]` | addresses, whoever has them |
//! | `external/name` | a host of the hosts file |
//! | `internet` | addresses that are routed globally and aren't the cluster's |
//! | `outside` | all addresses that aren't the cluster's |
//! | `svc/ns/name:port` | the pods behind a Service, on the port that it leads to; only as a destination |
//!
//! A destination may end in `:port`, `:from-to`, `:*` (all ports of a protocol) or `:icmp`, and a port in
//! `/tcp`, `/udp` or `/sctp`.
//!
//! [`Name`] is what was written, by itself; [`resolve`] finds whom it means in a cluster.

mod addresses;
mod parse;
mod reserved;
mod resolve;
pub(super) mod suggest;

use std::fmt;

use ipnet::IpNet;

use crate::model::{Protocol, Selector, Text};
use crate::ports::PortSet;

pub use addresses::{Addresses, Range, address, nets_of as nets, number, range};
pub use parse::{destination, selector, source};
pub use resolve::{Ends, Target, destinations, ends, everyone, internet};

/// A name as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Pods; without a namespace, of all namespaces.
    Pods(Option<Text>, Which),
    /// Addresses.
    Net(IpNet),
    /// A host outside.
    External(Text),
    /// Addresses that are routed globally.
    Internet,
    /// Addresses that aren't the cluster's.
    Outside,
}

/// Which pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of the workload, or the pod, of this name, and of this kind where one is given.
    Named(Option<Text>, Text),
    /// Those whose labels match.
    Labelled(Selector),
}

/// A destination as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To these, on these ports.
    Of(Name, Asked),
    /// Through the Service of this namespace and name, on its port of this number or name; without one, on
    /// all its ports.
    Service(Text, Text, Option<Text>),
}

/// Which protocols and ports are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// All protocols and ports.
    Everything,
    /// From the first to the second port of a protocol.
    Ports(Protocol, u16, u16),
    /// Protocols without ports, ICMP before all.
    WithoutPorts,
}

impl Asked {
    /// The questions that are about exactly these ports.
    pub fn all_of(ports: &PortSet) -> Vec<Asked> {
        if *ports == PortSet::all() {
            return vec![Asked::Everything];
        }
        let ranges = ports.ranges().iter().map(|(protocol, from, to)| Asked::Ports(*protocol, *from, *to));
        ranges.chain(ports.has_other().then_some(Asked::WithoutPorts)).collect()
    }
}

impl From<Asked> for PortSet {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Everything => PortSet::all(),
            Asked::Ports(protocol, from, to) => PortSet::of([(protocol, from, to)]),
            Asked::WithoutPorts => PortSet::without_ports(),
        }
    }
}

/// Why a name means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It can't be read.
    #[error("`{name}` is no name: {why}")]
    Unreadable {
        /// As it was written.
        name: String,
        /// What is wrong, and how it is written.
        why: String,
    },
    /// It can be read, but nothing has that name.
    #[error("there is no {what} `{name}`{}", also(.nearest))]
    Unknown {
        /// `namespace`, `workload or pod`, ...
        what: &'static str,
        /// The part of the name that nothing has.
        name: String,
        /// One that is spelt nearly so.
        nearest: Option<String>,
    },
    /// No pod is meant that could be asked about.
    #[error("`{name}` means no pod{}", because(.why))]
    Nobody {
        /// As it was written.
        name: String,
        /// Why not.
        why: Option<String>,
    },
}

fn also(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn because(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
}

/// `80/tcp`, `8000-8010/tcp`, `all udp ports`, `all protocols and ports`.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Everything => f.write_str("all protocols and ports"),
            Asked::WithoutPorts => f.write_str("icmp and other protocols without ports"),
            Asked::Ports(protocol, 1, u16::MAX) => write!(f, "all {protocol} ports"),
            Asked::Ports(protocol, from, to) if from == to => write!(f, "{from}/{protocol}"),
            Asked::Ports(protocol, from, to) => write!(f, "{from}-{to}/{protocol}"),
        }
    }
}
