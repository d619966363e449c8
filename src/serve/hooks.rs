//! The hooks of a server: its queue, the subscriber of events, and the helper process.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::privileges;
use crate::config::{self, Config};
use crate::domain::folder::Folder;
use crate::domain::user::User;
use crate::hooks::helper::{HelperNeed, HookHelper, StartedHelper, process};
use crate::hooks::queue::{HookQueue, QueueLimits};
use crate::hooks::runner::{HookRunner, HookRunnerSetup};
use crate::hooks::subscriber::HookSubscriber;
use crate::hooks::table::{CurrentHooks, HookTable};
use crate::ops::check::report::Report;
use crate::ops::data_dir;
use crate::ssh::service::Service;
use crate::store::Store;
use crate::store::sql::SqlStore;
use base::error::{Error, Result};

/// The words by which the helper learns whom it becomes: a user of the system, or the owner of a directory.
const USER: &str = "user";
const OWNER: &str = "owner";

/// Starts the supervisor of the helper, and the helper if a hook or `[auth.external]` has a command. It is called before the
/// server gives up the right to run programs. A server without commands has a supervisor, too: a reload may bring the first one.
/// It costs half a megabyte of memory.
///
/// # Errors
/// Returns an error if there are commands, and the helper does not start.
pub fn start_helper(config: &Config) -> Result<Option<StartedHelper>> {
    let file = config.file.clone().into();
    let words: [OsString; 3] = match &config.server.user {
        Some(name) => [file, USER.into(), name.into()],
        None => [file, OWNER.into(), config.data_dir().into()],
    };
    let has_program = !config.auth.external.command.is_empty();
    match has_program || config.hooks.iter().any(|hook| !hook.command.is_empty()) {
        true => StartedHelper::start(&words, HelperNeed::AtOnce).map(Some),
        // Without a supervisor, the first command that a reload brings is reported.
        false => Ok(StartedHelper::start(&words, HelperNeed::Later).ok()),
    }
}

/// Runs the helper, or the beginning of a command, if this process was started as one; `None` if it was not.
pub fn helper_process() -> Option<ExitCode> {
    process::run(|words| {
        let file = match words {
            [file, what, name] if what == USER => {
                privileges::become_named(&name.to_string_lossy()).map(|()| file)
            }
            [file, what, directory] if what == OWNER => {
                data_dir::become_owner(directory.as_ref()).map(|()| file)
            }
            _ => Err(Error::new("the helper of hooks was started in a wrong way")),
        };
        let file = PathBuf::from(file?);
        Ok(Box::new(move || {
            let config = config::load(&file).ok()?;
            let hooks = config.hooks.into_iter().map(|hook| hook.command);
            let commands = hooks.chain(std::iter::once(config.auth.external.command));
            // No command is not one.
            Some(commands.filter(|command| !command.is_empty()).collect())
        }))
    })
}

/// Reports hooks that are to move uploads into a folder on another file system than homes: the server would hold them.
pub(super) fn check_targets(config: &Config, users: &[User], folders: &[Folder], report: &mut Report) {
    let device = |place: &Path| place.metadata().ok().map(|meta| meta.dev());
    let parents: BTreeSet<&Path> = users.iter().filter_map(|user| user.home.parent()).collect();
    for target in config.hooks.iter().filter_map(|hook| hook.move_to.as_deref()) {
        let name = target.split('/').find(|name| !name.is_empty());
        let folder = folders.iter().find(|folder| Some(folder.name.as_str()) == name);
        let Some((folder, there)) = folder.and_then(|folder| Some((folder, device(&folder.path)?))) else {
            continue;
        };
        let is_elsewhere = |parent: &&&Path| device(parent).is_some_and(|here| here != there);
        if let Some(parent) = parents.iter().find(is_elsewhere) {
            report.warn(format!(
                "{}\"move_to\" in [[hooks]]: the folder {} lies on another file system than the homes in {parent:?}, so \
                 uploads there are held (hint: homeportd folder set {} --path DIR)",
                config.place_of("hooks", "move_to"),
                folder.name,
                folder.name
            ));
        }
    }
}

/// The hooks of a server, before it runs.
pub(super) struct ServerHooks {
    pub(super) current: CurrentHooks,
    pub(super) queue: Arc<HookQueue>,
    /// The helper, if one was started with the server.
    pub(super) helper: Option<Arc<HookHelper>>,
}

impl ServerHooks {
    /// Reads the secrets, opens the queue, and connects to the helper. The data directory must be locked.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be read, or if the helper cannot be watched.
    pub(super) fn open(config: &Config, helper: Option<StartedHelper>) -> Result<Self> {
        let current = CurrentHooks::new(HookTable::load(&config.hooks)?);
        let queue = Arc::new(HookQueue::open(config.data_dir(), QueueLimits::default())?);
        queue.start()?;
        Ok(Self {
            current,
            queue,
            helper: helper.map(HookHelper::connect).transpose()?,
        })
    }

    /// Returns what runs hooks until `quit` is cancelled.
    pub(super) fn run(
        self,
        service: &Arc<Service>,
        store: &Arc<SqlStore>,
        quit: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let setup = HookRunnerSetup {
            service: Arc::clone(service),
            store: Arc::clone(store) as Arc<dyn Store>,
            hooks: self.current,
            queue: self.queue,
            helper: self.helper,
        };
        async move {
            // It reads the certificates of the system.
            let made = tokio::task::spawn_blocking(move || HookRunner::new(setup)).await;
            match made {
                Ok(runner) => runner.run(quit).await,
                Err(error) => tracing::error!(%error, "hooks cannot be run"),
            }
        }
    }

    /// Returns the subscriber of events, for the server's run with this name.
    pub(super) fn subscriber(&self, run: &str) -> HookSubscriber {
        HookSubscriber::new(self.current.clone(), Arc::clone(&self.queue), run.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::folder::CreationChoice;
    use crate::domain::quota::Quota;
    use crate::hooks::settings::HookSettings;

    #[test]
    fn a_folder_on_another_file_system_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let warnings = |path: &Path, target: &str| {
            let folder = Folder {
                name: "clean".parse().unwrap(),
                path: path.to_owned(),
                comment: String::new(),
                quota: Quota::default(),
                creation: CreationChoice::default(),
            };
            let hook = HookSettings {
                move_to: Some(target.to_owned()),
                ..HookSettings::default()
            };
            let config = Config {
                hooks: vec![hook],
                ..Config::default()
            };
            let mut alice = User::blank("alice".parse().unwrap());
            alice.home = dir.path().join("alice");
            let mut report = Report::default();
            check_targets(&config, &[alice], &[folder], &mut report);
            report.warnings
        };
        let elsewhere = Path::new("/proc");
        let found = warnings(elsewhere, "/clean/today");
        assert!(
            found.len() == 1 && found[0].contains("the folder clean lies on another file system"),
            "{found:?}"
        );
        assert_eq!(warnings(elsewhere, "/other"), [] as [String; 0]);
        assert_eq!(warnings(dir.path(), "/clean"), [] as [String; 0]);
    }
}
