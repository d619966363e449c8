//! The two directions of one SSH channel, as those see it who use it: SFTP, and commands. Knows no russh.

pub mod budget;
pub mod flow;
pub mod input;
pub mod output;
pub mod window;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// Where bytes go on the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// SFTP, and the output of commands.
    Output,
    /// The user's terminal (extended data of type 1, RFC 4254, section 5.2).
    Error,
}

/// Takes replies inside a callback: at once, and in order with what a task has sent before.
pub trait Wire {
    /// Sends bytes that the window has room for.
    fn send(&mut self, stream: Stream, bytes: Bytes);
    /// Lets the client send so many bytes more.
    fn open_window(&mut self, bytes: u32);
    /// Ends the channel with an exit status, after all that was sent.
    fn finish(&mut self, exit_status: u32);
    /// Must replies wait, because keys are exchanged? What is sent meanwhile stays in memory until they are.
    fn is_held(&self) -> bool;
}

/// Takes replies outside of callbacks.
pub trait Outlet: Send + Sync {
    /// Sends bytes that the window has room for; an error if the connection has ended.
    fn send(&self, stream: Stream, bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>>;
    /// Lets the client send so many bytes more.
    fn open_window(&self, bytes: u32) -> BoxFuture<'_, Result<(), Gone>>;
    /// Ends the channel with an exit status, after all that was sent.
    fn finish(&self, exit_status: u32) -> BoxFuture<'_, ()>;
}

/// A future behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The connection has ended.
#[derive(Debug, Clone, Copy)]
pub struct Gone;
