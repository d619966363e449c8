//! Words that stand for names, on the server or on this machine, expanded by listing directories.
//!
//! The convention for all words of commands ([`args`](super::commands::args)): they are patterns. `*`, `?` and `[…]`
//! stand for names, `~` at the beginning for the home, and a backslash before a character takes that away. So a word
//! stays an `OsString`, and shell and command line expand in the same way:
//!
//! - the shell makes words with [`from_word`]: what was quoted there is escaped here;
//! - `HOST:PATH` of a command line is taken as it is (`homeport get 'HOST:*.txt'`), as scp takes it;
//! - local words of a command line have been expanded by the shell that it was typed in, and are names: [`escape`] them.
//!
//! A pattern that matches nothing stands for itself. Names that begin with a dot are matched only by a dot. Names of a
//! server's that could not be one component of a path are skipped.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use sftp_wire::{Attributes, Reply, Request};

use super::link::Link;
use super::names::{is_single_name, join};
use super::remote::failed::Failed;
use base::glob::{Marked, Pattern, is_pattern, literal};
use base::words::Word;

/// Names that one word may stand for: a server could have `*/*/*` go on for ever.
const MOST: usize = 1_000_000;
/// Names that are looked for at once.
const AT_ONCE: usize = 64;

/// A name as a word that stands for nothing else.
pub fn escape(name: &[u8]) -> Vec<u8> {
    let all_quoted = name.iter().map(|&byte| (byte, true));
    escaped(all_quoted)
}

/// A word of the shell's, as commands take it.
pub fn from_word(word: &Word) -> OsString {
    OsString::from_vec(escaped(word.marked()))
}

/// The same for bytes of which some stand for themselves.
pub fn escaped(marked: impl Iterator<Item = Marked>) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, (byte, quoted)) in marked.enumerate() {
        let special = matches!(byte, b'*' | b'?' | b'[') || byte == b'~' && at == 0;
        if byte == b'\\' || quoted && special {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Reads the escapes of a word.
pub fn parse(word: &[u8]) -> Vec<Marked> {
    let mut marked = Vec::with_capacity(word.len());
    let mut bytes = word.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            // At the end it escapes nothing, and stands for itself.
            b'\\' => marked.push((bytes.next().unwrap_or(b'\\'), true)),
            byte => marked.push((byte, false)),
        }
    }
    marked
}

/// What a word says when it stands for nothing but itself: for names that are to be made.
pub fn unescape(word: &[u8]) -> Vec<u8> {
    literal(&parse(word))
}

