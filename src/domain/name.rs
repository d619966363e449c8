//! What the names of users, groups and folders have in common.

use base::error::Error;

/// The longest name, in bytes. Longer names are refused before anything is looked up.
pub const MAX_NAME: usize = 128;

/// Whether the text can be the name of a folder or a group: it is a word of command lines, and a folder's is the name of
/// a directory.
pub(super) fn is_plain(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@' | b'+');
    !text.is_empty()
        && text.len() <= MAX_NAME
        && !text.starts_with(['-', '.', '@', '+'])
        && text.bytes().all(allowed)
}

/// Returns the error for a text that is not the name of a folder or a group.
pub(super) fn not_a_name(what: &str, text: &str) -> Error {
    let shown: String = text.chars().take(MAX_NAME).collect();
    Error::new(format!("\"{}\" is not the name of a {what}", shown.escape_debug())).hint(
        "1 to 128 of the letters a-z A-Z, digits, '.', '_', '-', '@' and '+', beginning with a letter, a digit or '_'",
    )
}
