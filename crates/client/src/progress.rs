//! Shows transfers while they run, and the line that sums them up. It observes the counters of
//! [`transfer`](crate::transfer), and changes nothing.
//!
//! [`observer`] chooses: bars ([`bars`]) where standard error is a terminal that can draw, lines ([`plain`]) where it
//! is not a terminal, objects for scripts ([`json`]), or only failures ([`quiet`]). The words are the same everywhere
//! ([`line`]).

mod bars;
mod drawing;
mod json;
mod line;
mod logged;
mod plain;
mod quiet;
mod rate;
mod row;
mod ticker;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::transfer::Summary;
use super::transfer::progress_hub::{ProgressObserver, Totals};
use crate::output::Style;
use crate::report;
use base::size::{Size, counted};

pub use json::summary as summary_event;

/// Where the objects for scripts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTarget {
    /// Standard output, as all results.
    Stdout,
    /// Standard error, because the content of files goes to standard output.
    Stderr,
}

/// The observer that shows transfers in this style, and the counters that it shares with them.
pub fn observer(style: Style, events: EventTarget) -> (Arc<Totals>, Box<dyn ProgressObserver>) {
    let totals = Arc::<Totals>::default();
    let observer: Box<dyn ProgressObserver> = match style {
        Style::Words if can_draw() => Box::new(bars::Bars::start(
            Arc::clone(&totals),
            bars::BarTarget::of_stderr(),
        )),
        Style::Words => Box::new(plain::PlainLines::of_stderr()),
        Style::Json => match events {
            EventTarget::Stdout => Box::new(json::JsonLines::start(io::stdout())),
            EventTarget::Stderr => Box::new(json::JsonLines::start(io::stderr())),
        },
        Style::Quiet => Box::new(quiet::ErrorsOnly::of_stderr()),
    };
    let observer: Box<dyn ProgressObserver> = match report::event_log() {
        Some(log) => Box::new(logged::Logged { shown: observer, log }),
        None => observer,
    };
    (totals, observer)
}

/// Whether standard error is a terminal on which lines can be drawn again.
fn can_draw() -> bool {
    io::stderr().is_terminal()
        && std::env::var_os("TERM").is_some_and(|name| name != "dumb" && !name.is_empty())
}

/// Sums up a run in one line: `3 files, 1.2 GiB in 10 s (120 MiB/s); 1 already there, 2 FAILED`.
pub fn summary(summary: &Summary, totals: &Totals, elapsed: Duration) -> String {
    let moved = totals.moved.load(Ordering::Relaxed);
    let files = counted(summary.sent, "file");
    let mut text = format!("{files}, {} in {}", Size(moved), line::time(elapsed));
    // Empty files have no rate.
    if let Some(rate) = rate::per_second(moved, elapsed).filter(|rate| *rate > 0) {
        text.push_str(&format!(" ({})", line::rate(rate)));
    }
    match summary.sent.saturating_sub(summary.proven) {
        0 if summary.proven_by_sha256 == 0 => text.push_str(", MD5 verified"),
        0 if summary.proven_by_sha256 == summary.sent => text.push_str(", SHA-256 verified"),
        0 => text.push_str(", verified"),
        unproven if summary.proven == 0 && unproven == summary.sized => {
            text.push_str(", only sizes compared")
        }
        unproven if summary.proven == 0 && unproven == summary.sent => text.push_str(", not verified"),
        unproven => text.push_str(&format!(", {unproven} not verified by hash")),
    }
    let links = if summary.links == 1 { "link" } else { "links" };
    let rest = [
        (summary.links, links),
        (summary.same, "already there"),
        (summary.skipped + summary.left_out, "skipped"),
        (summary.failed, "FAILED"),
    ];
    let rest = rest.iter().filter(|(count, _)| *count > 0);
    let mut rest: Vec<String> = rest.map(|(count, what)| format!("{count} {what}")).collect();
    match (summary.stopped, summary.interrupted + summary.not_begun) {
        (false, _) => {}
        (true, 0) => rest.push("stopped".to_owned()),
        (true, files) => rest.push(format!("stopped with {} unfinished", counted(files, "file"))),
    }
    match (summary.sent, rest.is_empty()) {
        (0, false) => rest.join(", "),
        (_, false) => format!("{text}; {}", rest.join(", ")),
        (0, true) => "nothing was there to transfer".to_owned(),
        (_, true) => text,
    }
}
