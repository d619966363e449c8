//! The connection to one server: an SFTP channel, and the operations on it.
//!
//! [`channel`] sends requests and returns replies ([`inbox`] takes them from the SSH library's callbacks in
//! [`handler`]); [`files`], [`hashing`] and [`space`] are the operations. A lost link stays lost:
//! [`remote`](crate::remote) connects again.

mod block;
mod channel;
mod error;
mod files;
mod handler;
mod hash_methods;
mod hashing;
mod inbox;
mod open;
mod space;

pub use block::Block;
pub use channel::{ByteRange, InFlightPermit, Limits, Link};
pub use error::{ConnectionLost, RemoteError, done};
pub use files::{Handle, Name};
pub use handler::{SharedChannel, SshHandler};
pub use hashing::Md5;
pub use inbox::{CompletedRequest, Completion, DataSink};
pub use open::OpenError;
pub use space::Space;

#[cfg(test)]
mod tests;
