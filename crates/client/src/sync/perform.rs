//! A sync from the two directories to the exit code.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::backup::Backups;
use super::both::{Listings, SyncSession, list_both};
use super::compare::{Action, Change, Plan, Rules, compare};
use super::contents::{Contents, FilePair, compared};
use super::deletion::Deletion;
use super::directories::{ChangedDirectories, closed};
use super::entry::{EntryKind, TreeEntry, from_outermost, order};
use super::finish::{Finisher, ReportingObserver};
use super::list::below;
use super::lock::{LockedTarget, lock};
use super::options::{SyncOptions, Trees};
use super::report::{Step, SyncReport, counted, reason_of};
use super::room::check_room;
use super::run::SyncRun;
use super::target::TargetTree;
use crate::names::join;
use crate::output::{Style, print, print_json};
use crate::progress::{self, EventTarget};
use crate::report;
use crate::transfer::progress_hub::{ProgressHub, ProgressObserver, Totals};
use crate::transfer::{Direction, Engine, Summary, TransferContext};
use base::error::{Error, Result};
use base::visible::printable;

/// How many names a question shows.
const SHOWN: usize = 5;
/// The exit code when something failed, or was left out.
const INCOMPLETE: u8 = 4;

/// Makes the target like the source, and returns the exit code.
///
/// # Errors
/// When nothing can be done, or nothing may be. Later failures are printed and counted, and show in the exit code.
pub async fn sync(session: &SyncSession, trees: &Trees, options: &SyncOptions) -> Result<u8> {
    let began = Instant::now();
    let _lock = match options.dry_run {
        true => None,
        false => lock(&match trees.direction {
            Direction::Up => LockedTarget::Remote(session.remote.destination(), &trees.remote),
            Direction::Down => LockedTarget::Local(&trees.local),
        })?,
    };
    let listings = stoppable(session, list_both(session, trees, &options.filter)).await?;
    refuse_backups_in(&listings.source.entries, options)?;
    let (totals, observer) = progress::observer(session.output.style, EventTarget::Stdout);
    let mut run = begin(session, trees, options, Arc::clone(&totals), observer);
    let plan = compare(&listings.source.entries, &listings.target.entries, &options.rules);
    run.summary.failed = report_failures(&run.report, &listings, options);
    let links = options.filter.links;
    let left = run.report.left(&plan, &listings.source.temporary, links);
    let unchanged = work(session, &mut run, &plan, &listings).await?;
    let (numbers, event) = (
        run.report.numbers(&plan, unchanged),
        run.report.event(&plan, unchanged),
    );
    let summary = std::mem::take(&mut run.summary);
    // The bars disappear before the last lines are printed.
    drop(run);
    let elapsed = began.elapsed().saturating_sub(totals.idle.total());
    let files = summary.sent + summary.same + summary.skipped + summary.failed;
    let text = match (files, numbers.is_empty()) {
        (0, true) => "nothing was there to sync".to_owned(),
        (0, false) => numbers,
        (_, true) => progress::summary(&summary, &totals, elapsed),
        (_, false) => format!("{}\n{numbers}", progress::summary(&summary, &totals, elapsed)),
    };
    for line in text.lines() {
        report::record("summary", line);
    }
    match session.output.style {
        Style::Json => {
            let line = progress::summary_event(&summary, &totals, elapsed);
            print(&format!("{line}\n"))?;
            print_json(&event)?;
        }
        Style::Words => report::write(&text),
        Style::Quiet => {}
    }
    Ok(match summary.exit_code() {
        0 if left > 0 => INCOMPLETE,
        code => code,
    })
}

/// Refuses a source that has a name where the target has its backups: it could not be told from them, and would be left
/// out.
fn refuse_backups_in(source: &[TreeEntry], options: &SyncOptions) -> Result<()> {
    let Some(directory) = options.filter.reserved.as_deref() else {
        return Ok(());
    };
    let is_in_the_way = |entry: &&TreeEntry| match entry.kind {
        EntryKind::Excluded => false,
        // The directory of the backups may lie in one that both sides have.
        EntryKind::Directory => &*entry.path == directory,
        EntryKind::File(_) | EntryKind::Link | EntryKind::Special => true,
    };
    let found = from_outermost(directory).find_map(|above| {
        let at = source.binary_search_by(|entry| order(&entry.path, above)).ok()?;
        source.get(at).filter(is_in_the_way)
    });
    match found {
        None => Ok(()),
        Some(entry) => Err(Error::new(format!(
            "the source has a {} \"{}\", and the target has its backups there; nothing was changed",
            entry.kind.name(),
            printable(&entry.path)
        ))
        .hint("name another directory with --backup-dir, or leave that name out with --exclude")),
    }
}

