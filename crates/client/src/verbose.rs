//! What `-v` prints: how a connection is made, and with `-vv` each request and its reply; and other messages that may
//! come at any time. Nothing secret is ever passed here: no passwords, no answers, no keys.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::output::Style;
use crate::report;

/// The level at which the steps of a connection are printed.
pub const STEPS: u8 = 1;
/// The level at which requests are printed, too.
pub const REQUESTS: u8 = 2;

/// A function that shows a line to the user.
type Show = Arc<dyn Fn(&str) + Send + Sync>;

static LEVEL: AtomicU8 = AtomicU8::new(0);
static SHOW: Mutex<Option<Show>> = Mutex::new(None);

/// Sets how much is printed: 0 is nothing.
pub fn set_level(level: u8) {
    LEVEL.store(level, Ordering::Relaxed);
}

/// Whether details of this level are printed.
pub fn is_on(level: u8) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level
}

/// Makes lines appear by this function, for example above a progress display. Before, and with `--quiet`, they go to
/// standard error.
pub fn show_with(show: Show) {
    *SHOW.lock() = Some(show);
}

/// Prints a detail of this level. Callers escape what comes from a server.
pub fn say(level: u8, detail: impl FnOnce() -> String) {
    if !is_on(level) {
        return;
    }
    let line = format!("debug: {}", detail());
    let show = SHOW.lock().clone();
    match show {
        Some(show) if report::style() != Style::Quiet => show(&line),
        // With --quiet, no display is in the way, and it would leave messages out.
        _ => report::detail(&line),
    }
}

/// Shows a message that belongs to no command, above a progress display if there is one, which would otherwise be drawn
/// over it.
pub fn notice(message: &str) {
    let show = SHOW.lock().clone();
    match show {
        Some(show) if report::style() == Style::Words => show(message),
        _ => report::message(message),
    }
}
