//! What may talk to what in a Kubernetes cluster: the one engine behind analyser, lab and agent.
//!
//! ```text
//! manifest ─► model::Cluster ─► index (compile) ─► program::Program ─► program::Ruling
//!                    └────────► spec (the same question, answered slowly and separately)
//! ```
//!
//! - [`manifest`]: the only module that knows Kubernetes' spelling and defaults.
//! - [`model`]: the facts and the policies as plain values; no `Option` means a default any more.
//! - [`decision`]: verdicts with their reasons.
//! - [`rows`]: which questions a table asks, in which order.
//! - [`ports`]: sets of ports, and what a program allows as one.
//! - [`spec`]: the semantics, written to be read next to the API's text.
//! - [`index`] and [`program`]: the same semantics compiled, incrementally, per identity and direction.
//!
//! This crate does no I/O, has no clock and no unsafe code, and its output never depends on hash order.
#![forbid(unsafe_code)]

pub mod analyse;
pub mod decision;
pub mod index;
pub mod manifest;
pub mod model;
pub mod ports;
pub mod program;
pub mod rows;
pub mod spec;
