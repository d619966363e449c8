//! `ls`: lists directories of the server, as names or with a line for each.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use serde_json::json;
use sftp_wire::{Attributes, FileType};

use super::candidates::Candidates;
use super::server_words::{BareHost, UsageError, take_server, words_or_current_directory};
use super::session::Session;
use super::verb::Verb;
use crate::connect::Target;
use crate::link::{Link, Name};
use crate::names::last;
use crate::output::{Style, about, print, print_bytes, print_json};
use base::error::Result;
use base::mode::{kind_letter, mode_letters};
use base::visible::printable;

/// The gap between columns, in characters.
const GAP: usize = 2;

/// List directories of the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "From a command line:\n  homeport ls HOST:PATH…")]
pub struct LsArgs {
    /// Show a line for each entry, with its permissions, size and time.
    #[arg(short)]
    pub long: bool,
    /// Also show names that begin with a dot.
    #[arg(short)]
    pub all: bool,
    /// Show one name per line, even in a terminal.
    #[arg(short = '1')]
    pub single: bool,
    /// Show the newest files first.
    #[arg(short = 't', conflicts_with = "by_size")]
    pub by_time: bool,
    /// Show the largest files first.
    #[arg(short = 'S')]
    pub by_size: bool,
    /// Reverse the order of the list.
    #[arg(short = 'r')]
    pub reverse: bool,
    /// The files, directories or patterns to list. The default is the current directory.
    #[arg(value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for LsArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(ls(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        take_server(&mut self.words, BareHost::Allowed)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn ls(session: &Arc<Session>, args: &LsArgs) -> Result<u8> {
    let link = session.link().await?;
    let mut paths = Vec::new();
    for word in words_or_current_directory(&args.words) {
        paths.extend(session.matching(&link, word).await?);
    }
    let (mut files, mut directories, mut code) = (Vec::new(), Vec::new(), 0);
    for found in paths {
        match link.stat(&found.path).await {
            Ok(attrs) if attrs.is_directory() == Some(true) => directories.push(found),
            Ok(attrs) => files.push((found, attrs)),
            // A link whose target does not exist is listed as well.
            Err(failed) => match link.lstat(&found.path).await {
                Ok(attrs) => files.push((found, attrs)),
                Err(_) => {
                    code = 1;
                    session.complain(&found.shown, &failed);
                }
            },
        }
    }
    let several = directories.len() + usize::from(!files.is_empty()) > 1;
    let entries = files.into_iter().map(|(found, attrs)| Name {
        name: found.shown.into(),
        long: Default::default(),
        attrs,
    });
    show(session, args, entries.collect(), &session.directory())?;
    for directory in directories {
        if several && session.output.style != Style::Json {
            print(&format!("\n{}:\n", printable(&directory.shown)))?;
        }
        code = code.max(list(session, args, &link, &directory.path).await?);
    }
    Ok(code)
}

async fn list(session: &Session, args: &LsArgs, link: &Link, directory: &[u8]) -> Result<u8> {
    let mut entries = match link.list(directory).await {
        Ok(entries) => entries,
        Err(failed) => {
            session.complain(directory, &failed);
            return Ok(1);
        }
    };
    if !args.all {
        entries.retain(|entry| !entry.name.starts_with(b"."));
    }
    show(session, args, entries, directory)?;
    Ok(0)
}

/// Sorts as the options say. Entries that are equal in that are sorted by name.
fn sort(entries: &mut [Name], args: &LsArgs) {
    let modified = |entry: &Name| entry.attrs.times.map(|times| times.modified);
    entries.sort_by(|a, b| {
        let order = match (args.by_time, args.by_size) {
            (true, _) => modified(b).cmp(&modified(a)),
            (_, true) => b.attrs.size.cmp(&a.attrs.size),
            _ => Ordering::Equal,
        };
        order.then_with(|| a.name.cmp(&b.name))
    });
    if args.reverse {
        entries.reverse();
    }
}