/// A run that has changed nothing yet, with the display that shows it.
fn begin<'a>(
    session: &SyncSession,
    trees: &'a Trees,
    options: &'a SyncOptions,
    totals: Arc<Totals>,
    observer: Box<dyn ProgressObserver>,
) -> SyncRun<'a> {
    let (observer, ended) = ReportingObserver::new(observer);
    let hub = ProgressHub::new(totals, Box::new(observer));
    let report = SyncReport::new(Arc::clone(&hub), session.output.style, options.dry_run);
    let remote = Arc::clone(&session.remote);
    let engine = Engine::new(remote, options.settings, hub, session.stop.clone());
    let target = match trees.direction {
        Direction::Up => TargetTree::Remote(Arc::clone(&engine), trees.remote.clone()),
        Direction::Down => TargetTree::Local(trees.local.clone()),
    };
    let backups = options.backup_dir.clone();
    let backups = backups.map(|directory| Arc::new(Backups::new(directory)));
    SyncRun {
        trees,
        options,
        engine,
        finisher: Finisher::new(target, backups),
        ended,
        report,
        summary: Summary::default(),
        keeps_times: None,
        directories: ChangedDirectories::default(),
    }
}

/// Carries the plan out, or shows it. Returns the number of files that are the same on both sides.
async fn work(
    session: &SyncSession,
    run: &mut SyncRun<'_>,
    plan: &Plan<'_>,
    listings: &Listings,
) -> Result<u64> {
    let options = run.options;
    let resolving = resolve(&run.engine.context, run.trees, &options.rules, plan);
    let resolved = stoppable(session, resolving).await?;
    if resolved.unknown > 0 {
        run.report.warn(&format!(
            "the contents of {} could not be compared, because a hash cannot be had",
            counted(resolved.unknown, "file", "files")
        ));
    }
    for (path, why) in &resolved.unread {
        run.fail(path, why);
    }
    let deletion = permitted(session, plan, options, listings, run.summary.failed).await?;
    if deletion == Deletion::Withheld {
        run.report
            .warn("nothing is deleted, because not everything could be compared");
    }
    let delete = deletion == Deletion::Allowed;
    let actions = &resolved.actions;
    match options.dry_run {
        true => show(&mut run.report, plan, actions, delete, listings.target_exists),
        false => carry_out(run, plan, actions, delete, listings).await?,
    }
    Ok(resolved.unchanged)
}

/// Runs work that Ctrl-C may cancel at any point, because it changes nothing.
pub(super) async fn stoppable<T>(session: &SyncSession, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        done = work => done,
        () = session.stop.cancelled() => Err(Error::new("stopped")),
    }
}

/// Shows which names could not be listed, and which are asked for but missing. Returns their number.
fn report_failures(report: &SyncReport, listings: &Listings, options: &SyncOptions) -> u64 {
    let mut failures = 0;
    for (path, why) in listings.failures() {
        failures += 1;
        report.failed(path, why);
    }
    let names = options.filter.only.iter().flat_map(|only| only.names());
    for name in names {
        let there = listings
            .source
            .entries
            .binary_search_by(|entry| order(&entry.path, name));
        if there.is_err() {
            failures += 1;
            report.failed(name, "the source does not have it");
        }
    }
    failures
}

/// The actions of a plan after contents were compared.
pub(super) struct ResolvedActions<'a> {
    pub(super) actions: Vec<Action<'a>>,
    /// The number of files that are the same on both sides.
    pub(super) unchanged: u64,
    /// The number of files whose contents could not be compared, because a hash cannot be had.
    pub(super) unknown: usize,
    /// The files that this machine cannot read, and why.
    pub(super) unread: Vec<(&'a [u8], String)>,
}

/// Compares contents where they decide.
pub(super) async fn resolve<'a>(
    context: &TransferContext,
    trees: &Trees,
    rules: &Rules,
    plan: &Plan<'a>,
) -> Result<ResolvedActions<'a>> {
    let undecided = |action: &&Action<'_>| action.change == Change::Compare;
    let pair = |action: &Action<'_>| FilePair {
        local: below(&trees.local, &action.source.path),
        remote: join(&trees.remote, &action.source.path),
        size: match action.source.kind {
            EntryKind::File(size) => size,
            _ => 0,
        },
    };
    let pairs: Vec<FilePair> = plan.actions.iter().filter(undecided).map(pair).collect();
    let contents = compared(context, &pairs).await;
    let contents = contents.map_err(|failed| Error::new("cannot compare the contents").because(failed))?;
    let mut contents = contents.into_iter();
    let mut resolved = ResolvedActions {
        actions: Vec::new(),
        unchanged: plan.unchanged,
        unknown: 0,
        unread: Vec::new(),
    };
    for action in &plan.actions {
        let change = match (action.change, action.target) {
            (Change::Compare, Some(target)) => {
                let contents = match contents.next().unwrap_or(Ok(Contents::Unknown)) {
                    Ok(contents) => contents,
                    Err(why) => {
                        resolved.unread.push((&*action.source.path, why));
                        continue;
                    }
                };
                resolved.unknown += usize::from(contents == Contents::Unknown);
                rules.compared(action.source, target, contents)
            }
            (change, _) => Some(change),
        };
        match change {
            Some(change) => resolved.actions.push(Action { change, ..*action }),
            None => resolved.unchanged += 1,
        }
    }
    Ok(resolved)
}

