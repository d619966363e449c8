//! Uploads one file. It is written at its target from the first byte on: if the connection breaks, the target has the
//! beginning, which the next run verifies and completes.

use std::os::unix::fs::MetadataExt as _;

use sftp_wire::Attributes;

use super::attempt::{Attempt, FileState};
use super::cut::{cut_back, cut_or_remove};
use super::decide::{ComparedFiles, TransferAction, decide, existing_entry};
use super::digest::Digest;
use super::error::TransferError;
use super::final_remote_attributes::FinalRemoteAttributes;
use super::job::{SMALL_BYTES, endings};
use super::open_files::OpenFiles;
use super::outcome::Outcome;
use super::progress_hub::Stage;
use super::prover::Prover;
use super::replacement::TemporaryName;
use super::source_file::SourceFile;
use super::spread::upload::{SpreadUpload, is_spread};
use super::upload_at_once::{HashedHead, OpenTarget, send_at_once};
use super::upload_proof::UploadProver;
use super::write_pump::pump_up;
use crate::link::{Answered as _, Handle, RemoteError};
use crate::local_attributes::growing_mode;
use crate::plan::{Conflict, ExistingEntry, Policy};
use base::visible::printable;

/// One attempt at an upload.
pub(super) struct Upload<'a> {
    attempt: Attempt<'a>,
    file: &'a mut FileState,
}

impl<'a> Upload<'a> {
    pub(super) fn new(attempt: Attempt<'a>, file: &'a mut FileState) -> Self {
        Self { attempt, file }
    }

    pub(super) async fn run(mut self) -> Result<Outcome, TransferError> {
        self.attempt.progress.enter(Stage::Deciding);
        self.prover().check_possible().await?;
        let source = SourceFile::open(&self.file.job)?;
        let size = source.meta.len();
        self.attempt.progress.set_total(size);
        let destination = match self.file.job.destination {
            Some(destination) if !self.file.begun_by_this_run && !self.file.temporary_begun => destination,
            _ => existing_entry(
                self.attempt
                    .link
                    .look(&self.file.job.remote)
                    .await
                    .map_err(TransferError::remote("look at the file"))?,
            ),
        };
        let destination = self.cut_to_front(destination).await?;
        let outcome = self.store(&source, destination).await;
        self.clear_leftover(&outcome).await;
        outcome
    }

    /// Cuts what an attempt of this run has written in place, if it may have holes. Returns what is there then.
    async fn cut_to_front(&self, there: ExistingEntry) -> Result<ExistingEntry, TransferError> {
        match (self.file.uncut.get(), there) {
            (Some(front), ExistingEntry::File(size)) if self.file.begun_by_this_run && size > front => {
                let cut = cut_or_remove(self.attempt.link, &self.file.job.remote, front).await?;
                Ok(cut.map_or(ExistingEntry::Nothing, ExistingEntry::File))
            }
            _ => Ok(there),
        }
    }

