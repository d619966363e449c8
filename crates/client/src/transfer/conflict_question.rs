//! The question about a file that exists and differs: its facts, its words, and its answers. It is pure, apart from
//! [`ConflictFacts::of`].

use std::fmt::Write as _;

use super::job::{Direction, Job};
use crate::link::{Answered as _, ConnectionLost, Link};
use crate::plan::{Conflict, Policy};
use base::size::Size;

/// The size and the date of one of the two files, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FileFacts {
    /// The size of the file, in bytes.
    pub size: Option<u64>,
    /// The time of the last change, in seconds since 1970.
    pub modified: Option<i64>,
}

/// What is known about both files of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ConflictFacts {
    /// The file that is to be transferred.
    pub source: FileFacts,
    /// The file that is there already.
    pub existing: FileFacts,
}

impl ConflictFacts {
    /// Looks at both files. What cannot be found out stays unknown.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn of(link: &Link, job: &Job) -> Result<Self, ConnectionLost> {
        use std::os::unix::fs::MetadataExt as _;
        let local = std::fs::metadata(&job.local).ok();
        let local = local.map(|meta| FileFacts {
            size: Some(meta.len()),
            modified: Some(meta.mtime()),
        });
        let remote = link.stat(&job.remote).await.unless_refused()?;
        let remote = remote.map(|attrs| FileFacts {
            size: attrs.size,
            modified: attrs.times.map(|times| i64::from(times.modified)),
        });
        let (source, existing) = match job.direction {
            Direction::Up => (local, remote),
            Direction::Down => (remote, local),
        };
        Ok(Self {
            source: source.unwrap_or_default(),
            existing: existing.unwrap_or_default(),
        })
    }

    /// Whether the file that is to be transferred is newer. `None`: one of the dates is not known.
    pub fn source_is_newer(&self) -> Option<bool> {
        Some(self.source.modified? > self.existing.modified?)
    }
}

/// An answer of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConflictAnswer {
    Overwrite,
    Skip,
    Rename,
    /// Overwrite if the source is newer, else skip.
    OnlyNewer,
    /// Stop the whole run, as Ctrl-C does.
    Quit,
}

impl ConflictAnswer {
    /// What the answer means for one file. `None`: that cannot be said, because a date is not known.
    pub fn policy(self, facts: &ConflictFacts) -> Option<Policy> {
        match self {
            Self::Overwrite => Some(Policy::Overwrite),
            Self::Skip | Self::Quit => Some(Policy::Skip),
            Self::Rename => Some(Policy::Rename),
            Self::OnlyNewer => facts.source_is_newer().map(|newer| match newer {
                true => Policy::Overwrite,
                false => Policy::Skip,
            }),
        }
    }
}

/// The question about one conflict.
pub(super) struct ConflictQuestion<'a> {
    pub job: &'a Job,
    pub conflict: Conflict,
    pub facts: ConflictFacts,
}

impl ConflictQuestion<'_> {
    /// The words of the question. `zone` is that of the user, for the dates.
    pub fn text(&self, zone: &jiff::tz::TimeZone) -> String {
        let ConflictFacts { source, existing } = self.facts;
        let (from, to) = match self.job.direction {
            Direction::Up => ("here", "on the server"),
            Direction::Down => ("on the server", "here"),
        };
        let mut text = format!("{}: {}.\n", self.job.name(), self.conflict);
        for (what, place, facts, other) in [
            ("new", from, source, existing),
            ("existing", to, existing, source),
        ] {
            let newer = match (facts.modified, other.modified) {
                (Some(own), Some(other)) if own > other => "  (newer)",
                _ => "",
            };
            let (size, date) = (size_text(facts.size), date_text(facts.modified, zone));
            // Writing to a String does not fail.
            let _ = writeln!(text, "  {what:<8}  {size:>12}  {date}  {place}{newer}");
        }
        text + &self.choices()
    }

    /// The answers that are possible.
    fn choices(&self) -> String {
        let mut choices = Vec::new();
        if self.conflict.may_overwrite() {
            choices.push("[o]verwrite");
        }
        choices.extend(["[s]kip", "[r]ename"]);
        if self.conflict.may_overwrite() && self.facts.source_is_newer().is_some() {
            choices.push("only [n]ewer");
        }
        format!("{}, [q]uit; a capital letter for all? ", choices.join(", "))
    }

    /// What is asked after an answer that is not one.
    pub fn again(&self) -> String {
        format!("Please type one of these letters.\n{}", self.choices())
    }

    /// The answer that was typed, and whether it is for all conflicts. `None`: it is not one.
    pub fn answer(&self, typed: &str) -> Option<(ConflictAnswer, bool)> {
        let word = typed.trim();
        let for_all = word.starts_with(char::is_uppercase);
        let answer = match word.to_lowercase().as_str() {
            "o" | "overwrite" if self.conflict.may_overwrite() => ConflictAnswer::Overwrite,
            "s" | "skip" => ConflictAnswer::Skip,
            "r" | "rename" => ConflictAnswer::Rename,
            "n" | "newer" if self.conflict.may_overwrite() && self.facts.source_is_newer().is_some() => {
                ConflictAnswer::OnlyNewer
            }
            "q" | "quit" => ConflictAnswer::Quit,
            _ => return None,
        };
        Some((answer, for_all))
    }
}

