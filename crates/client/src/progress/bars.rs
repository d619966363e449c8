//! Bars on a terminal: one for each large file in flight, and one for the whole run if that has several files. While the
//! connection is made again, a line counts down.
//!
//! A ticker reads the counters and draws, at most ten times a second; the transfers only count. Lines of files that
//! have ended go above the bars. While a prompt is open, nothing is drawn and messages are kept, so that no transfer
//! waits for the answer.

use parking_lot::{Mutex, MutexGuard};
use std::io::{Write as _, stderr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::line;
use super::rate::Rate;
use super::row::{self, FileCount, RowProgress};
use super::ticker::Ticker;
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressObserver, Stage, Totals};
use crate::transfer::{Direction, Job, Outcome};

/// The time between two drawings. Ten times a second is smooth for the eye.
const EVERY: Duration = Duration::from_millis(100);
const HZ: u8 = 10;

/// The place where bars are drawn.
pub(super) struct BarTarget {
    /// Makes a fresh target each time that bars appear.
    pub target: Box<dyn Fn() -> ProgressDrawTarget + Send + Sync>,
    /// The width of the screen, in columns.
    pub width: Box<dyn Fn() -> usize + Send + Sync>,
    /// Prints a line while there are no bars.
    pub line: Box<dyn Fn(&str) + Send + Sync>,
}

impl BarTarget {
    /// The terminal behind standard error.
    pub fn of_stderr() -> Self {
        Self {
            target: Box::new(|| ProgressDrawTarget::stderr_with_hz(HZ)),
            width: Box::new(|| match rustix::termios::tcgetwinsize(stderr()) {
                Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
                // A serial line does not know its width; 80 is what terminals have had since 1978.
                Ok(_) | Err(_) => 80,
            }),
            line: Box::new(|text| {
                // A closed standard error does not stop the transfers.
                let _ = writeln!(stderr().lock(), "{text}");
            }),
        }
    }
}

/// The bar of a file in flight.
struct FileBar {
    progress: Arc<FileProgress>,
    direction: Direction,
    rate: Rate,
}

#[derive(Default)]
struct BarsState {
    /// The bar library's object, while something is drawn.
    bar: Option<ProgressBar>,
    files: Vec<FileBar>,
    rate: Rate,
    /// When the next attempt to connect is made, while there is no connection.
    reconnecting: Option<Instant>,
    /// The number of prompts that are open.
    asking: usize,
    /// The lines to print when the prompts have ended.
    held: Vec<String>,
}

/// What the ticker and the transfers share.
pub(super) struct BarsDisplay {
    totals: Arc<Totals>,
    screen: BarTarget,
    state: Mutex<BarsState>,
}

/// Draws bars until it is dropped.
pub(super) struct Bars {
    display: Arc<BarsDisplay>,
    _ticker: Ticker,
}

impl Bars {
    /// Starts the ticker. Nothing is drawn before the first file has been in flight for a moment.
    pub fn start(totals: Arc<Totals>, screen: BarTarget) -> Self {
        let display = Arc::new(BarsDisplay::new(totals, screen));
        let drawn = Arc::clone(&display);
        Self {
            display,
            _ticker: Ticker::start(EVERY, move |now| drawn.draw(now)),
        }
    }
}

impl ProgressObserver for Bars {
    fn began(&self, job: &Job, progress: &Arc<FileProgress>) {
        self.display.began(job, progress);
    }

    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        let text = line::ended(job, progress, result, progress.sending_time());
        self.display.ended(progress, text.as_deref());
    }

    fn fail(&self, name: &[u8], why: &str) {
        let text = line::failed(name, why);
        self.display.state().say(&self.display.screen, &text);
    }

    fn left_out(&self, message: &str) {
        self.warn(message);
    }

    fn warn(&self, message: &str) {
        self.display
            .state()
            .say(&self.display.screen, &line::fit(message));
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.display.pause(ask);
    }

    fn reconnecting(&self, at: Option<Instant>) {
        self.display.state().reconnecting = at;
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.display.state().clear();
    }
}

