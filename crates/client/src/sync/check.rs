//! Compares two trees, and changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use super::both::{Listings, SyncSession, list_both};
use super::compare::{Action, Change, Plan, Reason, Rules, compare};
use super::entry::{EntryKind, TreeEntry, order};
use super::filter::Filter;
use super::options::Trees;
use super::perform::{resolve, stoppable};
use super::report::{counted, left_out};
use crate::output::{Stdout, Style, about, print_bytes, print_json};
use crate::progress::{self, EventTarget};
use crate::report;
use crate::symlinks::LinkRule;
use crate::transfer::progress_hub::ProgressHub;
use crate::transfer::{Direction, Engine, Settings};
use base::error::{Error, Result};
use base::visible::printable;

/// The exit code when the trees differ.
const DIFFERENT: u8 = 5;
/// The exit code when a part could not be compared.
const INCOMPLETE: u8 = 4;

/// How two trees differ at one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    OnlyHere,
    OnlyOnServer,
    Kind,
    Size,
    Time,
    Content,
    LinkTarget,
    Mode,
}

impl Difference {
    fn name(self) -> &'static str {
        match self {
            Self::OnlyHere => "only here",
            Self::OnlyOnServer => "only on the server",
            Self::Kind => "kind differs",
            Self::Size => "size differs",
            Self::Time => "time differs",
            Self::Content => "content differs",
            Self::LinkTarget => "link target differs",
            Self::Mode => "permissions differ",
        }
    }

    fn print(self, path: &[u8], style: Style) -> Result<()> {
        match style {
            Style::Json => {
                let event = json!({ "event": "difference", "difference": self.name() });
                print_json(&about(path, event))
            }
            Style::Words | Style::Quiet => {
                let name = Stdout::of_this_process().name(path);
                print_bytes(&[self.name().as_bytes(), b": ", &name, b"\n"].concat())
            }
        }
    }
}

/// Prints the names at which two trees differ, and returns the exit code. Contents are compared by their hashes, unless
/// `rules` leave out checksums.
///
/// # Errors
/// When the trees cannot be listed.
pub async fn check(session: &SyncSession, trees: &Trees, filter: &Filter, rules: &Rules) -> Result<u8> {
    let listings = stoppable(session, list_both(session, trees, filter)).await?;
    if !listings.target_exists {
        return Err(Error::new("the second directory does not exist"));
    }
    let (totals, observer) = progress::observer(session.output.style, EventTarget::Stdout);
    let hub = ProgressHub::new(totals, observer);
    let engine = Engine::new(
        Arc::clone(&session.remote),
        Settings::default(),
        Arc::clone(&hub),
        session.stop.clone(),
    );
    // Names that only the target has are those that a sync would delete or keep.
    let rules = Rules {
        delete: true,
        ..*rules
    };
    let plan = compare(&listings.source.entries, &listings.target.entries, &rules);
    let resolving = resolve(&engine.context, trees, &rules, &plan);
    let resolved = stoppable(session, resolving).await?;
    let incomplete = report_incomplete(&hub, &listings, &plan, filter.links, &resolved.unread);
    if resolved.unknown > 0 {
        hub.warn(&format!(
            "of {} only sizes and times were compared, because a hash cannot be had",
            counted(resolved.unknown, "file", "files")
        ));
    }
    drop((engine, hub));
    let differences = differences(&plan, &resolved.actions, trees.direction, rules.modes);
    for (path, difference) in &differences {
        difference.print(path, session.output.style)?;
    }
    let is_file = |entry: &&TreeEntry| matches!(entry.kind, EntryKind::File(_));
    let compared = listings.source.entries.iter().filter(is_file).count();
    let text = format!(
        "{}, {}",
        counted(compared, "file", "files"),
        counted(differences.len(), "difference", "differences")
    );
    report::record("summary", &text);
    if session.output.style == Style::Words {
        report::write(&text);
    }
    Ok(match (differences.len(), incomplete) {
        (1.., _) => DIFFERENT,
        (0, 1..) => INCOMPLETE,
        (0, 0) => 0,
    })
}

