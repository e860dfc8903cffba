//! Questions about a set of policies, answered on the compiled index; nothing here decides what a policy
//! means a second time.
//!
//! - [`assertions`]: what a user claims about a cluster, and whether it holds.
//! - [`can`]: may these talk to those, by what chain, and if not, what was nearest.
//! - [`check`]: what is probably not as its author meant it.
//! - [`classes`]: addresses that no program tells apart, and what may pass between two kinds of them.
//! - [`explain`]: what a policy means, and what results for a pod.
//! - [`diff`]: what changes in that between two clusters.
//! - [`fix`]: what would let a denied flow pass, and what else that would do.
//! - [`exposure`]: what is open wider than one may think.
//! - [`names`]: how a user names pods, addresses and ports.
//! - [`reach`]: who can talk to whom.
pub mod assertions;
pub mod can;
pub mod check;
pub mod classes;
pub mod diff;
pub mod explain;
pub mod exposure;
pub mod fix;
pub mod names;
pub mod reach;
