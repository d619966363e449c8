//! Draws the live view, for 80 columns and 24 lines, and for whatever size the terminal has. [`columns`] decides what of
//! a session fits into its line.
//!
//! Text from clients (paths, names) is escaped, so that it can neither change the terminal nor the lines of others.

mod columns;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use self::columns::{PlacedColumn, TopColumn};
use super::model::{FileRow, RowOrder, SessionRow, TopModel};
use crate::cli::output::counted;
use crate::cli::progress::progress;
use crate::io::FilesystemState;
use crate::ops::running::{FolderFilling, HomeFilling, StatusView};
use base::size::Size;
use base::visible::for_terminal;

/// The most lines about free space, and the most about file systems that answer slowly.
const MOST_DISK_LINES: usize = 3;
/// The line below them.
const FOOT: u16 = 1;
/// A home that is fuller than this many percent stands out.
const NEARLY_FULL: u128 = 95;
/// From this width on, the column of what a session does says more than the end of a file's path.
const WIDE_DOING: usize = 24;

/// Draws everything.
pub(super) fn draw(buffer: &mut Buffer, model: &TopModel) {
    let area = buffer.area;
    let width = usize::from(area.width);
    let columns = columns::place(width);
    let mut lines = head(model, &columns, width);
    let room = usize::from(area.height.saturating_sub(FOOT)).saturating_sub(lines.len());
    lines.extend(sessions(model, &columns, room, width));
    lines.truncate(usize::from(area.height.saturating_sub(FOOT)));
    for (y, line) in (area.top()..area.bottom()).zip(&lines) {
        buffer.set_line(area.left(), y, line, area.width);
    }
    if area.height > 0 {
        buffer.set_line(area.left(), area.bottom() - 1, &foot(model), area.width);
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn alarming() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

/// Returns the lines about the server as a whole.
fn head(model: &TopModel, columns: &[PlacedColumn], width: usize) -> Vec<Line<'static>> {
    let Some(status) = model.status() else {
        return Vec::new();
    };
    let rates = model.rates().map_or_else(String::new, |rates| {
        format!("   in {}/s  out {}/s", Size(rates.up), Size(rates.down))
    });
    let stopping = match status.is_stopping {
        true => "  STOPPING",
        false => "",
    };
    let first = Line::from(vec![
        Span::styled(
            format!("homeportd {}", for_terminal(&status.version)),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        Span::styled(stopping, alarming()),
        Span::raw(format!(
            "  up {}   {}, {} signing in{rates}",
            age(status.since),
            counted(status.sessions, "session"),
            status.unauthenticated
        )),
    ]);
    let titles = Line::styled(
        columns::titles(columns),
        Style::new().add_modifier(Modifier::REVERSED),
    );
    let mut lines = vec![first];
    lines.extend(space(status, width));
    lines.extend(file_systems(model, status, width));
    lines.push(titles);
    lines
}

/// Returns the lines about free space.
fn space(status: &StatusView, width: usize) -> Vec<Line<'static>> {
    let places = status.places.iter().map(|place| {
        let numbers = format!(
            "{} of {} free in ",
            Size(place.free_bytes),
            Size(place.total_bytes)
        );
        let room = width.saturating_sub(numbers.len());
        let path = for_terminal(&place.path.to_string_lossy());
        format!("{numbers}{}", cut_beginning(&path, room))
    });
    let mut lines = wrapped(places.collect(), width);
    if lines.is_empty() {
        // The rest stays where it is until a disk answers again.
        lines.push(String::new());
    }
    lines.into_iter().map(Line::raw).collect()
}

/// Returns the lines about file systems that answer slowly.
fn file_systems(model: &TopModel, status: &StatusView, width: usize) -> Vec<Line<'static>> {
    let slow = status
        .file_systems
        .iter()
        .filter(|state| state.is_slow || state.hangs);
    let names = slow.map(|state: &FilesystemState| {
        let device = state.device_name();
        let what = if state.hangs { "hangs" } else { "is slow" };
        match model.mounts.of(&device) {
            Some(point) => {
                let what = format!(" ({device}) {what}");
                let room = width.saturating_sub(what.len());
                format!("{}{what}", cut_beginning(&for_terminal(point), room))
            }
            None => format!("file system {device} {what}"),
        }
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return vec![Line::styled("all file systems answer quickly", dim())];
    }
    let lines = wrapped(names, width);
    lines
        .into_iter()
        .map(|line| Line::styled(line, alarming()))
        .collect()
}

/// Returns lines with as many of the parts in each as fit. If there are too many lines, the last one says how many parts
/// are left out.
fn wrapped(parts: Vec<String>, width: usize) -> Vec<String> {
    const GAP: &str = "   ";
    let columns = |text: &str| Span::raw(text).width();
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut taken = 0;
    for part in parts {
        let wanted = columns(&part);
        match lines.last_mut() {
            Some(line) if taken + GAP.len() + wanted <= width => {
                taken += GAP.len() + wanted;
                line.push(part);
            }
            _ => {
                taken = wanted;
                lines.push(vec![part]);
            }
        }
    }
    if lines.len() > MOST_DISK_LINES {
        let hidden = lines.split_off(MOST_DISK_LINES - 1);
        let count: usize = hidden.iter().map(Vec::len).sum();
        lines.push(vec![format!("and {count} more: homeportd top --json has all")]);
    }
    lines.into_iter().map(|line| line.join(GAP)).collect()
}

/// Returns as many lines about sessions as there is room for. The selected session is among them.
fn sessions(model: &TopModel, columns: &[PlacedColumn], room: usize, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut selected = 0..0;
    for row in model.rows() {
        let begin = lines.len();
        lines.push(session(&row, columns));
        lines.extend(row.session.folders.iter().map(folder));
        lines.extend(row.files.iter().map(|work| file(work, width)));
        let hidden = row.session.open_files.saturating_sub(row.files.len());
        if hidden > 0 {
            lines.push(Line::styled(format!("{:>8}and {hidden} more open", ""), dim()));
        }
        if row.is_selected {
            selected = begin..lines.len();
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled("nobody is signed in", dim()));
    }
    let last = selected.end.saturating_sub(room).min(selected.start);
    lines.into_iter().skip(last).take(room).collect()
}

fn session(row: &SessionRow<'_>, columns: &[PlacedColumn]) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let named = match row.is_selected {
        true => bold.add_modifier(Modifier::REVERSED),
        false => bold,
    };
    let is_full = row.session.home.is_some_and(|home| filling(home).1);
    let mut spans = Vec::with_capacity(columns.len() * 2);
    for placed in columns {
        let style = match placed.column {
            TopColumn::Id | TopColumn::User | TopColumn::Peer | TopColumn::Since => named,
            TopColumn::Home if is_full => alarming(),
            TopColumn::Home | TopColumn::In | TopColumn::Out | TopColumn::Doing => Style::new(),
        };
        spans.push(Span::styled(placed.padded(&cell(row, *placed)), style));
        spans.push(Span::styled(" ", style));
    }
    // No column follows the last space.
    spans.pop();
    Line::from(spans)
}