fn show(session: &Session, args: &LsArgs, mut entries: Vec<Name>, directory: &[u8]) -> Result<()> {
    sort(&mut entries, args);
    if session.output.style == Style::Json {
        return entries
            .iter()
            .try_for_each(|entry| print_json(&as_json(entry, directory)));
    }
    if !args.long {
        let names: Vec<String> = entries.iter().map(|entry| printable(&entry.name)).collect();
        return columns(&names, args.single);
    }
    let mut out = String::new();
    for entry in &entries {
        out.push_str(&long_line(entry));
        out.push('\n');
    }
    print(&out)
}

/// One line for an entry: the server's own where it has sent one, because it knows the names of owners.
fn long_line(entry: &Name) -> String {
    if !entry.long.is_empty() {
        return printable(&entry.long);
    }
    let Attributes {
        size,
        permissions,
        times,
        ..
    } = entry.attrs;
    let time = times.and_then(|times| jiff::Timestamp::from_second(i64::from(times.modified)).ok());
    let time = time.map(|time| {
        time.to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    });
    format!(
        "{} {:>12} {:16} {}",
        permissions.map_or_else(|| "??????????".to_owned(), permission_text),
        size.map_or_else(|| "?".to_owned(), |size| size.to_string()),
        time.unwrap_or_default(),
        printable(&entry.name)
    )
}

fn permission_text(mode: u32) -> String {
    String::from_utf8_lossy(&mode_letters(kind_letter(mode), mode)).into_owned()
}

fn kind(attrs: &Attributes) -> &'static str {
    match attrs.file_type() {
        Some(FileType::Directory) => "directory",
        Some(FileType::Symlink) => "link",
        Some(FileType::Regular) => "file",
        Some(_) => "other",
        None => "unknown",
    }
}

fn as_json(entry: &Name, directory: &[u8]) -> serde_json::Value {
    let path = crate::names::join(directory, &entry.name);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let object = json!({
        "name": text(match last(&entry.name) { b"" => &entry.name, name => name }),
        "type": kind(&entry.attrs),
        "size": entry.attrs.size,
        "mode": entry.attrs.permissions.map(|mode| format!("{:04o}", mode & 0o7777)),
        "modified": entry.attrs.times.map(|times| times.modified),
    });
    about(&path, object)
}

/// Prints one name per line, or as many columns as fit into the terminal.
fn columns(names: &[String], single: bool) -> Result<()> {
    let width = match !single && io::stdout().is_terminal() {
        true => rustix::termios::tcgetwinsize(io::stdout()).map_or(80, |size| usize::from(size.ws_col)),
        false => 0,
    };
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + GAP;
    let columns = (width / widest).max(1);
    let rows = names.len().div_ceil(columns);
    let mut out = Vec::new();
    for row in 0..rows {
        for (number, name) in names.iter().skip(row).step_by(rows).enumerate() {
            let last = row + (number + 1) * rows >= names.len();
            out.extend_from_slice(name.as_bytes());
            let padding = if last {
                0
            } else {
                widest.saturating_sub(name.chars().count())
            };
            out.resize(out.len() + padding, b' ');
        }
        out.push(b'\n');
    }
    print_bytes(&out)
}

#[cfg(test)]
mod tests {
    use sftp_wire::Times;

    use super::*;

    #[test]
    fn entries_are_sorted_as_requested() {
        let entry = |name: &'static str, size, modified| Name {
            name: name.into(),
            long: Default::default(),
            attrs: Attributes {
                size: Some(size),
                times: Some(Times {
                    accessed: 0,
                    modified,
                }),
                ..Attributes::default()
            },
        };
        let sorted = |args: &LsArgs| {
            let mut entries = [entry("b", 1, 5), entry("c", 7, 5), entry("a", 3, 4)];
            sort(&mut entries, args);
            entries
                .map(|entry| String::from_utf8(entry.name.to_vec()).unwrap())
                .concat()
        };
        let mut args = LsArgs::default();
        assert_eq!(sorted(&args), "abc");
        args.by_size = true;
        assert_eq!(sorted(&args), "cab");
        args.reverse = true;
        assert_eq!(sorted(&args), "bac");
        args = LsArgs {
            by_time: true,
            ..LsArgs::default()
        };
        assert_eq!(sorted(&args), "bca");
    }

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
}
