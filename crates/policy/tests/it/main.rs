//! What policies mean, tested from outside.

mod random_worlds;
mod small_worlds;
mod worlds;
