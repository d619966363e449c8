//! The way to a server.

pub mod pattern;
pub mod target;
