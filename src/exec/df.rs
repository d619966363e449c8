//! df, as coreutils prints it, with the space that the quota leaves. It shows neither the name of the file system nor
//! its place on the host: the home is `homeport`, mounted on `/`.

use super::home_session::HomeSession;
use super::io::{CommandIo, print_error, refuse_option};
use super::options::parse;
use super::reason::reason;
use super::sums::quoted;
use crate::session::stream::{Disconnected, Stream};
use crate::storage::Space;
use crate::storage::router::call_io::CallPath;
use base::size::Size;

/// The most names of one command, since all of them have the same quota.
const MAX_NAMES: usize = 64;

/// The columns that are shown, and the unit of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct TableStyle {
    portable: bool,
    inodes: bool,
    human: bool,
}

/// Runs df, and returns its exit status. `fields` are the numbers of the columns to print, counted from 1.
pub(super) async fn run(
    home: &mut HomeSession,
    io: &mut CommandIo,
    words: &[Vec<u8>],
    fields: Option<&[usize]>,
) -> Result<u32, Disconnected> {
    let (style, mut names) = match options(words) {
        Ok(asked) => asked,
        Err(option) => return refuse_option(io, "df", option, "-k -P -i -h").await,
    };
    if names.is_empty() {
        names.push(b".");
    }
    if names.len() > MAX_NAMES {
        print_error(io, &format!("df: more than {MAX_NAMES} names")).await?;
        return Ok(1);
    }
    let mut exit_status = 0;
    let mut rows = Vec::new();
    for name in names {
        let space = match home.path(name) {
            Ok(path) => {
                let wanted = path.clone();
                home.call(CallPath::Content(&path), move |storage, wait| {
                    storage.space(&wanted, wait)
                })
                .await
            }
            Err(error) => Err(error),
        };
        match space {
            Ok(space) => rows.push(row(style, &space, &mount_point(home, name))),
            Err(error) => {
                print_error(io, &format!("df: {}: {}", quoted(name), reason(error))).await?;
                exit_status = 1;
            }
        }
    }
    if !rows.is_empty() {
        let mut lines = vec![head(style)];
        lines.append(&mut rows);
        io.output.send(Stream::Output, table(&lines, fields)).await?;
    }
    Ok(exit_status)
}

/// Returns the style and the names, or the option that is unknown.
fn options(words: &[Vec<u8>]) -> Result<(TableStyle, Vec<&[u8]>), &[u8]> {
    let long = [("portability", b'P'), ("inodes", b'i'), ("human-readable", b'h')];
    let asked = parse(words, b"Pihk", &long)?;
    let style = TableStyle {
        portable: asked.has(b'P'),
        inodes: asked.has(b'i'),
        human: asked.has_last(b'h', b'k'),
    };
    Ok((style, asked.names))
}

type TableRow = [String; 6];

fn head(style: TableStyle) -> TableRow {
    let columns = match style {
        TableStyle { inodes: true, .. } => ["Inodes", "IUsed", "IFree", "IUse%"],
        TableStyle {
            human: true,
            portable: true,
            ..
        } => ["Size", "Used", "Avail", "Capacity"],
        TableStyle { human: true, .. } => ["Size", "Used", "Avail", "Use%"],
        TableStyle { portable: true, .. } => ["1024-blocks", "Used", "Available", "Capacity"],
        TableStyle { .. } => ["1K-blocks", "Used", "Available", "Use%"],
    };
    let [total, used, free, share] = columns.map(str::to_owned);
    [
        "Filesystem".to_owned(),
        total,
        used,
        free,
        share,
        "Mounted on".to_owned(),
    ]
}

/// Returns the directory whose numbers those of a name are: the folder that it lies in, or the home.
fn mount_point(home: &HomeSession, name: &[u8]) -> String {
    let path = home.path(name).ok();
    let folder = path.and_then(|path| home.context.actor.folder_of(&path).cloned());
    folder.map_or_else(|| "/".to_owned(), |folder| format!("/{folder}"))
}

fn row(style: TableStyle, space: &Space, mount_point: &str) -> TableRow {
    let (total, free) = match style.inodes {
        true => (space.files, space.files_available),
        false => (
            space.blocks.saturating_mul(space.fragment_size),
            space.blocks_available.saturating_mul(space.fragment_size),
        ),
    };
    let used = total.saturating_sub(free);
    let shown = |amount: u64| match style {
        TableStyle { inodes: true, .. } => amount.to_string(),
        TableStyle { human: true, .. } => Size(amount).to_string().replace(' ', "").replace("iB", ""),
        TableStyle { .. } => amount.div_ceil(1024).to_string(),
    };
    // Round up, as df does.
    let share = match total {
        0 => "-".to_owned(),
        _ => format!("{}%", (u128::from(used) * 100).div_ceil(u128::from(total))),
    };
    [
        "homeport".to_owned(),
        shown(total),
        shown(used),
        shown(free),
        share,
        mount_point.to_owned(),
    ]
}

/// Formats columns that are as wide as necessary, or only the selected ones with a space between them, as awk prints
/// them.
fn table(rows: &[TableRow], fields: Option<&[usize]>) -> String {
    let widest = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
    };
    let widths: [usize; 6] = std::array::from_fn(|column| match column {
        // coreutils reserves a minimum width for the name of a device.
        0 => 14,
        _ => widest(column).unwrap_or(0),
    });
    let mut text = String::new();
    for row in rows {
        match fields {
            Some(fields) => text.push_str(&picked(row, fields)),
            None => text.push_str(&padded(row, &widths)),
        }
        text.push('\n');
    }
    text
}

fn picked(row: &TableRow, fields: &[usize]) -> String {
    // awk splits at spaces, so "Mounted on" are two fields.
    let line = row.join(" ");
    let words: Vec<&str> = line.split_whitespace().collect();
    let picked = fields
        .iter()
        .map(|&n| words.get(n.saturating_sub(1)).copied().unwrap_or_default());
    picked.collect::<Vec<_>>().join(" ")
}

fn padded(row: &TableRow, widths: &[usize; 6]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            5 => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
    cells.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space {
            block_size: 4096,
            fragment_size: 4096,
            blocks: 256,
            blocks_free: 100,
            blocks_available: 100,
            files: 1000,
            files_free: 999,
            files_available: 999,
            fsid: 0,
            read_only: false,
            no_suid: false,
            name_max: 255,
        }
    }

    fn check(flags: &str, fields: Option<&[usize]>, expected: &str) {
        let words = [flags.as_bytes().to_vec()];
        let (style, _) = options(&words).unwrap();
        let rows = [head(style), row(style, &space(), "/")];
        assert_eq!(table(&rows, fields), expected, "{flags}");
    }

    #[test]
    fn tables_are_those_of_df() {
        check(
            "-k",
            None,
            "Filesystem     1K-blocks Used Available Use% Mounted on\n\
             homeport            1024  624       400  61% /\n",
        );
        check(
            "-Pk",
            None,
            "Filesystem     1024-blocks Used Available Capacity Mounted on\n\
             homeport              1024  624       400      61% /\n",
        );
        check(
            "-i",
            None,
            "Filesystem     Inodes IUsed IFree IUse% Mounted on\n\
             homeport         1000     1   999    1% /\n",
        );
        check("-Pk", Some(&[3, 4]), "Used Available\n624 400\n");
        check("-h", Some(&[2, 6]), "Size Mounted\n1.0M /\n");
    }
}
