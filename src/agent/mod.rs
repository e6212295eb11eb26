//! To come.

pub mod detach;