/// Shows which names could not be compared, and why. Returns their number.
fn report_incomplete(
    hub: &ProgressHub,
    listings: &Listings,
    plan: &Plan<'_>,
    links: LinkRule,
    unread: &[(&[u8], String)],
) -> usize {
    let mut incomplete = plan.skipped.len() + unread.len();
    for (path, why) in unread {
        hub.fail(path, why);
    }
    for (path, why) in listings.failures() {
        incomplete += 1;
        hub.fail(path, why);
    }
    let directories = [
        (&listings.source, "the first directory"),
        (&listings.target, "the second directory"),
    ];
    for (listing, directory) in directories {
        incomplete += listing.temporary.count;
        if let Some(sentence) = left_out(&listing.temporary, directory) {
            hub.left_out(&sentence);
        }
    }
    for entry in &plan.skipped {
        let hint = match (entry.kind, links) {
            (EntryKind::Link, LinkRule::Files) => {
                " (hint: --links compares links, and --follow the directories to which they point)"
            }
            _ => "",
        };
        hub.warn(&format!(
            "{}: not compared: it is a {}{hint}",
            printable(&entry.path),
            entry.kind.name()
        ));
    }
    for action in plan.actions.iter().filter(|action| is_unknown_link(action)) {
        incomplete += 1;
        let why = "not compared: the server does not say to which path the link points";
        hub.warn(&format!("{}: {why}", printable(&action.source.path)));
    }
    incomplete
}

/// Whether both sides have a link, and it is not known to which path the one of the second directory points.
fn is_unknown_link(action: &Action<'_>) -> bool {
    let unknown = |target: &TreeEntry| target.kind == EntryKind::Link && target.link.is_none();
    action.change == Change::Link && action.target.is_some_and(unknown)
}

/// The names at which the trees differ, in the order of the listings.
fn differences<'a>(
    plan: &Plan<'a>,
    actions: &[Action<'a>],
    direction: Direction,
    modes: bool,
) -> Vec<(&'a [u8], Difference)> {
    let (only_source, only_target) = match direction {
        Direction::Up => (Difference::OnlyHere, Difference::OnlyOnServer),
        Direction::Down => (Difference::OnlyOnServer, Difference::OnlyHere),
    };
    let kept = plan.kept.iter().map(|(entry, _)| *entry);
    let extra: HashSet<&[u8]> = plan
        .deletes
        .iter()
        .copied()
        .chain(kept)
        .map(|entry| &*entry.path)
        .collect();
    let mut differences: Vec<(&[u8], Difference)> = Vec::new();
    let mut of_source = HashSet::new();
    for action in actions.iter().chain(&plan.after) {
        let path = &*action.source.path;
        of_source.insert(path);
        let mode = action.target.and_then(|target| target.mode);
        let difference = match action.change {
            _ if extra.contains(path) => Difference::Kind,
            Change::Make | Change::Send(Reason::New) => only_source,
            Change::Send(Reason::Size) => Difference::Size,
            // Nothing is known about the contents, and the times differ.
            Change::Send(Reason::Time) | Change::Compare => Difference::Time,
            Change::Send(Reason::Content) => Difference::Content,
            Change::Send(Reason::Kind) => Difference::Kind,
            Change::Link if is_unknown_link(action) => continue,
            Change::Link => match action.target.map(|target| target.kind) {
                None => only_source,
                Some(EntryKind::Link) => Difference::LinkTarget,
                Some(_) => Difference::Kind,
            },
            Change::Attributes if modes && mode != action.source.mode => Difference::Mode,
            // The contents are equal; times alone do not count.
            Change::Attributes => continue,
        };
        differences.push((path, difference));
    }
    let only = extra.iter().filter(|path| !of_source.contains(*path));
    differences.extend(only.map(|path| (*path, only_target)));
    differences.extend(
        plan.conflicts
            .iter()
            .map(|(ours, _)| (&*ours.path, Difference::Kind)),
    );
    differences.sort_by(|(left, _), (right, _)| order(left, right));
    differences
}
