//! Reads the configuration again while the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::blocking::run_blocking;
use super::changes::RecordChanges;
use super::key_trust;
use super::manager::notifier::{Notice, Notifier};
use super::named_files::NamedFiles;
use crate::auth::AuthSettings;
use crate::config::{self, Config};
use crate::domain::quota::{DefaultQuota, Quota};
use crate::external::SourceLoader;
use crate::hooks::table::{CurrentHooks, HookTable};
use crate::io::descriptors::DescriptorShares;
use crate::ops::running::ReloadView;
use crate::ssh::algorithms;
use crate::ssh::announcement::AnnouncedKeys;
use crate::ssh::hostkeys::{self, rotation::HostKeys};
use crate::ssh::service::{Current, Service};
use crate::store::Store as _;
use crate::store::sql::SqlStore;
use crate::telemetry;
use base::error::{Error, Result};

/// The most time that a reload may take, since it may read from a disk that hangs.
const RELOAD: Duration = Duration::from_secs(30);

/// The parts of the server that a reload reads and changes.
pub(super) struct Reloading {
    /// The configuration of the start, which applies to everything that a reload does not change.
    config: Config,
    /// What the last reload has read, or the start. A reload holds the lock, so that one ends before the next begins.
    in_force: Mutex<ReadConfig>,
    /// The state that the connections share.
    pub service: Arc<Service>,
    /// The store, which records the host keys that clients were shown.
    pub store: Arc<SqlStore>,
    /// What a reload changes beside the settings of connections.
    parts: ReloadedParts,
    /// Tells the service manager of reloads.
    notifier: Notifier,
}

/// A configuration, and the contents of the files that it names.
struct ReadConfig {
    config: Config,
    files: NamedFiles,
}

/// What a reload has read, and put in force.
struct AppliedConfig {
    read: ReadConfig,
    /// The number of sessions that were ended.
    sessions_ended: usize,
}

/// What a reload changes beside the settings of connections.
pub(super) struct ReloadedParts {
    /// The log, which a reload opens again.
    pub log: telemetry::Reload,
    /// The hooks, which a reload replaces.
    pub hooks: CurrentHooks,
    /// The quota of users without one, which the store has, too.
    pub default_quota: DefaultQuota,
    /// Puts quotas in force.
    pub changes: Arc<RecordChanges>,
    /// What makes the outside source of users, which a reload replaces.
    pub external: SourceLoader,
}

/// A reload that the service manager knows of. Dropping it says that the reload has ended, also if it was given up
/// because the command that has asked for it has left.
struct AnnouncedReload<'a>(&'a Notifier);

impl<'a> AnnouncedReload<'a> {
    fn new(notifier: &'a Notifier) -> Self {
        notifier.send(&Notice::Reloading);
        Self(notifier)
    }
}

impl Drop for AnnouncedReload<'_> {
    fn drop(&mut self) {
        self.0.send(&Notice::Ready);
    }
}

impl Reloading {
    /// Prepares reloads of a server with this configuration. It reads the files that this names, which a start has just
    /// done.
    pub fn new(
        config: Config,
        service: Arc<Service>,
        store: Arc<SqlStore>,
        parts: ReloadedParts,
        notifier: Notifier,
    ) -> Self {
        Self {
            in_force: Mutex::new(ReadConfig {
                files: NamedFiles::read(&config),
                config: config.clone(),
            }),
            config,
            service,
            store,
            parts,
            notifier,
        }
    }

    /// Returns the configuration of the start.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the configuration again, and logs what has come of it. If it is invalid, nothing changes.
    ///
    /// # Errors
    /// Returns everything that is wrong with the configuration, or why it could not be read.
    pub async fn run(&self) -> Result<ReloadView> {
        let mut in_force = self.in_force.lock().await;
        let _announced = AnnouncedReload::new(&self.notifier);
        self.run_within_limit(&mut in_force).await
    }

