//! Clusters made of network namespaces: in one process, without root, gone without a trace when it ends.
//!
//! ```no_run
//! use lab::{End, Lab, NodePlan, Plan, PodPlan, Probe, Protocol};
//!
//! // Before the first thread.
//! lab::enter()?;
//! let pod = |name: &str, address: &str| PodPlan {
//!     name: name.to_owned(),
//!     addresses: address.parse().into_iter().collect(),
//!     listen: vec![(Protocol::Tcp, 80)],
//!     ..PodPlan::default()
//! };
//! let node = NodePlan { name: "node".to_owned(), addresses: "192.0.2.1".parse().into_iter().collect() };
//! let pods = vec![pod("shop/web", "10.0.0.1"), pod("shop/db", "10.0.0.2")];
//! let mut lab = Lab::build(&Plan { nodes: vec![node], pods, hosts: Vec::new() })?;
//! let probe = Probe {
//!     source: End::Pod(0),
//!     destination: "10.0.0.2".parse()?,
//!     protocol: Protocol::Tcp,
//!     port: 80,
//!     expect: "shop/db".to_owned(),
//! };
//! println!("{:?}", lab.probe(&[probe])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod cluster;
mod drawing;
mod entry;
mod icmp;
mod namespace;
mod network;
mod plan;
mod ports;
mod probe;
mod responder;
mod sctp;
mod stage;
mod stream;

pub use cluster::{Lab, LabError};
pub use drawing::{Drawing, DrawingError};
pub use entry::{EntryError, enter};
pub use namespace::Namespace;
pub use network::{NetworkError, SettingError};
pub use plan::{End, Family, HostPlan, NodePlan, Plan, PlanError, PodPlan, Protocol};
pub use probe::{Outcome, Probe, ProbeError};
pub use responder::ResponderError;
pub use stage::{Seen, Stage, StageError};
pub use stream::{Flowing, Stream, StreamError};
