//! SSH: the accept loop, limits, russh's callbacks, host keys.
//!
//! [`accept`] accepts connections, [`supervisor`] ends them in time, [`handler`] contains russh's callbacks,
//! [`threads`] gives busy connections threads of their own,
//! [`socket`](base::socket) stands between russh and the kernel. Forwarding, agents, X11, terminals and environments
//! are refused, always with an answer.

pub mod accept;
pub mod admission;
pub mod algorithms;
pub mod announcement;
mod asking;
mod by_key;
pub mod channels;
pub mod connection;
mod conversation;
pub mod entry;
mod folders;
pub mod handler;
pub mod home_opening;
pub mod hostkeys;
pub mod limits;
pub mod mount_slots;
mod password_method;
mod phase;
pub mod proxies;
pub mod proxy_header;
mod questions;
mod refusal_reason;
pub mod refusals;
mod senders;
pub mod service;
pub mod settings;
mod signals;
mod supervisor;
pub mod threads;
