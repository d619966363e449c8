//! The process's log as a log of JSON: a line of the audit log is then one of its lines as it is, since an object in a
//! string would have to be parsed twice.

use parking_lot::Mutex;

use super::journal::Prioritised;
use super::log_queue::LogQueue;

/// The process's log, if it is JSON.
static DIRECT: Mutex<Option<Prioritised<LogQueue>>> = Mutex::new(None);

/// Sets the process's log, if it is one of JSON.
pub(super) fn set(log: Option<Prioritised<LogQueue>>) {
    *DIRECT.lock() = log;
}

/// Returns the log that takes whole JSON objects; `None` if the log is text, or if there is none.
pub(super) fn log() -> Option<Prioritised<LogQueue>> {
    DIRECT.lock().clone()
}
