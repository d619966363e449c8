//! Runs hooks: takes entries that are ready from the queue, and records what has come of each.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::{JobEnd, PublishedPlace};
use super::entry::QueueEntry;
use super::helper::{CommandAttachment, HookCommand, HookHelper, NoAnswer};
use super::opening::FileOpener;
use super::publish::{PublishOutcome, Publisher};
use super::published_uploads::PublishedUploads;
use super::queue::{DroppedEvents, HookJob, HookQueue};
use super::running::RunningHooks;
use super::table::{CurrentHooks, Hook};
use super::upload_place::UploadPlace;
use super::verdicts;
use super::webhook::WebhookCaller;
use crate::domain::event::Event;
use crate::ssh::service::Service;
use crate::storage::local::readable::{FileState, ReadableFile};
use crate::store::Store;

/// How long the last hooks may run when the server ends. After that they are run again at the next start.
const LAST_HOOKS: Duration = Duration::from_secs(3);
/// The shortest time between two events about dropped events, however many there are.
const DROPS_EVERY: Duration = Duration::from_secs(1);
/// How often a server without a supervisor looks whether a reload has brought commands.
const LOOK_FOR_COMMANDS_EVERY: Duration = Duration::from_secs(1);
/// What is wrong then, for the log and for `check`.
const NO_HELPER: &str = "the commands of hooks cannot be run, since the process that starts their helper is not there: their events \
                         wait until the server is restarted";

/// The parts of a runner.
pub struct HookRunnerSetup {
    /// The state of the server's connections, its accounts and its events.
    pub service: Arc<Service>,
    /// The store of the users.
    pub store: Arc<dyn Store>,
    /// The hooks of the configuration.
    pub hooks: CurrentHooks,
    /// The entries that wait.
    pub queue: Arc<HookQueue>,
    /// The helper, if its supervisor could be started.
    pub helper: Option<Arc<HookHelper>>,
}

/// Runs the hooks of one server.
pub struct HookRunner {
    setup: HookRunnerSetup,
    publisher: Publisher,
    /// Made for the first request: reading the certificates of the system takes time and memory.
    caller: Arc<OnceLock<WebhookCaller>>,
    running: RunningHooks,
    opener: FileOpener,
    published: PublishedUploads,
}

/// The file that a command gets, where it is, and where it is moved.
#[derive(Default)]
struct CheckedFile {
    place: Option<UploadPlace>,
    file: Option<ReadableFile>,
    to: Option<UploadPlace>,
}

impl HookRunner {
    /// Creates the runner. It blocks on the disk.
    pub fn new(setup: HookRunnerSetup) -> Arc<Self> {
        let caller = OnceLock::new();
        if setup.hooks.get().has_urls() {
            caller.get_or_init(WebhookCaller::new);
        }
        Arc::new(Self {
            publisher: Publisher::new(Arc::clone(&setup.service), Arc::clone(&setup.store)),
            caller: Arc::new(caller),
            running: RunningHooks::default(),
            opener: FileOpener::default(),
            published: PublishedUploads::default(),
            setup,
        })
    }