    /// Decides what is done with the target, and does it.
    async fn store(
        &mut self,
        source: &SourceFile,
        destination: ExistingEntry,
    ) -> Result<Outcome, TransferError> {
        let size = source.meta.len();
        let ends = ComparedFiles {
            size,
            destination,
            local: Some(&source.file),
        };
        match decide(self.attempt, self.file, ends).await? {
            // All bytes had arrived when the connection broke, or when an earlier run ended.
            TransferAction::Same(proof) if self.file.begun_by_this_run || self.file.is_temporary => {
                if !self.finish_again(source).await? {
                    return self.send(source, 0, self.attempt.new_digest()).await;
                }
                let resumed_from = size;
                Ok(Outcome::Sent { resumed_from, proof })
            }
            TransferAction::Same(proof) => {
                if self.attempt.context.settings.conflicts != Policy::Skip {
                    self.final_attributes(source).set_path().await?;
                }
                Ok(Outcome::Same(proof))
            }
            TransferAction::Skip => Ok(Outcome::Skipped),
            TransferAction::Transfer { from, head } => {
                if from == 0
                    && let Some(outcome) = self.send_aside(source, destination).await?
                {
                    return Ok(outcome);
                }
                if from > 0 && matches!(destination, ExistingEntry::File(size) if size > from) {
                    // Its end may have holes.
                    let cut = cut_or_remove(self.attempt.link, &self.file.job.remote, from).await?;
                    if cut.is_none() {
                        return self.send(source, 0, self.attempt.new_digest()).await;
                    }
                }
                if !self.file.begun_by_this_run {
                    // A beginning that is completed was left by an earlier run, or another client.
                    self.file.created = destination == ExistingEntry::Nothing || from > 0;
                }
                self.send(source, from, head).await
            }
            TransferAction::Rename => {
                self.rename_remote().await?;
                if let Some(outcome) = self.send_aside(source, ExistingEntry::Nothing).await? {
                    return Ok(outcome);
                }
                self.file.created = true;
                self.send(source, 0, self.attempt.new_digest()).await
            }
        }
    }

    /// Sends the file to a temporary name, which then takes the place of the old file, if there is one. `None`: it is to
    /// be written in place.
    async fn send_aside(
        &mut self,
        source: &SourceFile,
        old: ExistingEntry,
    ) -> Result<Option<Outcome>, TransferError> {
        if self.file.is_temporary || self.file.begun_by_this_run {
            return Ok(None);
        }
        let size = source.meta.len();
        let found = match old {
            ExistingEntry::File(1..) => TemporaryName::find(self.attempt, self.file, size).await?,
            ExistingEntry::Nothing => TemporaryName::for_new(self.attempt, self.file, size).await?,
            ExistingEntry::File(0) | ExistingEntry::Directory | ExistingEntry::Other => None,
        };
        let Some(mut temporary) = found else {
            return Ok(None);
        };
        temporary.cut_to_front(self.attempt).await?;
        temporary.file.begun_by_this_run = self.file.temporary_begun;
        let mut upload = Upload::new(self.attempt, &mut temporary.file);
        let sent = Box::pin(upload.store(source, existing_entry(temporary.there))).await;
        self.file.temporary_begun = temporary.file.begun_by_this_run;
        let context = self.attempt.context;
        let path = temporary.file.job.remote;
        let (resumed_from, proof) = match sent {
            Ok(Outcome::Sent { resumed_from, proof }) => (resumed_from, proof),
            Ok(Outcome::Same(proof)) => (source.meta.len(), proof),
            Ok(Outcome::Skipped) => return Ok(None),
            Err(TransferError::Remote(what, refusal)) if !self.file.temporary_begun => {
                context.warn_in_place(&path, &TransferError::Remote(what, refusal));
                return Ok(None);
            }
            Err(error) => {
                if self.file.temporary_begun && !matches!(error, TransferError::ConnectionLost(_)) {
                    let kept = format!("what has arrived is kept as {}", printable(&path));
                    context.hub.warn(&format!("{}: {kept}", self.file.job.name()));
                }
                return Err(error);
            }
        };
        match self.give_name(path, old).await? {
            true => Ok(Some(Outcome::Sent { resumed_from, proof })),
            false => Ok(None),
        }
    }

