//! The words that all other modules use: users and their permissions, paths, and events.

pub mod event;
pub mod network;
pub mod path;
pub mod penalty;
pub mod rate;
pub mod user;
