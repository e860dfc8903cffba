//! What policies mean, tested from outside.

mod histories;
mod random_worlds;
mod small_worlds;
mod worlds;
