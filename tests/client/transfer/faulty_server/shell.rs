//! The program of the faulty server that runs commands: `md5sum` of files, and of the beginning of one.

use std::collections::BTreeMap;
use std::time::Duration;

use base::digest::{Algorithm, Style, line};
use base::words::{Rules, Token, split};
use bytes::Bytes;
use md5::Digest as _;

/// A program that runs commands.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    /// The files that commands see, by their absolute paths, if these are not those of SFTP.
    pub files: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Whether it is like that of `rclone serve sftp`: everything behind the program is one name, in which a backslash
    /// is the only quote, and there is nothing but `md5sum`.
    pub one_name: bool,
    /// A command starts when no file was opened for this long.
    pub starts_when_quiet: Duration,
}

impl Shell {
    /// Returns what a command prints, and its exit code.
    pub fn run(&self, command: &[u8], files: &BTreeMap<Vec<u8>, Vec<u8>>) -> (Bytes, u32) {
        let files = self.files.as_ref().unwrap_or(files);
        let words = match self.one_name {
            true => one_name(command),
            false => split(command, Rules::Shell(&|_| Vec::new()))
                .unwrap()
                .into_iter()
                .map(|token| match token {
                    Token::Word(word) => word.bytes().to_vec(),
                    Token::Pipe => b"|".to_vec(),
                    Token::And => b"&&".to_vec(),
                })
                .collect(),
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let print = |content: &[u8], name: &[u8]| {
            line(Style::default(), Algorithm::Md5, &md5::Md5::digest(content), name)
        };
        match words[..] {
            [b"head", b"-c", length, path, b"|", b"md5sum"] if !self.one_name => {
                let length: usize = std::str::from_utf8(length).unwrap().parse().unwrap();
                // A shell does not care that head has failed.
                let content = files.get(path).map(Vec::as_slice).unwrap_or_default();
                (print(&content[..length.min(content.len())], b"-").into(), 0)
            }
            [b"md5sum"] => (print(b"", b"-").into(), 0),
            [b"md5sum", ref names @ ..] => {
                let found = names
                    .iter()
                    .filter_map(|name| files.get(*name).map(|content| print(content, name)));
                let lines: Vec<Vec<u8>> = found.collect();
                let code = u32::from(lines.len() < names.len());
                (lines.concat().into(), code)
            }
            _ => (Bytes::new(), 127),
        }
    }
}

/// Splits a command as `rclone serve sftp` does.
fn one_name(command: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = command.splitn(2, |byte| *byte == b' ');
    let program = parts.next().unwrap().to_vec();
    let Some(rest) = parts.next() else {
        return vec![program];
    };
    let mut name = Vec::new();
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'\\' => *bytes.next().unwrap(),
            byte => *byte,
        });
    }
    vec![program, name]
}
