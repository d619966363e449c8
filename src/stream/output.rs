//! What a command says to its client, as the client's window allows.

use std::sync::Arc;

use bytes::Bytes;

use super::flow::Flow;
use super::{Gone, Outlet, Stream};

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
            let piece = self.flow.lend(&mut bytes).await;
            self.outlet.send(stream, piece).await?;
        }
        Ok(())
    }

    /// Ends the channel, after all that was sent.
    pub async fn finish(&self, exit_status: u32) {
        self.outlet.finish(exit_status).await;
    }
}
