//! The input of a command: what the client sends, kept until the command has consumed it.
//!
//! Callbacks put bytes in and never wait. The command takes them out, and the client's window is opened again only when
//! it asks for more ([`ReceiveWindow`]). So the window bounds what waits, and a slow disk slows down only its own
//! channel. Small messages are joined, since each separate one costs more than its bytes.

use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use super::connection_budget::{ConnectionBudget, WindowExceeded};
use super::receive_window::ReceiveWindow;
use super::{Disconnected, QueuedSender};

/// Messages are joined up to this many bytes.
const MAX_JOINED: usize = 16 * 1024;

/// The input of a command as the SSH callbacks see it: they put bytes in.
pub struct CommandInput {
    state: Mutex<InputState>,
    arrived: Notify,
}

struct InputState {
    waiting: VecDeque<BytesMut>,
    ended: bool,
    window: ReceiveWindow,
}

impl CommandInput {
    /// Creates an empty input whose window is charged to `budget`.
    pub fn new(budget: &Arc<ConnectionBudget>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(InputState {
                waiting: VecDeque::new(),
                ended: false,
                window: ReceiveWindow::new(budget),
            }),
            arrived: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, InputState> {
        self.state.lock()
    }

    /// Opens the window for a command that begins; returns by how many bytes.
    pub fn begin(&self) -> u32 {
        self.state().window.begin()
    }

    /// Adds bytes from the client.
    ///
    /// # Errors
    /// Returns an error if they are more than the window allows.
    pub fn push(&self, data: &[u8]) -> Result<(), WindowExceeded> {
        let mut state = self.state();
        if data.is_empty() || state.ended {
            return Ok(());
        }
        state.window.receive(data.len())?;
        match state.waiting.back_mut() {
            Some(last) if last.len() + data.len() <= MAX_JOINED => last.extend_from_slice(data),
            _ => state.waiting.push_back(BytesMut::from(data)),
        }
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Records that the client sends nothing more.
    pub fn end(&self) {
        self.state().ended = true;
        self.arrived.notify_one();
    }

    /// Drops what waits, because nobody will read it.
    fn discard(&self) {
        let mut state = self.state();
        state.ended = true;
        state.waiting = VecDeque::new();
    }
}

/// The result of [`InputReader::line`]: a line, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputLine {
    /// A line, without its newline.
    Whole(Bytes),
    /// The end of the input.
    End,
    /// A line without an end: the input ended before the line did, or the line is too long.
    Cut,
}

/// The input of a command as the command sees it: it takes bytes out.
pub struct InputReader {
    input: Arc<CommandInput>,
    queued_sender: Arc<dyn QueuedSender>,
    /// Bytes that were taken out and are not used yet.
    at_hand: Bytes,
    /// The number of bytes that were taken out, and by which the client's window was not opened again yet.
    used: usize,
}

impl Drop for InputReader {
    fn drop(&mut self) {
        // The command has ended, but its client may still send.
        self.input.discard();
    }
}

impl InputReader {
    /// Creates a reader of what is put into `input`. It opens the client's window through `queued_sender`.
    pub fn new(input: Arc<CommandInput>, queued_sender: Arc<dyn QueuedSender>) -> Self {
        Self {
            input,
            queued_sender,
            at_hand: Bytes::new(),
            used: 0,
        }
    }

    /// Opens the client's window by this many bytes.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn open_window(&self, bytes: u32) -> Result<(), Disconnected> {
        self.queued_sender.open_window(bytes).await
    }

