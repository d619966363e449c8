//! What the system's ssh prints on standard error: it is shown line by line, and its last words are kept for errors.

use std::io::{self, BufRead as _, Read as _};
use std::process::ChildStderr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::connect::prompts::AsyncPrompts;
use base::visible::{printable, printable_lines};

/// How many bytes are kept of what the program prints on standard error: the last ones.
const MAX_WORDS: usize = 2048;
/// The longest line of its standard error that is shown at once, in bytes.
const MAX_LINE: usize = 1024;

/// How ssh begins to say that a host key is new to it, which is never the reason of a failure.
const NEW_HOST: &[u8] = b"Warning: Permanently added";

/// The last words of the program on standard error.
#[derive(Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<Vec<u8>>>);

impl StderrTail {
    pub(super) fn add(&self, line: &[u8]) {
        let mut words = self.0.lock();
        words.extend_from_slice(line);
        let surplus = words.len().saturating_sub(MAX_WORDS);
        words.drain(..surplus);
    }

    /// Whether the program has said one of these texts.
    pub(super) fn contain_any(&self, texts: &[&str]) -> bool {
        let words = self.0.lock();
        let words = String::from_utf8_lossy(&words);
        texts.iter().any(|text| words.contains(text))
    }

    /// Returns the last line that may be the reason of a failure; empty if there is none.
    pub(super) fn last_line(&self) -> String {
        let words = self.0.lock();
        let mut lines = words.rsplit(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let last = lines.find(|line| !line.is_empty() && !line.starts_with(NEW_HOST));
        printable(last.unwrap_or_default())
    }

    /// Shows what the program prints, and keeps the last of it.
    pub(super) fn listen(&self, stderr: ChildStderr, prompts: &AsyncPrompts) {
        let mut reader = io::BufReader::new(stderr);
        let mut line = Vec::new();
        while let Ok(1..) = reader.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line) {
            self.add(&line);
            let shown = printable_lines(&line, 1, MAX_LINE);
            if !shown.trim().is_empty() {
                prompts.show(&shown);
            }
            line.clear();
        }
    }
}
