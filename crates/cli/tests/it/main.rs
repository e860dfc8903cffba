//! The command, as a user runs it. Tests with packets need user namespaces.

mod command;
mod examples;
mod input;
mod options;
mod output;
mod pods;
