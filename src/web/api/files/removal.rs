//! `DELETE files/X`: a file, a link, an empty directory, or with `?recursive` a directory with all that is in it.
//!
//! A tree is walked without recursion and without following links. The directories that wait are charged to the user, so
//! that a tree of any shape is bounded. The first error ends it, and says where; what was removed stays removed.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::target::FileRequest;
use crate::domain::path::VirtualPath;
use crate::session::memory::TOO_MUCH_HELD;
use crate::session::name_changes;
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error as StorageError, FileKind, Links, Result as StorageResult};
use crate::web::error::{WebError, WebErrorKind};
use base::visible::printable;

/// The memory of a directory that waits, in bytes, beside its path.
const WAITING_COST: usize = size_of::<WaitingRemoval>() + 32;

/// A directory of a tree that is being removed.
enum WaitingRemoval {
    /// Its entries are still to be removed.
    Full(VirtualPath),
    /// Its entries are gone, or wait above it.
    Emptied(VirtualPath),
}

/// A tree that is being removed.
struct TreeRemoval<'a> {
    request: &'a FileRequest,
    waiting: Vec<WaitingRemoval>,
    /// The number of entries that were removed.
    removed: u64,
}

/// Answers DELETE.
pub(super) async fn remove(request: &FileRequest) -> Result<Response, WebError> {
    if request.path.is_root() {
        return Err(WebError::new(
            WebErrorKind::Forbidden,
            "the home itself cannot be removed",
        ));
    }
    let meta = request.stat(Links::NoFollow).await?;
    match meta.kind {
        FileKind::Directory => remove_tree(request).await?,
        FileKind::File | FileKind::Symlink | FileKind::Special if request.has_slash => {
            return Err(request.refused(StorageError::NotADirectory));
        }
        FileKind::File | FileKind::Symlink | FileKind::Special => {
            let removed = remove_file(request, &request.path).await;
            removed.map_err(|error| request.refused(error))?;
        }
    }
    request.home.context.unsaved.saved().await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Removes a directory. One that must stay, a folder for example, is refused before anything in it is removed.
async fn remove_tree(request: &FileRequest) -> Result<(), WebError> {
    let error = match remove_directory(request, &request.path).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    if error != StorageError::NotEmpty {
        return Err(request.refused(error));
    }
    if !request.query.is_recursive() {
        let refused = request.refused(error);
        return Err(refused.hint("?recursive removes all that is in it, too"));
    }
    let mut removal = TreeRemoval {
        request,
        waiting: Vec::new(),
        removed: 0,
    };
    removal.run().await
}

async fn remove_file(request: &FileRequest, path: &VirtualPath) -> StorageResult<()> {
    let (context, file) = (request.home.context.clone(), path.clone());
    let removing = request.home.call(CallPath::Name(path), move |storage, wait| {
        name_changes::remove(&context, storage, &file, wait)
    });
    removing.await
}

async fn remove_directory(request: &FileRequest, path: &VirtualPath) -> StorageResult<()> {
    let (context, directory) = (request.home.context.clone(), path.clone());
    let removing = request.home.call(CallPath::Name(path), move |storage, wait| {
        name_changes::rmdir(&context, storage, &directory, wait)
    });
    removing.await
}

impl TreeRemoval<'_> {
    async fn run(&mut self) -> Result<(), WebError> {
        self.push(WaitingRemoval::Full(self.request.path.clone()))?;
        while let Some(waiting) = self.waiting.pop() {
            self.request.home.release_memory(waiting.cost());
            match waiting {
                WaitingRemoval::Emptied(path) => {
                    let removed = remove_directory(self.request, &path).await;
                    self.count(&path, removed)?;
                }
                WaitingRemoval::Full(path) => {
                    // It is removed after the directories in it, which wait above it from now on.
                    self.push(WaitingRemoval::Emptied(path.clone()))?;
                    self.empty(&path).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes what is in a directory, except for directories, which wait then.
    async fn empty(&mut self, directory: &VirtualPath) -> Result<(), WebError> {
        let request = self.request;
        let home = Arc::clone(&request.home);
        let _descriptor = home.context.budget.descriptor().map_err(WebError::exhausted)?;
        let proven = directory.clone();
        // What was a directory when it was listed may be a link by now.
        let proving = home.call(CallPath::Content(directory), move |storage, _wait| {
            storage.prove_directory(&proven)
        });
        proving.await.map_err(|error| self.stopped(directory, error))?;
        let opened = home.open_dir(directory).await;
        let mut listing = opened.map_err(|error| self.stopped(directory, error))?;
        loop {
            let read = home.entries(listing).await;
            let (rest, entries) = read.map_err(|error| self.stopped(directory, error))?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                let path = [directory.absolute(), entry.name].join(&b'/');
                let path = VirtualPath::parse(&path)
                    .map_err(|_| self.stopped(directory, StorageError::NameTooLong))?;
                match entry.meta.kind {
                    FileKind::Directory => self.push(WaitingRemoval::Full(path))?,
                    FileKind::File | FileKind::Symlink | FileKind::Special => {
                        let removed = remove_file(request, &path).await;
                        self.count(&path, removed)?;
                    }
                }
            }
            listing = rest;
        }
    }

    fn push(&mut self, waiting: WaitingRemoval) -> Result<(), WebError> {
        if !self.request.home.charge_memory(waiting.cost()) {
            return Err(WebError::exhausted(TOO_MUCH_HELD));
        }
        self.waiting.push(waiting);
        Ok(())
    }

    /// Counts what was removed. What somebody else has removed in between is gone, too.
    fn count(&mut self, path: &VirtualPath, removed: StorageResult<()>) -> Result<(), WebError> {
        match removed {
            Ok(()) => {
                self.removed = self.removed.saturating_add(1);
                Ok(())
            }
            Err(StorageError::NotFound) => Ok(()),
            Err(error) => Err(self.stopped(path, error)),
        }
    }

    /// Returns the error that ends the removal: what it is about, and what was done before.
    fn stopped(&self, path: &VirtualPath, error: StorageError) -> WebError {
        let refused = self.request.refused_at(path, error);
        let shown = printable(&path.absolute());
        let sentence = format!(
            "{} entries were removed, and then \"{shown}\" was not: {}",
            self.removed, refused.sentence
        );
        let stopped = WebError::new(refused.kind, sentence);
        stopped.hint(format!(
            "the rest of \"{}\" is still there",
            printable(&self.request.path.absolute())
        ))
    }
}

impl WaitingRemoval {
    fn cost(&self) -> usize {
        let (Self::Full(path) | Self::Emptied(path)) = self;
        WAITING_COST + path.len()
    }
}
