//! Text of a server's, made fit for a terminal. Whatever the client shows of names, messages and prompts goes through here.

use std::fmt::Write as _;

use base::visible::is_treacherous;

/// The bytes as text in one line: ordinary characters as they are; controls, line ends, what turns the reading
/// direction and what can't be seen as in Rust (`\n`, `\u{1b}`), and bytes that are no UTF-8 as `\xff`.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\r' | '\t' => out.extend(c.escape_default()),
                c if is_treacherous(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// The same for text of several lines, at most `lines` of them and `length` characters in all; what is left out shows as `…`.
pub fn printable_lines(bytes: &[u8], lines: usize, length: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut left = length;
    let text = bytes.trim_ascii_end();
    for (count, line) in text.split(|b| *b == b'\n').enumerate() {
        let line = printable(line.strip_suffix(b"\r").unwrap_or(line));
        if count == lines || left == 0 {
            out.push("…".to_owned());
            break;
        }
        let mut shown: String = line.chars().take(left).collect();
        if shown.len() < line.len() {
            shown.push('…');
            out.push(shown);
            break;
        }
        left = left.saturating_sub(shown.chars().count().max(1));
        out.push(shown);
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_stays_as_it_is() {
        for (bytes, expected) in [
            (&b"plain.txt"[..], "plain.txt"),
            ("Grüße 世界 🎉 a\u{301}".as_bytes(), "Grüße 世界 🎉 a\u{301}"),
            (b"\x1b[2Jgone", "\\u{1b}[2Jgone"),
            (b"a\nb\r\tc", "a\\nb\\r\\tc"),
            (b"\0\x07\x7f", "\\u{0}\\u{7}\\u{7f}"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (b"\xff\xc3(", "\\xff\\xc3("),
            (b"\x9b31m", "\\x9b31m"),
            ("cod\u{202e}txt.exe".as_bytes(), "cod\\u{202e}txt.exe"),
            (
                "a\u{200b}\u{2066}b\u{feff}".as_bytes(),
                "a\\u{200b}\\u{2066}b\\u{feff}",
            ),
            ("\u{2028}\u{e0041}".as_bytes(), "\\u{2028}\\u{e0041}"),
            (b"", ""),
        ] {
            assert_eq!(printable(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        for (text, lines, length, expected) in [
            ("Welcome\r\nto us\n\n", 9, 99, "Welcome\nto us"),
            ("a\nb\nc", 2, 99, "a\nb\n…"),
            ("abcdef", 9, 3, "abc…"),
            ("abc\ndef", 9, 3, "abc\n…"),
            ("\x1b]0;x\x07\nb", 9, 99, "\\u{1b}]0;x\\u{7}\nb"),
            ("", 9, 9, ""),
        ] {
            assert_eq!(
                printable_lines(text.as_bytes(), lines, length),
                expected,
                "{text:?}"
            );
        }
    }
}