    /// Returns the next bytes, at least one and at most `most`; none at the end of the input.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn take(&mut self, most: usize) -> Result<Bytes, Disconnected> {
        if self.at_hand.is_empty() && !self.fill().await? {
            return Ok(Bytes::new());
        }
        Ok(self.at_hand.split_to(most.min(self.at_hand.len())))
    }

    /// Returns the next bytes that have arrived, in pieces of `most` bytes in total, or one piece more; none at the end
    /// of the input.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn pieces(&mut self, most: usize) -> Result<Vec<Bytes>, Disconnected> {
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

    /// Returns the next byte, or `None` at the end of the input.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn byte(&mut self) -> Result<Option<u8>, Disconnected> {
        Ok(self.take(1).await?.first().copied())
    }

    /// Returns the next line, of at most `most` bytes.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn line(&mut self, most: usize) -> Result<InputLine, Disconnected> {
        let mut line = BytesMut::new();
        loop {
            if self.at_hand.is_empty() && !self.fill().await? {
                return Ok(if line.is_empty() {
                    InputLine::End
                } else {
                    InputLine::Cut
                });
            }
            let end = self.at_hand.iter().position(|&b| b == b'\n');
            let piece = self.at_hand.split_to(end.unwrap_or(self.at_hand.len()));
            if line.len() + piece.len() > most {
                return Ok(InputLine::Cut);
            }
            line.extend_from_slice(&piece);
            if end.is_some() {
                let _newline = self.at_hand.split_to(1);
                return Ok(InputLine::Whole(line.freeze()));
            }
        }
    }

    /// Takes the next bytes out; returns `false` at the end of the input.
    async fn fill(&mut self) -> Result<bool, Disconnected> {
        let input = Arc::clone(&self.input);
        self.release().await?;
        loop {
            // Register before checking, so that no arrival is missed.
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

    async fn release(&mut self) -> Result<(), Disconnected> {
        let more = self.input.state().window.consume(std::mem::take(&mut self.used));
        match more {
            0 => Ok(()),
            more => self.queued_sender.open_window(more).await,
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

    impl QueuedSender for Counter {
        fn send(&self, _stream: Stream, _bytes: Bytes) -> BoxFuture<'_, Result<(), Disconnected>> {
            Box::pin(async { Ok(()) })
        }
        fn open_window(&self, bytes: u32) -> BoxFuture<'_, Result<(), Disconnected>> {
            *self.0.lock() += bytes;
            Box::pin(async { Ok(()) })
        }
        fn finish(&self, _exit_status: u32) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    fn ends() -> (Arc<CommandInput>, InputReader, Arc<Counter>) {
        let (input, counter) = (
            CommandInput::new(&ConnectionBudget::unlimited()),
            Arc::<Counter>::default(),
        );
        let reader = InputReader::new(Arc::clone(&input), Arc::clone(&counter) as Arc<dyn QueuedSender>);
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
        assert_eq!(reader.line(10).await.unwrap(), InputLine::Whole("one".into()));
        assert_eq!(reader.line(3).await.unwrap(), InputLine::Whole("two".into()));
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
        assert_eq!(reader.line(3).await.unwrap(), InputLine::Cut);
        let (input, mut reader, _) = ends();
        input.push(b"cut").unwrap();
        input.end();
        assert_eq!(reader.line(3).await.unwrap(), InputLine::Cut);
        assert_eq!(reader.line(3).await.unwrap(), InputLine::End);
    }

    #[tokio::test]
    async fn the_window_is_opened_by_what_is_used_and_no_more() {
        let (input, mut reader, opened) = ends();
        input.begin();
        let piece = vec![7; 100_000];
        for _ in 0..20 {
            input.push(&piece).unwrap();
        }
        assert_eq!(*opened.0.lock(), 0, "nothing was read yet");
        reader.take(usize::MAX).await.unwrap();
        assert_eq!(*opened.0.lock(), 0, "it is still being used");
        for _ in 0..19 {
            reader.take(usize::MAX).await.unwrap();
        }
        let total = *opened.0.lock();
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
    fn sending_more_than_the_window_allows_is_an_error() {
        let input = CommandInput::new(&ConnectionBudget::unlimited());
        let piece = vec![0; 1 << 14];
        let sent = (0..100).take_while(|_| input.push(&piece).is_ok()).count();
        assert_eq!(sent, 4);
        drop(InputReader::new(Arc::clone(&input), Arc::<Counter>::default()));
        assert!(input.push(&piece).is_ok(), "nobody reads it, so nothing is kept");
    }
}
