//! The parts of `check` that examine users, places and host keys. `serve/preflight.rs` checks what else a start of the
//! server needs; `serve/check.rs` runs all checks in order.

pub mod folders;
pub mod host_keys;
pub mod methods;
pub mod places;
pub mod report;
pub mod secrets;
pub mod unfinished;
pub mod users;
