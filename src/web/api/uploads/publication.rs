//! Publishes a part that has all bytes: verifies its digest, sets its time, and renames it to the target.

use std::time::Instant;

use super::active::{RecentUpload, UploadTurn};
use super::names;
use super::part::UploadPart;
use super::replies;
use crate::domain::path::VirtualPath;
use crate::session::name_changes::{self, NewName};
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error as StorageError, FileTimes, IfExists, Links, Result as StorageResult, SetAttrs};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::users::WebUser;
use base::digest::Algorithm;

/// What to do if the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameChoice {
    /// The part stays, and somebody decides later.
    Refuse,
    /// What has the name is replaced. The user needs the permission for it.
    Replace,
    /// The file gets a number behind its name.
    Another,
}

impl NameChoice {
    /// Returns what is done without a question. Visitors of a share are not told that a name is taken.
    pub(super) fn unasked(user: &WebUser) -> Self {
        match user.share {
            Some(_) => Self::Another,
            None => Self::Refuse,
        }
    }
}

/// The publication of one upload. Whoever publishes has its turn.
pub(super) struct Publication<'a> {
    /// What requests share.
    pub(super) app: &'a WebApp,
    /// The part, which has all bytes.
    pub(super) part: &'a UploadPart,
    /// The turn of the request.
    pub(super) turn: &'a UploadTurn,
}

impl Publication<'_> {
    /// Publishes the file, and returns its path. The events about it are saved then, if somebody wants them saved.
    ///
    /// # Errors
    /// Returns why it is not published. The part stays, unless it does not have the announced digest.
    pub(super) async fn publish(&self, choice: NameChoice) -> Result<VirtualPath, WebError> {
        self.verify().await?;
        self.set_time().await?;
        let path = self.rename(choice).await?;
        let record = &self.part.record;
        self.app.uploads.note_published(RecentUpload {
            id: record.id,
            user: record.user.clone(),
            incarnation: record.incarnation,
            size: record.size,
            at: Instant::now(),
        });
        self.part.home.context.unsaved.saved().await;
        self.forget().await;
        Ok(path)
    }

    /// Checks that the whole file has the announced SHA-256. If it does not, it never will: it is removed.
    async fn verify(&self) -> Result<(), WebError> {
        let Some(expected) = self.part.record.sha256 else {
            return Ok(());
        };
        self.turn.listener().note_busy();
        let name = self.part.path.absolute();
        let hashing = self.part.home.hash(&name, Algorithm::Sha256);
        let digest = hashing
            .await
            .map_err(|sentence| WebError::new(WebErrorKind::Busy, sentence))?;
        if digest == expected {
            return Ok(());
        }
        self.part.remove().await?;
        self.forget().await;
        Err(WebError::new(
            WebErrorKind::Checksum,
            "the file does not have the SHA-256 that was announced, so it was removed",
        )
        .hint("send the file again; perhaps it was changed while it was sent"))
    }

    /// Gives the file the announced time, as far as the server has such times, if the user may do that.
    async fn set_time(&self) -> Result<(), WebError> {
        let Some(mtime) = self.part.record.mtime else {
            return Ok(());
        };
        let modified = u32::try_from(mtime.max(0)).unwrap_or(u32::MAX);
        let attrs = SetAttrs {
            times: Some(FileTimes {
                accessed: modified,
                modified,
            }),
            ..SetAttrs::default()
        };
        let part = self.part.path.clone();
        let setting = self
            .part
            .home
            .call(CallPath::Name(&self.part.path), move |storage, _wait| {
                storage.set_attrs(&part, &attrs, Links::NoFollow)
            });
        match setting.await {
            Ok(()) | Err(StorageError::Forbidden(_)) => Ok(()),
            Err(StorageError::NotFound | StorageError::NotADirectory) => Err(replies::gone()),
            Err(error) => Err(self.part.refused(error)),
        }
    }

    /// Renames the part, and returns the name that it has got.
    async fn rename(&self, choice: NameChoice) -> Result<VirtualPath, WebError> {
        let target = &self.part.target;
        let if_exists = match choice {
            NameChoice::Replace => IfExists::Replace,
            NameChoice::Refuse | NameChoice::Another => IfExists::Refuse,
        };
        match (self.rename_to(target, if_exists).await, choice) {
            (Ok(()), _) => return Ok(target.clone()),
            (Err(StorageError::AlreadyExists), NameChoice::Another) => {}
            (Err(StorageError::AlreadyExists), NameChoice::Refuse | NameChoice::Replace) => {
                return Err(WebError::new(
                    WebErrorKind::Conflict,
                    "the name is taken, so the file waits beside it for a decision",
                )
                .hint("POST …/finish?overwrite=true or ?rename=true, or free the name and try again"));
            }
            (Err(error), _) => return Err(self.not_renamed(error)),
        }
        let Some((directory, name)) = target.split() else {
            return Err(WebError::not_found());
        };
        for number in 1..=names::MOST {
            let name = names::numbered(name, number);
            let path = VirtualPath::parse(&[directory.absolute(), name].join(&b'/'))
                .map_err(|error| WebError::new(WebErrorKind::BadRequest, error.to_string()))?;
            match self.rename_to(&path, IfExists::Refuse).await {
                Ok(()) => return Ok(path),
                Err(StorageError::AlreadyExists) => {}
                Err(error) => return Err(self.not_renamed(error)),
            }
        }
        Err(WebError::new(
            WebErrorKind::Conflict,
            "the name is taken, and so are those with a number",
        )
        .hint("rename or remove one of these files, and try again"))
    }

    fn not_renamed(&self, error: StorageError) -> WebError {
        match error {
            StorageError::NotFound | StorageError::NotADirectory => replies::gone(),
            _ => self.part.refused(error),
        }
    }

    async fn rename_to(&self, to: &VirtualPath, if_exists: IfExists) -> StorageResult<()> {
        let home = &self.part.home;
        let context = home.context.clone();
        let names = NewName {
            from: self.part.path.clone(),
            to: to.clone(),
            if_exists,
        };
        let paths = [CallPath::Name(&self.part.path), CallPath::Name(to)];
        // Its events are those of any rename. If the last handle is being closed right now, that reports the upload.
        home.call_on_paths(&paths, move |storage, wait| {
            name_changes::rename(&context, storage, &names, wait)
        })
        .await
    }

    /// Removes the row. If that fails, the upload counts as published all the same, and its row expires.
    async fn forget(&self) {
        if let Err(error) = self.app.store.remove_upload(&self.part.record.id).await {
            tracing::error!(%error, "the row of an upload that has ended cannot be removed");
        }
    }
}
