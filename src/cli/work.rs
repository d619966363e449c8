//! Runs asynchronous work for a command, and opens the store for it.

use std::future::Future;

use super::output;
use crate::config::Config;
use crate::control::client::Client;
use crate::ops::context::OpsContext;
use crate::ops::{installation::Installation, store};
use crate::store::sql::SqlStore;
use base::error::{Error, Result};

/// Runs a short asynchronous operation to its end.
///
/// # Errors
/// Returns an error if no event loop can be started.
pub fn wait<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime
        .map_err(|e| Error::new("cannot start").because(e))?
        .block_on(work))
}

/// Whether a command may create a missing store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// The command creates a new, empty store.
    Make,
    /// The command fails, and creates nothing.
    Fail,
}

/// Runs an operation on the store of a configuration, and closes the store.
///
/// # Errors
/// Returns an error if the store cannot be opened, or the error of the operation.
pub fn with_store<T>(
    config: &Config,
    if_missing: IfMissing,
    work: impl AsyncFnOnce(&OpsContext<'_>) -> Result<T>,
) -> Result<T> {
    let installation = config.installation();
    let server = Client::new(config.control_socket());
    wait(async {
        let store = open(&installation, if_missing).await?;
        let context = OpsContext {
            installation: &installation,
            store: &store,
            server: &server,
            warn: output::warn,
        };
        let done = work(&context).await;
        store.close().await;
        done
    })?
}

async fn open(installation: &Installation, if_missing: IfMissing) -> Result<SqlStore> {
    match if_missing {
        IfMissing::Make => store::make(installation, output::warn).await,
        IfMissing::Fail => store::existing(installation, output::warn).await,
    }
}
