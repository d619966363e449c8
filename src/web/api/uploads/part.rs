//! The part of an upload: the file with a reserved name beside the target, in which the bytes gather.

use jiff::Timestamp;

use super::active::UploadId;
use super::replies;
use super::state::{PartFacts, UploadState};
use crate::domain::path::VirtualPath;
use crate::exec::command_file::CommandFile;
use crate::exec::home_session::HomeSession;
use crate::session::name_changes;
use crate::storage::router::call_io::CallPath;
use crate::storage::upload_names;
use crate::storage::{Error as StorageError, FileKind, Links, OpenHow, Result as StorageResult};
use crate::store::web::UploadRecord;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::users::WebUser;

/// An unfinished upload, and the access of its user to the part.
pub(super) struct UploadPart {
    /// The row of the upload.
    pub(super) record: UploadRecord,
    /// The home, as the user sees it.
    pub(super) home: HomeSession,
    /// The path of the file when it is published.
    pub(super) target: VirtualPath,
    /// The path of the part.
    pub(super) path: VirtualPath,
}

impl UploadPart {
    /// Finds the part of an upload in its user's home. Nothing is looked up on the disk yet.
    ///
    /// # Errors
    /// Returns an error if the home cannot be opened.
    pub(super) async fn of(user: &WebUser, record: UploadRecord) -> Result<Self, WebError> {
        let home = user.session.home_with_parts().await?;
        let target = VirtualPath::parse(&record.path)
            .map_err(|error| WebError::new(WebErrorKind::BadRequest, error.to_string()))?;
        let path = upload_names::part_of(&target, &record.id).ok_or_else(|| {
            WebError::new(
                WebErrorKind::BadRequest,
                "the path is too long for the file that the bytes gather in",
            )
            .hint("choose a shorter path")
        })?;
        Ok(Self {
            record,
            home,
            target,
            path,
        })
    }

    /// Returns the number of the upload.
    pub(super) fn id(&self) -> UploadId {
        self.record.id
    }

    /// Returns the state of the upload now.
    ///
    /// # Errors
    /// Returns an error if the disk cannot be asked.
    pub(super) async fn state(&self) -> Result<UploadState, WebError> {
        let facts = self.facts().await.map_err(|error| self.refused(error))?;
        Ok(UploadState::of(&self.record, facts, Timestamp::now()))
    }

    async fn facts(&self) -> StorageResult<PartFacts> {
        let (part, target) = (self.path.clone(), self.target.clone());
        self.home
            .call(CallPath::Name(&self.path), move |storage, _wait| {
                match storage.stat(&part, Links::NoFollow) {
                    Ok(meta) if meta.kind == FileKind::File => Ok(PartFacts::Size(meta.size)),
                    Ok(_) | Err(StorageError::NotFound | StorageError::NotADirectory) => {
                        let target = storage.stat(&target, Links::NoFollow).ok();
                        Ok(PartFacts::Missing { target })
                    }
                    Err(error) => Err(error),
                }
            })
            .await
    }

    /// Makes the part, which is empty.
    ///
    /// # Errors
    /// Returns why it cannot be made.
    pub(super) async fn make(&self) -> Result<CommandFile, WebError> {
        let how = OpenHow {
            create: true,
            exclusive: true,
            ..WRITE
        };
        let made = self.home.open(&self.path, how).await;
        made.map_err(|error| self.refused(error))
    }

    /// Opens the part for writing.
    ///
    /// # Errors
    /// Returns why it cannot be opened.
    pub(super) async fn open(&self) -> Result<CommandFile, WebError> {
        match self.home.open(&self.path, WRITE).await {
            Err(StorageError::NotFound | StorageError::NotADirectory) => Err(replies::gone()),
            opened => opened.map_err(|error| self.refused(error)),
        }
    }

    /// Removes the part, if it is there.
    ///
    /// # Errors
    /// Returns why it cannot be removed.
    pub(super) async fn remove(&self) -> Result<(), WebError> {
        let (part, context) = (self.path.clone(), self.home.context.clone());
        let removed = self.home.call(CallPath::Name(&self.path), move |storage, wait| {
            name_changes::remove(&context, storage, &part, wait)
        });
        match removed.await {
            Ok(()) | Err(StorageError::NotFound | StorageError::NotADirectory) => Ok(()),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Returns why a call failed, in words about the target: the part has a name that nobody needs to know.
    pub(super) fn refused(&self, error: StorageError) -> WebError {
        let refused = WebError::storage(error, self.home.refused(&self.target, error));
        match refused.kind {
            WebErrorKind::OverQuota | WebErrorKind::DiskFull => {
                refused.hint("what has arrived is kept: make room, and the upload goes on")
            }
            WebErrorKind::Forbidden => {
                refused.hint("what has arrived is kept until the upload expires; ask the server's operator")
            }
            _ => refused,
        }
    }
}

/// How the part is opened.
const WRITE: OpenHow = OpenHow {
    read: false,
    write: true,
    append: false,
    create: false,
    truncate: false,
    exclusive: false,
    mode: None,
};
