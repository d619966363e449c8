//! The composition root: it binds, opens, runs, reloads and drains the server. A test starts the real server with
//! [`server::Server::bind`].

mod blocking;
mod changes;
pub mod check;
mod disk;
mod drain;
pub mod hooks;
mod kernel;
mod key_trust;
pub mod listen;
mod live;
pub mod manager;
mod memory;
mod metrics;
mod named_files;
mod near_quota;
mod places;
pub mod preflight;
mod privileges;
pub mod process;
mod reload;
mod runtime;
pub mod sandbox;
pub mod server;
mod tasks;
mod uploads;
#[cfg(feature = "web")]
mod web;
mod web_tls;
