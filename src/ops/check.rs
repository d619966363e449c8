//! The parts of `check` that look at users, places and host keys. What a start of the server needs besides is looked at
//! by `serve/preflight.rs`; `serve/check.rs` puts all of it in order.

pub mod host_keys;
pub mod places;
pub mod report;
pub mod users;
