use parking_lot::Mutex;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::domain::event::Event;
use crate::session::events::Subscriber as _;

/// Collects what would be written to standard error.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the lines that `emit` logs under these settings.
fn logged(settings: &LogSettings, emit: impl FnOnce()) -> Vec<String> {
    let captured = Captured::default();
    let writer = captured.clone();
    // The layers are combined in the same way as in `init`.
    let (filter, _filter) = reload::Layer::new(filter(settings));
    let (output, _output) = reload::Layer::new(output(settings.format, move || writer.clone()));
    tracing::subscriber::with_default(Registry::default().with(filter).with(output), emit);
    let text = String::from_utf8(captured.0.lock().clone()).unwrap();
    text.split_terminator('\n').map(str::to_owned).collect()
}

/// A hostile user name that a peer could send.
const NASTY: &str = "x\n2026 ERROR forged\r\u{1b}[31m\u{9b}0m\u{202e}\u{2066}\u{7f}\0";

#[test]
fn control_characters_from_peers_are_escaped_in_every_line() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let settings = LogSettings {
            format,
            ..LogSettings::default()
        };
        let lines = logged(&settings, || {
            tracing::info!(target: "homeport::t", user = NASTY, "a");
            tracing::info!(target: "homeport::t", user = %NASTY, "b");
            tracing::info!(target: "homeport::t", user = ?NASTY, "c");
            tracing::info!(target: "homeport::t", "message {NASTY}");
            let error = io::Error::other(NASTY);
            tracing::info!(target: "homeport::t", error = &error as &dyn std::error::Error, "d");
        });
        assert_eq!(lines.len(), 5, "{format:?}: {lines:#?}");
        for line in &lines {
            let bad = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2066}');
            assert!(!line.contains(bad), "{format:?}: {line:?}");
            assert!(line.contains("forged"));
            if format == LogFormat::Json {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}

#[test]
fn lines_for_the_journal_have_the_priority_of_their_level() {
    for (to_journal, expected) in [(true, ["<3>", "<4>", "<6>", "<7>"]), (false, [""; 4])] {
        for format in [LogFormat::Text, LogFormat::Json] {
            let captured = Captured::default();
            let writer = captured.clone();
            let writer = Prioritised::new(move || writer.clone(), to_journal);
            let output = output(format, writer);
            let (filter, _filter) = reload::Layer::new(filter(&LogSettings {
                level: LogLevel::Debug,
                ..LogSettings::default()
            }));
            tracing::subscriber::with_default(Registry::default().with(filter).with(output), || {
                tracing::error!(target: "homeport::t", "a");
                tracing::warn!(target: "homeport::t", "b");
                tracing::info!(target: "homeport::t", "c\n<0>d");
                tracing::debug!(target: "homeport::t", "e");
            });
            let text = String::from_utf8(captured.0.lock().clone()).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 4, "{text}");
            for (line, expected) in lines.iter().zip(expected) {
                let rest = line.strip_prefix(expected).unwrap();
                assert!(
                    rest.starts_with(if format == LogFormat::Json { "{" } else { "2" }),
                    "{line}"
                );
            }
        }
    }
}

