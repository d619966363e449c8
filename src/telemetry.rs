//! The operator's logs: the process's log and the audit log.
//!
//! The process's log uses `tracing` and goes to standard error (through [`log_queue`]), as text or JSON. Every line
//! passes one writer, which leaves no control character in it except the final newline, whatever text a peer sent. The
//! audit log is the first subscriber of [`crate::session::events::Events`]: see [`audit`].

pub mod audit;
mod direct;
mod escape;
pub mod event_queue;
mod journal;
mod log_queue;
pub mod metrics;
pub mod record;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry, reload};

use crate::domain::event::AdminRecord;
use audit::{AuditFile, AuditLog};
use base::error::{Error, Result};
use journal::Prioritised;
pub use log_queue::Flush;
use log_queue::LogQueue;
pub use record::EVENT_NAMES;

/// The settings of the section `[log]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The format of the log's lines.
    pub format: LogFormat,
    /// The lowest level that is logged. It does not apply to the audit log, which is always written.
    pub level: LogLevel,
    /// The file of the audit log. With `None`, the audit log goes into the process's log, with the target `audit`.
    pub audit: Option<PathBuf>,
    /// The digest of uploads that the audit log has; none is computed with `None`.
    pub digest: Option<LogDigest>,
}

/// The digests of uploads that the audit log can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogDigest {
    /// SHA-256, as sha256sum prints it.
    Sha256,
}

/// The format of the log's lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Each message is a line of text for people.
    #[default]
    Text,
    /// Each message is a JSON object on its own line.
    Json,
}

impl LogFormat {
    fn is_json(self) -> bool {
        self == LogFormat::Json
    }
}

/// The lowest level that is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the usual names")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

type Filtered = Layered<reload::Layer<Targets, Registry>, Registry>;
type LogLayer = Box<dyn Layer<Filtered> + Send + Sync>;

/// The process's log, kept so that it can be changed later. A process has one log, as it has one standard error.
static PROCESS_LOG: OnceLock<ProcessLog> = OnceLock::new();

struct ProcessLog {
    filter: reload::Handle<Targets, Registry>,
    output: reload::Handle<LogLayer, Filtered>,
    queue: Prioritised<LogQueue>,
}

/// Starts the process's log. The binary calls this once; a server in a test does not. Dropping the returned value waits
/// for the last lines to be written.
///
/// # Errors
/// Returns an error if the log was already started.
pub fn init(settings: &LogSettings) -> Result<Flush> {
    let queue = LogQueue::start(io::stderr()).map_err(|e| Error::new("cannot start the log").because(e))?;
    let flush = Flush(queue.clone());
    let queue = Prioritised::new(queue, journal::reads_standard_error());
    let (filter, filter_handle) = reload::Layer::new(filter(settings));
    direct::set(settings.format.is_json().then(|| queue.clone()));
    let (output, output_handle) = reload::Layer::new(output(settings.format, queue.clone()));
    let subscriber = Registry::default().with(filter).with(output);
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|e| Error::new("cannot start the log").because(e))?;
    let _ = PROCESS_LOG.set(ProcessLog {
        filter: filter_handle,
        output: output_handle,
        queue,
    });
    Ok(flush)
}

/// Opens the audit log. The second returned value changes it and the process's log when the configuration is reloaded.
///
/// It must be called after privileges are dropped, so that the file can be opened again later.
///
/// # Errors
/// Returns an error if the audit file cannot be opened for appending.
pub fn open_audit(settings: &LogSettings) -> Result<(AuditLog, Reload)> {
    let (log, file) = AuditLog::open(settings.audit.as_deref())?;
    Ok((log, Reload { audit: file }))
}

/// Records in the audit log what an operator has changed while no server runs. A log that does not exist is not
/// created.
///
/// # Errors
/// Returns an error if the file cannot be opened or written.
pub fn append_admin(path: &Path, records: Vec<AdminRecord>) -> Result<()> {
    audit::append_admin(path, records)
}

/// Checks whether this file can be opened as the audit log, without changing anything. Returns `false` if the file
/// would be created.
///
/// # Errors
/// Returns the error that [`open_audit`] would return, or the reason why the file could not be created.
pub fn probe_audit(path: &Path) -> Result<bool> {
    audit::probe(path)
}

/// Applies changed `[log]` settings to the running process, and opens log files again after a rotation.
#[derive(Debug, Clone)]
pub struct Reload {
    audit: AuditFile,
}

impl Reload {
    /// Applies the format and the level, and opens the audit file again. The call blocks on the disk.
    ///
    /// # Errors
    /// Returns an error if the audit file cannot be opened. The old file then stays in use, and no setting is changed.
    pub fn apply(&self, settings: &LogSettings) -> Result<()> {
        self.audit.reopen(settings.audit.as_deref())?;
        if let Some(log) = PROCESS_LOG.get() {
            let changed = log
                .filter
                .reload(filter(settings))
                .and_then(|()| log.output.reload(output(settings.format, log.queue.clone())));
            changed.map_err(|e| Error::new("cannot change the log").because(e))?;
            direct::set(settings.format.is_json().then(|| log.queue.clone()));
        }
        Ok(())
    }
}

fn filter(settings: &LogSettings) -> Targets {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries log for their developers: only warnings and errors are shown, unless the operator is looking for a
    // fault.
    let libraries = if level > LevelFilter::INFO {
        LevelFilter::INFO
    } else {
        level.min(LevelFilter::WARN)
    };
    Targets::new()
        .with_default(libraries)
        .with_target("homeport", level)
        .with_target("homeportd", level)
        .with_target(audit::LOG_TARGET, LevelFilter::INFO)
}

fn output<W>(format: LogFormat, writer: W) -> LogLayer
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_ansi(false);
    match format {
        LogFormat::Text => {
            let fields = debug_fn(|writer, field, value| write_field(writer, field.name(), value));
            let writer = escape::Escaping::text(writer);
            layer
                .fmt_fields(fields.delimited(" "))
                .with_writer(writer)
                .boxed()
        }
        LogFormat::Json => {
            // Spans are left out: in JSON their fields must be formatted as JSON, but spans begun in text format are
            // not.
            let layer = layer.json().flatten_event(true);
            let layer = layer.with_current_span(false).with_span_list(false);
            layer.with_writer(escape::Escaping::json(writer)).boxed()
        }
    }
}

/// Writes `name=value`. The value is quoted unless it is one plain word, so that a peer cannot forge fields.
fn write_field(
    writer: &mut tracing_subscriber::fmt::format::Writer<'_>,
    name: &str,
    value: &dyn std::fmt::Debug,
) -> std::fmt::Result {
    let text = format!("{value:?}");
    if name == "message" {
        return writer.write_str(&text);
    }
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=');
    if is_quoted(&text) || (!text.is_empty() && text.chars().all(plain)) {
        write!(writer, "{name}={text}")
    } else {
        write!(writer, "{name}={text:?}")
    }
}

/// Whether the text is one string literal from its first to its last character.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut escaped = false;
    for c in inner.chars() {
        if c == '"' && !escaped {
            return false;
        }
        escaped = c == '\\' && !escaped;
    }
    !escaped
}

#[cfg(test)]
mod tests;
