//! The peer's window (RFC 4254, section 5.2): how many bytes it still takes, and how many were sent but not yet taken
//! over by the SSH layer. Both are counted here, so that the SSH layer never gets more than it can send immediately.
//!
//! There are two senders. The SSH callback passes its bytes on immediately: they are subtracted from the window. The
//! queue's task sends messages that lie in the session's own queue for a while: those bytes are *in flight* until the
//! SSH layer drops them. A window adjustment states the window without the bytes in flight, so they are subtracted
//! again. They are bounded for the whole connection: code that is about to produce a large reply asks for room first.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::Disconnected;

/// The window that the peer has granted on one channel, as far as it is not used up.
#[derive(Debug)]
pub struct PeerWindow {
    state: Mutex<PeerWindowState>,
    opened: Notify,
    /// A permit for each byte in flight, of all channels of the connection.
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct PeerWindowState {
    window: u64,
    in_flight: u64,
}

impl PeerWindow {
    /// Creates the window as the peer stated it when it opened the channel, in bytes. `room` has a permit for each byte
    /// that the connection may have in flight.
    pub fn new(window: u32, room: Arc<Semaphore>) -> Self {
        let window = u64::from(window);
        Self {
            state: Mutex::new(PeerWindowState { window, in_flight: 0 }),
            opened: Notify::new(),
            room,
        }
    }

    fn state(&self) -> MutexGuard<'_, PeerWindowState> {
        self.state.lock()
    }

    /// Takes up to `wanted` bytes out of the window, to be sent immediately; returns how many.
    pub fn consume_up_to(&self, wanted: usize) -> usize {
        let mut state = self.state();
        let granted = wanted.min(usize::try_from(state.window).unwrap_or(usize::MAX));
        state.window -= granted as u64;
        granted
    }

    /// Takes exactly `wanted` bytes out of the window, to be sent immediately, or none.
    pub fn consume_whole(&self, wanted: usize) -> bool {
        let mut state = self.state();
        let fits = state.window >= wanted as u64;
        if fits {
            state.window -= wanted as u64;
        }
        fits
    }

    /// Returns whether the window has room for any bytes.
    pub fn is_open(&self) -> bool {
        self.state().window > 0
    }

    /// Returns how many bytes the window has room for now.
    pub fn window(&self) -> usize {
        usize::try_from(self.state().window).unwrap_or(usize::MAX)
    }

    /// Waits until the window has room and the connection may have more bytes in flight; returns a permit for each
    /// byte, at most `most`. It is called before a reply is produced, so that no more of them are produced than can be
    /// sent.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn room(&self, most: usize) -> Result<OwnedSemaphorePermit, Disconnected> {
        // Wait for the window first, so that a closed one takes no room from other channels.
        self.opened().await;
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.room).acquire_many_owned(most).await;
        permit.map_err(|_| Disconnected)
    }

    /// Takes the first bytes of `bytes`, as many as the window allows, as soon as it allows any, as a message in
    /// flight. A part of `permit` goes with them, if there is one.
    pub async fn take_in_flight(
        self: &Arc<Self>,
        bytes: &mut Bytes,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Bytes {
        loop {
            // Register before checking, so that no opening is missed.
            let opened = self.opened.notified();
            {
                let mut state = self.state();
                let granted = bytes
                    .len()
                    .min(usize::try_from(state.window).unwrap_or(usize::MAX));
                if granted > 0 {
                    state.window -= granted as u64;
                    state.in_flight += granted as u64;
                    let permit = permit
                        .as_mut()
                        .and_then(|permit| permit.split(granted.min(permit.num_permits())));
                    let message = InFlightBytes {
                        bytes: bytes.split_to(granted),
                        window: Arc::clone(self),
                        _permit: permit,
                    };
                    return Bytes::from_owner(message);
                }
            }
            opened.await;
        }
    }

    /// Waits until the window has room.
    pub async fn opened(&self) {
        loop {
            let opened = self.opened.notified();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }

    /// Records that the peer has opened its window; `window` is its size as the SSH layer knows it now.
    pub fn adjusted(&self, window: u32) {
        let mut state = self.state();
        state.window = u64::from(window).saturating_sub(state.in_flight);
        drop(state);
        self.opened.notify_waiters();
    }

    /// Returns whether the SSH layer has taken over all bytes that were in flight. Only then may a callback reply,
    /// since its bytes would overtake them otherwise.
    pub fn has_nothing_in_flight(&self) -> bool {
        self.state().in_flight == 0
    }
}

/// Bytes that a task has sent and the SSH layer has not taken over yet.
struct InFlightBytes {
    bytes: Bytes,
    window: Arc<PeerWindow>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for InFlightBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for InFlightBytes {
    fn drop(&mut self) {
        let mut state = self.window.state();
        state.in_flight = state.in_flight.saturating_sub(self.bytes.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_adjustment_does_not_count_what_is_in_flight() {
        let window = Arc::new(PeerWindow::new(100, Arc::new(Semaphore::new(1000))));
        let mut bytes = Bytes::from(vec![0; 60]);
        let lent = window.take_in_flight(&mut bytes, &mut None).await;
        assert!(bytes.is_empty());
        assert!(!window.has_nothing_in_flight());
        // The peer adds 50 to the 100 that the SSH layer still knows.
        window.adjusted(150);
        assert_eq!(window.consume_up_to(1000), 90);
        drop(lent);
        assert!(window.has_nothing_in_flight());
        assert_eq!(window.consume_up_to(1000), 0);
        assert!(!window.is_open());
    }

    #[tokio::test]
    async fn a_reply_larger_than_the_window_goes_in_pieces() {
        let window = Arc::new(PeerWindow::new(10, Arc::new(Semaphore::new(1000))));
        let mut bytes = Bytes::from(vec![7; 25]);
        assert_eq!(window.take_in_flight(&mut bytes, &mut None).await.len(), 10);
        let waiting = tokio::spawn({
            let window = Arc::clone(&window);
            async move { window.take_in_flight(&mut bytes, &mut None).await.len() }
        });
        tokio::task::yield_now().await;
        window.adjusted(100);
        assert_eq!(waiting.await.unwrap(), 15);
    }
}
