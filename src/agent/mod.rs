//! To come.

pub mod alarm;
pub mod detach;
pub mod harden;
pub mod memory;
pub mod wiping_allocator;
