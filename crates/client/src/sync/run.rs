//! Carries out a plan: directories, files, and at last the deletions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sftp_wire::Attributes;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::change_error::ChangeError;
use super::compare::{Action, Change, Reason};
use super::directories::{ChangedDirectories, depth};
use super::entry::{EntryKind, TreeEntry};
use super::finish::{EndedTransfer, Finisher, target_of};
use super::new_link::NewLink;
use super::options::{SyncOptions, Trees};
use super::planned_transfer::{PlannedTransfer, times};
use super::report::{Step, SyncReport};
use super::target::TargetTree;
use crate::transfer::{Engine, Job, Summary};
use crate::unmade::UnmadeDirectories;
use base::error::{Error, Result};
use base::visible::printable;

/// One run of a sync, while it changes the target.
pub(super) struct SyncRun<'a> {
    pub(super) trees: &'a Trees,
    pub(super) options: &'a SyncOptions,
    pub(super) engine: Arc<Engine>,
    pub(super) finisher: Finisher,
    pub(super) ended: UnboundedReceiver<EndedTransfer>,
    pub(super) report: SyncReport,
    pub(super) summary: Summary,
    /// Whether the target keeps times. `None`: that is not known yet.
    pub(super) keeps_times: Option<bool>,
    /// Directories whose times and permissions are set at the end.
    pub(super) directories: ChangedDirectories,
}

