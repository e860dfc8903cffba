//! Programs as nftables rules: rendered, encoded, compared, committed, read back.

pub mod kernel;
pub mod lower;
pub mod netlink;
pub mod ruleset;
mod set;