/// Returns what a session has in a column.
fn cell(row: &SessionRow<'_>, placed: PlacedColumn) -> String {
    let (session, width) = (row.session, placed.width);
    let rate = |rate: u64| match rate {
        0 => "-".to_owned(),
        rate => Size(rate).to_string(),
    };
    match placed.column {
        TopColumn::Id => session.id.to_string(),
        TopColumn::User => cut_end(session.user.as_str(), width),
        TopColumn::Peer => {
            let peer = session.peer.to_string();
            match peer.len() <= width {
                true => peer,
                false => cut_end(&session.peer.ip().to_string(), width),
            }
        }
        TopColumn::Since => age(session.since),
        TopColumn::Home => session
            .home
            .map_or_else(|| "-".to_owned(), |home| short_filling(home, width)),
        TopColumn::In => row.rates.map_or_else(String::new, |rates| rate(rates.up)),
        TopColumn::Out => row.rates.map_or_else(String::new, |rates| rate(rates.down)),
        TopColumn::Doing => doing(row, width),
    }
}

/// Returns what is done with the file that the session is busiest with, as far as there is room for it.
fn doing(row: &SessionRow<'_>, width: usize) -> String {
    let Some(busiest) = row.files.first() else {
        return "-".to_owned();
    };
    let kind = match width >= WIDE_DOING {
        true => format!("{} ", for_terminal(&busiest.work.kind)),
        false => String::new(),
    };
    let room = width.saturating_sub(kind.len());
    format!("{kind}{}", cut_beginning(&for_terminal(&busiest.work.path), room))
}

