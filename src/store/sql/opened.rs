//! What is done with a store around its use: what is looked at before, what it is told, how it stays open and is closed.

use std::path::{Path, PathBuf};

use sqlx::Connection as _;

use super::SqlStore;
use super::writes::once_more;
use crate::store::relative::Homes;
use crate::store::{identity, open};
use base::error::Result;

impl SqlStore {
    /// Looks whether there is a file, without opening it.
    ///
    /// # Errors
    /// When there is none.
    pub fn must_exist(path: &Path) -> Result<()> {
        open::must_exist(path)
    }

    /// Looks whether this process may read and write the store's files, without opening them.
    ///
    /// # Errors
    /// When it may not; what is missing is no error.
    pub fn is_accessible(path: &Path) -> Result<()> {
        open::is_accessible(path)
    }

    /// Is there no store at this path yet, or one that was never written to?
    ///
    /// # Errors
    /// When what is there cannot be looked at.
    pub async fn is_missing(path: &Path) -> Result<bool> {
        open::is_missing(path).await
    }

    /// Tells the store where `[storage] homes` is: homes beneath it are written relative to it. `resolved` is the
    /// directory without links, `written` what the configuration says.
    #[must_use]
    pub fn with_homes(self, resolved: PathBuf, written: &Path) -> Self {
        Self {
            homes: Homes::new(resolved, written),
            ..self
        }
    }

    /// Brings homes that are written absolute, and lie beneath `[storage] homes`, into their relative form.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn rewrite_homes(&self) -> Result<()> {
        once_more(self.rewrite_homes_once().await, self.rewrite_homes_once()).await
    }

    async fn rewrite_homes_once(&self) -> Result<()> {
        let mut read = self.pool.acquire().await.map_err(|e| self.failed(e))?;
        let absolute = identity::absolute_homes(&mut read, &self.homes).await;
        drop(read);
        let absolute = absolute.map_err(|e| self.failed(e))?;
        if absolute.is_empty() {
            return Ok(());
        }
        let mut write = self.begin_write().await?;
        identity::rewrite_homes(&mut write, &self.homes, &absolute)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))
    }

    /// Are there homes from before the store's id, whose places wait for their markers?
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn marks_known_homes(&self) -> Result<bool> {
        identity::marks_known_homes(&self.pool)
            .await
            .map_err(|e| self.failed(e))
    }

    /// Notes that the places of known homes were marked.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn known_homes_are_marked(&self) -> Result<()> {
        once_more(self.homes_are_marked().await, self.homes_are_marked()).await
    }

    async fn homes_are_marked(&self) -> Result<()> {
        identity::known_homes_are_marked(&self.pool)
            .await
            .map_err(|e| self.failed(e))
    }

    /// Keeps one connection open until the store is closed, beside those that come and go. The last one that leaves
    /// removes the log and its index, which could not be made again on a full disk.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub async fn stay_open(&self) -> Result<()> {
        let connection = self.pool.acquire().await.map_err(|e| self.failed(e))?;
        let mut connection = connection.detach();
        // Only a connection that has read has opened the log's index.
        identity::touch(&mut connection)
            .await
            .map_err(|e| self.failed(e))?;
        *self.anchor.lock().await = Some(connection);
        Ok(())
    }

    /// Closes the store; the last one to do so folds the log into the file. Calls after this one fail.
    pub async fn close(&self) {
        if let Some(anchor) = self.anchor.lock().await.take() {
            // What is wrong with it shows when the pool is closed, too.
            let _ = anchor.close().await;
        }
        self.pool.close().await;
    }
}