    async fn run_within_limit(&self, in_force: &mut ReadConfig) -> Result<ReloadView> {
        let applied = tokio::time::timeout(RELOAD, self.try_run());
        let applied = applied.await.unwrap_or_else(|_| {
            Err(Error::new("cannot read the configuration and what it names")
                .because(format!("it took longer than {} s", RELOAD.as_secs()))
                .hint("is the disk that they lie on hanging?"))
        });
        let AppliedConfig {
            read: fresh,
            sessions_ended,
        } = match applied {
            Ok(applied) => applied,
            Err(error) => {
                tracing::error!("the configuration was not changed: {error}");
                return Err(error);
            }
        };
        let names = |sections: Vec<&str>| sections.into_iter().map(str::to_owned).collect();
        let view = ReloadView {
            applied: names(in_force.config.applied_by_reload(&fresh.config)),
            waiting_for_restart: names(self.config.waiting_for_restart(&fresh.config)),
            files: fresh.files.changed_since(&in_force.files),
            sessions_ended,
        };
        *in_force = fresh;
        for file in &view.files {
            tracing::info!(file = %file.path.display(), setting = %file.setting, "the content of a file has changed");
        }
        if view.waiting_for_restart.is_empty() {
            tracing::info!("the configuration was read again; new connections use it");
        } else {
            tracing::warn!(
                "the configuration was read again; new connections use it, but changes in {} need a restart",
                view.waiting_for_restart.join(", ")
            );
        }
        Ok(view)
    }

    /// Reads the configuration again, applies and returns it.
    async fn try_run(&self) -> Result<AppliedConfig> {
        let file = self.config.file.clone();
        // Before the files are used: one that changes in between is named by the next reload, too.
        let read = run_blocking(move || {
            let config = config::load(&file)?;
            let files = NamedFiles::read(&config);
            Ok(ReadConfig { config, files })
        });
        let read = read.await?;
        let fresh = &read.config;
        let recorded = self.store.host_keys().await?;
        let directory = fresh.server.host_keys.clone();
        // A changed host key is refused, as it would be at a start.
        run_blocking(move || hostkeys::verify(&directory, &hostkeys::load(&directory)?, &recorded)).await?;
        let (directory, store) = (fresh.server.host_keys.clone(), Arc::clone(&self.store));
        let keys =
            run_blocking(move || Handle::current().block_on(HostKeys::ensure(&directory, &*store))).await?;
        // The authenticator keeps the settings of the start, so the SSH library must offer the same methods.
        let current = current(fresh, &self.config.auth, keys)?;
        let hooks = fresh.hooks.clone();
        let hooks = run_blocking(move || HookTable::load(&hooks)).await?;
        let trust = key_trust::load(&fresh.auth).await?;
        let (loader, settings) = (self.parts.external.clone(), fresh.auth.external.clone());
        let external = run_blocking(move || loader.load(&settings)).await?;
        // The log changes last of what can fail, so that a refused configuration changes nothing.
        let (log, settings) = (self.parts.log.clone(), fresh.log.clone());
        run_blocking(move || log.apply(&settings)).await?;
        self.replace_default_quota(fresh.installation().default_quota)
            .await?;
        self.service.replace(current);
        self.parts.hooks.replace(hooks);
        self.service.auth.set_external(external);
        let sessions_ended = key_trust::put_in_force(&self.service, trust).await;
        Ok(AppliedConfig { read, sessions_ended })
    }

    /// Replaces the quota of users without one, in the homes that are used as well.
    ///
    /// # Errors
    /// Returns an error, and replaces nothing, if the store cannot be read.
    async fn replace_default_quota(&self, quota: Quota) -> Result<()> {
        let usual = &self.parts.default_quota;
        let before = usual.get();
        if !usual.replace(quota) {
            return Ok(());
        }
        let applied = self.parts.changes.apply_quotas().await;
        applied.inspect_err(|_| {
            usual.replace(before);
        })
    }
}

/// Returns the settings for new connections from a configuration. `auth` is the section `[auth]` with which the server
/// was started: a reload does not change it.
///
/// # Errors
/// Returns an error if the algorithms and the host keys leave nothing to offer.
pub(super) fn current(config: &Config, auth: &AuthSettings, keys: HostKeys) -> Result<Current> {
    let (limits, cut) = config.limits.fitted(&DescriptorShares::of_process());
    if let Some(cut) = cut {
        tracing::warn!("{cut}");
    }
    Ok(Current {
        limits,
        announced: Arc::new(AnnouncedKeys::new(&keys)?),
        russh: algorithms::russh_config(&config.ssh, auth, keys.in_use)?,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// The future of a reload is dropped if its command leaves, or if the server is stopped.
    #[tokio::test]
    async fn a_reload_that_is_given_up_has_ended_for_the_service_manager() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let notifier = Notifier::connect(Some(path.as_os_str())).unwrap();
        let reload = async {
            let _announced = AnnouncedReload::new(&notifier);
            std::future::pending::<()>().await;
        };
        let ended = tokio::time::timeout(Duration::from_millis(1), reload).await;
        assert!(ended.is_err());
        let receive = || {
            let mut buffer = [0; 256];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert!(receive().starts_with("RELOADING=1"));
        assert_eq!(receive(), "READY=1");
    }
}
