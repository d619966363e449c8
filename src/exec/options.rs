//! Options of commands, as getopt(3) and getopt_long(3) read them, for those that take no arguments.

/// The parsed words of a command: the letters of its options, with long options as the letters that they stand for, and
/// its names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedOptions<'a> {
    letters: Vec<u8>,
    /// The words that are not options, in order.
    pub(super) names: Vec<&'a [u8]>,
}

impl ParsedOptions<'_> {
    /// Returns whether this option was given.
    pub(super) fn has(&self, letter: u8) -> bool {
        self.letters.contains(&letter)
    }

    /// Returns whether the first of two options was given, and the second one not after it.
    pub(super) fn has_last(&self, letter: u8, other: u8) -> bool {
        let last = self.letters.iter().rev().find(|&&l| l == letter || l == other);
        last == Some(&letter)
    }
}

/// Parses words: `known` are the letters, and `long` the long options with their letters.
///
/// # Errors
/// Returns the word with an unknown option.
pub(super) fn parse<'a>(
    words: &'a [Vec<u8>],
    known: &[u8],
    long: &[(&str, u8)],
) -> Result<ParsedOptions<'a>, &'a [u8]> {
    let mut asked = ParsedOptions {
        letters: Vec::new(),
        names: Vec::new(),
    };
    let mut only_names = false;
    for word in words {
        match word.as_slice() {
            name if only_names => asked.names.push(name),
            b"--" => only_names = true,
            [b'-', b'-', name @ ..] => {
                let found = long.iter().find(|(text, _)| text.as_bytes() == name);
                asked.letters.push(found.ok_or(word.as_slice())?.1);
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                if letters.iter().any(|letter| !known.contains(letter)) {
                    return Err(word);
                }
                asked.letters.extend_from_slice(letters);
            }
            name => asked.names.push(name),
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_where_they_end() {
        let own = |list: &[&str]| list.iter().map(|s| s.as_bytes().to_vec()).collect::<Vec<_>>();
        let words = own(&["-b", "x", "--tag", "--", "-t", "-"]);
        let asked = parse(&words, b"bt", &[("tag", b'T')]).unwrap();
        assert!(asked.has(b'b') && asked.has(b'T') && !asked.has(b't'));
        assert_eq!(asked.names, [&b"x"[..], b"-t", b"-"]);
        for unknown in ["-c", "--check", "-bx", "--quiet"] {
            let words = own(&[unknown]);
            assert_eq!(parse(&words, b"bt", &[("tag", b'T')]), Err(unknown.as_bytes()));
        }
        let words = own(&["-bt", "-b"]);
        let asked = parse(&words, b"bt", &[]).unwrap();
        assert!(asked.has_last(b'b', b't') && !asked.has_last(b't', b'b'));
    }
}
