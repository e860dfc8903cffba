//! Rulesets as values: how they read, how they differ, and what they do to packets, held against the engine.

mod diff;
mod display;
mod engine;
#[path = "../kernel/samples.rs"]
mod samples;
mod stray;
#[path = "../../../policy/tests/it/worlds/mod.rs"]
mod worlds;
