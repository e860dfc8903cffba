//! The only module that talks to a kernel.

mod socket;

pub use socket::{Protocol, RequestError, Socket};
