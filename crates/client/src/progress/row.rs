//! One line of the display, in a given number of columns and never more. It is pure.

use std::time::Duration;

use super::{line, rate};
use crate::output::columns::fit;
use crate::transfer::Direction;
use crate::transfer::progress_hub::Stage;
use base::size::Size;

/// Below this width only the percentage is shown. A terminal of 40 columns has 39 for a line.
const NARROW: usize = 39;
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
    /// The bytes that have been compared in this stage. 0: that is not known.
    pub compared: u64,
    /// The rate of the last seconds, in bytes per second.
    pub rate: Option<u64>,
    /// What the transfer does at the moment.
    pub stage: Stage,
    /// The direction of the transfer.
    pub direction: Direction,
}

impl RowProgress {
    /// The part that is done, in percent: of the bytes, or of their comparison. It is not 100 before all is done.
    /// `None`: only the server knows how far its comparison is.
    fn percent(&self) -> Option<u64> {
        let done = match self.stage {
            Stage::Verifying if self.compared == 0 => return None,
            Stage::Verifying => self.compared,
            Stage::Deciding | Stage::Sending => self.done.max(self.compared),
        };
        let part = (u128::from(done) * 100)
            .checked_div(u128::from(self.total))
            .unwrap_or(100);
        Some(u64::try_from(part).unwrap_or(100).min(100))
    }

    fn bar(&self, cells: u64) -> String {
        let full = self.percent().unwrap_or(100) * cells / 100;
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

    /// The time until all bytes are sent. How long a comparison takes is not known.
    fn clock(&self) -> String {
        let rate = self.rate.filter(|_| self.stage == Stage::Sending);
        let left = rate.and_then(|rate| rate::left(self.total.saturating_sub(self.done), rate));
        left.map(line::clock).unwrap_or_default()
    }

    /// Whether the size is not known, as for standard input.
    fn is_open_ended(&self) -> bool {
        self.done > self.total
    }

    fn tail(&self, width: usize) -> String {
        let percent = match self.percent() {
            Some(percent) => format!("{percent:>3}%"),
            None => " ".repeat(4),
        };
        if self.is_open_ended() {
            let done = Size(self.done).to_string();
            return match width {
                ..NARROW => format!("{done:>10}"),
                _ => format!(" {done:>10} {:>11}", self.word()),
            };
        }
        match width {
            ..NARROW => format!(" {percent}"),
            NARROW..WIDE => format!(" {:>11} {percent}", self.word()),
            WIDE..WIDEST => format!(" [{}] {percent} {:>11}", self.bar(12), self.word()),
            _ => format!(
                " [{}] {percent} {:>11} {:>8}",
                self.bar(longer_bar(width)),
                self.word(),
                self.clock()
            ),
        }
    }
}

/// The cells of the bar on a wide screen: about a quarter of the line, so that the name and the bar do not drift apart.
fn longer_bar(width: usize) -> u64 {
    u64::try_from(width / 4).unwrap_or(u64::MAX).clamp(20, 60)
}

/// The line for one file.
pub(super) fn file(name: &str, progress: &RowProgress, width: usize) -> String {
    let tail = progress.tail(width);
    // The tail is ASCII, so that its length is its width. What is left of it on a very narrow screen is its end.
    let tail = tail.get(tail.len().saturating_sub(width)..).unwrap_or_default();
    let room = width.saturating_sub(tail.len());
    format!("{}{tail}", fit(name, room))
}

/// The line that counts down to the next attempt to connect.
pub(super) fn reconnecting(left: Duration, width: usize) -> String {
    let secs = left.as_millis().div_ceil(1000);
    let texts = [
        format!("the connection is lost; connecting again in {secs} s"),
        format!("connecting again in {secs} s"),
        format!("again in {secs} s"),
        format!("{secs} s"),
    ];
    let [.., last] = &texts;
    let fits = texts.iter().find(|text| text.len() <= width);
    fit(fits.unwrap_or(last), width)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::columns;

    fn half(stage: Stage, rate: Option<u64>) -> RowProgress {
        RowProgress {
            done: 45 << 20,
            total: 100 << 20,
            compared: if stage == Stage::Verifying { 30 << 20 } else { 0 },
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
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 ❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}❤\u{fe0f} می\u{200c}روم",
            "e\u{301}e\u{301}🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
        ];
        for width in 1..200 {
            for stage in [Stage::Deciding, Stage::Sending, Stage::Verifying] {
                for rate in [None, Some(0), Some(1), Some(u64::MAX)] {
                    for name in names {
                        let line = file(name, &half(stage, rate), width);
                        assert_eq!(columns::width(&line), width, "{line}");
                    }
                    let line = whole(
                        FileCount {
                            ended: u64::MAX,
                            files: u64::MAX,
                        },
                        &half(stage, rate),
                        width,
                    );
                    assert_eq!(columns::width(&line), width, "{line}");
                }
            }
        }
    }

    #[test]
    fn wider_lines_show_more() {
        let sending = half(Stage::Sending, Some(5 << 20));
        for (width, expected) in [
            (20, "/srv/fi…big.iso 45%"),
            (38, "/srv/files/big.iso                 45%"),
            (39, "/srv/files/big.iso           5.0 MiB/s  45%"),
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
        let verifying = file("a", &half(Stage::Verifying, None), 50);
        assert!(verifying.ends_with("verifying  30%"), "{verifying}");
        let unknown = RowProgress {
            compared: 0,
            ..half(Stage::Verifying, None)
        };
        assert!(file("a", &unknown, 50).ends_with("verifying     "));
        let compared = file("a", &half(Stage::Verifying, Some(5 << 20)), 80);
        assert_eq!(compared.trim_end().rsplit(' ').next(), Some("verifying"));
        assert!(file("a", &sending, 200).contains(&format!("[{}]", "#".repeat(22) + &".".repeat(28))));
        let line = whole(FileCount { ended: 3, files: 12 }, &sending, 110);
        assert!(
            line.starts_with("3 of 12 files, 45.0 MiB of 100.0 MiB "),
            "{line}"
        );
        assert!(whole(FileCount { ended: 3, files: 12 }, &sending, 30).starts_with("3/12 files "));
    }

    #[test]
    fn the_time_until_the_next_attempt_is_counted_down() {
        let left = Duration::from_millis(11_200);
        for (width, expected) in [
            (80, "the connection is lost; connecting again in 12 s"),
            (39, "connecting again in 12 s"),
            (20, "again in 12 s"),
            (5, "12 s"),
            (1, "…"),
        ] {
            let line = reconnecting(left, width);
            assert_eq!((line.trim_end(), columns::width(&line)), (expected, width));
        }
    }

    #[test]
    fn a_stream_shows_what_is_done() {
        let stream = RowProgress {
            total: 0,
            ..half(Stage::Sending, Some(5 << 20))
        };
        for (width, expected) in [
            (80, "x.tar 45.0 MiB 5.0 MiB/s"),
            (20, "x.tar 45.0 MiB"),
            (4, " MiB"),
        ] {
            let line = file("x.tar", &stream, width);
            let squeezed = line.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!((&squeezed[..], line.len()), (expected.trim(), width), "{line}");
        }
    }

    #[test]
    fn only_a_complete_transfer_shows_100_percent() {
        let percent = |done, total| {
            let stage = half(Stage::Sending, None);
            RowProgress { done, total, ..stage }.percent().unwrap()
        };
        assert_eq!(percent(999_999, 1_000_000), 99);
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(percent(5, 4), 100);
    }
}
