//! Bars on a terminal: one for each large file in flight, and one for the whole.
//!
//! A ticker looks at the counters and draws, at most ten times a second; the transfers only count. Lines of files that
//! have ended go above the bars. While somebody is asked nothing is drawn, and what is to be said waits, so that no
//! transfer waits for a person who thinks.

use std::io::{Write as _, stderr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::line;
use super::rate::Rate;
use super::row::{self, Progress};
use super::ticker::Ticker;
use crate::transfer::board::{Meter, Stage, Totals, Watch};
use crate::transfer::trouble::Trouble;
use crate::transfer::{Direction, Job, Outcome};

/// Ten times a second is smooth for the eye.
const EVERY: Duration = Duration::from_millis(100);
const HZ: u8 = 10;

/// Where it is drawn.
pub(super) struct Screen {
    /// A fresh target each time that bars appear.
    pub target: Box<dyn Fn() -> ProgressDrawTarget + Send + Sync>,
    /// Columns.
    pub width: Box<dyn Fn() -> usize + Send + Sync>,
    /// A line while there are no bars.
    pub line: Box<dyn Fn(&str) + Send + Sync>,
}

impl Screen {
    /// The terminal behind standard error.
    pub fn of_stderr() -> Self {
        Self {
            target: Box::new(|| ProgressDrawTarget::stderr_with_hz(HZ)),
            width: Box::new(|| match rustix::termios::tcgetwinsize(stderr()) {
                Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
                // A serial line does not know: what terminals have had since 1978.
                Ok(_) | Err(_) => 80,
            }),
            line: Box::new(|text| {
                // Where nobody reads it any more, the transfers go on.
                let _ = writeln!(stderr().lock(), "{text}");
            }),
        }
    }
}

/// A file in flight.
struct File {
    meter: Arc<Meter>,
    direction: Direction,
    rate: Rate,
}

#[derive(Default)]
struct State {
    /// There while something is drawn.
    bar: Option<ProgressBar>,
    files: Vec<File>,
    rate: Rate,
    /// So many questions are open.
    asking: usize,
    /// Said meanwhile.
    held: Vec<String>,
}

/// What the ticker and the transfers share.
pub(super) struct Display {
    totals: Arc<Totals>,
    screen: Screen,
    state: Mutex<State>,
}

/// Draws until it is dropped.
pub(super) struct Bars {
    display: Arc<Display>,
    _ticker: Ticker,
}

impl Bars {
    /// Nothing is drawn before the first file has been in flight for a moment.
    pub fn start(totals: Arc<Totals>, screen: Screen) -> Self {
        let display = Arc::new(Display::new(totals, screen));
        let drawn = Arc::clone(&display);
        Self {
            display,
            _ticker: Ticker::start(EVERY, move |now| drawn.draw(now)),
        }
    }
}

impl Watch for Bars {
    fn began(&self, job: &Job, meter: &Arc<Meter>) {
        self.display.began(job, meter);
    }

    fn ended(&self, job: &Job, meter: &Arc<Meter>, result: &Result<Outcome, Trouble>) {
        let text = line::ended(job, meter, result, meter.began.elapsed());
        self.display.ended(meter, text.as_deref());
    }

    fn warn(&self, message: &str) {
        self.display
            .state()
            .say(&self.display.screen, &line::fit(message));
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.display.pause(ask);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.display.state().clear();
    }
}

impl Display {
    pub fn new(totals: Arc<Totals>, screen: Screen) -> Self {
        Self {
            totals,
            screen,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn began(&self, job: &Job, meter: &Arc<Meter>) {
        self.state().files.push(File {
            meter: Arc::clone(meter),
            direction: job.direction,
            rate: Rate::default(),
        });
    }

    pub fn ended(&self, meter: &Arc<Meter>, text: Option<&str>) {
        let mut state = self.state();
        state.files.retain(|file| !Arc::ptr_eq(&file.meter, meter));
        if let Some(text) = text {
            state.say(&self.screen, text);
        }
        if state.files.is_empty() {
            state.clear();
        }
    }

    pub fn pause(&self, ask: &mut dyn FnMut()) {
        /// Also when the question panics.
        struct Asking<'a>(&'a Display);
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

    /// Draws what is under way now.
    pub fn draw(&self, now: Instant) {
        let mut state = self.state();
        let State { files, rate, .. } = &mut *state;
        rate.sample(now, self.totals.moved.load(Relaxed));
        for file in files {
            file.rate.sample(now, file.meter.moved());
        }
        if state.files.is_empty() || state.asking > 0 {
            return;
        }
        // The last column stays free: some terminals begin a new line after it at once.
        let lines = self.lines(&state, (self.screen.width)().saturating_sub(1));
        let bar = state.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, (self.screen.target)());
            // The lines are made here, so that they fit; the library knows where they were.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(lines);
    }

    fn lines(&self, state: &State, width: usize) -> String {
        let large = state.files.iter().filter(|file| line::is_large(&file.meter));
        let mut lines: Vec<String> = large
            .map(|file| {
                let progress = Progress {
                    done: file.meter.done(),
                    total: file.meter.total(),
                    rate: file.rate.value(),
                    stage: file.meter.stage(),
                    direction: file.direction,
                };
                row::file(&file.meter.name, &progress, width)
            })
            .collect();
        let progress = Progress {
            done: self.totals.done.load(Relaxed),
            total: self.totals.bytes.load(Relaxed),
            rate: state.rate.value(),
            stage: Stage::Sending,
            direction: state.files.first().map_or(Direction::Up, |file| file.direction),
        };
        let files = (self.totals.ended.load(Relaxed), self.totals.files.load(Relaxed));
        lines.push(row::whole(files, &progress, width));
        lines.join("\n")
    }
}

impl State {
    fn say(&mut self, screen: &Screen, text: &str) {
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
