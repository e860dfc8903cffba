//! What policies mean, tested from outside.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail, and says what it compared"
)]

mod histories;
mod random_worlds;
mod small_worlds;
mod worlds;
