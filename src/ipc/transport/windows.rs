//! Named pipes: to come.
