//! SSH: the accept loop, limits, russh's callbacks, host keys.
//!
//! [`connection`] accepts and supervises, [`handler`] holds russh's callbacks, [`socket`](base::socket) stands between
//! russh and the kernel. Forwarding, agents, X11, terminals and environments are refused, always with an answer.

pub mod admission;
pub mod algorithms;
pub mod channels;
pub mod connection;
pub mod handler;
pub mod hostkeys;
pub mod limits;
pub mod mounts;
mod refusal;
pub mod refusals;
pub mod service;
pub mod settings;
pub mod state;
