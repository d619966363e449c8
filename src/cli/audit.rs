//! `homeportd audit`

use std::io::{self, BufWriter, Write as _};

use super::grammar::AuditArgs;
use super::output;
use crate::config::Config;
use crate::ops::audit::{AuditEntry, AuditFindings, AuditQuery, AuditSearch, FormerName};
use crate::shapes::audit::{AuditRow, former_name, warnings};
use base::error::{Error, Result};
use base::visible::in_json;

/// The most former names that are listed above the table.
const MOST_NAMES: usize = 20;

/// Asks the audit log, and prints what it has.
///
/// # Errors
/// Returns an error if the audit log has no file, or if one cannot be read.
pub fn run(args: AuditArgs, config: &Config) -> Result<()> {
    let file = config.log.audit.as_deref().ok_or_else(|| {
        Error::new("the audit log has no file of its own, it goes into the server's log")
            .hint("[log] audit = \"FILE\" in the configuration gives it one")
    })?;
    let AuditArgs {
        user,
        path,
        events,
        since,
        until,
        address,
        json,
    } = args;
    let query = AuditQuery {
        user,
        path: path.map(|pattern| pattern.parse()).transpose()?,
        events,
        since,
        until,
        address,
    };
    let search = AuditSearch::prepare(query, file)?;
    let mut printer = Printer::new();
    if !json {
        printer.print(former_names(search.former_names()).as_bytes())?;
    }
    let render = |raw: &[u8], entry: &AuditEntry<'_>, out: &mut Vec<u8>| {
        match json {
            true => out.extend_from_slice(in_json(&String::from_utf8_lossy(raw)).as_bytes()),
            false => out.extend_from_slice(row(entry).as_bytes()),
        }
        out.push(b'\n');
    };
    let searched = search.run(render, |text| printer.write(text));
    if printer.reader_left {
        return Ok(());
    }
    printer.finish()?;
    report(&search, &searched?);
    Ok(())
}

/// Prints to standard output in large pieces, until the reader leaves.
struct Printer {
    out: BufWriter<io::Stdout>,
    /// Whether the reader has stopped reading, as with `| head`.
    reader_left: bool,
}

impl Printer {
    fn new() -> Self {
        Self {
            out: BufWriter::with_capacity(64 * 1024, io::stdout()),
            reader_left: false,
        }
    }

    /// Prints a line, or nothing if it is empty.
    fn print(&mut self, line: &[u8]) -> Result<()> {
        if line.is_empty() {
            return Ok(());
        }
        self.write(line)?;
        self.write(b"\n")
    }

    fn write(&mut self, text: &[u8]) -> Result<()> {
        let printed = self.out.write_all(text);
        self.check(printed)
    }

    fn finish(&mut self) -> Result<()> {
        let flushed = self.out.flush();
        let checked = self.check(flushed);
        match self.reader_left {
            true => Ok(()),
            false => checked,
        }
    }

    fn check(&mut self, result: io::Result<()>) -> Result<()> {
        result.map_err(|error| {
            self.reader_left |= error.kind() == io::ErrorKind::BrokenPipe;
            Error::new("cannot write to standard output").because(error)
        })
    }
}

/// Formats the names that files had before, without a newline at the end.
fn former_names(names: &[FormerName]) -> String {
    let mut lines: Vec<String> = names.iter().take(MOST_NAMES).map(former_name).collect();
    if let Some(more) = names.len().checked_sub(MOST_NAMES).filter(|more| *more > 0) {
        lines.push(format!("and {} before", output::counted(more, "other name")));
    }
    lines.join("\n")
}

/// Formats one event as a row: the time, the user, the address, the event, and what it is about.
fn row(entry: &AuditEntry<'_>) -> String {
    let AuditRow {
        time,
        user,
        address,
        event,
        subject,
    } = AuditRow::of(entry);
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let (user, address) = (or_dash(user), or_dash(address));
    let row = format!("{time}  {user:<12}  {address:<15}  {event:<17}  {subject}");
    row.trim_end().to_owned()
}

/// Reports on standard error what could not be read.
fn report(search: &AuditSearch, findings: &AuditFindings) {
    for warning in warnings(search, findings) {
        output::note(&format!("warning: {warning}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_who_did_what_to_which_file() {
        let check = |line: &str, expected: &str| {
            let line = format!(r#"{{"time":"2026-11-23T00:20:01.337Z","event":{line}}}"#);
            let entry: AuditEntry<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!(row(&entry), format!("2026-11-23T00:20:01.337Z  {expected}"));
        };
        check(
            r#""removed","session":7,"user":"calvin","path":"/a b","peer":"192.0.2.7:5""#,
            "calvin        192.0.2.7        removed            /a b",
        );
        check(
            r#""renamed","user":"calvin","from":"/a","to":"/b""#,
            "calvin        -                renamed            /a -> /b",
        );
        check(
            r#""closed","user":"calvin","path":"/a","end":"lost","size":5"#,
            "calvin        -                closed             /a (lost, 5 bytes)",
        );
        check(
            r#""denied","user":"x\u001b[2J","peer":"[::1]:9","method":"password","reason":"unknown user""#,
            "x\\u{1b}[2J    ::1              denied             password: unknown user",
        );
        check(
            r#""admin","what":"user set","name":"calvin","before":{"quota_bytes":1},"after":{"quota_bytes":2}"#,
            r#"-             -                admin              user set calvin: {"quota_bytes":1} -> {"quota_bytes":2}"#,
        );
        check(
            r#""admin","uid":1000,"sudo_user":null,"what":"group remove","name":"g""#,
            "-             -                admin              group remove g (by uid 1000)",
        );
        check(
            r#""admin","uid":0,"sudo_user":"hobbes","what":"group remove","name":"g""#,
            "-             -                admin              group remove g (by hobbes with sudo)",
        );
        check(
            r#""admin","uid":999,"sudo_user":null,"what":"own password","name":"tom""#,
            "-             -                admin              own password tom",
        );
        check(
            r#""forbidden","user":"tom","operation":"remove","path":"/a","count":12"#,
            "tom           -                forbidden x12      remove /a",
        );
    }
}
