//! What policies mean, tested from outside.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail, and says what it compared"
)]

mod analyse_assertions;
mod analyse_can;
mod analyse_check;
mod analyse_diff;
mod analyse_exposure;
mod analyse_fix;
mod analyse_reach;
mod given;
mod given_verdicts;
mod histories;
mod literate;
mod random_worlds;
mod small_worlds;
mod tables;
mod worlds;
