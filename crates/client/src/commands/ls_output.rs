//! What `ls` prints of entries: columns of names, a line for each with its details, or JSON.

use std::io::{self, IsTerminal as _};

use serde_json::json;
use sftp_wire::{Attributes, FileType, Reply, Request};
use unicode_width::UnicodeWidthStr as _;

use super::details;
use super::session::Session;
use crate::link::{Link, Name, OwnerIds, OwnerNames};
use crate::names::{join, last};
use crate::output::{Style, about, print_bytes, print_json};
use base::error::{Error, Result};
use base::visible::printable;

/// The gap between columns, in characters.
const GAP: usize = 2;
/// The number of links that are read at once.
const LINKS: usize = 64;

/// What is shown of entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct LsFormat {
    /// Whether there is a line for each, with its details.
    pub long: bool,
    /// Whether sizes have units.
    pub human: bool,
    /// Whether names have signs behind them.
    pub classify: bool,
    /// Whether there is one name per line, even in a terminal.
    pub single: bool,
}

/// The headings of several lists.
pub(super) struct Heading {
    wanted: bool,
    first: bool,
}

impl Heading {
    /// Headings for a list of several directories, unless the output is for a script that reads JSON.
    pub(super) fn new(session: &Session, several: bool) -> Self {
        Self {
            wanted: several && session.output.style != Style::Json,
            first: true,
        }
    }

    /// Tells that something was printed, so that a blank line separates the next list.
    pub(super) fn follows_output(&mut self) {
        self.first = false;
    }

    /// Prints the name of the directory that is listed next.
    pub(super) fn print(&mut self, shown: &[u8]) -> Result<()> {
        if !self.wanted {
            return Ok(());
        }
        let blank = if std::mem::replace(&mut self.first, false) {
            ""
        } else {
            "\n"
        };
        print_bytes(&[blank.as_bytes(), &for_output(shown), b":\n"].concat())
    }
}

/// A name as it is printed: escaped for a terminal, and as it is for a program that reads it.
pub(super) fn for_output(name: &[u8]) -> Vec<u8> {
    match io::stdout().is_terminal() {
        true => printable(name).into_bytes(),
        false => name.to_vec(),
    }
}

/// Prints entries of a directory.
pub(super) async fn show(
    session: &Session,
    format: LsFormat,
    link: &Link,
    directory: &[u8],
    entries: &[Name],
) -> Result<()> {
    if session.output.style == Style::Json {
        return entries
            .iter()
            .try_for_each(|entry| print_json(&as_json(entry, directory)));
    }
    let signs = format.classify || io::stdout().is_terminal();
    let names: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| {
            let mut name = for_output(&entry.name);
            // In a terminal directories are marked without being asked for, except behind the d of a long line.
            if signs && (format.classify || !format.long) {
                name.extend(sign(&entry.attrs, format.classify));
            }
            name
        })
        .collect();
    match format.long {
        true => long_lines(format, link, directory, entries, names).await,
        false => columns(&names, format.single),
    }
}

/// The sign behind a name: `/` for a directory, and with `-F` others as ls(1) has them.
fn sign(attrs: &Attributes, all: bool) -> Option<u8> {
    match attrs.file_type()? {
        FileType::Directory => Some(b'/'),
        _ if !all => None,
        FileType::Symlink => Some(b'@'),
        FileType::Fifo => Some(b'|'),
        FileType::Socket => Some(b'='),
        FileType::Regular => (attrs.permissions? & 0o111 != 0).then_some(b'*'),
        FileType::BlockDevice | FileType::CharacterDevice | FileType::Unknown => None,
    }
}

