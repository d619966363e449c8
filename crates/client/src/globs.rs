//! Expands patterns to names on the server or on this machine, by listing directories.
//!
//! The convention for all words of commands ([`commands`](crate::commands)): they are patterns. `*`, `?` and `[…]`
//! stand for names, `~` at the beginning for the home, and a backslash before a character takes that away. So a word
//! stays an `OsString`, and shell and command line expand in the same way ([`base::glob`] has the notation):
//!
//! - the shell makes words with [`from_word`]: what was quoted there is escaped here;
//! - `HOST:PATH` of a command line is taken as it is (`homeport get 'HOST:*.txt'`), as scp takes it;
//! - local words of a command line have been expanded by the shell in which they were typed: they are escaped names.
//!
//! A pattern that matches nothing stands for itself. Names that begin with a dot are matched only by a dot. Names that
//! a server sends and that could not be one component of a path are skipped.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use sftp_wire::{Attributes, Reply, Request};

use crate::link::{Answered as _, Link, RemoteError};
use crate::names::{self, is_single_name, join};
use base::glob::{
    Pattern, PatternByte, components, ends_in_slash, escaped, existing, is_pattern, literal, parse, root,
};
use base::words::Word;

/// The most names that one word may stand for: for `*/*/*` a malicious server could present names without end.
const MAX_NAMES: usize = 1_000_000;
/// The number of names that are looked up at once.
const AT_ONCE: usize = 64;

/// The word of a shell's line, in the notation that commands take.
pub fn from_word(word: &Word) -> OsString {
    OsString::from_vec(escaped(word.marked()))
}

/// Finds the names on the server that a word stands for, in order. There is always one. Relative names stay relative,
/// and are meant from `directory`.
///
/// # Errors
/// When the connection is lost, or the server has too many names. A directory that cannot be listed matches nothing.
pub async fn remote(link: &Link, directory: &[u8], word: &[u8]) -> Result<Vec<Vec<u8>>, RemoteError> {
    let mut pattern = parse(word);
    if let Some(below) = below_home(&pattern) {
        let home = link.home.clone()?;
        pattern = at_home(&home, below);
    }
    if !is_pattern(&pattern) {
        return Ok(vec![literal(&pattern)]);
    }
    let mut found = vec![root(&pattern)];
    let mut seen = true;
    let mut components = components(&pattern).peekable();
    while let Some(component) = components.next() {
        seen = is_pattern(component);
        if !seen {
            let name = literal(component);
            found.iter_mut().for_each(|base| *base = join(base, &name));
            continue;
        }
        let wanted = Pattern::compile(component);
        let mut next = Vec::new();
        for base in &found {
            let entries = link.list(&join(directory, base)).await.unless_refused()?;
            let Some(entries) = entries else { continue };
            let fits = entries.iter().filter(|entry| {
                let leads_on = components.peek().is_none() || may_lead_on(&entry.attrs);
                leads_on && is_single_name(&entry.name) && wanted.matches(&entry.name)
            });
            next.extend(fits.map(|entry| join(base, &entry.name)));
            if next.len() > MAX_NAMES {
                return Err(RemoteError::UnexpectedReply(
                    "at most a million names for one pattern",
                ));
            }
        }
        found = next;
    }
    let directories = ends_in_slash(&pattern);
    if !seen || directories {
        found = that_exist(link, directory, found, directories).await?;
    }
    Ok(or_itself(found, &pattern))
}

/// Finds the names on this machine that a word stands for, in order. There is always one. It lists directories, and so
/// may block.
pub fn local(word: &[u8]) -> Vec<PathBuf> {
    let mut pattern = parse(word);
    if let (Some(below), Some(home)) = (below_home(&pattern), std::env::home_dir()) {
        pattern = at_home(home.as_os_str().as_bytes(), below);
    }
    let found = match is_pattern(&pattern) {
        true => or_itself(existing(&pattern), &pattern),
        false => vec![literal(&pattern)],
    };
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    found.into_iter().map(path).collect()
}

/// The rest of the pattern behind `~` or `~/`, unless the `~` is quoted.
fn below_home(pattern: &[PatternByte]) -> Option<&[PatternByte]> {
    let (_, false) = *pattern.first()? else {
        return None;
    };
    let below = names::below_home(&literal(pattern))?.len();
    pattern.get(pattern.len().checked_sub(below)?..)
}

