//! Hides passwords and their hashes in the lines that are shown with mistakes.

use toml::de::{DeTable, DeValue};

/// Names of settings behind which the rest of the line is not shown.
const SECRET: [&str; 2] = ["password_hash", "password"];

/// Returns the text with `*` in place of each byte that may belong to a secret. Positions in it stay the same.
pub(super) fn masked(text: &str, table: &DeTable<'_>) -> String {
    let mut bytes = without_hashes(text).into_bytes();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.to_ascii_lowercase();
        let secret = SECRET
            .iter()
            .find_map(|name| Some(lower.find(name)? + name.len()));
        if let Some(at) = secret {
            mask(&mut bytes, start + at, start + line.trim_end().len());
        }
        start += line.len();
    }
    let users = table.get("users").and_then(|users| users.get_ref().as_table());
    for (_, user) in users.into_iter().flatten() {
        if let DeValue::Table(settings) = user.get_ref()
            && let Some(value) = settings.get("password_hash")
        {
            mask(&mut bytes, value.span().start, value.span().end);
        }
    }
    // Only ASCII was put in, and whole characters were taken out.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn mask(bytes: &mut [u8], start: usize, end: usize) {
    let Some(range) = bytes.get_mut(start..end.max(start)) else {
        return;
    };
    for byte in range {
        if !matches!(*byte, b'\n' | b'\r' | b' ' | b'=' | b'"' | b'\'') {
            *byte = b'*';
        }
    }
}

/// Returns the text with `*` in place of everything that looks like a hash: `$ID$…`.
pub(super) fn without_hashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b"$./+=,_-".contains(&b);
        let length = from.bytes().take_while(|b| is_part(*b)).count();
        let (run, after) = from.split_at(length);
        match run.bytes().filter(|b| *b == b'$').count() {
            0 | 1 => out.push_str(run),
            _ => out.extend(std::iter::repeat_n('*', length)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
