//! Bars on a terminal: one for each large file in flight, and one for the whole run if that has several files. While
//! the connection is made again, a line counts down.
//!
//! A ticker reads the counters and draws, at most ten times a second; the transfers only count. Lines of files that
//! have ended go above the bars. While a prompt is open, nothing is drawn and messages are kept, so that no transfer
//! waits for the answer.

use parking_lot::{Mutex, MutexGuard};
use std::io::{Write as _, stderr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::drawing::Drawing;
use super::line;
use super::rate::Rate;
use super::row::{self, FileCount, RowProgress};
use super::ticker::Ticker;
use crate::output::TerminalSize;
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressObserver, Stage, Totals};
use crate::transfer::{Direction, Job, Outcome};

/// The time between two drawings. Ten times a second is smooth for the eye.
const EVERY: Duration = Duration::from_millis(100);

/// The place where bars are drawn.
pub(super) struct BarTarget {
    /// The size of the screen.
    pub size: Box<dyn Fn() -> TerminalSize + Send + Sync>,
    /// Writes text and sequences that move the cursor.
    pub write: Box<dyn Fn(&str) + Send + Sync>,
}

impl BarTarget {
    /// The terminal behind standard error.
    pub fn of_stderr() -> Self {
        Self {
            size: Box::new(|| TerminalSize::of(stderr())),
            write: Box::new(|text| {
                // A closed standard error does not stop the transfers.
                let _ = stderr().lock().write_all(text.as_bytes());
            }),
        }
    }

    fn write(&self, text: &str) {
        if !text.is_empty() {
            (self.write)(text);
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
    /// What is drawn at the moment.
    drawing: Drawing,
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
        self.display.print(&line::failed(name, why));
    }

    fn undone(&self, message: &str) {
        self.warn(message);
    }

    fn left_out(&self, message: &str) {
        self.warn(message);
    }

    fn warn(&self, message: &str) {
        self.display.print(&line::fit(message));
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
        self.display.state().clear(&self.display.screen);
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

    /// Prints a message above the bars, or after the prompts that are open.
    pub fn print(&self, message: &str) {
        self.state().say(&self.screen, message);
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
            state.clear(&self.screen);
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
        state.clear(&self.screen);
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
        let size = (self.screen.size)();
        // The last column stays free: some terminals begin a new line after it at once.
        let rows = self.rows(&state, now, size.columns.saturating_sub(1));
        self.screen.write(&state.drawing.replace(rows, size));
    }

    fn rows(&self, state: &BarsState, now: Instant, width: usize) -> Vec<String> {
        let large = state.files.iter().filter(|file| line::is_large(&file.progress));
        let mut rows: Vec<String> = large
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
        if files.files != 1 || rows.is_empty() {
            rows.push(row::whole(files, &progress, width));
        }
        if let Some(at) = state.reconnecting {
            rows.push(row::reconnecting(at.saturating_duration_since(now), width));
        }
        rows
    }
}

impl BarsState {
    fn say(&mut self, screen: &BarTarget, text: &str) {
        match self.asking {
            0 => screen.write(&self.drawing.print_above(text, (screen.size)())),
            _ => self.held.push(text.to_owned()),
        }
    }

    fn clear(&mut self, screen: &BarTarget) {
        screen.write(&self.drawing.erase((screen.size)()));
    }
}
