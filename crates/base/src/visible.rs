//! Formats bytes and characters for display: the rule for terminals and logs about what must be escaped, and bytes as
//! digits. It does not know files, terminals or logs.

use std::fmt::Write as _;

/// Returns whether a character moves the cursor, ends a line, changes the reading direction, or is invisible and
/// changes nothing, so that it must be escaped.
///
/// The joiners (U+200C, U+200D) and the variation selectors pass: they shape the characters beside them, and Persian,
/// Sinhala and many emoji cannot be written without them.
pub fn must_be_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Formats a peer's bytes as one line of text that is safe for a terminal: dangerous characters are escaped as in Rust,
/// and bytes that are not UTF-8 are shown as `\xff`. Everything that the client shows of names, messages and prompts
/// passes through this function.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&for_terminal(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Formats a peer's bytes as several lines that are safe for a terminal: at most `lines` of them, and `length`
/// characters in total. What is left out is shown as `…`.
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

/// Formats bytes as hexadecimal digits, two for each.
pub fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Formats bytes as text that shows exactly which bytes they are: `\\` is a backslash, `\xE9` a byte that is not UTF-8.
pub fn bytes(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// Whether a text has only printable ASCII characters, as nearly every one has. It is checked many bytes at a time.
fn is_plain(text: &str) -> bool {
    text.as_bytes()
        .iter()
        .fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte))
}

/// Escapes the dangerous characters of a text as in Rust (`\n`, `\u{1b}`), so that it is safe for a terminal and stays
/// on one line.
pub fn for_terminal(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match must_be_escaped(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// Escapes the dangerous characters of JSON in JSON's way: they can only occur in strings.
pub fn in_json(json: &str) -> String {
    if is_plain(json) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if must_be_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Formats a peer's bytes for a message: exactly the first `most` of them, without anything that a terminal would
/// interpret.
pub fn sample(raw: &[u8], most: usize) -> String {
    let (shown, rest) = raw.split_at(raw.len().min(most));
    let mut text = for_terminal(&bytes(shown));
    if !rest.is_empty() {
        text.push('…');
    }
    text
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
            // Persian with a non-joiner, Sinhala with a joiner, a family, and a heart with a variation selector.
            ("می\u{200c}روم".as_bytes(), "می\u{200c}روم"),
            ("ශ්\u{200d}රී".as_bytes(), "ශ්\u{200d}රී"),
            ("👩\u{200d}👧 ❤\u{fe0f}".as_bytes(), "👩\u{200d}👧 ❤\u{fe0f}"),
            (
                "\u{200e}a\u{200f}\u{61c}".as_bytes(),
                "\\u{200e}a\\u{200f}\\u{61c}",
            ),
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

    #[test]
    fn bytes_can_be_told_apart() {
        let check = |raw: &[u8], expected: &str| assert_eq!(bytes(raw), expected);
        check(b"/a/b", "/a/b");
        check("é".as_bytes(), "é");
        check(b"\xe9", "\\xE9");
        check(b"\\xE9", "\\\\xE9");
        check(b"a\xffb\xc3", "a\\xFFb\\xC3");
    }

    #[test]
    fn a_sample_is_short_and_harmless() {
        let check = |raw: &[u8], expected: &str| assert_eq!(sample(raw, 8), expected);
        check(b"GET /", "GET /");
        check(b"caf\xe9\n", "caf\\xE9\\n");
        check(b"\x16\x03\x1b[31m", "\\u{16}\\u{3}\\u{1b}[31m");
        check(b"123456789", "12345678…");
        check("\u{202e}x".as_bytes(), "\\u{202e}x");
    }

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
