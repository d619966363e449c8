//! What a client sends to a command: kept until the command has done with it.
//!
//! Callbacks put bytes in and never wait; the command takes them out, and only when it asks for more is the client's
//! window opened again ([`Window`]), so that what waits is bounded by the window, and a slow disk slows its own channel
//! alone. Small messages are kept together: each would cost more than its bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use super::budget::{Budget, Overflow};
use super::window::Window;
use super::{Gone, Outlet};

/// Messages are put together up to this size.
const TOGETHER: usize = 16 * 1024;

/// The side of the callbacks.
pub struct Input {
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    waiting: VecDeque<BytesMut>,
    ended: bool,
    window: Window,
}

impl Input {
    /// Nothing has come yet.
    pub fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                ended: false,
                window: Window::new(budget),
            }),
            arrived: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work begins; returns how much more the client may send.
    pub fn begin(&self) -> u32 {
        self.state().window.begin()
    }

    /// Bytes have come.
    ///
    /// # Errors
    /// When they are more than the window allows.
    pub fn push(&self, data: &[u8]) -> Result<(), Overflow> {
        let mut state = self.state();
        if data.is_empty() || state.ended {
            return Ok(());
        }
        state.window.receive(data.len())?;
        match state.waiting.back_mut() {
            Some(last) if last.len() + data.len() <= TOGETHER => last.extend_from_slice(data),
            _ => state.waiting.push_back(BytesMut::from(data)),
        }
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
        let mut state = self.state();
        state.ended = true;
        state.waiting = VecDeque::new();
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
    /// Taken out, and not yet given back to the client's window.
    used: usize,
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

    /// Lets the client send so many bytes more.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn open_window(&self, bytes: u32) -> Result<(), Gone> {
        self.outlet.open_window(bytes).await
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

    /// What is there of the next bytes, in pieces of `most` bytes or one piece more; none at the end of the input.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn pieces(&mut self, most: usize) -> Result<Vec<Bytes>, Gone> {
        if self.at_hand.is_empty() && !self.fill().await? {
            return Ok(Vec::new());
        }
        let mut pieces = vec![std::mem::take(&mut self.at_hand)];
        let mut state = self.input.state();
        let mut sum: usize = pieces.iter().map(Bytes::len).sum();
        while sum < most
            && let Some(bytes) = state.waiting.pop_front()
        {
            sum += bytes.len();
            self.used += bytes.len();
            pieces.push(bytes.freeze());
        }
        Ok(pieces)
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
        self.give_back().await?;
        loop {
            // Registered before the look, so that nothing is missed.
            let arrived = input.arrived.notified();
            {
                let mut state = input.state();
                if let Some(bytes) = state.waiting.pop_front() {
                    self.used += bytes.len();
                    self.at_hand = bytes.freeze();
                } else if state.ended {
                    return Ok(false);
                }
            }
            if !self.at_hand.is_empty() {
                return Ok(true);
            }
            arrived.await;
        }
    }

    async fn give_back(&mut self) -> Result<(), Gone> {
        let more = self.input.state().window.consume(std::mem::take(&mut self.used));
        match more {
            0 => Ok(()),
            more => self.outlet.open_window(more).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::stream::{BoxFuture, Stream};

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
        let (input, counter) = (Input::new(&Budget::roomy()), Arc::<Counter>::default());
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
        input.begin();
        let piece = vec![7; 100_000];
        for _ in 0..20 {
            input.push(&piece).unwrap();
        }
        assert_eq!(*opened.0.lock().unwrap(), 0, "nothing was read yet");
        reader.take(usize::MAX).await.unwrap();
        assert_eq!(*opened.0.lock().unwrap(), 0, "it is still being used");
        for _ in 0..19 {
            reader.take(usize::MAX).await.unwrap();
        }
        let total = *opened.0.lock().unwrap();
        assert!((1_600_000..=1_900_000).contains(&total), "{total}");
    }

    #[tokio::test]
    async fn what_is_there_comes_in_one_go() {
        let (input, mut reader, _) = ends();
        for _ in 0..1000 {
            input.push(&[1; 60]).unwrap();
        }
        assert!(
            input.state().waiting.len() < 5,
            "small messages are kept together"
        );
        let pieces = reader.pieces(1 << 20).await.unwrap();
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), 60_000);
        input.end();
        assert!(reader.pieces(1 << 20).await.unwrap().is_empty());
    }

    #[test]
    fn who_sends_more_than_the_window_allows_is_told() {
        let input = Input::new(&Budget::roomy());
        let piece = vec![0; 1 << 14];
        let sent = (0..100).take_while(|_| input.push(&piece).is_ok()).count();
        assert_eq!(sent, 4);
        drop(Reader::new(Arc::clone(&input), Arc::<Counter>::default()));
        assert!(input.push(&piece).is_ok(), "nobody reads it, so nothing is kept");
    }
}