    /// Gives the whole file its name. `false`: the server refuses that, and the file is to be written in place.
    async fn give_name(&mut self, path: Vec<u8>, old: ExistingEntry) -> Result<bool, TransferError> {
        let context = self.attempt.context;
        let (link, target) = (self.attempt.link, &self.file.job.remote);
        let renamed = match old {
            ExistingEntry::Nothing => {
                // What has got the name meanwhile is not replaced, although some servers would do that.
                let mut is_taken = self.is_taken().await?;
                let mut renamed = Ok(());
                if !is_taken {
                    renamed = link.rename_to_new(&path, target).await;
                    is_taken = matches!(renamed, Err(RemoteError::Refused { .. })) && self.is_taken().await?;
                }
                if is_taken {
                    let kept = format!("all of it is kept as {}", printable(&path));
                    context.hub.warn(&format!("{}: {kept}", self.file.job.name()));
                    return Err(TransferError::Conflict(Conflict::Exists));
                }
                renamed
            }
            _ => link.rename(&path, target).await,
        };
        match renamed {
            Ok(()) => Ok(true),
            Err(RemoteError::ConnectionLost(lost)) => Err(TransferError::ConnectionLost(lost)),
            Err(refusal) => {
                context.temporary_names.refuse();
                context.warn_in_place(&path, &TransferError::Remote("rename the file", refusal));
                self.file.leftover = Some(path);
                Ok(false)
            }
        }
    }

    /// Whether something has the name of the file, or may have it.
    async fn is_taken(&self) -> Result<bool, TransferError> {
        let there = self.attempt.link.look(&self.file.job.remote).await;
        Ok(there.unless_refused()?.is_none_or(|there| there.is_some()))
    }

    /// Removes a temporary file that could not be renamed, after the file was written in place. If that fails, too, its
    /// name is said.
    async fn clear_leftover(&mut self, outcome: &Result<Outcome, TransferError>) {
        let Some(path) = &self.file.leftover else {
            return;
        };
        let removed = match outcome {
            Ok(_) => self
                .attempt
                .link
                .remove(path)
                .await
                .map_err(|failed| failed.to_string()),
            Err(TransferError::ConnectionLost(_)) => return,
            Err(_) => Err("the whole file has arrived there".to_owned()),
        };
        if let Err(why) = removed {
            let (name, path) = (self.file.job.name(), printable(path));
            let message = format!("{name}: {path} is left on the server: {why}");
            self.attempt.context.hub.warn(&message);
        }
        self.file.leftover = None;
    }

