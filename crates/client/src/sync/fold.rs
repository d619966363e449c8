//! The form in which two names are equal that a file system without cases, or one with another Unicode normalisation,
//! may take for the same.

use unicode_normalization::UnicodeNormalization as _;

/// The folded form of a path: NFC, without cases. Bytes that are not UTF-8 stand for themselves.
pub(super) fn folded(path: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        if chunk.valid().is_ascii() {
            folded.extend(chunk.valid().bytes().map(|byte| byte.to_ascii_lowercase()));
        } else {
            // Upper case first, so that ß and SS, or the two small sigmas, become equal.
            let upper: String = chunk.valid().nfc().flat_map(char::to_uppercase).collect();
            let lower: String = upper.chars().flat_map(char::to_lowercase).nfc().collect();
            folded.extend_from_slice(lower.as_bytes());
        }
        folded.extend_from_slice(chunk.invalid());
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_file_systems_confuse_are_equal() {
        for (one, other) in [
            ("Readme", "README"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAF\u{c9}", "cafe\u{301}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{3c3}", "\u{3c2}"),
        ] {
            assert_eq!(folded(one.as_bytes()), folded(other.as_bytes()), "{one} {other}");
        }
        assert_ne!(folded(b"a"), folded(b"b"));
        assert_ne!(folded(b"\xffa"), folded(b"\xfea"));
    }
}
