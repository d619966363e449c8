//! Bytes and characters as they are shown: which ones can't be shown as they are, one rule for the log and for
//! terminals, and bytes as digits.

/// Does the character move the cursor, end a line, turn the reading direction, or can it not be seen?
pub fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Bytes as hexadecimal digits, two for each.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Bytes as text that says exactly which bytes they are: `\\` is a backslash, `\xE9` a byte that is no UTF-8.
pub fn bytes(raw: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// The text with treacherous characters escaped as in Rust (`\n`, `\u{1b}`), so that it is harmless for a terminal and
/// for the eyes, and stays on one line.
pub fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_treacherous(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// JSON with treacherous characters escaped as JSON does: they can only stand in strings.
pub fn in_json(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_treacherous(c) {
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

/// A peer's bytes for a sentence: the first `most` of them, exactly, and nothing that a terminal would obey.
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
