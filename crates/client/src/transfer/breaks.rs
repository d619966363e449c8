//! How many breaks of the connection a file survives. This is the only place that limits them.
//!
//! A break hits all files that are under way, and the progress between two breaks may belong to another file. So a run
//! gives up when nothing in it moves any more, and a single file only after many more breaks. With `--retry-for` no
//! breaks are counted: a run gives up when the time given has passed since the first break after its last progress.

use std::time::Instant;

use crate::remote::{Outage, RetryRule};

/// After how many breaks in a row without any progress of the run it gives up.
const BREAKS_OF_RUN: u32 = 5;
/// After how many breaks in a row without progress of the file itself the file is given up: a connection that always
/// breaks before its turn must not keep the run busy for ever.
const BREAKS_OF_FILE: u32 = 50;

/// How far a run and one of its files had come when the connection broke.
#[derive(Debug, Clone, Copy)]
pub struct ProgressAtBreak {
    /// The progress of the whole run, as [`ProgressHub::done`](super::progress_hub::ProgressHub::done) counts it.
    pub run: u64,
    /// The number of bytes of the file that both ends have. It is 0 for what has no bytes, such as a link.
    pub file: u64,
}

/// The breaks of the connection that one file, or one operation on the server, has seen.
#[derive(Debug)]
pub struct Breaks {
    rule: RetryRule,
    run: FruitlessBreaks,
    file: FruitlessBreaks,
}

/// The breaks since the last progress.
#[derive(Debug, Default)]
pub(super) struct FruitlessBreaks {
    /// The furthest progress at any break so far. What is sent again below it is not progress.
    furthest: u64,
    count: u32,
    /// What they are together. `None`: there was no break yet.
    outage: Option<Outage>,
}

impl FruitlessBreaks {
    fn starting_at(furthest: u64) -> Self {
        Self {
            furthest,
            ..Self::default()
        }
    }

    /// Counts a break at this progress, and returns the outage to which it belongs.
    pub(super) fn broke(&mut self, progress: u64, now: Instant) -> Outage {
        let has_moved = progress > self.furthest;
        self.count = match has_moved {
            true => 0,
            false => self.count.saturating_add(1),
        };
        self.furthest = self.furthest.max(progress);
        let outage = match self.outage.filter(|_| !has_moved) {
            Some(Outage { since, earlier }) => Outage {
                since,
                earlier: earlier.saturating_add(1),
            },
            None => Outage::new(now),
        };
        self.outage = Some(outage);
        outage
    }
}

impl Breaks {
    /// No breaks so far. `run` is the progress of the whole run at this moment.
    pub fn new(rule: RetryRule, run: u64) -> Self {
        Self {
            rule,
            run: FruitlessBreaks::starting_at(run),
            file: FruitlessBreaks::starting_at(0),
        }
    }

    /// Whether the file itself got no further between the last two breaks.
    pub fn was_fruitless(&self) -> bool {
        self.file.count > 0
    }

    /// The outage to which the last break belongs, or one that begins now if there was none.
    pub fn outage(&self) -> Outage {
        self.run.outage.unwrap_or_else(|| Outage::new(Instant::now()))
    }

    /// Counts a break, and returns whether another attempt is worth it.
    pub fn allow_another(&mut self, progress: ProgressAtBreak) -> bool {
        self.allow_another_at(Instant::now(), progress)
    }

