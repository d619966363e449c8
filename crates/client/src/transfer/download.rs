//! One file from the server. It grows under the name `NAME.part`, and is renamed when it is complete and verified, so
//! that NAME is never half a file.
//!
//! A shorter file NAME that is the beginning of the source was left by another client: it becomes the part.

use std::fs::{File, Metadata};
use std::sync::Arc;

use sftp_wire::Attributes;

use super::attempt::{Attempt, FileState};
use super::decide::{ComparedFiles, TransferAction, decide, existing_entry};
use super::digest::Digest;
use super::error::TransferError;
use super::final_local_attributes::FinalLocalAttributes;
use super::job::Job;
use super::job::endings;
use super::kept_beginning::{Holes, kept_beginning};
use super::open_files::OpenFiles;
use super::outcome::Outcome;
use super::part_file::{PartFile, followed, look, part_path};
use super::progress_hub::Stage;
use super::proven_fetch::ProvenFetch;
use super::prover::{ExistingBytes, Prover};
use super::ranges_mark;
use super::settings::Settings;
use super::spread;
use crate::local_attributes::growing_mode;
use crate::plan::{Conflict, ExistingEntry, Policy};
use base::visible::printable;

/// One attempt at a download.
pub(super) struct Download<'a> {
    attempt: Attempt<'a>,
    file: &'a mut FileState,
    /// Whether the file at the target may be replaced.
    replace: bool,
    /// That file, if there is one.
    replaced: Option<Metadata>,
}

/// The part of a download, with the beginning that is kept of it.
struct BegunPart {
    part: PartFile,
    /// The size of the beginning, in bytes.
    from: u64,
    /// The digest of the beginning.
    head: Digest,
}

