//! Reads the configuration again while the server runs.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use tokio::runtime::Handle;

use crate::auth::AuthSettings;
use crate::config::{self, Config};
use crate::io::descriptors::DescriptorShares;
use crate::ssh::algorithms;
use crate::ssh::hostkeys;
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
    pub config: Config,
    /// The state that the connections share.
    pub service: Arc<Service>,
    /// The store, which records the host keys that clients were shown.
    pub store: Arc<SqlStore>,
    /// The log, which a reload opens again.
    pub log: telemetry::Reload,
}

impl Reloading {
    /// Reads the configuration again. If it is invalid, nothing changes.
    pub async fn run(&self) {
        let read = tokio::time::timeout(RELOAD, self.try_run());
        let read = read.await.unwrap_or_else(|_| {
            Err(Error::new("cannot read the configuration and what it names")
                .because(format!("it took longer than {} s", RELOAD.as_secs()))
                .hint("is the disk that they lie on hanging?"))
        });
        match read {
            Ok(waiting) if waiting.is_empty() => {
                tracing::info!("the configuration was read again; new connections use it");
            }
            Ok(waiting) => tracing::warn!(
                "the configuration was read again; new connections use it, but changes in {} need a restart",
                waiting.join(", ")
            ),
            Err(error) => tracing::error!("the configuration was not changed: {error}"),
        }
    }

    /// Reads the configuration again, and returns the sections whose changes need a restart.
    pub async fn try_run(&self) -> Result<Vec<&'static str>> {
        let file = self.config.file.clone();
        let fresh = run_blocking(move || config::load(&file)).await?;
        let recorded = self.store.host_keys().await?;
        let directory = fresh.server.host_keys.clone();
        // A changed host key is refused, as it would be at a start.
        run_blocking(move || hostkeys::verify(&directory, &hostkeys::load(&directory)?, &recorded)).await?;
        let (directory, store) = (fresh.server.host_keys.clone(), Arc::clone(&self.store));
        let keys =
            run_blocking(move || Handle::current().block_on(hostkeys::ensure(&directory, &*store))).await?;
        // The authenticator keeps the settings of the start, so the SSH library must offer the same methods.
        let current = current(&fresh, &self.config.auth, keys)?;
        // The log changes last of what can fail, so that a refused configuration changes nothing.
        let (log, settings) = (self.log.clone(), fresh.log.clone());
        run_blocking(move || log.apply(&settings)).await?;
        self.service.replace(current);
        Ok(self.config.waiting_for_restart(&fresh))
    }
}

/// Runs code that reads files on a thread that may block.
async fn run_blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Error::new("cannot read the configuration").because(error))?
}

/// Returns the settings for new connections from a configuration. `auth` is the section `[auth]` with which the server
/// was started: a reload does not change it.
///
/// # Errors
/// Returns an error if the algorithms and the host keys leave nothing to offer.
pub(super) fn current(config: &Config, auth: &AuthSettings, keys: Vec<PrivateKey>) -> Result<Current> {
    let (limits, cut) = config.limits.fitted(&DescriptorShares::of_process());
    if let Some(cut) = cut {
        tracing::warn!("{cut}");
    }
    Ok(Current {
        limits,
        russh: algorithms::russh_config(&config.ssh, auth, keys)?,
    })
}
