//! The way to a server.

pub mod known_hosts;
pub mod pattern;
pub mod ssh_config;
pub mod target;
