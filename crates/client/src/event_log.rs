//! The file of `--log`: one line for each event, with its time, for whoever looks into a night's run on the next day.
//!
//! A line is `2026-11-30T03:52:11.123Z 4711 EVENT TEXT`, where 4711 is the process. Control characters are escaped, so
//! that an event is always one line. Passwords and passphrases never come here: nothing that holds one can be displayed.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use base::error::{Error, Result};
use base::visible::printable;

/// The longest text of a line, in characters: two names of 4 KiB with every byte escaped, and a sentence.
const LONGEST: usize = 40 << 10;

/// A file to which events are appended.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    /// Whether a line could not be written. That is reported once.
    has_failed: AtomicBool,
}

impl EventLog {
    /// Opens the file, or creates it for its owner alone. What is in it stays.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            // A named pipe without a reader is an error; without this flag it would block.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path);
        let file = opened.map_err(|error| {
            let shown = printable(path.as_os_str().as_encoded_bytes());
            Error::new(format!("cannot open the log \"{shown}\"")).because(error)
        })?;
        Ok(Self {
            file,
            has_failed: AtomicBool::new(false),
        })
    }

    /// Appends an event. The first line that cannot be written is reported on standard error; the work goes on.
    pub fn record(&self, event: &str, text: &str) {
        let line = line(jiff::Timestamp::now(), event, text);
        // One call for the whole line, so that lines of several processes do not mix.
        if let Err(error) = (&self.file).write_all(line.as_bytes())
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            let _ = writeln!(
                std::io::stderr().lock(),
                "homeport: cannot write to the log: {error}"
            );
        }
    }
}

fn line(now: jiff::Timestamp, event: &str, text: &str) -> String {
    let shown: String = printable(text.as_bytes()).chars().take(LONGEST).collect();
    format!("{now:.3} {} {event} {shown}\n", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let now = jiff::Timestamp::from_millisecond(1_796_010_731_123).unwrap();
        let text = line(now, "error", "a\nb\u{1b}[2J\u{202e}");
        let process = std::process::id();
        assert_eq!(
            text,
            format!("2026-11-30T03:52:11.123Z {process} error a\\nb\\u{{1b}}[2J\\u{{202e}}\n")
        );
        assert!(line(now, "x", &"y".repeat(1 << 20)).len() < LONGEST + 100);
    }

    #[test]
    fn the_file_grows_and_belongs_to_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        for text in ["first", "second"] {
            EventLog::open(&path).unwrap().record("message", text);
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(kept.lines().count(), 2);
        assert!(kept.lines().all(|line| line.contains(" message ")), "{kept}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let error = EventLog::open(dir.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot open the log \""), "{error}");
    }
}
