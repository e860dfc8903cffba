//! The command, as a user runs it. Tests with packets need user namespaces.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail, and says what it compared"
)]

mod check;
mod command;
mod diff;
mod documented;
mod examples;
mod input;
mod options;
mod output;
mod pods;
mod program;
mod reach;
mod schemas;
mod test;
