//! Manifests, read from files as users write them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail loudly, in its helpers too"
)]

mod bad;
mod bounds;
mod examples;
mod hostile;
mod syntax;
mod workloads;
mod world;
