//! Connections through other hosts (ProxyJump): a channel of one connection is the stream of the next.
//!
//! The connection to the host in the middle never waits for the one that runs through it: what arrives is queued, and
//! what leaves is sent by a task of its own. Otherwise, a full queue could keep a window from being opened, and both
//! would wait for each other.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use russh::client::{DisconnectReason, Handle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelId, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, PollSender};

use super::callbacks::Callbacks;
use super::destination::Destination;
use super::error::{self, ConnectError};
use super::secure::ServerStream;

/// The most bytes that wait to be read: twice the window of the connection that runs through, which is all that an
/// honest server sends ahead.
const MAX_QUEUED: usize = 64 << 20;
/// How many pieces of output wait to be sent, and the size of each in bytes.
const OUTPUT_PIECES: usize = 8;
const OUTPUT_PIECE: usize = 32 << 10;
/// What arrives in smaller pieces than this is kept in one, in bytes: each piece has a cost of its own.
const SMALL_PIECE: usize = 4 << 10;

/// What has arrived from the host in the middle.
#[derive(Default)]
struct IncomingState {
    queue: VecDeque<BytesMut>,
    queued: usize,
    reader: Option<Waker>,
    /// Why nothing more arrives. An empty text is a regular end.
    ended: Option<String>,
}

/// The queue that the callbacks of a connection fill, and the stream reads.
#[derive(Clone, Default)]
struct IncomingQueue {
    arrived: Arc<Mutex<IncomingState>>,
    /// Is cancelled when the connection has ended, so that nothing waits for its window.
    over: CancellationToken,
}

impl IncomingQueue {
    fn push(&self, data: &[u8]) {
        let mut arrived = self.arrived.lock();
        if arrived.ended.is_some() || data.is_empty() {
            return;
        }
        if arrived.queued + data.len() > MAX_QUEUED {
            drop(arrived);
            self.end("the host in the middle sends more than was asked for");
            return;
        }
        arrived.queued += data.len();
        match arrived.queue.back_mut().filter(|last| last.len() < SMALL_PIECE) {
            Some(last) => last.extend_from_slice(data),
            None => arrived.queue.push_back(BytesMut::from(data)),
        }
        if let Some(reader) = arrived.reader.take() {
            reader.wake();
        }
    }

    fn end(&self, why: &str) {
        let mut arrived = self.arrived.lock();
        arrived.ended.get_or_insert_with(|| why.to_owned());
        if let Some(reader) = arrived.reader.take() {
            reader.wake();
        }
        drop(arrived);
        self.over.cancel();
    }
}

/// The callbacks of a connection to a host in the middle.
pub(super) struct JumpHandler {
    callbacks: Callbacks,
    incoming: IncomingQueue,
}

impl Drop for JumpHandler {
    fn drop(&mut self) {
        self.incoming
            .end("the connection to the host in the middle ended");
    }
}

impl Handler for JumpHandler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(self.callbacks.host_key.accepts(key).await)
    }

    async fn auth_banner(&mut self, banner: &str, _session: &mut Session) -> Result<(), Self::Error> {
        self.callbacks.banner.show(banner);
        Ok(())
    }

    async fn data(
        &mut self,
        _channel: ChannelId,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.incoming.push(data);
        Ok(())
    }

    async fn channel_eof(&mut self, _channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.incoming.end("");
        Ok(())
    }

    async fn channel_close(
        &mut self,
        _channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.incoming.end("");
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let result = match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        };
        self.incoming
            .end("the connection to the host in the middle was lost");
        result
    }
}

/// A host in the middle, before the user has signed in there.
pub(super) struct Jump {
    incoming: IncomingQueue,
}

impl Jump {
    pub(super) fn new() -> (Self, impl FnOnce(Callbacks) -> JumpHandler) {
        let incoming = IncomingQueue::default();
        let jump = Self {
            incoming: incoming.clone(),
        };
        (jump, move |callbacks| JumpHandler { callbacks, incoming })
    }

