//! The command `md5sum` and what it prints: names become words of a command that shells and servers without a shell
//! read alike, and lines of output become hashes by name.

use std::collections::HashMap;

use super::hash::{HashKind, HashValue};

/// The digits of an MD5.
const DIGITS: usize = 32;

/// Appends a path as one word. Shells, our own server and rclone's take a backslash before each special character, and
/// a newline in quotes; rclone's does not know any other quotes.
pub(super) fn push_word(command: &mut Vec<u8>, path: &[u8]) {
    for &byte in path {
        match byte {
            b'\n' => command.extend_from_slice(b"'\n'"),
            b'_' | b'.' | b',' | b':' | b'/' | b'@' | b'-' | 0x80.. => command.push(byte),
            byte if byte.is_ascii_alphanumeric() => command.push(byte),
            byte => command.extend_from_slice(&[b'\\', byte]),
        }
    }
}

/// The hashes that `md5sum` printed, by the names of the files. Other lines are ignored.
pub(super) fn hashes_by_name(output: &[u8]) -> HashMap<Vec<u8>, HashValue> {
    output.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// Reads a line `HASH  NAME` or `HASH *NAME`. A backslash stands before it if the name has been escaped.
fn line(line: &[u8]) -> Option<(Vec<u8>, HashValue)> {
    let (line, is_escaped) = match line.strip_prefix(b"\\") {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (digits, rest) = line.split_at_checked(DIGITS)?;
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
    let mut hash = Vec::new();
    for pair in digits.chunks_exact(2) {
        let pair = std::str::from_utf8(pair).ok()?;
        // A sign is not a digit.
        let is_hex = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        hash.push(is_hex.then(|| u8::from_str_radix(pair, 16).ok())??);
    }
    let name = match is_escaped {
        true => unescaped(name)?,
        false => name.to_vec(),
    };
    Some((name, HashValue::new(HashKind::Md5, &hash)?))
}

/// The name that coreutils has escaped.
fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = name.iter();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use base::digest::{Algorithm, Style};

    use super::*;

    #[test]
    fn lines_of_md5sum_are_found_by_name() {
        let empty = HashValue::Md5(*b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e");
        assert!(empty.is_of_nothing());
        for (output, name) in [
            (
                &b"d41d8cd98f00b204e9800998ecf8427e  a file\n"[..],
                Some(&b"a file"[..]),
            ),
            (
                b"\\d41d8cd98f00b204e9800998ecf8427e  a\\nfi\\\\le\n",
                Some(b"a\nfi\\le"),
            ),
            (b"d41d8cd98f00b204e9800998ecf8427e *-\n", Some(b"-")),
            (b"Welcome!\nd41d8cd98f00b204e9800998ecf8427e  a\\b", Some(b"a\\b")),
            (b"d41d8cd98f00b204e9800998ecf8427\n", None),
            (b"z41d8cd98f00b204e9800998ecf8427e  -\n", None),
            (b"+41d8cd98f00b204e9800998ecf8427e  -\n", None),
            (b"d41d8cd98f00b204e9800998ecf8427e-\n", None),
            (b"\\d41d8cd98f00b204e9800998ecf8427e  a\\", None),
            (b"This service allows sftp connections only.\n", None),
            (b"", None),
        ] {
            let expected: HashMap<_, _> = name.map(|name| (name.to_vec(), empty)).into_iter().collect();
            assert_eq!(hashes_by_name(output), expected, "{}", output.escape_ascii());
        }
    }

    #[test]
    fn every_name_survives_a_shell_and_md5sum() {
        let all: Vec<u8> = (1..=255).collect();
        for name in [&b"it's $HOME"[..], b"a\nb\\c\rd", b"-x", b"~", b"=ls", &all] {
            let mut command = Vec::new();
            push_word(&mut command, name);
            let words = base::words::split(&command, base::words::Rules::Shell(&|_| b"expanded".to_vec()));
            let [base::words::Token::Word(word)] = &words.unwrap()[..] else {
                panic!("{} is one word", command.escape_ascii());
            };
            assert_eq!(word.bytes(), name);
            let printed = base::digest::line(Style::default(), Algorithm::Md5, &[7; 16], name);
            assert_eq!(hashes_by_name(&printed).get(name), Some(&HashValue::Md5([7; 16])));
        }
    }
}
