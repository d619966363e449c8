//! SFTP version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH's `sftp-server` speaks it.
//!
//! The wire format is [`sftp_wire`]'s, a crate of its own. [`status`] maps errors to status codes, [`requests`]
//! executes one request against the storage, and [`channel`] keeps the order of replies: it decides what runs in the
//! SSH callback and what waits in [`queue`]. Nothing here knows russh.

pub mod attrs;
mod backlog;
pub mod channel;
pub mod context;
mod deferred_close;
pub mod extensions;
pub mod handles;
pub mod hashes;
pub mod longname;
pub mod outcome;
mod pending;
pub mod queue;
pub mod read;
pub mod requests;
mod rest;
pub mod session;
pub mod status;
