//! Priorities for systemd's journal: a line that goes there begins with `<N>`, which the journal takes off and stores
//! (sd-daemon(3)).

use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::log_queue::LogQueue;

/// A writer of log lines that puts the priority in front of each line, if the journal reads them.
#[derive(Clone)]
pub(super) struct Prioritised<W> {
    inner: W,
    to_journal: bool,
}

impl<W> Prioritised<W> {
    /// Wraps a writer of whole lines.
    pub fn new(inner: W, to_journal: bool) -> Self {
        Self { inner, to_journal }
    }
}

impl Prioritised<LogQueue> {
    /// Adds a line that has no newline yet, with the priority of information.
    pub fn push_line(&self, line: &str) {
        let prefix = if self.to_journal { prefix(Level::INFO) } else { "" };
        self.inner.push_line(prefix, line);
    }
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Prioritised<W> {
    type Writer = PrioritisedLine<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        PrioritisedLine {
            inner: self.inner.make_writer(),
            prefix: "",
        }
    }

    fn make_writer_for(&'w self, meta: &Metadata<'_>) -> Self::Writer {
        let prefix = if self.to_journal {
            prefix(*meta.level())
        } else {
            ""
        };
        PrioritisedLine {
            inner: self.inner.make_writer_for(meta),
            prefix,
        }
    }
}

/// Returns the priority of a level, as syslog(3) numbers them.
fn prefix(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// A writer for one line.
pub(super) struct PrioritisedLine<W> {
    inner: W,
    prefix: &'static str,
}

/// The log passes one whole line to each call.
impl<W: Write> Write for PrioritisedLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.prefix.is_empty() {
            return self.inner.write(line);
        }
        self.inner.write_all(&[self.prefix.as_bytes(), line].concat())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns whether standard error goes to the journal: `$JOURNAL_STREAM` has the device and inode of the journal's
/// stream, and may be inherited although standard error goes elsewhere.
pub(super) fn reads_standard_error() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}
