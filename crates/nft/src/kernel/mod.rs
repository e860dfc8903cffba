//! The only module that talks to a kernel.

mod commit;
mod conntrack;
mod enforce;
mod log;
mod socket;
mod table;

pub use commit::{CommitError, CommitReport, Committer};
pub use conntrack::{end_all_flows, end_flows, flows};
pub use enforce::{EnforceError, Enforced, Enforcer};
pub use log::LogListener;
pub use socket::{Protocol, RequestError, Socket};
pub use table::{ReadError, RuleCounter, counters, generation, read};
