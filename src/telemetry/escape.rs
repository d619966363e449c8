//! Makes text from peers harmless for the eyes and terminals that read it.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

pub(crate) use base::visible::bytes;
use base::visible::is_treacherous;

/// The text with treacherous characters escaped as in Rust: `\n`, `\u{1b}`.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if is_treacherous(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// JSON with those characters escaped as JSON does: they can only stand in strings.
pub(crate) fn in_json(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_treacherous(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A writer of log lines that lets no treacherous character through but the newline at a line's end.
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
}

/// `tracing-subscriber` hands over one whole line at a time.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn treacherous_characters_are_escaped() {
        let check = |text: &str, terminal: &str, json: &str| {
            assert_eq!(for_terminal(text), terminal);
            assert_eq!(in_json(text), json);
        };
        check("plain é 日本 \\", "plain é 日本 \\", "plain é 日本 \\");
        check("a\nb\r\t", "a\\nb\\r\\t", "a\\u000ab\\u000d\\u0009");
        check("\u{1b}[31m\u{7f}", "\\u{1b}[31m\\u{7f}", "\\u001b[31m\\u007f");
        check("\u{9b}x\u{202e}", "\\u{9b}x\\u{202e}", "\\u009bx\\u202e");
        check("\u{2066}\u{2028}", "\\u{2066}\\u{2028}", "\\u2066\\u2028");
        check("\u{e0041}", "\\u{e0041}", "\\udb40\\udc41");
    }
}