/// The names on the server that a word stands for, in order; there is always one. They are as the word has them: relative
/// ones are meant from `directory`.
///
/// # Errors
/// When the connection is lost, or the server has no end of names. What can't be listed matches nothing.
pub async fn remote(link: &Link, directory: &[u8], word: &[u8]) -> Result<Vec<Vec<u8>>, Failed> {
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
            let entries = match link.list(&join(directory, base)).await {
                Ok(entries) => entries,
                Err(lost @ Failed::Lost(_)) => return Err(lost),
                Err(_) => continue,
            };
            let fits = entries.iter().filter(|entry| {
                let leads_on = components.peek().is_none() || may_lead_on(&entry.attrs);
                leads_on && is_single_name(&entry.name) && wanted.matches(&entry.name)
            });
            next.extend(fits.map(|entry| join(base, &entry.name)));
            if next.len() > MOST {
                return Err(Failed::Nonsense("at most a million names for one pattern"));
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

/// The names on this machine that a word stands for, in order; there is always one. Lists directories, and so may block.
pub fn local(word: &[u8]) -> Vec<PathBuf> {
    let mut pattern = parse(word);
    if let (Some(below), Some(home)) = (below_home(&pattern), std::env::home_dir()) {
        pattern = at_home(home.as_os_str().as_bytes(), below);
    }
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    if !is_pattern(&pattern) {
        return vec![path(literal(&pattern))];
    }
    let mut found = vec![root(&pattern)];
    for component in components(&pattern) {
        if !is_pattern(component) {
            let name = literal(component);
            found.iter_mut().for_each(|base| *base = join(base, &name));
            continue;
        }
        let wanted = Pattern::compile(component);
        let mut next = Vec::new();
        for base in &found {
            let listed = std::fs::read_dir(match &base[..] {
                b"" => OsStr::new("."),
                base => OsStr::from_bytes(base),
            });
            // What can't be listed matches nothing.
            let names = listed
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name());
            let fits = names.filter(|name| wanted.matches(name.as_bytes()));
            next.extend(fits.map(|name| join(base, name.as_bytes())));
        }
        found = next;
    }
    let directories = ends_in_slash(&pattern);
    found.retain(|name| {
        let name = OsStr::from_bytes(name);
        match directories {
            true => std::fs::metadata(name).is_ok_and(|meta| meta.is_dir()),
            false => std::fs::symlink_metadata(name).is_ok(),
        }
    });
    if directories {
        found.iter_mut().for_each(|name| name.push(b'/'));
    }
    or_itself(found, &pattern).into_iter().map(path).collect()
}

/// What stands behind `~` or `~/`.
fn below_home(pattern: &[Marked]) -> Option<&[Marked]> {
    match pattern {
        [(b'~', false)] => Some(&[]),
        [(b'~', false), (b'/', _), below @ ..] => Some(below),
        _ => None,
    }
}

fn at_home(home: &[u8], below: &[Marked]) -> Vec<Marked> {
    let mut pattern: Vec<Marked> = home.iter().map(|&byte| (byte, true)).collect();
    if !below.is_empty() && !home.ends_with(b"/") {
        pattern.push((b'/', true));
    }
    pattern.extend(below);
    pattern
}

fn root(pattern: &[Marked]) -> Vec<u8> {
    match pattern.first() {
        Some((b'/', _)) => b"/".to_vec(),
        _ => Vec::new(),
    }
}

fn components(pattern: &[Marked]) -> impl Iterator<Item = &[Marked]> {
    pattern
        .split(|&(byte, _)| byte == b'/')
        .filter(|component| !component.is_empty())
}

fn ends_in_slash(pattern: &[Marked]) -> bool {
    pattern.last().is_some_and(|&(byte, _)| byte == b'/')
}

fn or_itself(mut found: Vec<Vec<u8>>, pattern: &[Marked]) -> Vec<Vec<u8>> {
    if found.is_empty() {
        found.push(literal(pattern));
    }
    found.sort();
    found
}

/// May there be something below it? A link may point to a directory, and some servers do not say what a file is.
fn may_lead_on(attrs: &Attributes) -> bool {
    attrs.is_directory() != Some(false) || attrs.is_symlink()
}

/// Those that are there, with a slash behind them if only directories count.
async fn that_exist(
    link: &Link,
    directory: &[u8],
    names: Vec<Vec<u8>>,
    directories: bool,
) -> Result<Vec<Vec<u8>>, Failed> {
    let mut existing = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let ask = |name: &Vec<u8>| {
            let path = &join(directory, name)[..];
            link.begin(&match directories {
                true => Request::Stat { path },
                false => Request::Lstat { path },
            })
        };
        let under_way: Vec<_> = some.iter().map(ask).collect();
        for (name, answer) in some.iter().zip(under_way) {
            match answer.await.map_err(|_| link.lost())? {
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

    #[test]
    fn what_is_quoted_in_the_shell_is_escaped_for_commands() {
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
    fn a_name_that_is_escaped_stands_for_itself() {
        for name in [&b"a*b?[c]\\d~"[..], b"~", b"\\", b"plain", b"\xff*", b""] {
            let word = escape(name);
            assert_eq!(unescape(&word), name);
            assert!(!is_pattern(&parse(&word)));
            assert!(below_home(&parse(&word)).is_none());
        }
        assert_eq!(unescape(b"a\\"), b"a\\");
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
            // As text: paths that are compared know no slash at the end.
            let found: Vec<OsString> = local(&word).into_iter().map(PathBuf::into_os_string).collect();
            let whole = |name: &&str| OsString::from(format!("{}/{name}", dir.path().display()));
            let expected: Vec<OsString> = expected.iter().map(whole).collect();
            assert_eq!(found, expected, "{pattern}");
        }
    }
}