#[test]
fn a_peer_cannot_make_fields_of_its_own() {
    let check = |value: &str, expected: &str| {
        let lines = logged(&LogSettings::default(), || {
            tracing::info!(target: "homeport::t", user = %value, "m");
        });
        assert!(lines[0].ends_with(expected), "{} / {expected}", lines[0]);
    };
    check("calvin", " m user=calvin");
    check("a peer=1.2.3.4", " m user=\"a peer=1.2.3.4\"");
    check("a=b", " m user=\"a=b\"");
    check("\"a\" peer=\"b\"", r#" m user="\"a\" peer=\"b\"""#);
    check("", " m user=\"\"");
}

#[test]
fn the_level_is_ours_and_the_audit_log_is_always_on() {
    let check = |level, expected: &[&str]| {
        let settings = LogSettings {
            level,
            ..LogSettings::default()
        };
        let lines = logged(&settings, || {
            tracing::debug!(target: "homeport::t", "our-debug");
            tracing::info!(target: "homeport::t", "our-info");
            tracing::info!(target: "russh::server", "their-info");
            tracing::info!(target: "audit", "audit-info");
        });
        let words: Vec<&str> = lines.iter().filter_map(|l| l.split(' ').next_back()).collect();
        assert_eq!(words, expected);
    };
    check(LogLevel::Error, &["audit-info"]);
    check(LogLevel::Info, &["our-info", "audit-info"]);
    check(
        LogLevel::Debug,
        &["our-debug", "our-info", "their-info", "audit-info"],
    );
}

fn refused(n: usize) -> Event {
    Event::Refused {
        peer: "127.0.0.1:1".parse().unwrap(),
        code: "various",
        reason: n.to_string(),
        count: 1,
    }
}

/// Returns the reasons in an audit file, in their order.
fn reasons(file: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let parse = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let objects = text.lines().map(parse);
    objects
        .map(|o| o["reason"].as_str().unwrap().to_owned())
        .collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[test]
fn events_are_written_in_order_to_a_private_file() {
    let dir = tempfile::tempdir().unwrap();
    let settings = LogSettings {
        audit: Some(dir.path().join("audit.log")),
        ..LogSettings::default()
    };
    let file = settings.audit.clone().unwrap();
    let (log, _reload) = open_audit(&settings).unwrap();
    (0..1000).for_each(|n| log.on_event(&refused(n)));
    drop(log);
    assert_eq!(reasons(&file), numbers(0..1000));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // A second run appends to the file.
    let (log, _reload) = open_audit(&settings).unwrap();
    log.on_event(&refused(1000));
    drop(log);
    assert_eq!(reasons(&file), numbers(0..1001));
}

#[test]
fn a_rotated_file_is_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.log");
    let mut settings = LogSettings {
        audit: Some(file.clone()),
        ..LogSettings::default()
    };
    let (log, reload) = open_audit(&settings).unwrap();
    log.on_event(&refused(0));
    // Wait until the event is written, because queued events may go to either file.
    while file.metadata().unwrap().len() == 0 {
        std::thread::yield_now();
    }
    let rotated = dir.path().join("audit.log.1");
    std::fs::rename(&file, &rotated).unwrap();
    reload.apply(&settings).unwrap();
    log.on_event(&refused(1));

    // A path that cannot be opened causes an error, and no setting is changed.
    settings.audit = Some(dir.path().join("missing/audit.log"));
    let error = reload.apply(&settings).unwrap_err().to_string();
    assert!(
        error.contains("missing/audit.log\": no such file or directory"),
        "{error}"
    );
    log.on_event(&refused(2));
    drop(log);
    assert_eq!(reasons(&rotated), numbers(0..1));
    assert_eq!(reasons(&file), numbers(1..3));
}

#[test]
fn a_stuck_disk_blocks_no_session_and_losses_are_reported() {
    // A pipe that is not read takes 64 KiB and then blocks, as a hanging disk does.
    let (reader, writer) = io::pipe().unwrap();
    let disk = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
    let (log, _file) = AuditLog::start(audit::AuditSink::File(disk)).unwrap();
    let sent = 20_000;
    (0..sent).for_each(|n| log.on_event(&refused(n)));

    let reading = std::thread::spawn(move || {
        let mut lines = io::BufRead::lines(io::BufReader::new(reader));
        let (mut kept, mut lost) = (0, 0);
        while kept + lost < sent {
            let line = lines.next().unwrap().unwrap();
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            match object["count"].as_u64() {
                Some(count) => lost += usize::try_from(count).unwrap(),
                None => kept += 1,
            }
        }
        (kept, lost)
    });
    drop(log);
    let (kept, lost) = reading.join().unwrap();
    assert_eq!(kept + lost, sent);
    assert!(lost > 0 && kept > 8000, "kept {kept}, lost {lost}");
}
