//! The two directions of one SSH channel, as SFTP and commands use them. It does not depend on russh: the senders that
//! it uses are implemented in [`crate::ssh`].

pub mod connection_budget;
pub mod input;
pub mod output;
pub mod peer_window;
pub mod receive_window;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// The two streams of a channel to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The output of SFTP and of commands.
    Output,
    /// The user's terminal (extended data of type 1, RFC 4254, section 5.2).
    Error,
}

/// Sends to the client from inside an SSH callback: immediately, and in order with what a task has sent before.
pub trait InlineSender {
    /// Sends bytes. The caller has checked that the peer's window has room for them.
    fn send(&mut self, stream: Stream, bytes: Bytes);
    /// Opens the client's window by this many bytes.
    fn open_window(&mut self, bytes: u32);
    /// Ends the channel with an exit status, after everything that was sent.
    fn finish(&mut self, exit_status: u32);
    /// Returns whether replies must wait because keys are being exchanged. What is sent meanwhile stays in memory.
    fn is_held(&self) -> bool;
}

/// Sends to the client from outside of SSH callbacks, through the SSH library's queue.
pub trait QueuedSender: Send + Sync {
    /// Sends bytes, for which the peer's window has room. Fails if the connection has ended.
    fn send(&self, stream: Stream, bytes: Bytes) -> BoxFuture<'_, Result<(), Disconnected>>;
    /// Opens the client's window by this many bytes. Fails if the connection has ended.
    fn open_window(&self, bytes: u32) -> BoxFuture<'_, Result<(), Disconnected>>;
    /// Ends the channel with an exit status, after everything that was sent.
    fn finish(&self, exit_status: u32) -> BoxFuture<'_, ()>;
}

/// A boxed future, as the methods of trait objects return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The error of sending to a connection that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Disconnected;
