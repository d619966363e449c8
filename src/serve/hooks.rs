//! The hooks of a server: its queue, the subscriber of events, and the helper process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::privileges;
use crate::config::{self, Config};
use crate::hooks::helper::{HelperNeed, HookHelper, StartedHelper, process};
use crate::hooks::queue::{HookQueue, QueueLimits};
use crate::hooks::runner::{HookRunner, HookRunnerSetup};
use crate::hooks::subscriber::HookSubscriber;
use crate::hooks::table::{CurrentHooks, HookTable};
use crate::ops::data_dir;
use crate::ssh::service::Service;
use crate::store::Store;
use crate::store::sql::SqlStore;
use base::error::{Error, Result};

/// The words by which the helper learns whom it becomes: a user of the system, or the owner of a directory.
const USER: &str = "user";
const OWNER: &str = "owner";

/// Starts the supervisor of the helper if the configuration has hooks or a program of `[auth.external]`, and the helper if there
/// is a command. It is called before the server gives up the right to run programs. A server without them has no process
/// beside it, which would take some megabytes of memory.
///
/// # Errors
/// Returns an error if there are commands, and the helper does not start.
pub fn start_helper(config: &Config) -> Result<Option<StartedHelper>> {
    let external = &config.auth.external.command;
    if config.hooks.is_empty() && external.is_empty() {
        return Ok(None);
    }
    let file = config.file.clone().into();
    let words: [OsString; 3] = match &config.server.user {
        Some(name) => [file, USER.into(), name.into()],
        None => [file, OWNER.into(), config.data_dir().into()],
    };
    match !external.is_empty() || config.hooks.iter().any(|hook| !hook.command.is_empty()) {
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
