//! Rulesets as values: how they read, how they differ, and what they do to packets, held against the engine.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail"
)]

mod diff;
mod display;
mod engine;
#[path = "../../../policy/tests/it/given/mod.rs"]
mod given;
mod given_verdicts;
#[path = "../kernel/random.rs"]
mod random;
#[path = "../kernel/samples.rs"]
mod samples;
mod stray;
#[path = "../../../policy/tests/it/worlds/mod.rs"]
mod worlds;
