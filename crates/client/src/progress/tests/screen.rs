//! What is drawn on a terminal, in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{InMemoryTerm, ProgressDrawTarget};

use super::{MIB, NoObserver, job};
use crate::progress::bars::{BarTarget, BarsDisplay};
use crate::transfer::progress_hub::{ProgressHub, Stage, Totals};
use crate::transfer::{Direction, Outcome};

/// A terminal of this width in memory, and the target that draws on it.
fn screen(columns: u16) -> (InMemoryTerm, BarTarget) {
    let terminal = InMemoryTerm::new(20, columns);
    let (drawn, said) = (terminal.clone(), terminal.clone());
    let screen = BarTarget {
        target: Box::new(move || ProgressDrawTarget::term_like(Box::new(drawn.clone()))),
        width: Box::new(move || usize::from(columns)),
        line: Box::new(move |text| {
            use indicatif::TermLike as _;
            said.write_line(text).unwrap();
        }),
    };
    (terminal, screen)
}

#[test]
fn bars_come_and_go_and_lines_stay() {
    let begin = Instant::now();
    let at = |secs: u64| begin + Duration::from_secs(secs);
    let (terminal, screen) = screen(80);
    let totals = Arc::<Totals>::default();
    let hub = ProgressHub::new(Arc::clone(&totals), Box::new(NoObserver));
    let display = BarsDisplay::new(totals, screen);
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
    std::thread::sleep(Duration::from_millis(100));
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
        let (terminal, screen) = screen(columns);
        let totals = Arc::<Totals>::default();
        let hub = ProgressHub::new(Arc::clone(&totals), Box::new(NoObserver));
        let display = BarsDisplay::new(totals, screen);
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
            std::thread::sleep(Duration::from_millis(60));
        }
        assert_eq!(
            terminal.contents().lines().count(),
            usize::from(columns > 1),
            "{columns}: {}",
            terminal.contents()
        );
    }
}