impl<'a> Download<'a> {
    pub(super) fn new(attempt: Attempt<'a>, file: &'a mut FileState) -> Self {
        Self {
            attempt,
            file,
            replace: false,
            replaced: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<Outcome, TransferError> {
        self.attempt.progress.enter(Stage::Deciding);
        self.prover().check_possible().await?;
        if let Some(real) = followed(&self.file.job.local) {
            self.file.job.local = real;
        }
        let known = self.file.job.known.filter(|_| !self.file.begun_by_this_run);
        let attrs = match known {
            Some(attrs) => attrs,
            None => self
                .attempt
                .link
                .stat(&self.file.job.remote)
                .await
                .map_err(TransferError::remote("look at the file"))?,
        };
        let size = match existing_entry(Some(attrs)) {
            ExistingEntry::File(size) => size,
            ExistingEntry::Directory | ExistingEntry::Other | ExistingEntry::Nothing => {
                return Err(TransferError::NotAFile);
            }
        };
        self.attempt.progress.set_total(size);
        let destination = look(&self.file.job.local)?;
        let file = match destination {
            ExistingEntry::Nothing => return self.fetch(attrs, size).await,
            ExistingEntry::File(_) => match File::open(&self.file.job.local) {
                Ok(file) => Some(Arc::new(file)),
                Err(error) => return self.without_comparison(error, attrs, size).await,
            },
            ExistingEntry::Directory | ExistingEntry::Other => None,
        };
        // A name that is a link or a directory is a conflict that nothing replaces.
        let replaced = file.as_ref().and_then(|file| file.metadata().ok());
        let ends = ComparedFiles {
            size,
            destination,
            local: file.as_ref(),
        };
        match decide(self.attempt, self.file, ends).await? {
            TransferAction::Same(proof) => {
                let Settings {
                    preserve, conflicts, ..
                } = self.attempt.context.settings;
                if let Some(file) = file
                    && preserve
                    && conflicts != Policy::Skip
                {
                    self.finish(&file, &self.final_attributes(attrs));
                }
                return Ok(Outcome::Same(proof));
            }
            TransferAction::Skip => return Ok(Outcome::Skipped),
            TransferAction::Transfer { from: 0, .. } => {}
            TransferAction::Transfer { .. } => self.becomes_part()?,
            TransferAction::Rename => {
                self.rename_local()?;
                return self.fetch(attrs, size).await;
            }
        }
        // From here on NAME may be replaced.
        self.replace = true;
        self.replaced = replaced;
        self.fetch(attrs, size).await
    }

    /// Decides about a file at the target that cannot be read, and so cannot be compared, if the settings do.
    async fn without_comparison(
        mut self,
        error: std::io::Error,
        attrs: Attributes,
        size: u64,
    ) -> Result<Outcome, TransferError> {
        match self.attempt.context.settings.conflicts {
            Policy::Skip => Ok(Outcome::Skipped),
            Policy::Overwrite => {
                self.replace = true;
                self.replaced = std::fs::metadata(&self.file.job.local).ok();
                self.fetch(attrs, size).await
            }
            Policy::Rename => {
                self.rename_local()?;
                self.fetch(attrs, size).await
            }
            Policy::Ask => Err(TransferError::local("open the file")(error)),
        }
    }

    fn prover(&self) -> Prover<'_> {
        Prover::new(self.attempt, self.file)
    }

    /// Makes the shorter file that another client has left the part, unless there is one.
    fn becomes_part(&self) -> Result<(), TransferError> {
        let part = self.part_path();
        match look(&part)? {
            ExistingEntry::Nothing | ExistingEntry::File(0) => {
                let renamed = std::fs::rename(&self.file.job.local, part);
                renamed.map_err(TransferError::local("rename the shorter file"))
            }
            _ => Ok(()),
        }
    }

    fn part_path(&self) -> std::path::PathBuf {
        part_path(&self.file.job.local, |path| self.attempt.context.is_claimed(path))
    }

    /// Gives the file another name from now on, also on the next connection.
    fn rename_local(&mut self) -> Result<(), TransferError> {
        for ending in endings() {
            let renamed = self.file.job.renamed(&ending);
            if look(&renamed.local)? == ExistingEntry::Nothing && self.attempt.context.claim(renamed.target())
            {
                let shown = printable(renamed.local.as_os_str().as_encoded_bytes());
                let message = format!("{}: stored as {shown}", self.file.job.name());
                self.attempt.context.hub.warn(&message);
                self.file.job = renamed;
                return Ok(());
            }
        }
        Err(TransferError::NoName)
    }

    /// How much of the existing part can be kept, with its digest. `None`: it is something else.
    async fn kept_part(&self, part: &PartFile, size: u64) -> Result<Option<(u64, Digest)>, TransferError> {
        let have = part.len()?;
        if have == 0 {
            return Ok(Some((0, self.attempt.new_digest())));
        }
        if have > size {
            return Ok(None);
        }
        // An earlier run may have fetched it over several connections. This one has cut what it has begun.
        let holes = match self.file.begun_by_this_run {
            true => Holes::None,
            // The file may have been larger then.
            false if ranges_mark::is_marked(&part.file) => Holes::Possible,
            false if size < spread::SMALLEST => Holes::None,
            false if part.has_holes(have) => Holes::Seen,
            false => Holes::Unseen,
        };
        let kept = kept_beginning(self.prover(), &part.file, have, have == size, holes).await?;
        let digest = match kept.bytes {
            ExistingBytes::Same { digest, .. } => digest,
            ExistingBytes::Different | ExistingBytes::Replaceable => return Ok(None),
        };
        if !self.attempt.context.settings.resume {
            part.empty()?;
            return Ok(Some((0, self.attempt.new_digest())));
        }
        part.cut(kept.length)?;
        Ok(Some((kept.length, digest)))
    }

    /// Opens the part, and decides what is done with what is in it. `None`: the file is to be skipped.
    async fn part(&mut self, mode: u32, size: u64) -> Result<Option<BegunPart>, TransferError> {
        loop {
            let part = PartFile::open(self.part_path(), mode)?;
            if let Some((from, head)) = self.kept_part(&part, size).await? {
                return Ok(Some(BegunPart { part, from, head }));
            }
            let policy = match self.file.begun_by_this_run {
                true => Policy::Overwrite,
                false => {
                    // The question is about the part.
                    let job = Job {
                        local: self.part_path(),
                        ..self.file.job.clone()
                    };
                    let Attempt { context, link, .. } = self.attempt;
                    context.resolve_conflict(link, &job, Conflict::Part).await?
                }
            };
            match policy {
                Policy::Overwrite => {
                    part.empty()?;
                    let (from, head) = (0, self.attempt.new_digest());
                    return Ok(Some(BegunPart { part, from, head }));
                }
                Policy::Skip => return Ok(None),
                Policy::Rename => {
                    self.rename_local()?;
                    (self.replace, self.replaced) = (false, None);
                }
                Policy::Ask => return Err(TransferError::Conflict(Conflict::Part)),
            }
        }
    }

    async fn fetch(mut self, attrs: Attributes, size: u64) -> Result<Outcome, TransferError> {
        let mode = growing_mode(self.final_attributes(attrs).mode());
        let Some(begun) = self.part(mode, size).await? else {
            return Ok(Outcome::Skipped);
        };
        let BegunPart { part, from, head } = begun;
        part.narrow(mode);
        let opened = self.attempt.link.open_read(&self.file.job.remote).await;
        let handle = opened.map_err(TransferError::remote("open the file"))?;
        self.file.begun_by_this_run = true;
        self.attempt.progress.set_done(from);
        self.attempt.progress.enter(Stage::Sending);
        let fetch = ProvenFetch {
            attempt: self.attempt,
            file: &*self.file,
            files: OpenFiles {
                local: &part.file,
                handle: &handle,
            },
            before: &attrs,
        };
        let proof = fetch.run(from..size, head).await?;
        self.finish(&part.file, &self.final_attributes(attrs));
        part.publish(&self.file.job.local, self.replace)?;
        Ok(Outcome::Sent {
            resumed_from: from,
            proof,
        })
    }

    /// The attributes that the file gets in the end, if `source` are those of the server's file.
    fn final_attributes(&self, source: Attributes) -> FinalLocalAttributes {
        FinalLocalAttributes {
            replaced: self.replaced.clone(),
            source,
            preserve: self.attempt.context.settings.preserve,
        }
    }

    fn finish(&self, file: &File, last: &FinalLocalAttributes) {
        last.set(file, |what, error| {
            let failed = TransferError::Local { what, error };
            let message = format!("{}: fetched, but {failed}", self.file.job.name());
            self.attempt.context.hub.warn(&message);
        });
    }
}