    fn allow_another_at(&mut self, now: Instant, progress: ProgressAtBreak) -> bool {
        // Both are counted, whatever the other says.
        let outage = self.run.broke(progress.run, now);
        self.file.broke(progress.file, now);
        match self.rule.left(outage.since, now) {
            Some(left) => !left.is_zero(),
            None => self.run.count < BREAKS_OF_RUN && self.file.count < BREAKS_OF_FILE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The number of breaks until one file gives up, if this progress stands at each of them. At most 1000.
    fn breaks_until_end(start: u64, progress: impl Fn(u64) -> ProgressAtBreak) -> u64 {
        let mut breaks = Breaks::new(RetryRule::Count, start);
        let number = (1..1000).find(|number| !breaks.allow_another(progress(*number)));
        number.unwrap_or(1000)
    }

    #[test]
    fn a_run_without_progress_gives_up_after_five_breaks() {
        for run in [0, 700] {
            assert_eq!(
                breaks_until_end(run, |_| ProgressAtBreak { run, file: 0 }),
                5,
                "{run}"
            );
        }
        // What was done before this file began is not progress, and what was reached before the first break is.
        let once = |_| ProgressAtBreak { run: 701, file: 0 };
        assert_eq!(breaks_until_end(700, once), 6);
    }

    #[test]
    fn a_file_outlives_fifty_breaks_while_others_go_on() {
        let others = |number| ProgressAtBreak { run: number, file: 0 };
        assert_eq!(breaks_until_end(0, others), 50);
        let own = |number| ProgressAtBreak {
            run: number,
            file: number / 49,
        };
        assert_eq!(breaks_until_end(0, own), 1000);
    }

    #[test]
    fn a_break_without_progress_of_the_file_is_fruitless() {
        let mut breaks = Breaks::new(RetryRule::Count, 0);
        assert!(!breaks.was_fruitless());
        for (file, fruitless) in [(5, false), (5, true), (6, false)] {
            breaks.allow_another(ProgressAtBreak { run: file, file });
            assert_eq!(breaks.was_fruitless(), fruitless, "{file}");
        }
    }

    #[test]
    fn bytes_that_are_sent_again_are_not_progress() {
        // It gets as far as 900 each time, and starts at 0 again.
        let again = |number| ProgressAtBreak {
            run: 900 - number % 3,
            file: 900 - number % 3,
        };
        assert_eq!(breaks_until_end(0, again), 8);
    }

    #[test]
    fn progress_starts_the_count_again() {
        let mut breaks = Breaks::new(RetryRule::Count, 0);
        for round in 1..20 {
            for _ in 0..5 {
                let progress = ProgressAtBreak { run: round, file: 0 };
                assert!(breaks.allow_another(progress), "{round}");
            }
            if round == 9 {
                break;
            }
        }
        assert!(!breaks.allow_another(ProgressAtBreak { run: 9, file: 0 }));
    }

    /// With a time given, neither five breaks in a row nor fifty of a file end a run.
    #[test]
    fn a_time_that_was_given_decides_alone() {
        let limit = Duration::from_secs(600);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let at = |run| ProgressAtBreak { run, file: 0 };
        let mut breaks = Breaks::new(RetryRule::For(limit), 7);
        // Each break comes a second after the one before.
        for second in 100..700 {
            assert!(breaks.allow_another_at(after(second), at(7)), "{second}");
        }
        assert_eq!(breaks.outage().since, after(100));
        assert!(!breaks.allow_another_at(after(700), at(7)));
        // Progress starts the time again.
        assert!(breaks.allow_another_at(after(701), at(8)));
        assert_eq!(breaks.outage(), Outage::new(after(701)));
        assert!(breaks.allow_another_at(after(1300), at(8)));
        assert!(!breaks.allow_another_at(after(1301), at(8)));
    }

    #[test]
    fn breaks_without_progress_are_one_outage() {
        let start = Instant::now();
        let mut breaks = FruitlessBreaks::default();
        for (number, progress, since, earlier) in [
            (0, 0, 0, 0),
            (1, 0, 0, 1),
            (2, 0, 0, 2),
            (3, 9, 3, 0),
            // Less than before is not progress.
            (4, 5, 3, 1),
            (5, 10, 5, 0),
        ] {
            let now = start + Duration::from_secs(number);
            let since = start + Duration::from_secs(since);
            assert_eq!(breaks.broke(progress, now), Outage { since, earlier }, "{number}");
        }
    }
}