    /// Connects from the host in the middle to the next one.
    ///
    /// # Errors
    /// When the host in the middle refuses, or cannot connect.
    pub(super) async fn on(
        self,
        connection: Handle<JumpHandler>,
        middle: &Destination,
        next: &Destination,
    ) -> Result<ServerStream<JumpStream>, ConnectError> {
        let open = connection.channel_open_direct_tcpip(next.host.clone(), next.port.into(), "127.0.0.1", 0);
        let opened = tokio::time::timeout(middle.connect_timeout, open).await;
        let refused = |why| error::jump_refused(middle, next, why);
        let channel = opened
            .map_err(|_| refused(None))?
            .map_err(|error| refused(Some(error)))?;
        // All data comes through the handler; the reading half would only keep a copy.
        let (_, writer) = channel.split();
        let (output, out) = mpsc::channel(OUTPUT_PIECES);
        let cut = self.incoming.over.clone();
        // The stream owns the task: it ends when the stream is dropped, or the connection ends.
        tokio::spawn(send(out, writer, self.incoming.clone()));
        let stream = JumpStream {
            incoming: self.incoming,
            output: PollSender::new(output),
            _connection: connection,
        };
        Ok(ServerStream { stream, cut })
    }
}

async fn send(mut out: mpsc::Receiver<Bytes>, writer: ChannelWriteHalf<Msg>, incoming: IncomingQueue) {
    let work = async {
        while let Some(bytes) = out.recv().await {
            if writer.data_bytes(bytes).await.is_err() {
                return;
            }
        }
    };
    // Dropping the receiver makes the stream's writes fail.
    tokio::select! {
        () = work => {}
        () = incoming.over.cancelled() => incoming.end("it was given up"),
    }
}

/// The stream through a host in the middle. The connection to that host ends with it.
pub(super) struct JumpStream {
    incoming: IncomingQueue,
    output: PollSender<Bytes>,
    _connection: Handle<JumpHandler>,
}

impl AsyncRead for JumpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        wanted: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut arrived = self.incoming.arrived.lock();
        let before = wanted.remaining();
        while wanted.remaining() > 0
            && let Some(first) = arrived.queue.front_mut()
        {
            let now = first.split_to(first.len().min(wanted.remaining()));
            wanted.put_slice(&now);
            if first.is_empty() {
                arrived.queue.pop_front();
            }
            arrived.queued = arrived.queued.saturating_sub(now.len());
        }
        if wanted.remaining() < before || before == 0 {
            return Poll::Ready(Ok(()));
        }
        match arrived.ended.as_deref() {
            Some("") => Poll::Ready(Ok(())),
            Some(why) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                why.to_owned(),
            ))),
            None => {
                arrived.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for JumpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.output.poll_reserve(context)).map_err(gone)?;
        let (now, _) = bytes.split_at(bytes.len().min(OUTPUT_PIECE));
        self.output.send_item(Bytes::copy_from_slice(now)).map_err(gone)?;
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.close();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_kept_in_few_and_more_than_was_asked_for_ends_the_stream() {
        let incoming = IncomingQueue::default();
        for number in 0..100_000_u32 {
            incoming.push(b"");
            incoming.push(&number.to_be_bytes());
        }
        let state = incoming.arrived.lock();
        assert_eq!(state.queued, 400_000);
        assert!(state.queue.len() <= 100, "{}", state.queue.len());
        let bytes: Vec<u8> = state.queue.iter().flatten().copied().collect();
        let numbers = (0..100_000_u32).flat_map(u32::to_be_bytes);
        assert!(numbers.eq(bytes), "in their order");
        drop(state);
        let piece = vec![0; 1 << 20];
        (0..64).for_each(|_| incoming.push(&piece));
        let state = incoming.arrived.lock();
        assert!(state.queued <= MAX_QUEUED);
        assert!(
            state
                .ended
                .as_deref()
                .is_some_and(|why| why.contains("more than was asked for"))
        );
    }
}
