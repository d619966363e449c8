//! What a client sends to a command: kept until the command reads it.
//!
//! Callbacks put bytes in and never wait; the command takes them out, and only then is the client's window opened
//! again, so that what waits is bounded by the window, and a slow disk slows its own channel alone. A client that
//! sends more than its window allows passes the connection's [`Budget`] and is disconnected.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use super::budget::{Budget, Overflow};
use super::{Gone, Outlet};

/// The window is opened again when so much has been read: rarely enough to cost nothing, often enough to keep a
/// client sending.
const OPEN_AFTER: u32 = 256 * 1024;

/// The side of the callbacks.
pub struct Input {
    state: Mutex<State>,
    arrived: Notify,
    budget: Arc<Budget>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Bytes>,
    ended: bool,
}

impl Input {
    /// Nothing has come yet.
    pub fn new(budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            arrived: Notify::new(),
            budget,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes have come.
    ///
    /// # Errors
    /// When more waits than a connection may have waiting.
    pub fn push(&self, data: &[u8]) -> Result<(), Overflow> {
        if data.is_empty() {
            return Ok(());
        }
        let mut state = self.state();
        if state.ended {
            return Ok(());
        }
        self.budget.charge_payload(data.len())?;
        state.waiting.push_back(Bytes::copy_from_slice(data));
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Nothing more comes.
    pub fn end(&self) {
        self.state().ended = true;
        self.arrived.notify_one();
    }

    /// What waits is of no use any more.
    fn discard(&self) {
        let waiting = {
            let mut state = self.state();
            state.ended = true;
            std::mem::take(&mut state.waiting)
        };
        for bytes in waiting {
            self.budget.release_payload(bytes.len());
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.discard();
    }
}

/// What [`Reader::line`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its newline.
    Whole(Bytes),
    /// Nothing more comes.
    End,
    /// The input ends before the line does, or the line is too long.
    Cut,
}

/// The side of the command.
pub struct Reader {
    input: Arc<Input>,
    outlet: Arc<dyn Outlet>,
    /// Taken out and not used yet.
    at_hand: Bytes,
    /// Used, and not yet given back to the client's window.
    used: u32,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The command has ended; its client may still send.
        self.input.discard();
    }
}

impl Reader {
    /// Reads what is put into `input`; the window is opened through `outlet`.
    pub fn new(input: Arc<Input>, outlet: Arc<dyn Outlet>) -> Self {
        Self {
            input,
            outlet,
            at_hand: Bytes::new(),
            used: 0,
        }
    }

    /// The next bytes, at least one and at most `most`; empty at the end of the input.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn take(&mut self, most: usize) -> Result<Bytes, Gone> {
        if self.at_hand.is_empty() && !self.fill().await? {
            return Ok(Bytes::new());
        }
        Ok(self.at_hand.split_to(most.min(self.at_hand.len())))
    }

