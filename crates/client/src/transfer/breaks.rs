//! How many breaks of the connection a file survives. This is the only place that limits them.
//!
//! A break hits all files that are under way, and the progress between two breaks may belong to another file. So a run
//! gives up when nothing in it moves any more, and a single file only after many more breaks.

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
    run: FruitlessBreaks,
    file: FruitlessBreaks,
}

/// The breaks since the last progress.
#[derive(Debug, Default)]
struct FruitlessBreaks {
    /// The furthest progress at any break so far. What is sent again below it is not progress.
    furthest: u64,
    count: u32,
}

impl FruitlessBreaks {
    fn starting_at(furthest: u64) -> Self {
        Self { furthest, count: 0 }
    }

    /// Counts a break, and returns the number of breaks since the last progress.
    fn count(&mut self, progress: u64) -> u32 {
        self.count = match progress > self.furthest {
            true => 0,
            false => self.count.saturating_add(1),
        };
        self.furthest = self.furthest.max(progress);
        self.count
    }
}

impl Breaks {
    /// No breaks so far. `run` is the progress of the whole run at this moment.
    pub fn new(run: u64) -> Self {
        Self {
            run: FruitlessBreaks::starting_at(run),
            file: FruitlessBreaks::starting_at(0),
        }
    }

    /// Whether the file itself got no further between the last two breaks.
    pub fn was_fruitless(&self) -> bool {
        self.file.count > 0
    }

    /// Counts a break, and returns whether another attempt is worth it.
    pub fn allow_another(&mut self, progress: ProgressAtBreak) -> bool {
        // Both are counted, whatever the other says.
        let of_run = self.run.count(progress.run);
        let of_file = self.file.count(progress.file);
        of_run < BREAKS_OF_RUN && of_file < BREAKS_OF_FILE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of breaks until one file gives up, if this progress stands at each of them. At most 1000.
    fn breaks_until_end(start: u64, progress: impl Fn(u64) -> ProgressAtBreak) -> u64 {
        let mut breaks = Breaks::new(start);
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
        let mut breaks = Breaks::new(0);
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
        let mut breaks = Breaks::new(0);
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
}
