//! Rules of WGSL that browsers hold texts to and naga does not: which operators may stand side by side without
//! parentheses, and that barriers stand in uniform control flow.

mod operators;
mod uniformity;

pub use operators::mixed;
pub use uniformity::divergent;

#[cfg(test)]
mod tests;
