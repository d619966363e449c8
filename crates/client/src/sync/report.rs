//! What a sync says: each change, what it leaves alone, and the numbers at the end.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use super::compare::{Change, KeptReason, Plan, Reason};
use super::entry::{EntryKind, TreeEntry};
use super::list::NamesLeftOut;
use crate::output::{Stdout, Style, about, print_bytes, print_json};
use crate::symlinks::LinkRule;
use crate::transfer::TEMPORARY_ENDING;
use crate::transfer::progress_hub::ProgressHub;
use base::visible::printable;

/// A change of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A directory is made at the target.
    Make,
    /// A link is made at the target.
    Link,
    /// A file is sent to the target.
    Send,
    /// Times or permissions are set.
    Attributes,
    /// A name is deleted, or goes to the backups.
    Delete,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Link => "link",
            Self::Send => "send",
            Self::Attributes => "attributes",
            Self::Delete => "delete",
        }
    }

    /// The step that a change takes.
    pub(super) fn of(change: Change) -> Self {
        match change {
            Change::Make => Self::Make,
            Change::Link => Self::Link,
            Change::Send(_) | Change::Compare => Self::Send,
            Change::Attributes => Self::Attributes,
        }
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::New => "new",
        Reason::Size => "size",
        Reason::Time => "time",
        Reason::Content => "content",
        Reason::Kind => "kind",
    }
}

/// The reason of a change for messages.
pub(super) fn reason_of(change: Change) -> Option<&'static str> {
    match change {
        Change::Send(why) => Some(reason(why)),
        Change::Make | Change::Link | Change::Compare | Change::Attributes => None,
    }
}

/// A number of things in words: `1 file`, `2 files`.
pub(super) fn counted(number: usize, one: &str, several: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {several}"),
    }
}

/// What the user is told about the temporary names of a directory. `None`: it has none.
pub(super) fn left_out(names: &NamesLeftOut, directory: &str) -> Option<String> {
    let mut shown: Vec<String> = names.shown.iter().map(|path| printable(path)).collect();
    if names.count > shown.len() {
        shown.push("…".to_owned());
    }
    (names.count > 0).then(|| {
        format!(
            "left out {} of {directory}, because uploads that are not whole have such names: {} (hint: rename what is \
             to take part; --exclude '*{TEMPORARY_ENDING}' leaves them out without this message)",
            counted(names.count, "name", "names"),
            shown.join(", ")
        )
    })
}

/// Shows what a sync does, and counts it.
pub(super) struct SyncReport {
    hub: Arc<ProgressHub>,
    style: Style,
    dry_run: bool,
    warned: HashSet<String>,
    sent: u64,
    made: u64,
    linked: u64,
    deleted: u64,
    attributes: u64,
    /// The number of names of the source that take no part although no option leaves them out.
    temporary: usize,
}

impl SyncReport {
    pub(super) fn new(hub: Arc<ProgressHub>, style: Style, dry_run: bool) -> Self {
        Self {
            hub,
            style,
            dry_run,
            warned: HashSet::new(),
            sent: 0,
            made: 0,
            linked: 0,
            deleted: 0,
            attributes: 0,
            temporary: 0,
        }
    }

    /// Shows a warning, which does not count as a failure.
    pub(super) fn warn(&self, message: &str) {
        self.hub.warn(message);
    }

    /// Shows a warning about a name, unless the same was said of another.
    pub(super) fn warn_once(&mut self, path: &[u8], why: &str) {
        if self.warned.insert(why.to_owned()) {
            self.hub.warn(&format!("{}: {why}", printable(path)));
        }
    }

    /// Shows that something failed, and why.
    pub(super) fn failed(&self, path: &[u8], why: &str) {
        self.hub.fail(path, why);
    }

    /// Shows and counts a change that was made, or would be made in a dry run.
    pub(super) fn done(&mut self, step: Step, path: &[u8], why: Option<&str>) {
        match step {
            Step::Make => self.made += 1,
            Step::Link => self.linked += 1,
            Step::Attributes => self.attributes += 1,
            Step::Delete => self.deleted += 1,
            Step::Send => self.sent += 1,
        }
        // A closed output does not stop the sync.
        let _ = match (self.style, self.dry_run) {
            (Style::Json, dry_run) => {
                let event =
                    json!({ "event": "change", "action": step.name(), "reason": why, "dry_run": dry_run });
                print_json(&about(path, event))
            }
            (_, true) => {
                let why = why.map_or_else(String::new, |why| format!(" ({why})"));
                let step = format!("{:<10} ", step.name());
                let name = Stdout::of_this_process().name(path);
                print_bytes(&[step.as_bytes(), &name, why.as_bytes(), b"\n"].concat())
            }
            (Style::Words, false) if step == Step::Delete => {
                self.hub.warn(&format!("{}: deleted", printable(path)));
                Ok(())
            }
            (Style::Words | Style::Quiet, false) => Ok(()),
        };
    }

