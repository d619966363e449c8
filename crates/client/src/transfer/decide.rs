//! Decides what is done with one file: by the table of [`crate::plan`], with the hashes that it asks for, and with the
//! user's decision where it requires one.

use std::fs::File;
use std::sync::Arc;

use sftp_wire::{Attributes, FileType};

use super::attempt::Attempt;
use super::digest::Digest;
use super::end_samples::is_all;
use super::error::TransferError;
use super::job::Direction;
use super::outcome::Proof;
use super::progress_hub::Stage;
use super::settings::Verify;
use crate::link::Md5;
use crate::plan::{Conflict, Decision, ExistingEntry, FirstStep, Policy, compared, first_step};
use base::visible::hex;

/// What is done with one file.
pub(super) enum TransferAction {
    /// Transfer the bytes from `from` on. `head` is the digest of those before.
    Transfer { from: u64, head: Digest },
    /// Do nothing: both ends have the same bytes.
    Same(Proof),
    /// Do nothing: the existing file stays.
    Skip,
    /// Transfer all of the file under another name.
    Rename,
}

impl TransferAction {
    fn anew() -> Self {
        Self::Transfer {
            from: 0,
            head: Digest::default(),
        }
    }
}

/// The two files of a comparison.
pub(super) struct ComparedFiles<'a> {
    /// The size of the file that is to be transferred, in bytes.
    pub size: u64,
    /// What exists at the target.
    pub destination: ExistingEntry,
    /// The file of this machine: the source of an upload, or the target of a download.
    pub local: Option<&'a Arc<File>>,
}

impl Attempt<'_> {
    pub(super) async fn decide(&mut self, ends: ComparedFiles<'_>) -> Result<TransferAction, TransferError> {
        let resume = self.context.settings.resume;
        let decision = match (first_step(ends.size, ends.destination, resume), ends.local) {
            (FirstStep::Transfer, _) => return Ok(TransferAction::anew()),
            (FirstStep::Conflict(conflict), _) => Decision::Conflict(conflict),
            (FirstStep::Compare { length: 0, .. }, _) => return Ok(TransferAction::Same(Proof::Md5)),
            (FirstStep::Compare { .. }, None) => return Ok(TransferAction::anew()),
            (FirstStep::Compare { length, whole }, Some(local)) => {
                let (local_hash, server_hash) = self.heads(local, length, whole).await?;
                let (proof, same) = match server_hash {
                    Some(server_hash) => (Proof::Md5, server_hash == local_hash.clone().value()),
                    // Nothing verifies the existing bytes, and they may be replaced.
                    None if self.context.settings.conflicts == Policy::Overwrite
                        && !*self.begun_by_this_run =>
                    {
                        return Ok(TransferAction::anew());
                    }
                    None => (Proof::Sizes, self.ends_agree(local, length).await?),
                };
                match compared(length, whole, same) {
                    Decision::Same => {
                        if proof == Proof::Sizes && !is_all(length) {
                            self.warn_unproven(
                                "the existing file is taken for the same by its size and its ends",
                            );
                        }
                        return Ok(TransferAction::Same(proof));
                    }
                    Decision::Transfer { from } => {
                        if proof == Proof::Sizes && !is_all(length) {
                            self.warn_unproven("the existing file is taken for the beginning by its ends");
                        }
                        self.progress.set_done(from);
                        return Ok(TransferAction::Transfer {
                            from,
                            head: local_hash,
                        });
                    }
                    conflict => conflict,
                }
            }
        };
        match decision {
            Decision::Conflict(conflict) => self.resolved(conflict).await,
            Decision::Same | Decision::Transfer { .. } => Ok(TransferAction::anew()),
        }
    }

    async fn resolved(&mut self, conflict: Conflict) -> Result<TransferAction, TransferError> {
        let decided = match self.job.direction {
            Direction::Up => *self.begun_by_this_run,
            Direction::Down => *self.overwrite_agreed,
        };
        if decided && conflict.may_overwrite() {
            return Ok(TransferAction::anew());
        }
        match self.context.resolve_conflict(self.job, conflict).await? {
            Policy::Overwrite if conflict.may_overwrite() => {
                *self.overwrite_agreed = true;
                Ok(TransferAction::anew())
            }
            Policy::Overwrite | Policy::Ask => Err(TransferError::InTheWay(conflict)),
            Policy::Skip => Ok(TransferAction::Skip),
            Policy::Rename => Ok(TransferAction::Rename),
        }
    }

    /// Hashes the first bytes of both files at the same time.
    pub(super) async fn heads(
        &self,
        local: &Arc<File>,
        length: u64,
        whole: bool,
    ) -> Result<(Digest, Option<Md5>), TransferError> {
        let local_hash = async {
            let hashing = Digest::of_head(Arc::clone(local), length, self.context.stop.clone());
            hashing.await.map_err(TransferError::local("read the file"))
        };
        let server_hash = async {
            let length = (!whole).then_some(length);
            let asked = self.link.md5(&self.job.remote, length).await;
            asked.map_err(TransferError::remote("hash the file"))
        };
        tokio::try_join!(local_hash, server_hash)
    }

    pub(super) fn warn_unproven(&self, what: &str) {
        let job = self.job.name();
        self.context
            .hub
            .warn(&format!("{job}: the server cannot hash; {what}"));
    }

    /// Compares the hash of the whole file with that of what was read or written here. `early` is the hash that the
    /// server gave before; if it differs the server is asked again, since the file may have changed meanwhile.
    pub(super) async fn verify(
        &self,
        local_hash: Option<Md5>,
        early: Option<Md5>,
        hint: &'static str,
    ) -> Result<Proof, TransferError> {
        let verify = self.context.settings.verify;
        let Some(local_hash) = local_hash else {
            return Ok(Proof::NotAsked);
        };
        self.progress.enter(Stage::Verifying);
        if early == Some(local_hash) {
            return Ok(Proof::Md5);
        }
        let server_hash = self.link.md5(&self.job.remote, None).await;
        match server_hash.map_err(TransferError::remote("hash the file"))? {
            Some(server_hash) if server_hash == local_hash => Ok(Proof::Md5),
            Some(server_hash) => Err(TransferError::Differs {
                here: hex(&local_hash),
                there: hex(&server_hash),
                hint,
            }),
            None if verify == Verify::Always => Err(TransferError::Unproven),
            None => Ok(Proof::Sizes),
        }
    }

    /// Checks before anything is sent that the verification that was asked for is possible.
    pub(super) async fn can_prove(&self) -> Result<(), TransferError> {
        match self.context.settings.verify == Verify::Always && !self.link.can_hash().await {
            true => Err(TransferError::Unproven),
            false => Ok(()),
        }
    }

    /// Whether the settings ask for verification.
    pub(super) fn proves(&self) -> bool {
        self.context.settings.verify != Verify::Never
    }
}

/// What the server's attributes say about the place of a file.
pub(super) fn existing_entry(attrs: Option<Attributes>) -> ExistingEntry {
    let Some(attrs) = attrs else {
        return ExistingEntry::Nothing;
    };
    match (attrs.file_type(), attrs.size) {
        (Some(FileType::Directory), _) => ExistingEntry::Directory,
        (Some(FileType::Regular) | None, Some(size)) => ExistingEntry::File(size),
        _ => ExistingEntry::Other,
    }
}
