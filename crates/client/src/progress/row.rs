//! One line of the display, in a given number of columns and never more. It is pure.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{line, rate};
use crate::transfer::Direction;
use crate::transfer::progress_hub::Stage;
use base::size::Size;

/// Below this width only the percentage is shown.
const NARROW: usize = 40;
/// From this width on there is a bar.
const WIDE: usize = 60;
/// From this width on there is a longer bar, and the time that is left.
const WIDEST: usize = 76;

/// What is known about a transfer that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowProgress {
    /// The bytes that both files have.
    pub done: u64,
    /// The size of the file, in bytes.
    pub total: u64,
    /// The rate of the last seconds, in bytes per second.
    pub rate: Option<u64>,
    /// What the transfer does at the moment.
    pub stage: Stage,
    /// The direction of the transfer.
    pub direction: Direction,
}

impl RowProgress {
    /// The part that is done, in percent. It is not 100 before all is done.
    fn percent(&self) -> u64 {
        let part = (u128::from(self.done) * 100)
            .checked_div(u128::from(self.total))
            .unwrap_or(100);
        u64::try_from(part).unwrap_or(100).min(100)
    }

    fn bar(&self, cells: u64) -> String {
        let full = self.percent() * cells / 100;
        (0..cells)
            .map(|cell| if cell < full { '#' } else { '.' })
            .collect()
    }

    fn word(&self) -> String {
        match (self.stage, self.rate, self.direction) {
            (Stage::Deciding, _, _) => "checking".to_owned(),
            (Stage::Verifying, _, _) => "verifying".to_owned(),
            (Stage::Sending, Some(rate), _) => line::rate(rate),
            (Stage::Sending, None, Direction::Up) => "sending".to_owned(),
            (Stage::Sending, None, Direction::Down) => "receiving".to_owned(),
        }
    }

    fn clock(&self) -> String {
        let left = self
            .rate
            .and_then(|rate| rate::left(self.total.saturating_sub(self.done), rate));
        left.map(line::clock).unwrap_or_default()
    }

    fn tail(&self, width: usize) -> String {
        let percent = self.percent();
        match width {
            ..NARROW => format!("{percent:>4}%"),
            NARROW..WIDE => format!(" {:>11} {percent:>3}%", self.word()),
            WIDE..WIDEST => format!(" [{}] {percent:>3}% {:>11}", self.bar(12), self.word()),
            _ => format!(
                " [{}] {percent:>3}% {:>11} {:>8}",
                self.bar(20),
                self.word(),
                self.clock()
            ),
        }
    }
}

/// The line for one file.
pub(super) fn file(name: &str, progress: &RowProgress, width: usize) -> String {
    let tail = progress.tail(width);
    // The tail is ASCII, so that its length is its width.
    let tail = cut(&tail, tail.len().min(width));
    let room = width.saturating_sub(tail.width());
    format!("{}{tail}", cut(name, room))
}

/// How many files there are, and how many of them have ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileCount {
    pub ended: u64,
    pub files: u64,
}

/// The line for the whole run.
pub(super) fn whole(files: FileCount, progress: &RowProgress, width: usize) -> String {
    let FileCount { ended, files } = files;
    let (done, total) = (Size(progress.done), Size(progress.total));
    let name = match width {
        ..WIDEST => format!("{ended}/{files} files"),
        WIDEST..100 => format!("{ended}/{files} files, {total}"),
        _ => format!("{ended} of {files} files, {done} of {total}"),
    };
    file(&name, progress, width)
}

/// Fits a text into exactly this many columns: it is filled with spaces, or its middle is left out, because the end of
/// a name distinguishes it better.
fn cut(text: &str, columns: usize) -> String {
    let wide = text.width();
    if wide <= columns {
        return format!("{text}{}", " ".repeat(columns - wide));
    }
    let room = columns.saturating_sub(1);
    let head: String = taken(text.chars(), room.div_ceil(2)).collect();
    let mut tail: Vec<char> = taken(text.chars().rev(), room / 2).collect();
    tail.reverse();
    let mut out: String = head
        .chars()
        .chain((columns > 0).then_some('…'))
        .chain(tail)
        .collect();
    out.push_str(&" ".repeat(columns.saturating_sub(out.width())));
    out
}

fn taken(chars: impl Iterator<Item = char>, mut columns: usize) -> impl Iterator<Item = char> {
    chars.map_while(move |c| {
        columns = columns.checked_sub(c.width().unwrap_or(0))?;
        Some(c)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(stage: Stage, rate: Option<u64>) -> RowProgress {
        RowProgress {
            done: 45 << 20,
            total: 100 << 20,
            rate,
            stage,
            direction: Direction::Up,
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let names = [
            "a",
            "a rather long name that does not fit into anything at all, of a file.tar.gz",
            "世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界",
            "e\u{301}e\u{301}🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
        ];
        for width in 1..200 {
            for stage in [Stage::Deciding, Stage::Sending, Stage::Verifying] {
                for rate in [None, Some(0), Some(1), Some(u64::MAX)] {
                    for name in names {
                        let line = file(name, &half(stage, rate), width);
                        assert_eq!(line.width(), width, "{line}");
                    }
                    let line = whole(
                        FileCount {
                            ended: u64::MAX,
                            files: u64::MAX,
                        },
                        &half(stage, rate),
                        width,
                    );
                    assert_eq!(line.width(), width, "{line}");
                }
            }
        }
    }

    #[test]
    fn wider_lines_show_more() {
        let sending = half(Stage::Sending, Some(5 << 20));
        for (width, expected) in [
            (20, "/srv/fi…big.iso 45%"),
            (39, "/srv/files/big.iso                  45%"),
            (40, "/srv/files/big.iso           5.0 MiB/s  45%"),
            (
                60,
                "/srv/files/big.iso            [#####.......]  45%   5.0 MiB/s",
            ),
            (
                80,
                "/srv/files/big.iso             [#########...........]  45%   5.0 MiB/s     0:11",
            ),
        ] {
            let line = file("/srv/files/big.iso", &sending, width);
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(squeezed(&line), squeezed(expected), "{width}: {line}");
        }
        for (stage, rate, word) in [
            (Stage::Deciding, Some(1), "checking"),
            (Stage::Sending, None, "sending"),
            (Stage::Verifying, Some(1), "verifying"),
        ] {
            assert!(file("a", &half(stage, rate), 50).contains(word));
        }
        let line = whole(FileCount { ended: 3, files: 12 }, &sending, 110);
        assert!(
            line.starts_with("3 of 12 files, 45.0 MiB of 100.0 MiB "),
            "{line}"
        );
        assert!(whole(FileCount { ended: 3, files: 12 }, &sending, 30).starts_with("3/12 files "));
    }

    #[test]
    fn only_a_complete_transfer_shows_100_percent() {
        let percent = |done, total| {
            let stage = half(Stage::Sending, None);
            RowProgress { done, total, ..stage }.percent()
        };
        assert_eq!(percent(999_999, 1_000_000), 99);
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(percent(5, 4), 100);
    }
}