fn size_text(size: Option<u64>) -> String {
    size.map_or_else(|| "? B".to_owned(), |size| Size(size).to_string())
}

/// A date to the second: two files of one minute differ in that.
fn date_text(seconds: Option<i64>, zone: &jiff::tz::TimeZone) -> String {
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    match time {
        Some(time) => time
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        None => "date not known     ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(direction: Direction) -> Job {
        Job {
            direction,
            local: "a".into(),
            remote: b"/r/a".to_vec(),
            size: 0,
            destination: None,
            known: None,
        }
    }

    fn facts(source: Option<i64>, existing: Option<i64>) -> ConflictFacts {
        let file = |size, modified| FileFacts { size, modified };
        ConflictFacts {
            source: file(Some(3 << 20), source),
            existing: file(Some(700), existing),
        }
    }

    #[test]
    fn the_question_has_the_facts_of_both_files() {
        let job = job(Direction::Up);
        let question = |conflict, facts| ConflictQuestion {
            job: &job,
            conflict,
            facts,
        };
        let text = question(Conflict::NoPart, facts(Some(1_796_010_731), Some(1_796_010_700)));
        assert_eq!(
            text.text(&jiff::tz::TimeZone::UTC),
            "a: a shorter file is there that is not its beginning.\n  \
             new            3.0 MiB  2026-11-30 03:52:11  here  (newer)\n  \
             existing         700 B  2026-11-30 03:51:40  on the server\n\
             [o]verwrite, [s]kip, [r]ename, only [n]ewer, [q]uit; a capital letter for all? "
        );
        let directory = question(Conflict::Directory, facts(Some(1), None));
        assert!(
            directory
                .again()
                .ends_with("[s]kip, [r]ename, [q]uit; a capital letter for all? ")
        );
        assert!(
            directory
                .text(&jiff::tz::TimeZone::UTC)
                .contains("700 B  date not known")
        );
    }

    #[test]
    fn only_offered_answers_are_answers() {
        let job = job(Direction::Down);
        let check = |conflict, facts, typed: &str, expected| {
            let question = ConflictQuestion {
                job: &job,
                conflict,
                facts,
            };
            assert_eq!(question.answer(typed), expected, "{typed:?}");
        };
        let known = facts(Some(2), Some(1));
        for (typed, expected) in [
            ("o", Some((ConflictAnswer::Overwrite, false))),
            (" O ", Some((ConflictAnswer::Overwrite, true))),
            ("Skip", Some((ConflictAnswer::Skip, true))),
            ("rename", Some((ConflictAnswer::Rename, false))),
            ("N", Some((ConflictAnswer::OnlyNewer, true))),
            ("q", Some((ConflictAnswer::Quit, false))),
            ("", None),
            ("yes", None),
            ("ö", None),
            ("overwrit", None),
        ] {
            check(Conflict::Longer, known, typed, expected);
        }
        check(Conflict::Directory, known, "o", None);
        check(Conflict::Longer, facts(None, Some(1)), "n", None);
    }

    #[test]
    fn only_newer_files_are_overwritten() {
        for (source, existing, expected) in [
            (Some(2), Some(1), Some(Policy::Overwrite)),
            (Some(1), Some(1), Some(Policy::Skip)),
            (Some(1), Some(2), Some(Policy::Skip)),
            (None, Some(2), None),
        ] {
            let facts = facts(source, existing);
            assert_eq!(ConflictAnswer::OnlyNewer.policy(&facts), expected);
        }
    }
}
