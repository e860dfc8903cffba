//! Programs as nftables rules: lowered, compared, committed, read back. The one place that can change a
//! kernel, small enough to be read in an hour. Only [`kernel`] does I/O; all else is functions on values.
//!
//! ```text
//! Program ─► lower ─► Ruleset ─► diff ─► Transaction ─► batch, encode ─► kernel::Committer
//!                        ▲                                                      │
//!                        └──────────────── decode ◄──── what is really there ◄──┘
//! ```
//!
//! Values, in the order in which they are best read:
//! - [`ruleset`]: sets, dispatch maps, chains and typed rules of the one table that is ours. A rule has one
//!   spelling, so that what is read back equals what was written. `set` has the sets' contents: sorted keys,
//!   as the kernel has them.
//! - [`lower`]: what a node enforces, as a ruleset. [`walk`]: a flow through the rulesets of all nodes.
//! - [`trace`]: an interpreter, which says what a ruleset does to a packet and by which rule.
//! - [`diff`] and [`transaction`]: the smallest change from one ruleset to another, in an order that the
//!   kernel takes; `apply(a, diff(a, b)) == b`.
//! - [`conntrack`]: flows that the kernel tracks, and which of them a new ruleset revokes. [`nflog`]: packets
//!   that a rule has logged.
//!
//! Bytes:
//! - [`netlink`]: messages and attributes of any netlink family, built and read.
//! - `expression`: a rule as the kernel runs it, and back. `encode`, [`decode`]: steps and objects as
//!   messages. `wire`: the kernel's numbers. `batch`: a transaction cut to what a socket can send.
//!
//! The kernel:
//! - [`kernel::Committer::sync`] makes the table hold a ruleset, and looks afterwards that it does.
//! - [`kernel::flows`], [`kernel::end_flows`], [`kernel::LogListener`], [`kernel::counters`].
//! - [`kernel::Socket`], also for links, addresses and routes.
//!
//! What stays true: one table, `inet portcullis`, and nobody else's is ever touched; a change takes effect as
//! a whole or not at all (see `batch` for the one exception); what is in our table is ours, so a process
//! without a memory knows what to do; packet and connection marks are others'.

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