/// Prints a line for each entry: type and permissions, owner and group, size, local time, name.
async fn long_lines(
    format: LsFormat,
    link: &Link,
    directory: &[u8],
    entries: &[Name],
    names: Vec<Vec<u8>>,
) -> Result<()> {
    let mut ids = OwnerIds::default();
    entries.iter().for_each(|entry| ids.add(&entry.attrs));
    let owners = OwnerNames::of(link, &ids)
        .await
        .map_err(|failed| Error::new(failed.to_string()))?;
    let rows: Vec<[String; 5]> = entries
        .iter()
        .map(|entry| {
            [
                details::permissions(&entry.attrs),
                details::user(&entry.attrs, &owners),
                details::group(&entry.attrs, &owners),
                details::size(&entry.attrs, format.human),
                details::modified(&entry.attrs),
            ]
        })
        .collect();
    let width = |column: usize| {
        let widths = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.width());
        widths.max().unwrap_or(0)
    };
    let (user_width, group_width, size_width) = (width(1), width(2), width(3));
    for (number, chunk) in entries.chunks(LINKS).enumerate() {
        let targets = targets(link, directory, chunk).await;
        let mut out = Vec::new();
        let from = number * LINKS;
        for ((row, name), target) in rows.iter().zip(&names).skip(from).zip(targets) {
            let [mode, user, group, size, time] = row;
            let user = pad(user, user_width);
            let group = pad(group, group_width);
            out.extend_from_slice(format!("{mode} {user} {group} {size:>size_width$} {time} ").as_bytes());
            out.extend_from_slice(name);
            if let Some(target) = target {
                out.extend_from_slice(b" -> ");
                out.extend_from_slice(&for_output(&target));
            }
            out.push(b'\n');
        }
        print_bytes(&out)?;
    }
    Ok(())
}

/// A cell with spaces behind it, up to this width.
fn pad(cell: &str, width: usize) -> String {
    let spaces = width.saturating_sub(cell.width());
    format!("{cell}{:spaces$}", "")
}

/// The paths to which the links among these entries point.
async fn targets(link: &Link, directory: &[u8], entries: &[Name]) -> Vec<Option<Vec<u8>>> {
    let asked: Vec<_> = entries
        .iter()
        .map(|entry| {
            let path = &join(directory, &entry.name)[..];
            entry
                .attrs
                .is_symlink()
                .then(|| link.channel.begin(&Request::Readlink { path }))
        })
        .collect();
    let mut targets = Vec::with_capacity(asked.len());
    for answer in asked {
        targets.push(match answer {
            Some(answer) => match answer.await {
                Ok(Reply::Names(names)) => names.first().map(|name| name.name.to_vec()),
                _ => None,
            },
            None => None,
        });
    }
    targets
}

fn as_json(entry: &Name, directory: &[u8]) -> serde_json::Value {
    let path = join(directory, &entry.name);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let object = json!({
        "name": text(match last(&entry.name) { b"" => &entry.name, name => name }),
        "type": details::type_name(&entry.attrs),
        "size": entry.attrs.size,
        "mode": details::octal(&entry.attrs),
        "modified": entry.attrs.times.map(|times| times.modified),
    });
    about(&path, object)
}

/// Prints one name per line, or as many columns as fit into the terminal.
fn columns(names: &[Vec<u8>], single: bool) -> Result<()> {
    let width = match !single && io::stdout().is_terminal() {
        true => rustix::termios::tcgetwinsize(io::stdout()).map_or(80, |size| usize::from(size.ws_col)),
        false => 0,
    };
    let widths: Vec<usize> = names
        .iter()
        .map(|name| String::from_utf8_lossy(name).width())
        .collect();
    let widest = widths.iter().max().unwrap_or(&0) + GAP;
    let columns = (width / widest).max(1);
    let rows = names.len().div_ceil(columns);
    let mut out = Vec::new();
    for row in 0..rows {
        let cells = names.iter().zip(&widths).skip(row).step_by(rows);
        for (number, (name, width)) in cells.enumerate() {
            let is_last = row + (number + 1) * rows >= names.len();
            out.extend_from_slice(name);
            let padding = if is_last { 0 } else { widest.saturating_sub(*width) };
            out.resize(out.len() + padding, b' ');
        }
        out.push(b'\n');
    }
    print_bytes(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_names_that_are_not_utf8() {
        let entry = Name {
            name: b"a\xff"[..].into(),
            long: Default::default(),
            attrs: Attributes::default(),
        };
        let object = as_json(&entry, b"/d");
        assert_eq!(object["path_hex"], "2f642f61ff");
        assert_eq!(object["type"], "unknown");
    }

    #[test]
    fn signs_are_those_of_ls() {
        let check = |mode: u32, all: Option<u8>, plain: Option<u8>| {
            let attrs = Attributes {
                permissions: Some(mode),
                ..Attributes::default()
            };
            assert_eq!(
                (sign(&attrs, true), sign(&attrs, false)),
                (all, plain),
                "{mode:o}"
            );
        };
        check(0o040_755, Some(b'/'), Some(b'/'));
        check(0o100_755, Some(b'*'), None);
        check(0o100_644, None, None);
        check(0o120_777, Some(b'@'), None);
        check(0o010_644, Some(b'|'), None);
        check(0o644, None, None);
    }
}
