//! The TCP stream as russh sees it: fewer, larger system calls both ways, and an end that always works.
//!
//! russh asks for four bytes, then for a packet, then for four bytes; and flushes after each packet that it has
//! handled. Here reads fetch up to [`READ_AHEAD`] at once, and small writes are held back while more input is
//! already at hand, since handling it will write more. What is held back goes out at [`SEND_AT`], when a read would
//! wait, and before a callback waits ([`Socket::handle`]). Buffers exist only while they hold bytes.

use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::buffer::Buffer;

/// How much is read from the socket at once: two of the largest SSH packets. Larger reads gain nothing measurable.
const READ_AHEAD: usize = 128 * 1024;
/// How much output is held back at most: one full TCP segmentation offload. Larger writes are not sent any faster.
const SEND_AT: usize = 64 * 1024;

/// How often a peer whose bytes nobody reads is checked, to see whether it has hung up.
const UNREAD_REST: Duration = Duration::from_millis(100);

/// A connected socket, to be given to russh.
pub struct Socket {
    shared: Arc<Shared>,
    /// The bytes that were read and not asked for yet: `input[consumed..filled]`.
    input: Option<Buffer>,
    consumed: usize,
    filled: usize,
    /// Whether the last read found nothing: then output must not wait for more input.
    starved: bool,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

struct Shared {
    stream: TcpStream,
    output: Mutex<Vec<u8>>,
    began: Instant,
    /// When the last input came, in milliseconds after `began`.
    last_input: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// Sends what is held back, from inside a callback that is about to wait; and tells how the connection does.
#[derive(Clone)]
pub struct ConnectionHandle(Arc<Shared>);

impl Socket {
    /// Wraps a stream. Once `cut` is cancelled, every read and write fails.
    pub fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        Self {
            shared: Arc::new(Shared {
                stream,
                output: Mutex::default(),
                began: Instant::now(),
                last_input: AtomicU64::new(0),
                received: AtomicU64::new(0),
                sent: AtomicU64::new(0),
            }),
            input: None,
            consumed: 0,
            filled: 0,
            starved: true,
            cut: Box::pin(cut.cancelled_owned()),
        }
    }

    /// See [`ConnectionHandle`].
    pub fn handle(&self) -> ConnectionHandle {
        ConnectionHandle(Arc::clone(&self.shared))
    }

    fn check_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "ended here")),
            Poll::Pending => Ok(()),
        }
    }

    /// Hands out bytes that were read already.
    fn hand_out(&mut self, wanted: &mut ReadBuf<'_>) {
        let at_hand = self
            .input
            .as_deref()
            .and_then(|b| b.get(self.consumed..self.filled))
            .unwrap_or_default();
        let (now, _) = at_hand.split_at(at_hand.len().min(wanted.remaining()));
        wanted.put_slice(now);
        self.consumed += now.len();
        if self.consumed >= self.filled {
            self.input = None;
            self.consumed = 0;
            self.filled = 0;
        }
    }

    /// Reads from the socket into an empty buffer. `false`: the peer has closed its side.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.shared.stream.poll_read_ready(cx)?.is_pending() {
                return Poll::Pending;
            }
            let mut buffer = Buffer::take();
            let room = buffer.get_mut(..READ_AHEAD).unwrap_or_default();
            match self.shared.stream.try_read(room) {
                Ok(0) => return Poll::Ready(Ok(false)),
                Ok(count) => {
                    self.shared.note_input(count);
                    self.input = Some(buffer);
                    self.consumed = 0;
                    self.filled = count;
                    return Poll::Ready(Ok(true));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Shared {
    fn output(&self) -> MutexGuard<'_, Vec<u8>> {
        self.output.lock()
    }

    fn note_input(&self, count: usize) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_input.store(now, Ordering::Relaxed);
        self.received.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn note_sent(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Sends what is held back.
    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut output = self.output();
        while !output.is_empty() {
            if self.stream.poll_write_ready(cx)?.is_pending() {
                return Poll::Pending;
            }
            match self.stream.try_write(&output) {
                Ok(count) => self.sent_from(&mut output, count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn sent_from(&self, output: &mut Vec<u8>, count: usize) {
        self.note_sent(count);
        if count == output.len() {
            *output = Vec::new();
        } else {
            output.drain(..count);
        }
    }
}

impl ConnectionHandle {
    /// Sends what is held back, as far as the socket takes it without waiting.
    pub fn push(&self) {
        let mut output = self.0.output();
        while !output.is_empty() {
            match self.0.stream.try_write(&output) {
                Ok(count) => self.0.sent_from(&mut output, count),
                // An error shows at the next read.
                Err(_) => return,
            }
        }
    }

    /// Sends these bytes before everything else, as far as the socket takes them without waiting.
    pub fn say(&self, bytes: &[u8]) {
        if let Ok(count) = self.0.stream.try_write(bytes) {
            self.0.note_sent(count);
        }
    }

    /// Waits until the peer has closed its side, or the connection is lost, even while what it sent is not read.
    pub async fn hung_up(&self) {
        loop {
            match self.0.stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => {}
                Ok(_) | Err(_) => return,
            }
            // Unread bytes keep the socket readable, so that its readiness says nothing more.
            tokio::time::sleep(UNREAD_REST).await;
        }
    }

    /// When the last byte came from the peer.
    pub fn last_input(&self) -> Instant {
        self.0.began + Duration::from_millis(self.0.last_input.load(Ordering::Relaxed))
    }

    /// How many bytes were received and sent so far, as they were on the wire.
    pub fn traffic(&self) -> (u64, u64) {
        (
            self.0.received.load(Ordering::Relaxed),
            self.0.sent.load(Ordering::Relaxed),
        )
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wanted: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_none() {
            match self.fill(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.starved = true;
                    // Its own readiness, or a full socket, wakes the task later; either way the read waits.
                    if let Poll::Ready(Err(error)) = self.shared.poll_send(cx) {
                        return Poll::Ready(Err(error));
                    }
                    self.check_cut(cx)?;
                    return Poll::Pending;
                }
            }
        }
        self.starved = false;
        self.hand_out(wanted);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let held = self.shared.output().len();
        if held == 0 && bytes.len() >= SEND_AT {
            return self.write_through(cx, bytes);
        }
        if held >= SEND_AT {
            match self.shared.poll_send(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => {
                    self.check_cut(cx)?;
                    return Poll::Pending;
                }
            }
        }
        let mut output = self.shared.output();
        let (now, _) = bytes.split_at(bytes.len().min(SEND_AT));
        output.extend_from_slice(now);
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let more_input = !self.starved && self.input.is_some();
        if more_input && self.shared.output().len() < SEND_AT {
            return Poll::Ready(Ok(()));
        }
        match self.shared.poll_send(cx) {
            Poll::Pending => {
                self.check_cut(cx)?;
                Poll::Pending
            }
            ready => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.shared.poll_send(cx) {
            Poll::Pending => {
                self.check_cut(cx)?;
                return Poll::Pending;
            }
            Poll::Ready(result) => result?,
        }
        Poll::Ready(
            rustix::net::shutdown(&self.shared.stream, rustix::net::Shutdown::Write).map_err(Into::into),
        )
    }
}

impl Socket {
    fn write_through(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            if self.shared.stream.poll_write_ready(cx)?.is_pending() {
                self.check_cut(cx)?;
                return Poll::Pending;
            }
            match self.shared.stream.try_write(bytes) {
                Ok(count) => {
                    self.shared.note_sent(count);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
