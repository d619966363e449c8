//! The connection to one server: an SFTP channel, and the operations on it.
//!
//! [`channel`] sends requests and hands out replies ([`inbox`] takes them from the SSH library's callbacks in
//! [`handler`]); [`files`], [`hashing`] and [`space`] are what can be asked. A link that is lost stays lost: connecting
//! again is the business of [`remote`](crate::remote).

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
