//! Reading the configuration again while the server runs.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use tokio::runtime::Handle;

use crate::config::{self, Config};
use crate::io::descriptors::Shares;
use crate::ssh::algorithms;
use crate::ssh::hostkeys;
use crate::ssh::service::{Current, Service};
use crate::store::Store as _;
use crate::store::sql::SqlStore;
use crate::telemetry;
use base::error::{Error, Result};

/// How long a reload may take: what it reads may lie on a disk that hangs.
const RELOAD: Duration = Duration::from_secs(30);

/// What a reload needs and changes.
pub(super) struct Reloading {
    /// The configuration at the start, which stands where a reload changes nothing.
    pub config: Config,
    /// The service that the connections share.
    pub service: Arc<Service>,
    /// The store, which knows the host keys that clients were shown.
    pub store: Arc<SqlStore>,
    /// The log, which a reload opens again.
    pub log: telemetry::Reload,
}

impl Reloading {
    /// Reads the configuration again. What is broken changes nothing.
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
                "the configuration was read again; new connections use it, but what has changed in {} waits for a restart",
                waiting.join(", ")
            ),
            Err(error) => tracing::error!("the configuration was not changed: {error}"),
        }
    }

    /// Reads it again; returns the sections with changes that only a restart puts in force.
    pub async fn try_run(&self) -> Result<Vec<&'static str>> {
        let file = self.config.file.clone();
        let fresh = off_the_loop(move || config::load(&file)).await?;
        let recorded = self.store.host_keys().await?;
        let directory = fresh.server.host_keys.clone();
        // A changed key is refused, as it would be at a start.
        off_the_loop(move || hostkeys::verify(&directory, &hostkeys::load(&directory)?, &recorded)).await?;
        let (log, settings) = (self.log.clone(), fresh.log.clone());
        off_the_loop(move || log.apply(&settings)).await?;
        let (directory, store) = (fresh.server.host_keys.clone(), Arc::clone(&self.store));
        let keys =
            off_the_loop(move || Handle::current().block_on(hostkeys::ensure(&directory, &*store))).await?;
        self.service.replace(current(&fresh, keys)?);
        Ok(self.config.waiting_for_restart(&fresh))
    }
}

/// Reads files where no session waits for it.
async fn off_the_loop<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Error::new("cannot read the configuration").because(error))?
}

/// What new connections get of the configuration.
///
/// # Errors
/// When the algorithms and the host keys leave nothing to offer.
pub(super) fn current(config: &Config, keys: Vec<PrivateKey>) -> Result<Current> {
    let (limits, cut) = config.limits.fitted(&Shares::of_process());
    if let Some(cut) = cut {
        tracing::warn!("{cut}");
    }
    Ok(Current {
        limits,
        russh: algorithms::russh_config(&config.ssh, &config.auth, keys)?,
    })
}
