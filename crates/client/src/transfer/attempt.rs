//! What the parts of one attempt at a file share, and what is known about the file from one attempt to the next.

use std::sync::Arc;

use base::cpu::has_sha_instructions;

use super::context::TransferContext;
use super::digest::Digest;
use super::error::TransferError;
use super::job::Job;
use super::progress_hub::FileProgress;
use super::settings::HashChoice;
use super::small_files::SmallFilePlace;
use super::spread::window::UncutFront;
use crate::link::{Answered as _, HashKind, Link, hashing};

/// One attempt at one file, on one connection.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) context: &'a TransferContext,
    pub(super) link: &'a Link,
    pub(super) progress: &'a FileProgress,
    /// The place of a small file. `None`: it is another one, or a stream.
    pub(super) place: Option<&'a SmallFilePlace>,
}

impl Attempt<'_> {
    /// The error of an attempt whose connection is lost.
    pub(super) fn lost(&self) -> TransferError {
        TransferError::ConnectionLost(self.link.channel.lost())
    }

    /// The hash that is compared on this connection.
    pub(super) fn hash_kind(&self) -> HashKind {
        let is_faster = || has_sha_instructions() && hashing::offers(self.link, HashKind::Sha256);
        match self.context.settings.hash {
            HashChoice::Md5 => HashKind::Md5,
            HashChoice::Fast if !is_faster() => HashKind::Md5,
            HashChoice::Sha256 | HashChoice::Fast => HashKind::Sha256,
        }
    }

    /// The place of a small file which the server hashes by a command, that of many others with it.
    pub(super) fn place_for_commands(&self) -> Option<&SmallFilePlace> {
        self.place
            .filter(|_| !hashing::offers(self.link, self.hash_kind()))
    }

    /// Whether the server may hash the file by its handle, and not by a command.
    pub(super) fn needs_handle(&self) -> bool {
        self.place_for_commands().is_none()
    }

    /// The digest of nothing so far.
    pub(super) fn new_digest(&self) -> Digest {
        Digest::new(self.hash_kind())
    }

    /// Whether the server has emptied a file of `size` bytes when it was opened for writing, as rclone does, although
    /// nobody asked for that. What was there must be sent again.
    pub(super) async fn is_emptied(&self, handle: &[u8], size: u64) -> Result<bool, TransferError> {
        let there = self.link.fstat(handle).await.unless_refused()?;
        let is_emptied = there
            .and_then(|attrs| attrs.size)
            .is_some_and(|there| there < size);
        if is_emptied {
            self.context.warn_once("emptied files", || {
                "the server empties files that are to be completed, so they are sent from the beginning"
                    .to_owned()
            });
        }
        Ok(is_emptied)
    }
}

/// A file to transfer, with what its earlier attempts have left.
pub(super) struct FileState {
    /// The job as it was given, apart from a name that was changed on the way.
    pub(super) job: Job,
    /// Whether this run created the growing file (the target of an upload, the part of a download). If so, it may be
    /// replaced without a prompt.
    pub(super) begun_by_this_run: bool,
    /// Whether the target of an upload was created for it, by this run or by an earlier one. If not, it keeps its mode.
    pub(super) created: bool,
    /// Whether this run has begun the upload under its temporary name.
    pub(super) temporary_begun: bool,
    /// Whether this is an upload to a temporary name.
    pub(super) is_temporary: bool,
    /// The mode of the file that is replaced, for an upload to a temporary name.
    pub(super) replaced_mode: Option<u32>,
    /// Where the file with the temporary name has to be cut before it is resumed.
    pub(super) uncut: Arc<UncutFront>,
    /// The temporary name with the whole file, if the server has refused to rename it.
    pub(super) leftover: Option<Vec<u8>>,
    /// Whether the user or an option decided to replace the file at the target.
    pub(super) overwrite_agreed: bool,
}

impl FileState {
    /// The state before the first attempt.
    pub(super) fn new(job: Job) -> Self {
        Self {
            job,
            begun_by_this_run: false,
            created: false,
            temporary_begun: false,
            is_temporary: false,
            replaced_mode: None,
            uncut: Arc::default(),
            leftover: None,
            overwrite_agreed: false,
        }
    }
}
