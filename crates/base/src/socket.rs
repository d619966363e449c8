//! The TCP stream for russh: it makes fewer, larger system calls in both directions, and can always be ended.
//!
//! russh reads four bytes, then a packet, then four bytes again, and flushes after each packet that it has handled.
//! This stream reads up to [`READ_AHEAD`] bytes at once, and delays small writes while more input is already buffered,
//! since handling it will write more. Delayed output is sent at [`SEND_AT`] bytes, when a read would wait, and before a
//! callback waits ([`Socket::handle`]). Buffers exist only while they hold bytes.
//!
//! Urgent data of TCP has no meaning in SSH. The kernel leaves it out of the stream, as for OpenSSH.

mod readiness;

use parking_lot::{Mutex, MutexGuard};
use std::io::{self, Read, Write};
use std::net;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::buffer::Buffer;
use readiness::{Readiness, has_urgent_data, register};

/// The bytes that are read from the socket at once: two of the largest SSH packets. Larger reads are not measurably
/// faster.
const READ_AHEAD: usize = 128 * 1024;
/// The most bytes of output that are delayed: one full TCP segmentation offload. Larger writes are not faster.
const SEND_AT: usize = 64 * 1024;

/// How often to check whether a peer has hung up whose bytes nobody reads.
const HANG_UP_POLL: Duration = Duration::from_millis(100);

/// A connected socket, to be given to russh.
pub struct Socket {
    shared: Arc<Shared>,
    /// The bytes that were read and not asked for yet: `input[consumed..filled]`.
    input: Option<Buffer>,
    consumed: usize,
    filled: usize,
    /// Whether the last read found nothing; if so, output must not wait for more input.
    starved: bool,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

struct Shared {
    stream: Arc<net::TcpStream>,
    /// The event loop that reports when the socket is ready: the one of the thread that serves the connection.
    readiness: Mutex<Arc<Readiness>>,
    /// Is notified when another event loop reports.
    changed: Notify,
    output: Mutex<Vec<u8>>,
    began: Instant,
    /// When the last input arrived, in milliseconds after `began`.
    last_input: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// Sends delayed output from inside a callback that is about to wait, and reports the state of the connection.
#[derive(Clone)]
pub struct ConnectionHandle(Arc<Shared>);

impl Socket {
    /// Wraps a stream. Once `cut` is cancelled, every read and write fails.
    ///
    /// # Errors
    /// Fails when the socket cannot be registered with the event loop.
    pub fn new(stream: TcpStream, cut: CancellationToken) -> io::Result<Self> {
        let stream = Arc::new(stream.into_std()?);
        let readiness = Mutex::new(Arc::new(register(&stream)?));
        Ok(Self {
            shared: Arc::new(Shared {
                stream,
                readiness,
                changed: Notify::new(),
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
        })
    }

    /// Returns a handle to the connection, which stays valid while russh owns the socket.
    pub fn handle(&self) -> ConnectionHandle {
        ConnectionHandle(Arc::clone(&self.shared))
    }

    fn check_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "ended here")),
            Poll::Pending => Ok(()),
        }
    }

    /// Copies bytes that were read already.
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

    /// Reads from the socket into an empty buffer. Returns `false` if the peer has closed its side.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut buffer = None;
        let read = self.shared.poll_read(cx, || {
            buffer
                .insert(Buffer::take())
                .get_mut(..READ_AHEAD)
                .unwrap_or_default()
        });
        let count = std::task::ready!(read)?;
        if count == 0 {
            return Poll::Ready(Ok(false));
        }
        self.shared.note_input(count);
        self.input = buffer;
        self.consumed = 0;
        self.filled = count;
        Poll::Ready(Ok(true))
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

    fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness.lock())
    }

    /// Reads once the socket is readable. `room` gives the buffer, which nothing needs while the socket waits.
    fn poll_read<'a>(
        &self,
        cx: &mut Context<'_>,
        room: impl FnOnce() -> &'a mut [u8],
    ) -> Poll<io::Result<usize>> {
        let readiness = self.readiness.lock();
        let mut ready = std::task::ready!(readiness.poll_read_ready(cx))?;
        let room = room();
        loop {
            match (&*self.stream).read(room) {
                Ok(count) => {
                    // The socket is empty: asking it again would cost a system call that says so. A peer that closed
                    // its side keeps the socket readable, whatever is cleared here.
                    if 0 < count && count < room.len() && !has_urgent_data(&readiness) {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
            drop(ready);
            ready = std::task::ready!(readiness.poll_read_ready(cx))?;
        }
    }

    /// Writes once the socket is writable.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let readiness = self.readiness.lock();
        loop {
            let mut ready = std::task::ready!(readiness.poll_write_ready(cx))?;
            match (&*self.stream).write(bytes) {
                Ok(count) => {
                    self.note_sent(count);
                    if count < bytes.len() {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends delayed output, as far as the socket accepts it.
    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut output = self.output();
        while !output.is_empty() {
            let count = std::task::ready!(self.poll_write(cx, &output))?;
            sent_from(&mut output, count);
        }
        Poll::Ready(Ok(()))
    }
}

/// Removes the bytes that were sent from those that are held back.
fn sent_from(output: &mut Vec<u8>, count: usize) {
    if count == output.len() {
        *output = Vec::new();
    } else {
        output.drain(..count);
    }
}

impl ConnectionHandle {
    /// Sends delayed output, as far as the socket accepts it without waiting.
    pub fn push(&self) {
        let mut output = self.0.output();
        while !output.is_empty() {
            match (&*self.0.stream).write(&output) {
                Ok(count) => {
                    self.0.note_sent(count);
                    sent_from(&mut output, count);
                }
                // An error is reported by the next read.
                Err(_) => return,
            }
        }
    }

    /// Sends these bytes before all others, as far as the socket accepts them without waiting.
    pub fn send_immediately(&self, bytes: &[u8]) {
        if let Ok(count) = (&*self.0.stream).write(bytes) {
            self.0.note_sent(count);
        }
    }

    /// Waits until the peer has closed its side, or the connection is lost. This also works while received bytes are
    /// not read.
    pub async fn hung_up(&self) {
        loop {
            let changed = self.0.changed.notified();
            let readiness = self.0.readiness();
            let ready = tokio::select! {
                ready = readiness.readable() => ready.map(|guard| guard.ready()),
                () = changed => continue,
            };
            match ready {
                Ok(ready) if !ready.is_read_closed() => {}
                // The event loop has ended, and another one reports now.
                Err(_) if !Arc::ptr_eq(&readiness, &self.0.readiness()) => continue,
                Ok(_) | Err(_) => return,
            }
            // Two registrations with one event loop exclude each other.
            drop(readiness);
            // Unread bytes keep the socket readable, so its readiness gives no information.
            tokio::time::sleep(HANG_UP_POLL).await;
        }
    }

    /// Lets the current event loop report when the socket is ready, instead of the one that did so until now. The task
    /// that owns the [`Socket`] must be polled afterwards, since only a poll makes it wait for the new event loop.
    ///
    /// # Errors
    /// Returns an error if the socket cannot be registered; nothing has changed then.
    pub fn change_event_loop(&self) -> io::Result<()> {
        let readiness = Arc::new(register(&self.0.stream)?);
        *self.0.readiness.lock() = readiness;
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Returns when the last byte arrived from the peer.
    pub fn last_input(&self) -> Instant {
        self.0.began + Duration::from_millis(self.0.last_input.load(Ordering::Relaxed))
    }

    /// Returns how many bytes were received and sent so far, including the overhead of SSH.
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
                    // The socket's readiness, or a full socket, wakes the task later; the read waits in both cases.
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
        Poll::Ready(self.shared.stream.shutdown(net::Shutdown::Write))
    }
}

impl Socket {
    fn write_through(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.shared.poll_write(cx, bytes) {
            Poll::Pending => {
                self.check_cut(cx)?;
                Poll::Pending
            }
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests;
