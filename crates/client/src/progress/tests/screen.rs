//! What is drawn on a terminal, in memory.

mod terminal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{MIB, NoObserver, job};
use crate::output::columns::shown_lines;
use crate::progress::bars::BarsDisplay;
use crate::transfer::progress_hub::{ProgressHub, Stage, Totals};
use crate::transfer::{Direction, Outcome};
use terminal::MemoryTerminal;

#[test]
fn bars_come_and_go_and_lines_stay() {
    let begin = Instant::now();
    let at = |secs: u64| begin + Duration::from_secs(secs);
    let terminal = MemoryTerminal::new(80);
    let totals = Arc::<Totals>::default();
    let hub = ProgressHub::new(Arc::clone(&totals), Box::new(NoObserver));
    let display = BarsDisplay::new(totals, terminal.target());
    hub.expect(3, 20 * MIB + 10);
    display.draw(at(0));
    assert_eq!(terminal.contents(), "", "nothing is in flight");

    let jobs = [
        job(Direction::Up, b"first", 10 * MIB),
        job(Direction::Up, b"second", 10 * MIB),
        job(Direction::Up, b"tiny", 10),
    ];
    let meters = jobs.each_ref().map(|job| hub.begin(job));
    for (job, progress) in jobs.iter().zip(&meters) {
        display.began(job, progress);
    }
    display.draw(at(1));
    // 4 MiB existed before the transfer, so they do not count as transferred.
    meters[0].enter(Stage::Sending);
    meters[0].set_done(4 * MIB);
    meters[0].add(2 * MIB);
    display.draw(at(3));
    let squeezed = || {
        let contents = terminal.contents();
        contents
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        squeezed(),
        [
            "first [############........] 60% 1.0 MiB/s 0:04",
            "second [....................] 0% checking",
            "0/3 files, 20.0 MiB [#####...............] 29% 682 KiB/s 0:22"
        ]
    );

    display.pause(&mut || {
        assert_eq!(terminal.contents(), "", "nothing is drawn while a prompt is open");
        display.draw(at(4));
        display.ended(&meters[1], Some("second: skipped"));
        assert_eq!(terminal.contents(), "");
    });
    hub.end(&jobs[1], &meters[1], &Ok(Outcome::Skipped));
    display.draw(at(5));
    assert_eq!(squeezed()[0], "second: skipped");
    assert!(squeezed()[1].starts_with("first ["), "{:?}", squeezed());
    assert!(
        squeezed()[2].starts_with("1/3 files, 10.0 MiB ["),
        "{:?}",
        squeezed()
    );

    display.ended(&meters[0], Some("first: 6.0 MiB sent"));
    display.ended(&meters[2], None);
    display.draw(at(6));
    assert_eq!(squeezed(), ["second: skipped", "first: 6.0 MiB sent"]);
}

#[test]
fn a_narrow_terminal_is_enough() {
    for columns in [1, 2, 5, 20, 39, 40, 59, 60, 75, 76, 80, 99, 100, 200] {
        let terminal = MemoryTerminal::new(columns);
        let totals = Arc::<Totals>::default();
        let hub = ProgressHub::new(Arc::clone(&totals), Box::new(NoObserver));
        let display = BarsDisplay::new(totals, terminal.target());
        hub.expect(1, MIB);
        let job = job(
            Direction::Up,
            "eine Datei mit längerem Namen 世界.tar.gz".as_bytes(),
            MIB,
        );
        let progress = hub.begin(&job);
        display.began(&job, &progress);
        for secs in 0..3 {
            display.draw(Instant::now() + Duration::from_secs(secs));
        }
        assert_eq!(
            terminal.contents().lines().count(),
            usize::from(columns > 1),
            "{columns}: {}",
            terminal.contents()
        );
    }
}

/// The rows that stand there take more lines when the terminal becomes narrower, and all of these are drawn anew.
#[test]
fn nothing_of_the_rows_stays_behind_in_a_narrower_terminal() {
    const MESSAGE: &str = "earlier: 1 B sent";
    for columns in [200, 81, 80, 79, 60, 41, 40, 39, 20, 7, 3, 2, 1] {
        let terminal = MemoryTerminal::new(80);
        let totals = Arc::<Totals>::default();
        let hub = ProgressHub::new(Arc::clone(&totals), Box::new(NoObserver));
        let display = BarsDisplay::new(totals, terminal.target());
        let jobs = ["first", "世界世界世界"].map(|name| job(Direction::Up, name.as_bytes(), 10 * MIB));
        hub.expect(3, 20 * MIB + 10);
        let meters = jobs.each_ref().map(|job| hub.begin(job));
        for (job, progress) in jobs.iter().zip(&meters) {
            display.began(job, progress);
        }
        let begin = Instant::now();
        display.draw(begin);
        display.print(MESSAGE);
        assert_eq!(terminal.contents().lines().count(), 4);

        let message = shown_lines(MESSAGE, columns);
        terminal.resize(columns);
        display.draw(begin + Duration::from_secs(1));
        let seen = terminal.contents();
        // With one column, there is room for no row.
        let rows = if columns > 1 { 3 } else { 0 };
        assert_eq!(seen.lines().count(), message + rows, "{columns}: {seen}");
        for progress in &meters {
            display.ended(progress, None);
        }
        assert_eq!(
            terminal.contents().replace(['\n', ' '], ""),
            MESSAGE.replace(' ', "")
        );
    }
}

#[test]
fn a_long_message_wraps_above_the_rows() {
    let terminal = MemoryTerminal::new(30);
    let totals = Arc::<Totals>::default();
    let hub = ProgressHub::new(Arc::clone(&totals), Box::new(NoObserver));
    let display = BarsDisplay::new(totals, terminal.target());
    let job = job(Direction::Up, b"a", MIB);
    hub.expect(1, MIB);
    display.began(&job, &hub.begin(&job));
    display.draw(Instant::now());
    display.print("b: FAILED: permission denied (hint: ask its owner)");
    let seen = terminal.contents();
    let lines: Vec<&str> = seen.lines().collect();
    let [first, second, row] = lines[..] else {
        panic!("{seen}")
    };
    assert_eq!(
        (first, second),
        ("b: FAILED: permission denied", "  (hint: ask its owner)")
    );
    assert!(row.starts_with("a "), "{row}");
}

#[test]
fn only_as_many_rows_are_drawn_as_there_are_lines() {
    let terminal = MemoryTerminal::new(80);
    let totals = Arc::<Totals>::default();
    let hub = ProgressHub::new(Arc::clone(&totals), Box::new(NoObserver));
    let display = BarsDisplay::new(totals, terminal.target());
    hub.expect(30, 30 * MIB);
    for number in 0..30 {
        let job = job(Direction::Up, format!("file{number}").as_bytes(), MIB);
        display.began(&job, &hub.begin(&job));
    }
    display.draw(Instant::now());
    let seen = terminal.contents();
    assert_eq!(seen.lines().count(), 19, "{seen}");
    assert!(seen.lines().last().unwrap().starts_with("0/30 files"), "{seen}");
}