    /// Shows what a plan leaves alone, where links of the source stand for what the rule says, and which names of the
    /// source it does not know. Returns how many names that are of which the user has to take care.
    pub(super) fn left(&mut self, plan: &Plan<'_>, temporary: &NamesLeftOut, links: LinkRule) -> u64 {
        self.temporary = temporary.count;
        if let Some(sentence) = left_out(temporary, "the source") {
            self.hub.left_out(&sentence);
        }
        for (ours, theirs) in &plan.conflicts {
            let why = format!(
                "the source has a {} there, and the target a {} (hint: --delete replaces it, unless it holds excluded names)",
                ours.kind.name(),
                theirs.kind.name()
            );
            self.failed(&ours.path, &why);
        }
        for ours in &plan.skipped {
            self.skip(ours, links);
        }
        for (theirs, why) in &plan.kept {
            let why = match why {
                KeptReason::AlmostEqual => "a name of the source differs only by case or normalisation",
                KeptReason::HoldsKept => "it holds names that stay",
                KeptReason::Part => "a file of the source arrives under it",
            };
            self.keep(theirs, why);
        }
        (plan.conflicts.len() + plan.skipped.len() + temporary.count) as u64
    }

    fn skip(&self, ours: &TreeEntry, links: LinkRule) {
        let why = match (ours.kind, links) {
            (EntryKind::Link, LinkRule::Files) => {
                "a link is not transferred (hint: --links copies it, and --follow transfers the directory to which it points)"
            }
            (EntryKind::Link, LinkRule::Copy | LinkRule::Compare) => {
                "the link points out of the directory that is fetched"
            }
            (EntryKind::Link, LinkRule::Follow) => "the link leads to nothing, or back to where it lies",
            _ => "a special file is not transferred",
        };
        self.hub
            .left_out(&format!("{}: skipped: {why}", printable(&ours.path)));
    }

    fn keep(&self, theirs: &TreeEntry, why: &str) {
        match self.style {
            Style::Json => {
                let event = json!({ "event": "kept", "reason": why });
                let _ = print_json(&about(&theirs.path, event));
            }
            Style::Words => self
                .hub
                .warn(&format!("{}: not deleted: {why}", printable(&theirs.path))),
            Style::Quiet => {}
        }
    }

    /// The numbers of the changes, as a sentence: `3 unchanged, 2 directories made, 1 deleted`. In a dry run it says
    /// what would be done: `3 unchanged, 5 to send, 2 directories to make, 1 to delete`.
    pub(super) fn numbers(&self, plan: &Plan<'_>, unchanged: u64) -> String {
        let directories = match self.made {
            1 => "directory",
            _ => "directories",
        };
        let links = match self.linked {
            1 => "link",
            _ => "links",
        };
        let names = match self.attributes {
            1 => "name",
            _ => "names",
        };
        let (made, get, deleted) = match self.dry_run {
            true => ("to make", "to get", "to delete"),
            false => ("made", "got", "deleted"),
        };
        let numbers = [
            (unchanged, "unchanged".to_owned()),
            (plan.newer, "newer at the target".to_owned()),
            // The summary of the transfers counts what was sent.
            (if self.dry_run { self.sent } else { 0 }, "to send".to_owned()),
            (self.made, format!("{directories} {made}")),
            (self.linked, format!("{links} {made}")),
            (self.attributes, format!("{names} {get} new times or permissions")),
            (self.deleted, deleted.to_owned()),
            (plan.kept.len() as u64, "kept".to_owned()),
        ];
        let numbers = numbers.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = numbers.map(|(count, what)| format!("{count} {what}")).collect();
        words.join(", ")
    }

    /// The same numbers for scripts.
    pub(super) fn event(&self, plan: &Plan<'_>, unchanged: u64) -> serde_json::Value {
        json!({
            "event": "sync",
            "dry_run": self.dry_run,
            "unchanged": unchanged,
            "newer": plan.newer,
            "made": self.made,
            "links": self.linked,
            "attributes": self.attributes,
            "deleted": self.deleted,
            "kept": plan.kept.len(),
            "skipped": plan.skipped.len() + self.temporary,
            "conflicts": plan.conflicts.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_names_left_out_is_said_and_the_first_are_named() {
        let names = |count, shown: &[&str]| NamesLeftOut {
            count,
            shown: shown.iter().map(|name| name.as_bytes().to_vec()).collect(),
        };
        assert_eq!(left_out(&names(0, &[]), "the source"), None);
        for (names, expected) in [
            (
                names(1, &["a\n"]),
                "left out 1 name of the source, because uploads that are not whole have such names: a\\n (hint: ",
            ),
            (
                names(3, &["a", "b"]),
                "left out 3 names of the source, because uploads that are not whole have such names: a, b, … (",
            ),
        ] {
            let sentence = left_out(&names, "the source").unwrap();
            assert!(sentence.starts_with(expected), "{sentence}");
        }
    }
}
