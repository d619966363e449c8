//! What `ls` prints of entries: columns of names, a line for each with its details, or JSON.

use std::sync::Arc;

use serde_json::json;
use sftp_wire::{Attributes, FileType};

use super::details;
use super::session::Session;
use crate::link::{Answered as _, Link, Name, OwnerIds, OwnerNames, RemoteError};
use crate::names::{join, last};
use crate::output::columns::width;
use crate::output::{Stdout, Style, about, print_bytes, print_json};
use base::error::{Error, Result};

/// The gap between columns, in characters.
const GAP: usize = 2;
/// The number of links that are read at once.
const LINKS: usize = 64;

/// What is shown of entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct LsFormat {
    /// Whether there is a line for each, with its details.
    pub long: bool,
    /// Whether sizes are shown with units.
    pub human: bool,
    /// Whether names have signs behind them.
    pub classify: bool,
    /// Whether there is one name per line, even in a terminal.
    pub single: bool,
    /// Whether a NUL byte ends each line.
    pub null: bool,
}

/// The headings of several lists.
pub(super) struct Heading {
    wanted: bool,
    null: bool,
    first: bool,
}

impl Heading {
    /// Headings for a list of several directories, unless the output is for a script that reads JSON. With `null`, a
    /// NUL byte ends each.
    pub(super) fn new(session: &Session, several: bool, null: bool) -> Self {
        Self {
            wanted: several && session.output.style != Style::Json,
            null,
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
        let is_first = std::mem::replace(&mut self.first, false);
        let (blank, end) = match (self.null, is_first) {
            (true, _) => ("", ":\0"),
            (false, true) => ("", ":\n"),
            (false, false) => ("\n", ":\n"),
        };
        let name = Stdout::of_this_process().name(shown);
        print_bytes(&[blank.as_bytes(), &name, end.as_bytes()].concat())
    }
}

/// Prints entries of a directory.
pub(super) async fn show(
    session: &Session,
    format: LsFormat,
    directory: &[u8],
    entries: &[Name],
) -> Result<()> {
    if session.output.style == Style::Json {
        return entries
            .iter()
            .try_for_each(|entry| print_json(&as_json(entry, directory)));
    }
    match format.long {
        true => long_lines(session, format, directory, entries).await,
        false => print_bytes(&columns(entries, format, Stdout::of_this_process())),
    }
}

/// The name of an entry as it is shown, with the signs that are asked for. In a terminal directories are marked without
/// being asked for, but behind the d of a long line by their colour alone.
fn shown(entry: &Name, format: LsFormat, stdout: Stdout) -> Vec<u8> {
    let is_directory = entry.attrs.is_directory() == Some(true);
    let mut name = match (is_directory, format.long && !format.classify) {
        (true, false) => stdout.directory(&entry.name),
        (true, true) => stdout.directory_name(&entry.name),
        (false, _) => stdout.name(&entry.name),
    }
    .into_owned();
    if format.classify && !(is_directory && name.ends_with(b"/")) {
        name.extend(sign(&entry.attrs));
    }
    name
}

/// The sign behind a name, as ls(1) has them.
fn sign(attrs: &Attributes) -> Option<u8> {
    match attrs.file_type()? {
        FileType::Directory => Some(b'/'),
        FileType::Symlink => Some(b'@'),
        FileType::Fifo => Some(b'|'),
        FileType::Socket => Some(b'='),
        FileType::Regular => (attrs.permissions? & 0o111 != 0).then_some(b'*'),
        FileType::BlockDevice | FileType::CharacterDevice | FileType::Unknown => None,
    }
}

/// Prints a line for each entry: type and permissions, owner and group, size, local time, name.
async fn long_lines(session: &Session, format: LsFormat, directory: &[u8], entries: &[Name]) -> Result<()> {
    let stdout = Stdout::of_this_process();
    let mut ids = OwnerIds::default();
    entries.iter().for_each(|entry| ids.add(&entry.attrs));
    let ids = &ids;
    let asking = session.repeated(|link, _| async move { OwnerNames::of(&link, ids).await });
    let owners = asking.await.map_err(|failed| Error::new(failed.to_string()))?;
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
    let widest = |column: usize| {
        let widths = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| width(cell));
        widths.max().unwrap_or(0)
    };
    let (user_width, group_width, size_width) = (widest(1), widest(2), widest(3));
    for (number, chunk) in entries.chunks(LINKS).enumerate() {
        let reading = session.repeated(|link, _| targets(link, directory, chunk));
        let targets = reading.await.map_err(|failed| Error::new(failed.to_string()))?;
        let mut out = Vec::new();
        let from = number * LINKS;
        for ((row, entry), target) in rows.iter().zip(entries).skip(from).zip(targets) {
            let [mode, user, group, size, time] = row;
            let user = pad(user, user_width);
            let group = pad(group, group_width);
            out.extend_from_slice(format!("{mode} {user} {group} {size:>size_width$} {time} ").as_bytes());
            out.extend_from_slice(&shown(entry, format, stdout));
            if let Some(target) = target {
                out.extend_from_slice(b" -> ");
                out.extend_from_slice(&stdout.name(&target));
            }
            out.push(if format.null { 0 } else { b'\n' });
        }
        print_bytes(&out)?;
    }
    Ok(())
}

/// A cell with spaces behind it, up to this many columns.
fn pad(cell: &str, columns: usize) -> String {
    let spaces = columns.saturating_sub(width(cell));
    format!("{cell}{:spaces$}", "")
}

