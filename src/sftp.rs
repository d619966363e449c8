//! SFTP version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH's `sftp-server` speaks it.
//!
//! [`packet`], [`reply`] and [`attrs`] are the wire format, [`status`] the only place that knows status codes,
//! [`session`] executes one request against the storage, and [`channel`] keeps the order of replies: it decides what
//! runs in the SSH callback and what waits in [`queue`]. Nothing here knows russh.

pub mod attrs;
mod backlog;
pub mod channel;
#[cfg(test)]
mod client_packets_tests;
pub mod context;
pub mod extensions;
pub mod handles;
pub mod hashes;
pub mod longname;
mod names;
pub mod outcome;
pub mod packet;
mod pending;
pub mod queue;
pub mod reply;
mod rest;
pub mod session;
pub mod status;
