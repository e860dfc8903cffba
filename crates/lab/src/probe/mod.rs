//! Probes: does a packet get there, and if not, why not?

mod flight;
mod judge;
mod run;

use std::io;
use std::net::IpAddr;

use crate::plan::{End, Protocol};

pub(crate) use run::{Means, run};

/// One question: can `source` open a connection there, and is it the right one who answers?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// From whom.
    pub source: End,
    /// To which address. The source is probed from its own address of the same family.
    pub destination: IpAddr,
    /// Over what.
    pub protocol: Protocol,
    /// To which port.
    pub port: u16,
    /// The name that is expected to answer.
    pub expect: String,
}

/// What became of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The expected one answered.
    Allowed,
    /// A node logged the packet as denied, and nobody answered.
    Denied {
        /// The log prefix of the rule that did it, where it has one.
        by: Option<String>,
    },
    /// It was reached, and nobody listens on that port.
    Refused,
    /// Anything else: why.
    Failed(String),
}

/// Why probes could not be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Waiting for answers failed.
    #[error("cannot wait for answers")]
    Wait(#[source] io::Error),
    /// A namespace could not be entered.
    #[error("cannot enter the network of `{name}`")]
    Enter {
        /// Whose.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// A node's log of denied packets could not be read.
    #[error("cannot read the log of denied packets")]
    Log(#[source] nft::kernel::RequestError),
}