    /// One byte; `None` at the end of the input.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn byte(&mut self) -> Result<Option<u8>, Gone> {
        Ok(self.take(1).await?.first().copied())
    }

    /// The next line, of `most` bytes at most.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn line(&mut self, most: usize) -> Result<Line, Gone> {
        let mut line = BytesMut::new();
        loop {
            if self.at_hand.is_empty() && !self.fill().await? {
                return Ok(if line.is_empty() { Line::End } else { Line::Cut });
            }
            let end = self.at_hand.iter().position(|&b| b == b'\n');
            let piece = self.at_hand.split_to(end.unwrap_or(self.at_hand.len()));
            if line.len() + piece.len() > most {
                return Ok(Line::Cut);
            }
            line.extend_from_slice(&piece);
            if end.is_some() {
                let _newline = self.at_hand.split_to(1);
                return Ok(Line::Whole(line.freeze()));
            }
        }
    }

    /// Takes the next bytes out; `false` at the end of the input.
    async fn fill(&mut self) -> Result<bool, Gone> {
        let input = Arc::clone(&self.input);
        loop {
            // Registered before the look, so that nothing is missed.
            let arrived = input.arrived.notified();
            {
                let mut state = input.state();
                if let Some(bytes) = state.waiting.pop_front() {
                    input.budget.release_payload(bytes.len());
                    self.used = self
                        .used
                        .saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                    self.at_hand = bytes;
                } else if state.ended {
                    return Ok(false);
                }
            }
            if !self.at_hand.is_empty() {
                self.give_back().await?;
                return Ok(true);
            }
            arrived.await;
        }
    }

    async fn give_back(&mut self) -> Result<(), Gone> {
        if self.used >= OPEN_AFTER {
            let used = std::mem::take(&mut self.used);
            self.outlet.open_window(used).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{BoxFuture, Stream};

    /// Counts how far the window was opened.
    #[derive(Default)]
    struct Counter(Mutex<u32>);

    impl Outlet for Counter {
        fn send(&self, _stream: Stream, _bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>> {
            Box::pin(async { Ok(()) })
        }
        fn open_window(&self, bytes: u32) -> BoxFuture<'_, Result<(), Gone>> {
            *self.0.lock().unwrap() += bytes;
            Box::pin(async { Ok(()) })
        }
        fn finish(&self, _exit_status: u32) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    fn ends() -> (Arc<Input>, Reader, Arc<Counter>) {
        let (input, counter) = (Input::new(Budget::roomy()), Arc::<Counter>::default());
        let reader = Reader::new(Arc::clone(&input), Arc::clone(&counter) as Arc<dyn Outlet>);
        (input, reader, counter)
    }

    #[tokio::test]
    async fn lines_and_bytes_come_as_they_were_sent_however_they_were_cut() {
        let (input, mut reader, _) = ends();
        for piece in [&b"one\ntw"[..], b"o\nxyz", b"!"] {
            input.push(piece).unwrap();
        }
        input.end();
        input.push(b"after the end").unwrap();
        assert_eq!(reader.line(10).await.unwrap(), Line::Whole("one".into()));
        assert_eq!(reader.line(3).await.unwrap(), Line::Whole("two".into()));
        assert_eq!(reader.take(2).await.unwrap(), "xy");
        assert_eq!(reader.byte().await.unwrap(), Some(b'z'));
        assert_eq!(reader.byte().await.unwrap(), Some(b'!'));
        assert_eq!(reader.byte().await.unwrap(), None);
        assert!(reader.take(5).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn lines_have_a_longest() {
        let (input, mut reader, _) = ends();
        input.push(b"four\n").unwrap();
        assert_eq!(reader.line(3).await.unwrap(), Line::Cut);
        let (input, mut reader, _) = ends();
        input.push(b"cut").unwrap();
        input.end();
        assert_eq!(reader.line(3).await.unwrap(), Line::Cut);
        assert_eq!(reader.line(3).await.unwrap(), Line::End);
    }

    #[tokio::test]
    async fn the_window_is_opened_by_what_is_used_and_no_more() {
        let (input, mut reader, opened) = ends();
        let piece = vec![7; 100_000];
        for _ in 0..10 {
            input.push(&piece).unwrap();
        }
        assert_eq!(*opened.0.lock().unwrap(), 0, "nothing was read yet");
        for _ in 0..10 {
            reader.take(usize::MAX).await.unwrap();
        }
        let total = *opened.0.lock().unwrap();
        assert!((1_000_000 - OPEN_AFTER..=1_000_000).contains(&total), "{total}");
    }

    #[test]
    fn who_sends_more_than_a_connection_may_is_told() {
        let budget = Budget::roomy();
        let input = Input::new(Arc::clone(&budget));
        let piece = vec![0; 1 << 20];
        let sent = (0..100).take_while(|_| input.push(&piece).is_ok()).count();
        assert_eq!(sent, 39);
        let reader = Reader::new(Arc::clone(&input), Arc::<Counter>::default());
        drop(reader);
        assert!(input.push(&piece).is_ok(), "nobody reads it, so nothing is kept");
        assert!(budget.charge_payload(39 << 20).is_ok(), "all was given back");
    }
}