impl BarsDisplay {
    pub fn new(totals: Arc<Totals>, screen: BarTarget) -> Self {
        Self {
            totals,
            screen,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, BarsState> {
        self.state.lock()
    }

    pub fn began(&self, job: &Job, progress: &Arc<FileProgress>) {
        self.state().files.push(FileBar {
            progress: Arc::clone(progress),
            direction: job.direction,
            rate: Rate::default(),
        });
    }

    pub fn ended(&self, progress: &Arc<FileProgress>, text: Option<&str>) {
        let mut state = self.state();
        state.files.retain(|file| !Arc::ptr_eq(&file.progress, progress));
        if let Some(text) = text {
            state.say(&self.screen, text);
        }
        if state.files.is_empty() {
            state.clear();
        }
    }

    pub fn pause(&self, ask: &mut dyn FnMut()) {
        /// Counts the prompt as ended, even if it panics.
        struct Asking<'a>(&'a BarsDisplay);
        impl Drop for Asking<'_> {
            fn drop(&mut self) {
                let mut state = self.0.state();
                state.asking = state.asking.saturating_sub(1);
                if state.asking > 0 {
                    return;
                }
                for text in std::mem::take(&mut state.held) {
                    state.say(&self.0.screen, &text);
                }
            }
        }
        let mut state = self.state();
        state.asking += 1;
        state.clear();
        drop(state);
        let _asking = Asking(self);
        ask();
    }

    /// Draws the bars of the transfers that are under way.
    pub fn draw(&self, now: Instant) {
        let mut state = self.state();
        if state.asking > 0 {
            return;
        }
        let BarsState { files, rate, .. } = &mut *state;
        // The time in which the user was asked counts for no rate.
        let active = now.checked_sub(self.totals.idle.total()).unwrap_or(now);
        rate.sample(active, self.totals.moved.load(Relaxed));
        for file in files {
            file.rate.sample(active, file.progress.moved());
        }
        if state.files.is_empty() {
            return;
        }
        // The last column stays free: some terminals begin a new line after it at once.
        let width = (self.screen.width)().saturating_sub(1);
        let lines = self.lines(&state, now, width);
        let bar = state.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, (self.screen.target)());
            // The lines are made here, so that they fit. The library only remembers where they were.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(lines);
    }

    fn lines(&self, state: &BarsState, now: Instant, width: usize) -> String {
        let large = state.files.iter().filter(|file| line::is_large(&file.progress));
        let mut lines: Vec<String> = large
            .map(|file| {
                let progress = RowProgress {
                    done: file.progress.done(),
                    total: file.progress.total(),
                    compared: file.progress.compared(),
                    rate: file.rate.value(),
                    stage: file.progress.stage(),
                    direction: file.direction,
                };
                row::file(&file.progress.name, &progress, width)
            })
            .collect();
        let progress = RowProgress {
            done: self.totals.done.load(Relaxed),
            total: self.totals.bytes.load(Relaxed),
            compared: 0,
            rate: state.rate.value(),
            stage: Stage::Sending,
            direction: state.files.first().map_or(Direction::Up, |file| file.direction),
        };
        let files = FileCount {
            ended: self.totals.ended.load(Relaxed),
            files: self.totals.files.load(Relaxed),
        };
        // The row of a single large file says everything.
        if files.files != 1 || lines.is_empty() {
            lines.push(row::whole(files, &progress, width));
        }
        if let Some(at) = state.reconnecting {
            lines.push(row::reconnecting(at.saturating_duration_since(now), width));
        }
        lines.join("\n")
    }
}

impl BarsState {
    fn say(&mut self, screen: &BarTarget, text: &str) {
        match &self.bar {
            _ if self.asking > 0 => self.held.push(text.to_owned()),
            Some(bar) => bar.println(text),
            None => (screen.line)(text),
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