    /// Runs hooks until `quit` is cancelled, and a little longer for those that run then.
    pub async fn run(self: Arc<Self>, quit: CancellationToken) {
        let listening = async {
            let is_reported = match &self.setup.helper {
                Some(helper) => {
                    helper
                        .listen(|problem| self.setup.queue.helper_failed(problem))
                        .await
                }
                None => false,
            };
            if !is_reported {
                self.report_missing_helper().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = listening => {}
            () = self.run_all(quit) => {}
        }
    }

    async fn run_all(self: &Arc<Self>, quit: CancellationToken) {
        let queue = &self.setup.queue;
        let mut jobs = JoinSet::new();
        let mut drops = tokio::time::interval(DROPS_EVERY);
        drops.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.want_helper();
            while let Some(job) = queue.take(|hook| self.may_run(hook)) {
                self.running.begin(&job.entry.hook);
                jobs.spawn(Arc::clone(self).run_job(job));
            }
            let due = queue.next_due();
            let next = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = quit.cancelled() => break,
                () = queue.changed() => {}
                () = self.helper_changed() => {}
                Some(_) = jobs.join_next() => {}
                () = next => {}
                _ = drops.tick() => self.report_dropped(),
            }
        }
        self.report_dropped();
        let last = async { while jobs.join_next().await.is_some() {} };
        // Those that are cut off are run again.
        let _ = tokio::time::timeout(LAST_HOOKS, last).await;
    }

    /// Returns whether the hook with this id may run once more. A hook that is not in the configuration any more may, so
    /// that its entries are set aside.
    fn may_run(&self, id: &str) -> bool {
        let is_command = |hook: &Arc<Hook>| hook.settings.url.is_none();
        let needs_helper = self.setup.hooks.get().find(id).as_ref().is_some_and(is_command);
        let has_helper = self.setup.helper.as_ref().is_some_and(|helper| helper.is_ready());
        (has_helper || !needs_helper) && self.running.may_run(id)
    }

    /// Has the helper started as soon as the configuration has a command.
    fn want_helper(&self) {
        if let Some(helper) = &self.setup.helper
            && self.setup.hooks.get().has_commands()
        {
            helper.want();
        }
    }

    async fn helper_changed(&self) {
        match &self.setup.helper {
            Some(helper) => helper.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Reports commands that a reload has brought, and that cannot be run.
    async fn report_missing_helper(&self) {
        let mut looks = tokio::time::interval(LOOK_FOR_COMMANDS_EVERY);
        while !self.setup.hooks.get().has_commands() {
            looks.tick().await;
        }
        tracing::error!("{NO_HELPER}");
        self.setup.queue.helper_failed(Some(NO_HELPER));
    }

    fn report_dropped(&self) {
        for dropped in self.setup.queue.take_dropped() {
            let DroppedEvents {
                label,
                event,
                reason,
                count,
            } = dropped;
            let reason = reason.sentence();
            tracing::error!(hook = %label, event, count, reason, "events were not told to a hook");
            self.setup.service.events.emit(&Event::HookDropped {
                hook: label,
                name: event,
                reason,
                count,
            });
        }
    }

    async fn run_job(self: Arc<Self>, job: HookJob) {
        let queue = &self.setup.queue;
        let entry = &job.entry;
        let Some(hook) = self.setup.hooks.get().find(&entry.hook) else {
            let gone = "no hook of the configuration has this command or url any more";
            tracing::warn!(hook = %entry.label, id = entry.id, "an event was set aside: {gone}");
            queue.set_aside(entry.id, gone);
            self.running.end(&entry.hook);
            return;
        };
        let (end, place) = match hook.settings.url {
            Some(_) => (self.call(&hook, &job).await, None),
            None => match self.publisher.place_of(entry).await {
                Ok(place) => (self.run_command(&hook, &job, place.clone()).await, place),
                Err(error) => (JobEnd::Failed(error.to_string()), None),
            },
        };
        match end {
            JobEnd::Done => queue.finish(entry.id),
            JobEnd::Interrupted => queue.interrupt(entry.id, hook.settings.retries),
            JobEnd::Failed(why) => {
                let is_last = job.attempt > hook.settings.retries;
                let what = if is_last { "set aside" } else { "to be tried again" };
                tracing::warn!(hook = %hook.label, id = entry.id, attempt = job.attempt, cause = %why, "a hook has failed: {what}");
                queue.fail(entry.id, &why, hook.settings.retries);
            }
            JobEnd::Superseded(why) => {
                tracing::info!(hook = %hook.label, id = entry.id, "an event publishes nothing: {why}");
                queue.finish(entry.id);
            }
            JobEnd::Held(reason) => {
                tracing::warn!(hook = %hook.label, id = entry.id, reason, "an upload is held");
                self.emit(verdicts::held(entry, &hook, place, reason));
                queue.finish(entry.id);
            }
            JobEnd::Published(published) => {
                self.emit(verdicts::published(entry, &hook, place, published));
                queue.finish_published(entry.id);
            }
        }
        self.running.end(&entry.hook);
    }

    async fn call(&self, hook: &Arc<Hook>, job: &HookJob) -> JobEnd {
        let (caller, hook) = (Arc::clone(&self.caller), Arc::clone(hook));
        let body = job.entry.body(job.attempt, None);
        let called =
            tokio::task::spawn_blocking(move || caller.get_or_init(WebhookCaller::new).call(&hook, &body))
                .await;
        match called {
            Ok(Ok(())) => JobEnd::Done,
            Ok(Err(why)) => JobEnd::Failed(why),
            Err(error) => JobEnd::Failed(error.to_string()),
        }
    }

    async fn run_command(&self, hook: &Arc<Hook>, job: &HookJob, place: Option<UploadPlace>) -> JobEnd {
        let entry = &job.entry;
        let Some(helper) = &self.setup.helper else {
            return JobEnd::Failed("there is no helper".to_owned());
        };
        let CheckedFile { place, file, to } = match self.find_file(hook, place).await {
            Ok(found) => found,
            Err(end) => return end,
        };
        let body = entry.body(job.attempt, file.as_ref().map(|file| file.state.size));
        let command = HookCommand {
            words: &hook.settings.command,
            input: &body,
            attached: match &file {
                Some(file) => CommandAttachment::File(&file.descriptor),
                None => CommandAttachment::Nothing,
            },
            timeout_secs: hook.settings.timeout_secs,
        };
        let result = match helper.run(command).await {
            Ok(result) => result,
            Err(NoAnswer::HelperEnded) => return JobEnd::Interrupted,
            Err(NoAnswer::Failed(why)) => return JobEnd::Failed(why),
        };
        match (JobEnd::of(result, hook.move_to.is_some()), place, file, to) {
            (JobEnd::Done, Some(place), Some(file), Some(to)) => {
                self.publish(entry, place, file.state, to).await
            }
            (end, ..) => end,
        }
    }

    /// Opens the file of an entry, if it has a place. The error is the end of the attempt.
    async fn find_file(&self, hook: &Hook, place: Option<UploadPlace>) -> Result<CheckedFile, JobEnd> {
        let Some(place) = place else {
            return match hook.move_to {
                Some(_) => Err(JobEnd::Held("it is a directory, and not a file".to_owned())),
                None => Ok(CheckedFile::default()),
            };
        };
        let to = match hook.target_of(&place.path, &place.seen()) {
            Some(to) => Some(self.publisher.target(&place, &to).await.map_err(JobEnd::Failed)?),
            None => None,
        };
        let mut found = CheckedFile {
            file: self.open(&place).await.map_err(JobEnd::Failed)?,
            place: Some(place),
            to,
        };
        if let (None, Some(moved)) = (&found.file, &found.to) {
            let moved = moved.clone();
            found.file = self.open(&moved).await.map_err(JobEnd::Failed)?;
            let Some(file) = &found.file else {
                let gone = "the name does not stand for the uploaded file any more";
                return Err(JobEnd::Held(gone.to_owned()));
            };
            if self.published.contains(&hook.id, &moved, file.state) {
                let why = "an earlier event of the same file has published these bytes already";
                return Err(JobEnd::Superseded(why.to_owned()));
            }
            // It was moved before a crash, or its user has moved it there: it is checked where it is.
            found.place = Some(moved);
        }
        Ok(found)
    }

    /// Opens the file at a place; `None` if the name is another file now.
    async fn open(&self, place: &UploadPlace) -> Result<Option<ReadableFile>, String> {
        let (service, place) = (Arc::clone(&self.setup.service), place.clone());
        let home = place.home().to_owned();
        let opened = self
            .opener
            .run(&home, move || place.open(&service.mount_context))
            .await?;
        opened.map_err(|error| error.to_string())
    }

    /// Returns the state of the file at a place; `None` if the name is another file now.
    async fn state_of(&self, place: &UploadPlace) -> Result<Option<FileState>, String> {
        let (service, place) = (Arc::clone(&self.setup.service), place.clone());
        let home = place.home().to_owned();
        let state = move || place.state(&service.mount_context);
        self.opener.run(&home, state).await
    }

    async fn publish(
        &self,
        entry: &QueueEntry,
        place: UploadPlace,
        checked: FileState,
        to: UploadPlace,
    ) -> JobEnd {
        let Some(user) = entry.user() else {
            return JobEnd::Held("the event has no user".to_owned());
        };
        // The last upload of a file decides, with an event of its own, which names its user and its size.
        if let Some(next) = self.setup.queue.next_upload(entry.id) {
            return superseded(next);
        }
        match self.publisher.publish(&user, place, checked, to.clone()).await {
            PublishOutcome::Published => {
                if let Ok(Some(state)) = self.state_of(&to).await {
                    self.published.add(&entry.hook, &to, state);
                }
                JobEnd::Published(PublishedPlace {
                    to,
                    size: checked.size,
                })
            }
            PublishOutcome::Changed => match self.setup.queue.next_upload(entry.id) {
                Some(next) => superseded(next),
                None => JobEnd::Failed(
                    "the file was changed, or may be, since the command has seen it".to_owned(),
                ),
            },
            PublishOutcome::Refused(why) => JobEnd::Held(why),
            PublishOutcome::Failed(why) => JobEnd::Failed(why),
        }
    }

    fn emit(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.setup.service.events.emit(&event);
        }
    }
}

fn superseded(next: u64) -> JobEnd {
    JobEnd::Superseded(format!(
        "its file was uploaded again, which the event {next} is about"
    ))
}
