//! The only module that talks to a kernel.

mod commit;
mod socket;
mod table;

pub use commit::{CommitError, CommitReport, Committer};
pub use socket::{Protocol, RequestError, Socket};
pub use table::{ReadError, RuleCounter, counters, generation, read};