impl SyncRun<'_> {
    /// Whether everything has gone well so far.
    pub(super) fn is_whole(&self) -> bool {
        self.summary.failed == 0 && !self.summary.stopped && !self.engine.context.stop.is_cancelled()
    }

    pub(super) fn fail(&mut self, path: &[u8], why: &str) {
        self.summary.failed += 1;
        self.report.failed(path, why);
    }

    /// Counts a change that has failed, and shows why. Without a connection all that is left fails, which is said once.
    fn fail_change(&mut self, path: &[u8], why: ChangeError) {
        match why {
            ChangeError::Lost(lost) => {
                self.summary.failed += 1;
                let hub = &self.engine.context.hub;
                hub.not_done(&printable(path), &lost.into());
            }
            ChangeError::Refused(why) => self.fail(path, &why),
        }
    }

    /// Warns of a change that was refused and is no failure: the next run makes it. A lost connection is one all the same.
    fn warn_of_change(&mut self, path: &[u8], why: ChangeError) {
        match why {
            lost @ ChangeError::Lost(_) => self.fail_change(path, lost),
            ChangeError::Refused(why) => self.report.warn_once(path, &why),
        }
    }

    /// The transfers that the actions need.
    pub(super) fn jobs(&self, actions: &[Action<'_>]) -> Vec<Job> {
        let sends = actions
            .iter()
            .filter(|action| matches!(action.change, Change::Send(_)));
        sends.map(|action| self.planned(action).job).collect()
    }

    /// Makes directories, and transfers files.
    pub(super) async fn act(&mut self, actions: &[Action<'_>]) -> Result<()> {
        let actions = &self.make(actions).await;
        if self.engine.context.stop.is_cancelled() {
            self.summary.stopped = true;
            return Ok(());
        }
        let sends = |action: &&Action<'_>| matches!(action.change, Change::Send(_));
        let mut sends: Vec<Action<'_>> = actions.iter().filter(sends).copied().collect();
        if self.keeps_times.is_none() && !sends.is_empty() {
            // The smallest file shows whether times are kept.
            let size = |(_, action): &(usize, &Action<'_>)| match action.source.kind {
                EntryKind::File(size) => size,
                _ => u64::MAX,
            };
            let smallest = sends.iter().enumerate().min_by_key(size).map_or(0, |(at, _)| at);
            let first = sends.remove(smallest);
            self.send(&[first]).await;
            self.look_at_times(first.source).await?;
            if self.keeps_times == Some(false) {
                // Without times the size is all that says whether a file is the same.
                sends.retain(|action| action.change != Change::Send(Reason::Time));
            }
        }
        self.send(&sends).await;
        self.link(actions).await;
        let attributes = |action: &&Action<'_>| action.change == Change::Attributes;
        let names = actions.iter().filter(attributes).map(|action| action.source);
        // What is done in a directory later would fail if it was closed now.
        let (directories, mut names): (Vec<&TreeEntry>, Vec<&TreeEntry>) =
            names.partition(|entry| entry.kind == EntryKind::Directory);
        directories
            .iter()
            .for_each(|entry| self.directories.differs(&entry.path));
        if self.keeps_times.is_none()
            && let Some(first) = names.pop()
        {
            self.set_attributes(vec![first]).await;
            self.look_at_times(first).await?;
        }
        self.set_attributes(names).await;
        Ok(())
    }

    /// Makes directories, those further up first. Returns the actions without those below a directory that could not be
    /// made, which is told once for all of them.
    async fn make<'a>(&mut self, actions: &[Action<'a>]) -> Vec<Action<'a>> {
        let mut unmade = UnmadeDirectories::default();
        let mut levels: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
        for action in actions.iter().filter(|action| action.change == Change::Make) {
            let path = &action.source.path;
            levels.entry(depth(path)).or_default().push(path.to_vec());
        }
        let (target, stop) = (self.finisher.target.clone(), self.engine.context.stop.clone());
        for mut paths in levels.into_values() {
            paths.retain(|path| !unmade.covers(path));
            let made = target.each(
                paths,
                &stop,
                |target, path| async move { target.make(&path).await },
            );
            for (path, result) in made.await {
                match result {
                    Ok(()) => {
                        self.directories.touch(&path);
                        self.directories.add(&path);
                        self.report.done(Step::Make, &path, None);
                    }
                    Err(ChangeError::Refused(why)) => {
                        unmade.add(&path, &path, format!("cannot make the directory: {why}"));
                    }
                    Err(lost) => self.fail_change(&path, lost.when("cannot make the directory")),
                }
            }
        }
        let mut others = actions.to_vec();
        others.retain(|action| !unmade.leave_out(&action.source.path));
        for directory in unmade.into_directories() {
            self.summary.left_out += directory.below.count;
            self.fail(&directory.shown, &directory.below.behind(&directory.why));
        }
        others
    }

    /// Makes the links that the actions ask for.
    async fn link(&mut self, actions: &[Action<'_>]) {
        let links = actions.iter().filter(|action| action.change == Change::Link);
        let links = links.filter_map(|action| {
            Some(NewLink {
                path: action.source.path.to_vec(),
                points_to: action.source.link.as_deref()?.to_vec(),
                replaces: action.target.is_some(),
            })
        });
        let links: Vec<NewLink> = links.collect();
        let (target, stop) = (self.finisher.target.clone(), self.engine.context.stop.clone());
        let backups = self.finisher.backups.clone();
        let make = |target: TargetTree, link: NewLink| {
            let backups = backups.clone();
            async move { link.make(&target, backups.as_deref()).await }
        };
        for (link, result) in target.each(links, &stop, make).await {
            match result {
                Ok(()) => {
                    self.directories.touch(&link.path);
                    self.report.done(Step::Link, &link.path, None);
                }
                Err(why) => self.fail_change(&link.path, why.when("cannot make the link")),
            }
        }
        self.summary.stopped |= stop.is_cancelled();
    }

    /// Looks whether the first file has got its time.
    ///
    /// # Errors
    /// When it has not, and newer files were to stay.
    async fn look_at_times(&mut self, first: &TreeEntry) -> Result<()> {
        let Some(wanted) = first.modified.filter(|_| self.is_whole()) else {
            return Ok(());
        };
        let found = match self.finisher.target.modified(&first.path).await {
            Ok(found) => found,
            Err(why) => {
                self.fail_change(&first.path, why.when("cannot look at its times"));
                return Ok(());
            }
        };
        let kept = self.options.rules.same_time(Some(wanted), found);
        self.keeps_times = Some(kept);
        match (kept, self.options.rules.update) {
            (true, _) => Ok(()),
            (false, true) => Err(Error::new(
                "the target does not keep times, and --update compares them",
            )),
            (false, false) => {
                self.report.warn(
                    "the target does not keep times; files are compared by their contents, else by their sizes",
                );
                Ok(())
            }
        }
    }

    /// Transfers files, and finishes each as soon as it has arrived.
    async fn send(&mut self, sends: &[Action<'_>]) {
        if sends.is_empty() {
            return;
        }
        let mut finishes = HashMap::new();
        let mut jobs = Vec::new();
        for action in sends {
            let PlannedTransfer { job, finish } = self.planned(action);
            finishes.insert(target_of(&job).to_vec(), finish);
            jobs.push(job);
        }
        let bytes = jobs.iter().fold(0_u64, |sum, job| sum.saturating_add(job.size));
        self.engine.context.hub.expect(jobs.len() as u64, bytes);
        let done = CancellationToken::new();
        let engine = Arc::clone(&self.engine);
        let running = async {
            let summary = engine.run(jobs).await;
            done.cancel();
            summary
        };
        let (ended, finisher) = (&mut self.ended, &mut self.finisher);
        let finishing = async {
            loop {
                let report = tokio::select! {
                    biased;
                    report = ended.recv() => report,
                    () = done.cancelled() => None,
                };
                let Some(report) = report else {
                    return;
                };
                if let Some(finish) = finishes.get(&report.target).filter(|_| report.succeeded) {
                    finisher.start(finish.clone()).await;
                }
            }
        };
        let (summary, ()) = tokio::join!(running, finishing);
        self.summary.add(summary);
        self.finished().await;
    }

    /// Waits until all files that have arrived are finished.
    async fn finished(&mut self) {
        for (finish, result) in self.finisher.finish().await {
            match result {
                Ok(()) => {}
                Err(why) if finish.temporary => {
                    self.fail_change(&finish.path, why);
                    continue;
                }
                // The content is there, and is compared with the next time.
                Err(why) => self.warn_of_change(&finish.path, why),
            }
            self.directories.touch(&finish.path);
            self.report.done(Step::Send, &finish.path, finish.reason);
        }
    }

    fn planned(&self, action: &Action<'_>) -> PlannedTransfer {
        PlannedTransfer::new(self.trees, self.options, action, self.attributes(action.source))
    }

    /// The times and permissions of a name of the source that the target gets.
    fn attributes(&self, source: &TreeEntry) -> Attributes {
        Attributes {
            permissions: source.mode.filter(|_| self.options.rules.modes),
            times: times(source).filter(|_| self.keeps_times != Some(false)),
            ..Attributes::default()
        }
    }

    async fn set_attributes(&mut self, names: Vec<&TreeEntry>) {
        for (path, result) in self.set_all(names).await {
            match result {
                Ok(()) => self.report.done(Step::Attributes, &path, None),
                Err(why) => self.warn_of_change(&path, why.when("cannot set times and permissions")),
            }
        }
    }

    /// Sets times and permissions of names, and returns the results.
    async fn set_all(&self, names: Vec<&TreeEntry>) -> Vec<(Vec<u8>, std::result::Result<(), ChangeError>)> {
        let wanted = names
            .into_iter()
            .map(|entry| (entry.path.to_vec(), self.attributes(entry)));
        let wanted = wanted
            .filter(|(_, attrs)| *attrs != Attributes::default())
            .collect();
        let set = |target: TargetTree, (path, attrs): (Vec<u8>, Attributes)| async move {
            target.set(&path, &attrs).await
        };
        let set = self
            .finisher
            .target
            .each(wanted, &self.engine.context.stop, set)
            .await;
        set.into_iter()
            .map(|((path, _), result)| (path, result))
            .collect()
    }

    /// Deletes names, or moves them to the backups: first what is not a directory, then the directories, the innermost
    /// first.
    pub(super) async fn delete(&mut self, deletes: &[&TreeEntry]) {
        let mut levels: BTreeMap<usize, Vec<TreeEntry>> = BTreeMap::new();
        for entry in deletes {
            let level = match entry.kind {
                EntryKind::Directory => depth(&entry.path),
                _ => usize::MAX,
            };
            levels.entry(level).or_default().push((*entry).clone());
        }
        let (target, stop) = (self.finisher.target.clone(), self.engine.context.stop.clone());
        for entries in levels.into_values().rev() {
            let backups = self.finisher.backups.clone();
            let delete = |target: TargetTree, entry: TreeEntry| {
                let backups = backups.clone().filter(|_| entry.kind != EntryKind::Directory);
                async move {
                    match backups {
                        Some(backups) => backups.take(&target, &entry.path).await,
                        None => target.remove(&entry).await,
                    }
                }
            };
            for (entry, result) in target.each(entries, &stop, delete).await {
                match result {
                    Ok(()) => {
                        self.directories.touch(&entry.path);
                        self.report.done(Step::Delete, &entry.path, None);
                    }
                    Err(why) => self.fail_change(&entry.path, why.when("cannot delete it")),
                }
            }
        }
        self.summary.stopped |= stop.is_cancelled();
    }

    /// Sets times and permissions of directories.
    pub(super) async fn set_directories(&mut self, source: &[TreeEntry]) {
        for level in self.directories.levels(source) {
            for (path, result) in self.set_all(level).await {
                match result {
                    Ok(()) if self.directories.is_different(&path) => {
                        self.report.done(Step::Attributes, &path, None);
                    }
                    Ok(()) => {}
                    Err(why) => {
                        self.warn_of_change(&path, why.when("cannot keep the times of the directory"))
                    }
                }
            }
        }
    }
}
