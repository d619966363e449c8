//! SFTP version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH's `sftp-server` speaks it.
//!
//! The crate [`sftp_wire`] encodes and decodes packets. [`status`] maps errors to status codes, [`requests`] executes
//! one request against the storage, and [`channel`] keeps the order of replies: it decides what runs in the SSH
//! callback and what waits in [`queue`]. Nothing here depends on russh.

pub mod attrs;
mod backlog;
mod beside;
pub mod channel;
mod channel_state;
pub mod context;
mod deferred_close;
pub mod extensions;
pub mod handles;
pub mod hashes;
pub mod longname;
pub mod outcome;
mod pending;
mod prefetch;
pub mod queue;
pub mod read;
mod request_io;
pub mod requests;
pub mod session;
pub mod status;
mod task_step;
pub mod timings;
mod unsent;
mod withheld;
