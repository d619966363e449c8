//! What a command says to its client, as the client's window allows.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::flow::Flow;
use super::{Gone, Outlet, Stream};

/// The right to send so many bytes of output.
pub struct Room {
    /// The number of bytes.
    pub bytes: usize,
    permit: OwnedSemaphorePermit,
}

/// The way to the client.
pub struct Output {
    flow: Arc<Flow>,
    outlet: Arc<dyn Outlet>,
}

impl Output {
    /// Sends through `outlet` what `flow` allows.
    pub fn new(flow: Arc<Flow>, outlet: Arc<dyn Outlet>) -> Self {
        Self { flow, outlet }
    }

    /// Sends all of it, waiting for the window where it must.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn send(&self, stream: Stream, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = self.flow.lend(&mut bytes, &mut None).await;
            self.outlet.send(stream, piece).await?;
        }
        Ok(())
    }

    /// Waits until something can be sent; how many bytes, at most `most`, which [`Output::send_into`] then sends.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn room(&self, most: usize) -> Result<Room, Gone> {
        let permit = self.flow.room(most).await?;
        let bytes = most.min(self.flow.window());
        Ok(Room { bytes, permit })
    }

    /// Sends no more bytes than there is room for.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn send_into(&self, room: Room, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        let mut permit = Some(room.permit);
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = self.flow.lend(&mut bytes, &mut permit).await;
            self.outlet.send(Stream::Output, piece).await?;
        }
        Ok(())
    }

    /// Ends the channel, after all that was sent.
    pub async fn finish(&self, exit_status: u32) {
        self.outlet.finish(exit_status).await;
    }
}
