//! The body of the fuzz target for command lines: no input makes the splitter panic, and a word is parsed to the same
//! word when it is quoted again.

use super::{MAX_LINE, PartialLine, Rules, quote, split, unfinished, words};

/// Splits `data` under all rules, quotes each word in every way, and asserts that the same word is read back.
pub fn fuzz_words(data: &[u8]) {
    let _ = split(data, Rules::Shell(&<[u8]>::to_vec));
    let PartialLine {
        words: whole, last, ..
    } = unfinished(data);
    for word in whole.iter().chain([&last]) {
        assert!(word.start <= data.len(), "a word begins within its line");
    }
    for word in words(data).unwrap_or_default() {
        for open in [None, Some(b'"'), Some(b'\'')] {
            let mut line = quote(word.bytes(), open);
            line.extend(open);
            if line.len() > MAX_LINE {
                continue;
            }
            let again = words(&line);
            let bytes = again
                .as_ref()
                .map(|again| again.iter().map(super::Word::bytes).collect::<Vec<_>>());
            assert_eq!(bytes, Ok(vec![word.bytes()]), "{}", line.escape_ascii());
        }
    }
}
