//! Manifests, read from files as users write them.

mod bad;
mod examples;
mod hostile;
mod syntax;
mod workloads;
mod world;
