//! Programs as nftables rules: rendered, encoded, compared, committed, read back.

mod batch;
pub mod conntrack;
pub mod decode;
pub mod diff;
mod display;
mod encode;
mod expression;
pub mod kernel;
pub mod lower;
pub mod netlink;
pub mod nflog;
mod packet;
pub mod ruleset;
mod set;
pub mod trace;
pub mod transaction;
pub mod walk;
mod wire;
