//! The lines that a server may send before its identification (RFC 4253, section 4.2): they are taken off here, because
//! the SSH library takes only a few short ones. The first of them is kept for messages, as it often says what answers.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use base::visible::printable;

/// The most lines before the identification, and the most bytes of each, as OpenSSH takes them.
const MAX_LINES: usize = 1024;
const MAX_LINE: usize = 8 << 10;
/// How many bytes of the first line are kept for messages.
const SHOWN: usize = 100;
/// How many bytes are read at once until the identification has arrived.
const READ: usize = 4 << 10;

/// What a server has sent before its identification, for messages.
#[derive(Clone, Default)]
pub(super) struct FirstLine(Arc<Mutex<Vec<u8>>>);

impl FirstLine {
    /// The beginning of the first line, escaped for a terminal; `None` if nothing came.
    pub(super) fn shown(&self) -> Option<String> {
        let line = self.0.lock();
        let text = printable(line.trim_ascii());
        (!text.is_empty()).then_some(text)
    }

    fn add(&self, bytes: &[u8]) {
        let mut line = self.0.lock();
        let room = SHOWN.saturating_sub(line.len());
        if !line.ends_with(b"\n") {
            let end = bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(bytes.len(), |at| at + 1);
            line.extend(bytes.iter().take(end.min(room)));
        }
    }
}

/// A connection whose first bytes are the identification of an SSH server.
pub(super) struct Preamble<S> {
    stream: S,
    first: FirstLine,
    phase: Phase,
}

enum Phase {
    /// The identification has not arrived. Holds the line that has begun, and how many have ended.
    Before { line: Vec<u8>, lines: usize },
    /// These bytes have been read and not passed on yet, from the identification on.
    Identified { rest: Vec<u8>, passed: usize },
    /// Everything that arrives is passed through.
    Through,
}

impl<S> Preamble<S> {
    /// Wraps a connection on which nothing has been read.
    pub(super) fn new(stream: S, first: FirstLine) -> Self {
        let (line, lines) = (Vec::new(), 0);
        let phase = Phase::Before { line, lines };
        Self { stream, first, phase }
    }
}

/// Takes bytes that were read. Returns those from the identification on, once it has begun.
fn take(
    line: &mut Vec<u8>,
    lines: &mut usize,
    bytes: &[u8],
    first: &FirstLine,
) -> io::Result<Option<Vec<u8>>> {
    if *lines == 0 {
        first.add(bytes);
    }
    for (at, byte) in bytes.iter().enumerate() {
        line.push(*byte);
        if line.as_slice() == b"SSH-" {
            let rest = bytes.get(at + 1..).unwrap_or_default();
            return Ok(Some([b"SSH-", rest].concat()));
        }
        if *byte == b'\n' {
            line.clear();
            *lines += 1;
        }
        if line.len() > MAX_LINE || *lines > MAX_LINES {
            let why = format!(
                "no identification of an SSH server within {MAX_LINES} lines of at most {} KiB",
                MAX_LINE >> 10
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
    Ok(None)
}

impl<S: AsyncRead + Unpin> AsyncRead for Preamble<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        wanted: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.phase {
                Phase::Through => return Pin::new(&mut this.stream).poll_read(context, wanted),
                Phase::Identified { rest, passed } => {
                    let left = rest.get(*passed..).unwrap_or_default();
                    let (now, _) = left.split_at(left.len().min(wanted.remaining()));
                    wanted.put_slice(now);
                    *passed += now.len();
                    if *passed >= rest.len() {
                        this.phase = Phase::Through;
                    }
                    return Poll::Ready(Ok(()));
                }
                Phase::Before { line, lines } => {
                    let mut buffer = [0; READ];
                    let mut buffer = ReadBuf::new(&mut buffer);
                    ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer))?;
                    if buffer.filled().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    if let Some(rest) = take(line, lines, buffer.filled(), &this.first)? {
                        this.phase = Phase::Identified { rest, passed: 0 };
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Preamble<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What is read behind this text, and the line that messages show.
    async fn read(text: &[u8]) -> (io::Result<Vec<u8>>, Option<String>) {
        let first = FirstLine::default();
        let mut stream = Preamble::new(text, first.clone());
        let mut read = Vec::new();
        let result = stream.read_to_end(&mut read).await.map(|_| read);
        (result, first.shown())
    }

    #[tokio::test]
    async fn lines_before_the_identification_are_taken_off() {
        let id = b"SSH-2.0-x\r\nand binary \xff";
        let many = b"a line\r\n".repeat(1024);
        let long = [&[b'x'; 8191][..], b"\n"].concat();
        for (before, shown) in [
            (&b""[..], "SSH-2.0-x"),
            (b"\n", ""),
            (b"Welcome\x1b[0m\nto SSH-2.0\n", "Welcome\\u{1b}[0m"),
            (&many, "a line"),
            (&long, &"x".repeat(100)),
        ] {
            let (read, first) = read(&[before, id].concat()).await;
            assert_eq!(read.unwrap(), id);
            assert_eq!(first.unwrap_or_default(), shown);
        }
    }

    #[tokio::test]
    async fn endless_lines_are_an_error() {
        for text in [b"a line\n".repeat(1025), vec![b'x'; 8193]] {
            let (read, _) = read(&text).await;
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        let (read, first) = read(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert_eq!(read.unwrap(), b"");
        assert_eq!(first.unwrap(), "HTTP/1.1 400 Bad Request");
    }
}