    fn prover(&self) -> Prover<'_> {
        Prover::new(self.attempt, self.file)
    }

    /// Gives the file another name from now on, also on the next connection.
    async fn rename_remote(&mut self) -> Result<(), TransferError> {
        for ending in endings() {
            let renamed = self.file.job.renamed(&ending);
            let there = self.attempt.link.look(&renamed.remote).await;
            let there = there.map_err(TransferError::remote("look for a free name"))?;
            if there.is_none() && self.attempt.context.claim(renamed.target()) {
                let message = format!("{}: sent as {}", self.file.job.name(), printable(&renamed.remote));
                self.attempt.context.hub.warn(&message);
                self.file.job = renamed;
                return Ok(());
            }
        }
        Err(TransferError::NoName)
    }

    async fn send(&mut self, source: &SourceFile, from: u64, head: Digest) -> Result<Outcome, TransferError> {
        let opened = self.open_target(source, from).await;
        let handle = opened.map_err(TransferError::remote("open the file"))?;
        self.file.begun_by_this_run = true;
        // What had holes was cut off, and is sent again.
        self.file.uncut.take();
        let (from, head) = match from > 0 && self.attempt.is_emptied(&handle, from).await? {
            true => (0, self.attempt.new_digest()),
            false => (from, head),
        };
        let target = self.with_final_attributes(handle, source).await?;
        self.attempt.progress.set_done(from);
        self.attempt.progress.enter(Stage::Sending);
        let size = source.meta.len();
        let small = size - from.min(size) < SMALL_BYTES;
        let digest = if small {
            let head = HashedHead { from, head };
            let sent = send_at_once(self.attempt, self.file, source, &target, head).await?;
            self.prover().is_wanted().then(|| sent.value())
        } else {
            let digest = self.prover().is_wanted().then_some(head);
            let files = OpenFiles {
                local: &source.file,
                handle: &target.handle,
            };
            let path = &self.file.job.remote;
            let prover = match &digest {
                Some(head) => UploadProver::begin(self.attempt, path, head, from, size).await,
                None => None,
            };
            let left = size.saturating_sub(from);
            let sent = match self.file.is_temporary && is_spread(self.attempt.context, left) {
                true => {
                    let upload = SpreadUpload {
                        attempt: self.attempt,
                        path,
                        files,
                        uncut: &self.file.uncut,
                    };
                    upload.run(from..size, digest, prover).await
                }
                false => pump_up(self.attempt, files, from..size, digest, prover).await,
            };
            let sent = match sent {
                Ok(sent) => sent,
                Err(failed) => {
                    let error = cut_back(self.attempt, self.file, failed).await;
                    // The bytes that have arrived are kept, and the reply does not matter.
                    self.attempt.link.forget_handle(&target.handle);
                    return Err(error);
                }
            };
            self.finish(&target).await?;
            source.check(sent.end, &self.attempt.context.settings)?;
            if sent.is_proven
                && let Some(digest) = sent.digest
            {
                let proof = self.prover().verify_ranges(digest.value(), size).await?;
                let resumed_from = from;
                return Ok(Outcome::Sent { resumed_from, proof });
            }
            sent.digest.map(Digest::value)
        };
        let proof = self.prover().verify_stored(digest, size).await?;
        Ok(Outcome::Sent {
            resumed_from: from,
            proof,
        })
    }

    /// Opens the target so that its owner can read and write it while it grows.
    async fn open_target(&self, source: &SourceFile, from: u64) -> Result<Handle, RemoteError> {
        let (link, path) = (self.attempt.link, &self.file.job.remote);
        let mode = self.file.replaced_mode.unwrap_or(source.meta.mode() & 0o777);
        let mode = growing_mode(mode);
        let open = || link.open_write(path, from == 0, Some(mode));
        match open().await {
            // Other clients leave the beginning of a read-only file read-only.
            Err(refusal) if from > 0 && refusal.is_denied() => {
                let there = link.stat(path).await?.permissions;
                let attrs = Attributes {
                    permissions: there.map(|mode| growing_mode(mode & 0o7777)),
                    ..Attributes::default()
                };
                match link.set(path, &attrs).await.unless_refused()? {
                    Some(()) => open().await,
                    None => Err(refusal),
                }
            }
            opened => opened,
        }
    }

    async fn with_final_attributes(
        &self,
        handle: Handle,
        source: &SourceFile,
    ) -> Result<OpenTarget<'_>, TransferError> {
        let last = self.final_attributes(source);
        let last = match self.file.created || self.file.is_temporary {
            true => last.of_created(&handle).await?,
            false => last,
        };
        Ok(OpenTarget { handle, last })
    }

    fn final_attributes(&self, source: &SourceFile) -> FinalRemoteAttributes<'_> {
        FinalRemoteAttributes::new(self.attempt, self.file, &source.meta)
    }

    /// Ends an upload whose bytes had all arrived when the connection broke. The file is opened and closed again, so that
    /// the server knows that it is whole. Returns whether it still is.
    async fn finish_again(&self, source: &SourceFile) -> Result<bool, TransferError> {
        let opened = self.attempt.link.open_existing(&self.file.job.remote).await;
        let Some(handle) = opened.unless_refused()? else {
            // Its final mode may have been set already.
            self.final_attributes(source).set_path().await?;
            return Ok(true);
        };
        let is_emptied = self.attempt.is_emptied(&handle, source.meta.len()).await?;
        let target = self.with_final_attributes(handle, source).await?;
        self.finish(&target).await?;
        Ok(!is_emptied)
    }

    async fn finish(&self, target: &OpenTarget<'_>) -> Result<(), TransferError> {
        target.last.set_handle(&target.handle).await?;
        self.attempt
            .link
            .close_handle(&target.handle)
            .await
            .map_err(TransferError::remote("close the file"))
    }
}
