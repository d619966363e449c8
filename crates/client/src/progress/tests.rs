//! What each observer shows of the same transfers, without a clock and without a terminal.

mod screen;

use parking_lot::Mutex;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{json, line, plain, quiet, summary, summary_event};
use crate::link::ConnectionLost;
use crate::link::RemoteError;
use crate::plan::Conflict;
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressHub, ProgressObserver, Stage, Totals};
use crate::transfer::{Direction, Job, Outcome, Proof, Summary};

const MIB: u64 = 1 << 20;

fn job(direction: Direction, name: &[u8], size: u64) -> Job {
    use std::os::unix::ffi::OsStrExt as _;
    Job {
        direction,
        local: std::ffi::OsStr::from_bytes(name).into(),
        remote: [b"/r/", name].concat(),
        size,
        destination: None,
        known: None,
    }
}

/// An observer that ignores all events.
struct NoObserver;

impl ProgressObserver for NoObserver {
    fn began(&self, _: &Job, _: &Arc<FileProgress>) {}
    fn ended(&self, _: &Job, _: &Arc<FileProgress>, _: &Result<Outcome, TransferError>) {}
    fn fail(&self, _: &[u8], _: &str) {}
    fn undone(&self, _: &str) {}
    fn left_out(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn pause(&self, ask: &mut dyn FnMut()) {
        ask();
    }
    fn reconnecting(&self, _: Option<Instant>) {}
}

fn sent(resumed_from: u64, proof: Proof) -> Result<Outcome, TransferError> {
    Ok(Outcome::Sent { resumed_from, proof })
}

#[test]
fn each_outcome_has_its_line() {
    let hub = ProgressHub::new(Arc::default(), Box::new(NoObserver));
    let second = Duration::from_secs(1);
    for (direction, from, moved, result, expected) in [
        (
            Direction::Up,
            0,
            95 * MIB,
            sent(0, Proof::Md5),
            "a: 95.0 MiB sent, 95 MiB/s, MD5 verified",
        ),
        (
            Direction::Down,
            500 * MIB,
            9 * MIB,
            sent(500 * MIB, Proof::Sizes),
            "/r/a: 9.0 MiB received, resumed at 500.0 MiB, 9.0 MiB/s, only sizes compared",
        ),
        (
            Direction::Up,
            0,
            MIB,
            sent(0, Proof::NotAsked),
            "a: 1.0 MiB sent, 1.0 MiB/s, not verified",
        ),
        (
            Direction::Up,
            0,
            0,
            Ok(Outcome::Same(Proof::Md5)),
            "a: already there, MD5 verified",
        ),
        (
            Direction::Up,
            0,
            0,
            Ok(Outcome::Same(Proof::Sizes)),
            "a: already there, by its size alone",
        ),
        (Direction::Up, 0, 0, Ok(Outcome::Skipped), "a: skipped"),
        (
            Direction::Up,
            0,
            0,
            Err(TransferError::Conflict(Conflict::Longer)),
            "a: FAILED: a longer file is there (hint: --overwrite, --skip, --rename or --update decides)",
        ),
        (
            Direction::Up,
            0,
            0,
            Err(TransferError::Stopped),
            "a: stopped (hint: run the same command again; it goes on where this one stopped)",
        ),
    ] {
        let job = job(direction, b"a", 1 << 30);
        let progress = hub.begin(&job);
        progress.set_done(from);
        progress.add(moved);
        assert_eq!(
            line::ended(&job, &progress, &result, second).as_deref(),
            Some(expected)
        );
    }
}

#[test]
fn small_files_have_a_line_only_if_they_fail() {
    let hub = ProgressHub::new(Arc::default(), Box::new(NoObserver));
    let second = Duration::from_secs(1);
    let job = job(Direction::Up, b"a", 10);
    let progress = hub.begin(&job);
    for result in [
        sent(0, Proof::Md5),
        Ok(Outcome::Skipped),
        Ok(Outcome::Same(Proof::Md5)),
    ] {
        assert_eq!(line::ended(&job, &progress, &result, second), None);
    }
    // One message is for all files that there is no connection for.
    let lost = RemoteError::from(ConnectionLost("bye".into()));
    let disconnected = Err(TransferError::Disconnected(lost));
    assert_eq!(line::ended(&job, &progress, &disconnected, second), None);
    let failed = line::ended(&job, &progress, &Err(TransferError::NotAFile), second);
    assert_eq!(failed.as_deref(), Some("a: FAILED: is not a regular file"));
}

/// Reports two large files and a small one, of which one fails, and a warning with an escape sequence.
fn report_three_files(watch: &dyn ProgressObserver) {
    let hub = ProgressHub::new(Arc::default(), Box::new(NoObserver));
    watch.warn("the server \u{1b}[31mis odd");
    for (name, size, result) in [
        (&b"large"[..], MIB, Ok(Outcome::Same(Proof::Md5))),
        (b"small", 10, sent(0, Proof::Md5)),
        (b"bad\xff\n", MIB, Err(TransferError::NotAFile)),
    ] {
        let job = job(Direction::Up, name, size);
        let progress = hub.begin(&job);
        watch.began(&job, &progress);
        watch.ended(&job, &progress, &result);
    }
    watch.fail(b"d", "is a directory");
}

#[test]
fn quiet_says_what_is_left_out_although_nobody_has_decided_that() {
    let quiet = quiet::ErrorsOnly::new(Vec::new());
    quiet.warn("a warning");
    quiet.left_out("pipe: skipped: it is not a regular file");
    assert_eq!(
        String::from_utf8(quiet.into_inner()).unwrap(),
        "pipe: skipped: it is not a regular file\n"
    );
}

#[test]
fn plain_prints_all_lines_and_quiet_only_failures() {
    let plain = plain::PlainLines::new(Vec::new());
    report_three_files(&plain);
    assert_eq!(
        String::from_utf8(plain.into_inner()).unwrap(),
        "the server \\u{1b}[31mis odd\nlarge: already there, MD5 verified\nbad\\xff\\n: FAILED: is not a regular file\nd: FAILED: is a directory\n"
    );
    let quiet = quiet::ErrorsOnly::new(Vec::new());
    report_three_files(&quiet);
    assert_eq!(
        String::from_utf8(quiet.into_inner()).unwrap(),
        "bad\\xff\\n: FAILED: is not a regular file\nd: FAILED: is a directory\n"
    );
}

/// Keeps what is written, and fails with a broken pipe after `left` bytes.
#[derive(Clone)]
struct Pipe {
    kept: Arc<Mutex<Vec<u8>>>,
    left: usize,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.kept.lock();
        if kept.len() + bytes.len() > self.left {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pipe(left: usize) -> (Pipe, impl Fn() -> Vec<serde_json::Value>) {
    let kept = Arc::<Mutex<Vec<u8>>>::default();
    let pipe = Pipe {
        kept: Arc::clone(&kept),
        left,
    };
    let read = move || {
        let text = String::from_utf8(kept.lock().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    (pipe, read)
}

#[test]
fn scripts_get_an_object_for_each_event() {
    let (pipe, read) = pipe(usize::MAX);
    report_three_files(&json::JsonLines::every(Duration::from_secs(3600), pipe));
    let events = read();
    let seen: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let all = ["warning", "begin", "end", "begin", "end", "begin", "end", "error"];
    assert_eq!(seen, all);
    assert!(events.iter().all(|event| event["v"] == 1));
    assert_eq!(
        (&events[7]["path"], &events[7]["message"]),
        (&"d".into(), &"is a directory".into())
    );
    assert_eq!(events[0]["message"], "the server \\u{1b}[31mis odd");
    assert_eq!(
        events[1],
        serde_json::json!({"v": 1, "event": "begin", "direction": "up", "local": "large", "remote": "/r/large", "size": MIB})
    );
    let same = &events[2];
    assert_eq!(
        (&same["result"], &same["verified"], &same["error"]),
        (&"same".into(), &"md5".into(), &().into())
    );
    assert_eq!(
        (&events[4]["result"], &events[4]["resumed_from"]),
        (&"sent".into(), &0.into())
    );
    let failed = &events[6];
    assert_eq!(
        (&failed["result"], &failed["size"]),
        (&"failed".into(), &MIB.into())
    );
    assert_eq!(failed["error"], "is not a regular file");
    assert_eq!(
        (&failed["local"], &failed["local_hex"]),
        (&"bad\u{fffd}\n".into(), &"626164ff0a".into())
    );
    assert_eq!(failed["remote_hex"], "2f722f626164ff0a");
    assert!(failed["seconds"].is_f64());

    let mut total = Summary::default();
    total.count(&sent(0, Proof::Md5));
    total.count(&Err(TransferError::Stopped));
    let text = summary_event(&total, &Totals::default(), Duration::from_millis(1500));
    let event: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        event,
        serde_json::json!({"v": 1, "event": "summary", "sent": 1, "same": 0, "skipped": 0, "links": 0, "failed": 1, "differ": 0,
            "stopped": true, "unfinished": 1, "moved": 0, "seconds": 1.5})
    );
}

#[test]
fn a_path_in_an_error_object_is_raw_and_has_its_bytes_if_it_is_not_text() {
    let (pipe, read) = pipe(usize::MAX);
    let watch = json::JsonLines::every(Duration::from_secs(3600), pipe);
    watch.fail("a\n\u{200c}b".as_bytes(), "is a directory");
    watch.fail(b"bad\xff", "is a directory");
    let events = read();
    assert_eq!(
        events[0],
        serde_json::json!({"v": 1, "event": "error", "path": "a\n\u{200c}b", "message": "is a directory"})
    );
    assert_eq!(
        events[1],
        serde_json::json!({"v": 1, "event": "error", "path": "bad\u{fffd}", "path_hex": "626164ff",
            "message": "is a directory"})
    );
}

#[test]
fn progress_is_reported_only_when_it_changes() {
    let (pipe, read) = pipe(usize::MAX);
    let watch = json::JsonLines::every(Duration::from_millis(5), pipe);
    let hub = ProgressHub::new(Arc::default(), Box::new(NoObserver));
    let job = job(Direction::Down, b"a", MIB);
    let progress = hub.begin(&job);
    watch.began(&job, &progress);
    progress.enter(Stage::Sending);
    progress.set_done(1000);
    progress.add(24);
    let deadline = Instant::now() + Duration::from_secs(60);
    let seen = || {
        read()
            .into_iter()
            .rfind(|event| event["event"] == "progress" && event["done"] == 1024)
    };
    while seen().is_none() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    let event = seen().unwrap();
    assert_eq!(
        (&event["moved"], &event["stage"]),
        (&24.into(), &"sending".into())
    );
    assert!(event["compared"].is_null(), "{event}");
    progress.enter(Stage::Verifying);
    let comparison = progress.comparison();
    comparison.add(700);
    let compared = || read().into_iter().rfind(|event| event["compared"] == 700);
    while compared().is_none() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(compared().unwrap()["stage"], "verifying");
    // What an abandoned comparison goes on to count is not shown in the next stage.
    progress.enter(Stage::Deciding);
    comparison.add(1);
    assert_eq!(progress.compared(), 0);
    while read().last().is_none_or(|event| event["stage"] != "checking") {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    let count = read().len();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(read().len(), count, "reported again without a change");
}

#[test]
fn a_closed_output_ends_the_reports_and_not_the_transfers() {
    let (pipe, read) = pipe(200);
    report_three_files(&json::JsonLines::every(Duration::from_millis(1), pipe));
    assert_eq!(read().len(), 2);
}

#[test]
fn the_summary_is_one_line() {
    let totals = Totals::default();
    totals
        .moved
        .store(1200 * MIB, std::sync::atomic::Ordering::Relaxed);
    let ten = Duration::from_secs(10);
    let of = |proven, sized| Summary {
        sent: 3,
        proven,
        sized,
        ..Summary::default()
    };
    let sum = "3 files, 1.2 GiB in 10 s (120 MiB/s)";
    for (of, how) in [
        (of(3, 0), "MD5 verified"),
        (of(0, 3), "only sizes compared"),
        (of(0, 0), "not verified"),
        (of(1, 2), "2 not verified by hash"),
    ] {
        assert_eq!(summary(&of, &totals, ten), format!("{sum}, {how}"));
    }
    let mut of = of(3, 0);
    (of.same, of.skipped, of.failed) = (1, 1, 2);
    assert_eq!(
        summary(&of, &totals, ten),
        format!("{sum}, MD5 verified; 1 already there, 1 skipped, 2 FAILED")
    );
    let nothing = |of: &Summary| summary(of, &Totals::default(), Duration::ZERO);
    of.sent = 0;
    assert_eq!(nothing(&of), "1 already there, 1 skipped, 2 FAILED");
    assert_eq!(nothing(&Summary::default()), "nothing was there to transfer");
    let mut of = Summary {
        sent: 1,
        proven: 1,
        stopped: true,
        ..Summary::default()
    };
    assert_eq!(nothing(&of), "1 file, 0 B in 0.0 s, MD5 verified; stopped");
    (of.sent, of.proven, of.failed, of.interrupted, of.not_begun) = (0, 0, 1, 1, 2);
    assert_eq!(nothing(&of), "1 FAILED, stopped with 3 files unfinished");
    let empty = Summary {
        sent: 2,
        ..Summary::default()
    };
    assert_eq!(
        summary(&empty, &Totals::default(), ten),
        "2 files, 0 B in 10 s, not verified"
    );
}
