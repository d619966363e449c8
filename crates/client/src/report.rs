//! What the program says besides results: errors and messages on standard error, and lines in the file of `--log`.
//!
//! A process has one standard error and one log, so this state belongs to the process: [`install`] sets it once, before
//! the work begins. Without it, everything is shown as words.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use serde_json::json;

use crate::event_log::EventLog;
use crate::output::{Style, about, for_stderr, json_line};
use base::visible::printable;

/// How this process reports errors and messages.
#[derive(Debug, Default)]
struct Reporter {
    style: Style,
    log: Option<EventLog>,
}

static REPORTER: OnceLock<Reporter> = OnceLock::new();

/// Sets how this process reports. Only the first call has an effect.
pub fn install(style: Style, log: Option<EventLog>) {
    // The program calls it once.
    let _ = REPORTER.set(Reporter { style, log });
}

fn reporter() -> &'static Reporter {
    REPORTER.get_or_init(Reporter::default)
}

/// The file of `--log`, if there is one.
pub fn event_log() -> Option<&'static EventLog> {
    reporter().log.as_ref()
}

/// Adds a line to the file of `--log`, if there is one.
pub fn record(event: &str, text: &str) {
    if let Some(log) = event_log() {
        log.record(event, text);
    }
}

/// Reports an error on standard error, and in the log.
pub fn error(message: &dyn Display) {
    let message = message.to_string();
    record("error", &message);
    match reporter().style {
        Style::Json => write_object(&json_line(&json!({ "event": "error", "message": message }))),
        Style::Words | Style::Quiet => write(&format!("homeport: {message}")),
    }
}

/// Reports what is wrong with a path.
pub fn error_about(path: &[u8], why: &dyn Display) {
    let (shown, why) = (printable(path), why.to_string());
    record("error", &format!("{shown}: {why}"));
    match reporter().style {
        Style::Json => {
            let object = about(path, json!({ "event": "error", "message": why }));
            write_object(&json_line(&object));
        }
        Style::Words | Style::Quiet => write(&format!("homeport: {shown}: {why}")),
    }
}

/// Shows a message that is not an error, unless only errors are to be shown.
pub fn message(text: &str) {
    record("message", text);
    match reporter().style {
        Style::Json => write_object(&message_object(text)),
        Style::Words => write(text),
        Style::Quiet => {}
    }
}

/// Shows a detail that was asked for, whatever else is left out.
pub fn detail(text: &str) {
    record("message", text);
    match reporter().style {
        Style::Json => write_object(&message_object(text)),
        Style::Words | Style::Quiet => write(text),
    }
}

/// How this process shows errors and messages.
pub fn style() -> Style {
    reporter().style
}

/// A message as an object for scripts.
fn message_object(text: &str) -> String {
    json_line(&json!({ "event": "message", "message": text }))
}

/// Writes a message for people to standard error, wrapped at the width of a terminal.
pub fn write(text: &str) {
    write_object(&for_stderr(text));
}

/// Writes an object for scripts to standard error, in one line.
pub fn write_object(line: &str) {
    // If standard error is closed, the line is lost. One call for all of it, so that lines of several threads do not
    // mix.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
