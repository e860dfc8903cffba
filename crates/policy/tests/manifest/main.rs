//! Manifests, read from files as users write them.

mod examples;
mod world;