/// Decides whether the plan may delete, and asks the user where an option does not say.
async fn permitted(
    session: &SyncSession,
    plan: &Plan<'_>,
    options: &SyncOptions,
    listings: &Listings,
    failures: u64,
) -> Result<Deletion> {
    let takes_part = |entry: &&TreeEntry| entry.kind != EntryKind::Excluded;
    let source = listings.source.entries.iter().filter(takes_part).count();
    match Deletion::of(plan, options, source, failures) {
        Deletion::EmptySource => Err(Error::new(format!(
            "the source is empty, and {} would be deleted; nothing was changed",
            names_of(plan)
        ))
        .hint("is a disk not mounted? --max-delete allows it")),
        Deletion::TooMany(most) => Err(Error::new(format!(
            "{} would be deleted, and --max-delete allows {most}; nothing was changed",
            names_of(plan)
        ))
        .hint("-n shows them")),
        Deletion::Ask => match ask(session, plan).await? {
            true => Ok(Deletion::Allowed),
            false => Err(Error::new("nothing was changed")),
        },
        decided => Ok(decided),
    }
}

/// Asks whether the names of the plan are to be deleted.
async fn ask(session: &SyncSession, plan: &Plan<'_>) -> Result<bool> {
    let deletes = plan.deletes.len();
    let shown = plan.deletes.iter().rev().take(SHOWN);
    let mut names: Vec<String> = shown.map(|entry| printable(&entry.path)).collect();
    if deletes > SHOWN {
        names.push("…".to_owned());
    }
    let question = format!(
        "Delete {} that the source does not have: {}",
        names_of(plan),
        names.join(", ")
    );
    let prompts = Arc::clone(session.remote.prompts());
    let asked = tokio::task::spawn_blocking(move || prompts.confirm(&question)).await;
    asked
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Error::new("stopped; nothing was changed"),
            _ => Error::new(format!(
                "nobody can be asked whether to delete {names}; nothing was changed",
                names = names_of(plan)
            ))
            .hint("--max-delete N or --yes decides, and -n shows them"),
        })
}

/// The number of names that a plan deletes, in words.
fn names_of(plan: &Plan<'_>) -> String {
    counted(plan.deletes.len(), "name", "names")
}

/// Shows what a run would do.
fn show(report: &mut SyncReport, plan: &Plan<'_>, actions: &[Action<'_>], delete: bool, target_exists: bool) {
    if !target_exists {
        report.done(Step::Make, b".", None);
    }
    let show_actions = |report: &mut SyncReport, actions: &[Action<'_>]| {
        for action in actions {
            report.done(
                Step::of(action.change),
                &action.source.path,
                reason_of(action.change),
            );
        }
    };
    show_actions(report, actions);
    if delete {
        for entry in &plan.deletes {
            report.done(Step::Delete, &entry.path, None);
        }
        show_actions(report, &plan.after);
    }
}

/// Makes the target like the source: the deletions come after everything else has succeeded.
async fn carry_out(
    run: &mut SyncRun<'_>,
    plan: &Plan<'_>,
    actions: &[Action<'_>],
    delete: bool,
    listings: &Listings,
) -> Result<()> {
    let jobs = run.jobs(actions);
    check_room(&run.engine.context, run.trees, &jobs).await?;
    let mut made_and_locked = None;
    if !listings.target_exists {
        let made = run.finisher.target.make(b"").await;
        made.map_err(|why| Error::new(format!("cannot make the target directory: {why}")))?;
        if run.trees.direction == Direction::Down {
            // There was nothing to lock before.
            made_and_locked = lock(&LockedTarget::Local(&run.trees.local))?;
        }
        run.report.done(Step::Make, b".", None);
    }
    let changes = actions.iter().chain(&plan.after);
    let changes = changes.filter(|action| action.change != Change::Attributes);
    let changes = changes.map(|action| &*action.source.path);
    let deletes = plan.deletes.iter().filter(|_| delete).map(|entry| &*entry.path);
    if run.options.rules.modes {
        let closed = closed(&listings.target.entries, changes.chain(deletes));
        let (target, stop) = (&run.finisher.target, &run.engine.context.stop);
        run.directories.open(target, stop, closed).await;
    }
    run.act(actions).await?;
    if delete && run.is_whole() {
        run.delete(&plan.deletes).await;
        if run.is_whole() {
            run.act(&plan.after).await?;
        }
    } else if delete {
        run.report
            .warn("nothing is deleted, because not everything was transferred");
    }
    run.set_directories(&listings.source.entries).await;
    drop(made_and_locked);
    Ok(())
}
