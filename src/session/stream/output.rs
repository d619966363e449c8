//! The output of a command, sent as fast as the client's window allows.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::peer_window::PeerWindow;
use super::{Disconnected, QueuedSender, Stream};

/// The right to send this many bytes of output.
pub struct SendPermit {
    /// The number of bytes that may be sent.
    pub bytes: usize,
    permit: OwnedSemaphorePermit,
}

/// The output of a command, which is sent as the client's window allows.
pub struct CommandOutput {
    peer_window: Arc<PeerWindow>,
    queued_sender: Arc<dyn QueuedSender>,
}

impl CommandOutput {
    /// Creates an output that sends through `queued_sender` what `peer_window` allows.
    pub fn new(peer_window: Arc<PeerWindow>, queued_sender: Arc<dyn QueuedSender>) -> Self {
        Self {
            peer_window,
            queued_sender,
        }
    }

    /// Sends all of the bytes, and waits for the window where necessary.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn send(&self, stream: Stream, bytes: impl Into<Bytes>) -> Result<(), Disconnected> {
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = self.peer_window.take_in_flight(&mut bytes, &mut None).await;
            self.queued_sender.send(stream, piece).await?;
        }
        Ok(())
    }

    /// Waits until something can be sent; returns the right to send it, at most `most` bytes, with
    /// [`CommandOutput::send_into`].
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn room(&self, most: usize) -> Result<SendPermit, Disconnected> {
        let permit = self.peer_window.room(most).await?;
        let bytes = most.min(self.peer_window.window());
        Ok(SendPermit { bytes, permit })
    }

    /// Sends bytes, no more than the permit allows.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn send_into(&self, room: SendPermit, bytes: impl Into<Bytes>) -> Result<(), Disconnected> {
        let mut permit = Some(room.permit);
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = self.peer_window.take_in_flight(&mut bytes, &mut permit).await;
            self.queued_sender.send(Stream::Output, piece).await?;
        }
        Ok(())
    }

    /// Ends the channel, after everything that was sent.
    pub async fn finish(&self, exit_status: u32) {
        self.queued_sender.finish(exit_status).await;
    }
}
