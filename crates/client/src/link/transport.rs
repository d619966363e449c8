//! What an SFTP channel needs from the connection below it. Everything else of [`link`](super) knows only this trait;
//! [`ssh`](super::ssh) is the connection of the SSH library.

use std::sync::Arc;

use async_trait::async_trait;

use super::error::{OpenError, TransportError};
use super::inbox::Inbox;
use super::outbox::Outbox;

/// A connection to a server that carries one SFTP channel, and runs commands beside it.
#[async_trait]
pub trait Transport: Send + Sync {
    /// The inbox that takes the server's side of the SFTP stream. Whatever ends the stream marks it as lost.
    fn inbox(&self) -> &Arc<Inbox>;

    /// Starts the SFTP server on the other side. `init` is sent together with the request for it, because each round
    /// trip to a distant server takes noticeable time. Packets for the outbox are sent after it, in their order, until
    /// the outbox is dropped. This is called once.
    ///
    /// # Errors
    /// When the server has no SFTP, or the connection fails.
    async fn start_sftp(&self, init: Vec<u8>) -> Result<Outbox, OpenError>;

    /// Runs a command without input, and returns what it prints: at most `max_output` bytes, more are dropped. `None`:
    /// the server does not run it. How it ends does not count: what it has printed does. The transport bounds how many commands run at once.
    ///
    /// # Errors
    /// When the connection fails, or has no place for a command.
    async fn run(&self, command: Vec<u8>, max_output: usize) -> Result<Option<Vec<u8>>, TransportError>;

    /// Whether the server takes the name of a symbolic link before its target, as the draft has it. OpenSSH's order is the
    /// other one, and nearly all servers follow it.
    fn takes_link_names_first(&self) -> bool;

    /// Says goodbye to the server, and closes the connection. The channel is lost from then on.
    async fn close(&self);
}
