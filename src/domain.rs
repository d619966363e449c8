//! The words that all other modules use: users, groups, folders and their permissions, paths, and events.

pub mod event;
pub mod factor;
pub mod folder;
pub mod group;
pub mod name;
pub mod network;
pub mod path;
pub mod penalty;
pub mod permission;
pub mod quota;
pub mod rate;
pub mod settings;
pub mod texts;
pub mod token;
pub mod user;
