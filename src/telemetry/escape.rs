//! A writer that escapes dangerous text from peers in every log line; `base::visible` decides which characters are
//! escaped.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use base::visible::{for_terminal, in_json};

/// A writer of log lines that escapes every dangerous character except the newline at a line's end.
pub(super) struct Escaping<W> {
    inner: W,
    escape: fn(&str) -> String,
}

impl<W> Escaping<W> {
    pub fn text(inner: W) -> Self {
        Self {
            inner,
            escape: for_terminal,
        }
    }

    pub fn json(inner: W) -> Self {
        Self {
            inner,
            escape: in_json,
        }
    }
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Escaping<W> {
    type Writer = Escaping<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Escaping {
            inner: self.inner.make_writer(),
            escape: self.escape,
        }
    }

    fn make_writer_for(&'w self, meta: &Metadata<'_>) -> Self::Writer {
        Escaping {
            inner: self.inner.make_writer_for(meta),
            escape: self.escape,
        }
    }
}

/// `tracing-subscriber` passes one whole line to each call.
impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let mut escaped = (self.escape)(text.strip_suffix('\n').unwrap_or(&text));
        escaped.push('\n');
        self.inner.write_all(escaped.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
