//! How far the two files of a transfer are known to hold the same bytes: by their hashes, or by samples where the
//! server cannot hash.

use std::fs::File;
use std::sync::Arc;

use super::attempt::{Attempt, FileState};
use super::digest::Digest;
use super::end_samples::ends_agree;
use super::error::TransferError;
use super::outcome::Proof;
use super::progress_hub::Stage;
use super::settings::Verify;
use crate::link::{Md5, hashing};
use crate::plan::Policy;
use base::visible::hex;

/// What a comparison says about the bytes that both files have.
pub(super) enum ExistingBytes {
    /// They are the same.
    Same {
        /// The digest of this machine's bytes.
        digest: Digest,
        /// How far that is verified.
        proof: Proof,
    },
    /// They differ.
    Different,
    /// The server cannot hash them, and they may be replaced.
    Replaceable,
}

/// Compares the two files of a transfer.
#[derive(Clone, Copy)]
pub(super) struct Prover<'a> {
    attempt: Attempt<'a>,
    file: &'a FileState,
}

impl<'a> Prover<'a> {
    pub(super) fn new(attempt: Attempt<'a>, file: &'a FileState) -> Self {
        Self { attempt, file }
    }

    /// Whether the settings ask for verification.
    pub(super) fn is_wanted(&self) -> bool {
        self.attempt.context.settings.verify != Verify::Never
    }

    /// Checks before anything is sent that the verification that was asked for is possible.
    pub(super) async fn check_possible(&self) -> Result<(), TransferError> {
        let always = self.attempt.context.settings.verify == Verify::Always;
        match always && !hashing::can_hash(self.attempt.link).await {
            true => Err(TransferError::Unproven),
            false => Ok(()),
        }
    }

    /// Compares the first `length` bytes of both files. `whole`: that is all of the server's file.
    pub(super) async fn compare_existing(
        &self,
        local: &Arc<File>,
        length: u64,
        whole: bool,
    ) -> Result<ExistingBytes, TransferError> {
        let (digest, server_hash) = self.heads(local, length, whole).await?;
        let (proof, same) = match server_hash {
            Some(server_hash) => (Proof::Md5, server_hash == digest.clone().value()),
            None if self.may_replace() => return Ok(ExistingBytes::Replaceable),
            None => {
                let agree = ends_agree(self.attempt.link, &self.file.job.remote, local, length);
                (Proof::Sizes, agree.await?)
            }
        };
        Ok(match same {
            true => ExistingBytes::Same { digest, proof },
            false => ExistingBytes::Different,
        })
    }

    /// Whether bytes that nothing verifies may be replaced.
    fn may_replace(&self) -> bool {
        self.attempt.context.settings.conflicts == Policy::Overwrite && !self.file.begun_by_this_run
    }

    /// Hashes the first bytes of both files at the same time.
    async fn heads(
        &self,
        local: &Arc<File>,
        length: u64,
        whole: bool,
    ) -> Result<(Digest, Option<Md5>), TransferError> {
        let local_hash = async {
            let stop = self.attempt.context.stop.clone();
            let hashing = Digest::of_head(Arc::clone(local), length, stop);
            hashing.await.map_err(TransferError::local("read the file"))
        };
        let server_hash = self.server_hash((!whole).then_some(length));
        tokio::try_join!(local_hash, server_hash)
    }

    /// The hash of the server's file, or of its first `length` bytes. `None`: the server cannot hash.
    async fn server_hash(&self, length: Option<u64>) -> Result<Option<Md5>, TransferError> {
        let asked = hashing::md5(self.attempt.link, &self.file.job.remote, length).await;
        asked.map_err(TransferError::remote("hash the file"))
    }

    /// The hash of the server's whole file, computed while other bytes are under way. `None`: that is not possible.
    pub(super) async fn hash_meanwhile(&self) -> Option<Md5> {
        let hash = hashing::md5_meanwhile(self.attempt.link, &self.file.job.remote).await;
        hash.ok().flatten()
    }

    /// Warns that bytes were taken for the same although nothing has verified them.
    pub(super) fn warn_unproven(&self, what: &str) {
        let job = self.file.job.name();
        let hub = &self.attempt.context.hub;
        hub.warn(&format!("{job}: the server cannot hash; {what}"));
    }

    /// Compares the hash of the whole file with that of what was read or written here. `early` is the hash that the
    /// server gave before; if it differs the server is asked again, since the file may have changed meanwhile.
    pub(super) async fn verify(
        &self,
        local_hash: Option<Md5>,
        early: Option<Md5>,
        hint: &'static str,
    ) -> Result<Proof, TransferError> {
        let verify = self.attempt.context.settings.verify;
        let Some(local_hash) = local_hash else {
            return Ok(Proof::NotAsked);
        };
        self.attempt.progress.enter(Stage::Verifying);
        if early == Some(local_hash) {
            return Ok(Proof::Md5);
        }
        match self.server_hash(None).await? {
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
}