fn folder(folder: &FolderFilling) -> Line<'static> {
    let (text, is_full) = filling(folder.filling);
    let name = cut_end(folder.name.as_str(), 24);
    Line::from(vec![
        Span::styled(format!("{:>8}folder {name:<24} ", ""), dim()),
        Span::styled(text, if is_full { alarming() } else { Style::new() }),
    ])
}

/// Returns how full a home or a folder is, and whether it is nearly full.
fn filling(home: HomeFilling) -> (String, bool) {
    let used = Size(home.used_bytes);
    let Some(quota) = home.quota_bytes else {
        return (used.to_string(), false);
    };
    let percent = match quota {
        0 => 100,
        quota => u128::from(home.used_bytes) * 100 / u128::from(quota),
    };
    (format!("{percent}% of {}", Size(quota)), percent >= NEARLY_FULL)
}

/// Returns how full a home is in a column of this width: if there is no room for the quota, the percentage alone.
fn short_filling(home: HomeFilling, width: usize) -> String {
    let (text, _) = filling(home);
    if text.len() <= width {
        return text;
    }
    let percentage = text.split(' ').next().unwrap_or_default();
    percentage.to_owned()
}

fn file(row: &FileRow<'_>, width: usize) -> Line<'static> {
    let work = row.work;
    let rate = match work.kind.as_str() {
        // How fast the server hashes is not known.
        "hashing" => String::new(),
        _ => format!("{}/s", Size(row.rate)),
    };
    let text = format!(
        "{:>8}{:<8} {rate:>12} {:>18} ",
        "",
        for_terminal(&work.kind),
        progress(work)
    );
    let room = width.saturating_sub(text.chars().count());
    let path = cut_beginning(&for_terminal(&work.path), room);
    Line::from(vec![Span::styled(text, dim()), Span::raw(path)])
}

/// Returns the last line: a question, a message, or the keys.
fn foot(model: &TopModel) -> Line<'static> {
    if let Some(session) = model.asking() {
        let question = format!(
            "Disconnect session {} of {} from {}? y/n",
            session.id,
            for_terminal(session.user.as_str()),
            session.peer
        );
        return Line::styled(question, alarming());
    }
    match model.message() {
        Some(message) => Line::styled(for_terminal(message), alarming()),
        None => {
            let order = match model.order() {
                RowOrder::Age => "oldest first",
                RowOrder::Rate => "busiest first",
            };
            Line::styled(
                format!("q quit   arrows select   k disconnect   s sort ({order})"),
                dim(),
            )
        }
    }
}

/// Returns how long ago a time was, in at most six characters.
fn age(since: Timestamp) -> String {
    let seconds = Timestamp::now().duration_since(since).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (minutes, hours, days) {
        (0, _, _) => format!("{seconds}s"),
        (minutes, 0, _) => format!("{minutes}m"),
        (_, hours, 0) => format!("{hours}h{:02}m", minutes % 60),
        (_, hours, days) if days < 100 => format!("{days}d{:02}h", hours % 24),
        (_, _, days) => format!("{days}d"),
    }
}

/// Returns the end of a text that fits into so many columns: the end of a path tells most.
fn cut_beginning(text: &str, columns: usize) -> String {
    if Span::raw(text).width() <= columns {
        return text.to_owned();
    }
    let mut taken = 1;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        taken += Span::raw(c.to_string()).width();
        if taken > columns {
            break;
        }
        start = at;
    }
    format!("…{}", text.get(start..).unwrap_or_default())
}

/// Returns the beginning of a text that has only characters of one column.
fn cut_end(text: &str, columns: usize) -> String {
    let text = for_terminal(text);
    match text.chars().count() > columns {
        true => text
            .chars()
            .take(columns.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text,
    }
}

#[cfg(test)]
mod tests;
