//! What the operator reads: the log, and the audit log.
//!
//! The log is `tracing`'s, on standard error (by way of [`log_queue`]), as text or JSON. Every line of it passes one
//! writer, which leaves no control character in it but the final newline, whatever a peer called itself. The audit log
//! is the first subscriber of [`crate::session::events::Events`]: see [`audit`].

pub mod audit;
mod escape;
pub mod event_queue;
mod log_queue;
mod record;

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

use audit::{AuditFile, AuditLog};
use base::error::{Error, Result};
pub use log_queue::Flush;
use log_queue::LogQueue;

/// The settings of `[log]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The format of the log.
    pub format: LogFormat,
    /// The least important messages that are logged. The audit log is never left out.
    pub level: LogLevel,
    /// Where the audit log goes; `None`: into the log, with the target `audit`.
    pub audit: Option<PathBuf>,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text for people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// The least important messages that are still logged.
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

/// The process's log, for changing it later. There is one for each process, as there is one standard error.
static PROCESS_LOG: OnceLock<ProcessLog> = OnceLock::new();

struct ProcessLog {
    filter: reload::Handle<Targets, Registry>,
    output: reload::Handle<LogLayer, Filtered>,
    queue: LogQueue,
}

/// Starts the process's log. To be called once, by the binary; a server in a test goes without. Dropping what it returns
/// waits for the last lines to be written.
///
/// # Errors
/// When a log was started already.
pub fn init(settings: &LogSettings) -> Result<Flush> {
    let queue = LogQueue::start(io::stderr()).map_err(|e| Error::new("cannot start the log").because(e))?;
    let (filter, filter_handle) = reload::Layer::new(filter(settings));
    let (output, output_handle) = reload::Layer::new(output(settings.format, queue.clone()));
    let subscriber = Registry::default().with(filter).with(output);
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|e| Error::new("cannot start the log").because(e))?;
    let _ = PROCESS_LOG.set(ProcessLog {
        filter: filter_handle,
        output: output_handle,
        queue: queue.clone(),
    });
    Ok(Flush(queue))
}

/// Opens the audit log; the second value changes it and the process's log when the configuration is read again.
///
/// To be called after privileges are given up, so that the file can be opened again later.
///
/// # Errors
/// When the audit file cannot be opened for appending.
pub fn open_audit(settings: &LogSettings) -> Result<(AuditLog, Reload)> {
    let (log, file) = AuditLog::open(settings.audit.as_deref())?;
    Ok((log, Reload { audit: file }))
}

/// Checks whether this file can be opened as the audit log, and changes nothing. Returns `false` if it would be made.
///
/// # Errors
/// What [`open_audit`] would say, or why the file could not be made.
pub fn probe_audit(path: &Path) -> Result<bool> {
    audit::probe(path)
}

/// Applies changed `[log]` settings to what is running, and opens log files anew after a rotation.
#[derive(Debug, Clone)]
pub struct Reload {
    audit: AuditFile,
}

impl Reload {
    /// Applies format and level, and opens the audit file again. Blocks on the disk.
    ///
    /// # Errors
    /// When the audit file cannot be opened; the old one stays in use then, and nothing is changed.
    pub fn apply(&self, settings: &LogSettings) -> Result<()> {
        self.audit.reopen(settings.audit.as_deref())?;
        if let Some(log) = PROCESS_LOG.get() {
            let changed = log
                .filter
                .reload(filter(settings))
                .and_then(|()| log.output.reload(output(settings.format, log.queue.clone())));
            changed.map_err(|e| Error::new("cannot change the log").because(e))?;
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
    // The libraries below us speak to their developers: only what is wrong, unless somebody looks for a fault.
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
            // No spans: JSON insists on their fields being formatted as JSON, which those begun as text are not.
            let layer = layer.json().flatten_event(true);
            let layer = layer.with_current_span(false).with_span_list(false);
            layer.with_writer(escape::Escaping::json(writer)).boxed()
        }
    }
}

/// `name=value`, the value in quotes unless it is one plain word: a peer can't make fields of its own.
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

/// Whether this is one string literal, from the first character to the last.
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
