//! Questions about a set of policies, answered on the compiled index; nothing here decides what a policy
//! means a second time.
//!
//! - [`names`]: how a user names pods, addresses and ports.
pub mod names;