/// The paths to which the links among these entries point.
async fn targets(
    link: Arc<Link>,
    directory: &[u8],
    entries: &[Name],
) -> std::result::Result<Vec<Option<Vec<u8>>>, RemoteError> {
    let asked: Vec<_> = entries
        .iter()
        .map(|entry| {
            let is_link = entry.attrs.is_symlink();
            is_link.then(|| link.begin_readlink(&join(directory, &entry.name)))
        })
        .collect();
    let mut targets = Vec::with_capacity(asked.len());
    for answer in asked {
        targets.push(match answer {
            // A link that cannot be read is shown without its target.
            Some(answer) => answer.await.unless_refused()?,
            None => None,
        });
    }
    Ok(targets)
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

/// One name per line, or as many columns as fit into the terminal.
fn columns(entries: &[Name], format: LsFormat, stdout: Stdout) -> Vec<u8> {
    let mut out = Vec::new();
    let room = stdout.columns().filter(|_| !format.single && !format.null);
    let Some(room) = room else {
        for entry in entries {
            out.extend_from_slice(&shown(entry, format, stdout));
            out.push(if format.null { 0 } else { b'\n' });
        }
        return out;
    };
    let plain = Stdout::Terminal {
        columns: room,
        colour: false,
    };
    let width_of = |entry| width(&String::from_utf8_lossy(&shown(entry, format, plain)));
    let widths: Vec<usize> = entries.iter().map(width_of).collect();
    let (rows, widest) = column_widths(&widths, room);
    for row in 0..rows {
        let mut missing = 0;
        let cells = entries.iter().zip(&widths).skip(row).step_by(rows);
        for ((entry, width), widest) in cells.zip(&widest) {
            out.resize(out.len() + missing, b' ');
            out.extend_from_slice(&shown(entry, format, stdout));
            missing = (widest + GAP).saturating_sub(*width);
        }
        out.push(b'\n');
    }
    out
}

/// The number of rows, and the width of each column, for as many columns as fit: each is as wide as its own names, as
/// ls(1) has it, so that one long name does not take the room of all others.
fn column_widths(widths: &[usize], room: usize) -> (usize, Vec<usize>) {
    let of_rows = |rows: usize| -> Vec<usize> {
        let columns = widths.chunks(rows);
        columns
            .map(|column| column.iter().copied().max().unwrap_or(0))
            .collect()
    };
    // The last column needs no gap, and no name is empty.
    let most = ((room + GAP) / (GAP + 1)).clamp(1, widths.len().max(1));
    let rows = (2..=most).rev().map(|columns| widths.len().div_ceil(columns));
    let fits =
        |columns: &[usize]| columns.iter().sum::<usize>() + GAP * columns.len().saturating_sub(1) <= room;
    let mut fitting = rows.map(|rows| (rows, of_rows(rows)));
    fitting
        .find(|(_, columns)| fits(columns))
        .unwrap_or_else(|| (widths.len(), of_rows(widths.len().max(1))))
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

    fn format(null: bool, classify: bool) -> LsFormat {
        LsFormat {
            long: false,
            human: false,
            classify,
            single: false,
            null,
        }
    }

    fn entry(name: &'static str, mode: u32) -> Name {
        Name {
            name: name.into(),
            long: Default::default(),
            attrs: Attributes {
                permissions: Some(mode),
                ..Attributes::default()
            },
        }
    }

    #[test]
    fn names_stand_in_columns_in_a_terminal_alone() {
        let entries = [
            entry("a", 0o100644),
            entry("世界", 0o040755),
            entry("b\n", 0o100644),
        ];
        let terminal = |columns, colour| Stdout::Terminal { columns, colour };
        for (null, stdout, expected) in [
            (false, Stdout::Raw, "a\n世界\nb\n\n"),
            (true, Stdout::Raw, "a\0世界\0b\n\0"),
            (true, terminal(80, false), "a\0世界/\0b\\n\0"),
            (false, terminal(13, false), "a  世界/  b\\n\n"),
            (false, terminal(12, false), "a      b\\n\n世界/\n"),
            (false, terminal(9, false), "a\n世界/\nb\\n\n"),
            (false, terminal(1, true), "a\n\x1b[1;34m世界\x1b[0m/\nb\\n\n"),
        ] {
            let out = columns(&entries, format(null, false), stdout);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{stdout:?}");
        }
        assert!(columns(&[], format(false, false), terminal(80, true)).is_empty());
    }

    #[test]
    fn signs_are_those_of_ls() {
        let terminal = Stdout::Terminal {
            columns: 80,
            colour: false,
        };
        let long = LsFormat {
            long: true,
            ..format(false, false)
        };
        for (mode, classified, plain) in [
            (0o040_755, "n/", "n/"),
            (0o100_755, "n*", "n"),
            (0o100_644, "n", "n"),
            (0o120_777, "n@", "n"),
            (0o010_644, "n|", "n"),
            (0o644, "n", "n"),
        ] {
            let entry = entry("n", mode);
            for stdout in [Stdout::Raw, terminal] {
                let signed = shown(&entry, format(false, true), stdout);
                assert_eq!(signed, classified.as_bytes(), "{mode:o}");
            }
            assert_eq!(shown(&entry, format(false, false), terminal), plain.as_bytes());
            assert_eq!(shown(&entry, format(false, false), Stdout::Raw), b"n");
            assert_eq!(shown(&entry, long, terminal), b"n");
        }
    }
}
