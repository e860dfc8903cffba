//! The command, as a user runs it. Tests with packets need user namespaces.

mod command;
mod documented;
mod examples;
mod input;
mod options;
mod output;
mod pods;