fn at_home(home: &[u8], below: &[PatternByte]) -> Vec<PatternByte> {
    let mut pattern: Vec<PatternByte> = home.iter().map(|&byte| (byte, true)).collect();
    if !below.is_empty() && !home.ends_with(b"/") {
        pattern.push((b'/', true));
    }
    pattern.extend(below);
    pattern
}

fn or_itself(mut found: Vec<Vec<u8>>, pattern: &[PatternByte]) -> Vec<Vec<u8>> {
    if found.is_empty() {
        found.push(literal(pattern));
    }
    found.sort();
    found
}

/// Whether there may be something below an entry. A link may point to a directory, and some servers do not say what a
/// file is.
fn may_lead_on(attrs: &Attributes) -> bool {
    attrs.is_directory() != Some(false) || attrs.is_symlink()
}

/// Keeps the names that exist. If only directories count, each gets a slash at its end.
async fn that_exist(
    link: &Link,
    directory: &[u8],
    names: Vec<Vec<u8>>,
    directories: bool,
) -> Result<Vec<Vec<u8>>, RemoteError> {
    let mut existing = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let ask = |name: &Vec<u8>| {
            let path = &join(directory, name)[..];
            link.channel.begin(&match directories {
                true => Request::Stat { path },
                false => Request::Lstat { path },
            })
        };
        let under_way: Vec<_> = some.iter().map(ask).collect();
        for (name, answer) in some.iter().zip(under_way) {
            match answer.await.map_err(|_| link.channel.lost())? {
                Reply::Attrs(_) if !directories => existing.push(name.clone()),
                Reply::Attrs(attrs) if attrs.is_directory() != Some(false) => {
                    existing.push([&name[..], b"/"].concat());
                }
                _ => {}
            }
        }
    }
    Ok(existing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::glob::escape;

    #[test]
    fn quoted_characters_are_escaped() {
        for (typed, word) in [
            ("*.txt", "*.txt"),
            ("'*'.txt", "\\*.txt"),
            ("a\\ b", "a b"),
            ("'a\\b'", "a\\\\b"),
            ("f\\[1]", "f\\[1]"),
            ("~/x", "~/x"),
            ("'~/x'", "\\~/x"),
            ("a~", "a~"),
        ] {
            let split = base::words::words(typed.as_bytes()).unwrap();
            assert_eq!(from_word(&split[0]), word, "{typed}");
        }
    }

    #[test]
    fn an_escaped_name_does_not_begin_at_the_home() {
        for name in [&b"~"[..], b"~/x", b"plain"] {
            assert!(below_home(&parse(&escape(name))).is_none());
        }
        assert_eq!(below_home(&parse(b"~/x")), Some(&[(b'x', false)][..]));
        assert_eq!(below_home(&parse(b"~")), Some(&[][..]));
        assert_eq!(below_home(&parse(b"~x")), None);
    }

    #[test]
    fn local_names_are_found_by_patterns() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.txt", "b.txt", ".c.txt", "f[1]", "sub/d.txt", "tub/e", "x*y"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let base = escape(dir.path().as_os_str().as_bytes());
        for (pattern, expected) in [
            ("*.txt", &["a.txt", "b.txt"][..]),
            (".*.txt", &[".c.txt"]),
            ("?ub/*", &["sub/d.txt", "tub/e"]),
            ("*/e", &["tub/e"]),
            ("*/", &["sub/", "tub/"]),
            ("f[1]", &["f[1]"]),
            ("x\\*y", &["x*y"]),
            ("nothing*", &["nothing*"]),
            ("a.txt", &["a.txt"]),
        ] {
            let word = [&base[..], b"/", pattern.as_bytes()].concat();
            // As text: comparing paths would ignore a slash at the end.
            let found: Vec<OsString> = local(&word).into_iter().map(PathBuf::into_os_string).collect();
            let whole = |name: &&str| OsString::from(format!("{}/{name}", dir.path().display()));
            let expected: Vec<OsString> = expected.iter().map(whole).collect();
            assert_eq!(found, expected, "{pattern}");
        }
    }
}
