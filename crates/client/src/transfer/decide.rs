//! Decides what is done with one file: by the table of [`crate::plan`], with the hashes that it asks for, and with the
//! user's decision where it requires one.

use std::fs::File;
use std::sync::Arc;

use sftp_wire::{Attributes, FileType};

use super::attempt::{Attempt, FileState};
use super::digest::Digest;
use super::error::TransferError;
use super::job::Direction;
use super::kept_beginning::{Holes, kept_beginning};
use super::outcome::Proof;
use super::prover::{ExistingBytes, Prover};
use crate::plan::{Conflict, Decision, ExistingEntry, FirstStep, Policy, compared, first_step};

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
    fn anew(attempt: Attempt<'_>) -> Self {
        Self::Transfer {
            from: 0,
            head: attempt.new_digest(),
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

/// Decides what is done with one file.
pub(super) async fn decide(
    attempt: Attempt<'_>,
    file: &mut FileState,
    ends: ComparedFiles<'_>,
) -> Result<TransferAction, TransferError> {
    let resume = attempt.context.settings.resume;
    let step = first_step(ends.size, ends.destination, resume);
    if skips(attempt, file) && !may_be_same(step, ends.destination) {
        return Ok(TransferAction::Skip);
    }
    let decision = match (step, ends.local) {
        (FirstStep::Transfer, _) => return Ok(TransferAction::anew(attempt)),
        (FirstStep::Conflict(conflict), _) => Decision::Conflict(conflict),
        (FirstStep::Compare { length: 0, .. }, _) => return Ok(TransferAction::Same(Proof::Md5)),
        (FirstStep::Compare { .. }, None) => return Ok(TransferAction::anew(attempt)),
        (FirstStep::Compare { length, whole }, Some(local)) => {
            let prover = Prover::new(attempt, file);
            let kept = kept_beginning(prover, local, length, whole, possible_holes(file)).await?;
            let equal = match kept.bytes {
                ExistingBytes::Same { digest: head, .. } if kept.length < length => {
                    let from = kept.length;
                    attempt.progress.set_done(from);
                    return Ok(TransferAction::Transfer { from, head });
                }
                ExistingBytes::Same { digest, proof } => Some((digest, proof)),
                ExistingBytes::Different => None,
                ExistingBytes::Replaceable => return Ok(TransferAction::anew(attempt)),
            };
            match (compared(length, whole, equal.is_some()), equal) {
                (Decision::Same, Some((_, proof))) => return Ok(TransferAction::Same(proof)),
                (Decision::Transfer { from }, Some((head, _))) => {
                    attempt.progress.set_done(from);
                    return Ok(TransferAction::Transfer { from, head });
                }
                (conflict, _) => conflict,
            }
        }
    };
    match decision {
        Decision::Conflict(conflict) => resolved(attempt, file, conflict).await,
        Decision::Same | Decision::Transfer { .. } => Ok(TransferAction::anew(attempt)),
    }
}

/// Whether the file at the target may have holes: if an earlier run may have sent it over several connections. This run
/// has cut what it has begun. The size says nothing: the file may have been larger then.
fn possible_holes(file: &FileState) -> Holes {
    match file.is_temporary && !file.begun_by_this_run {
        true => Holes::Possible,
        false => Holes::None,
    }
}

/// Whether the settings say that nothing that is there is touched. What this run has begun is its own.
fn skips(attempt: Attempt<'_>, file: &FileState) -> bool {
    let own = file.job.direction == Direction::Up && (file.begun_by_this_run || file.is_temporary);
    attempt.context.settings.conflicts == Policy::Skip && !own
}

/// Whether nothing is there that could be touched, or something that may be the same file already.
fn may_be_same(step: FirstStep, destination: ExistingEntry) -> bool {
    destination == ExistingEntry::Nothing || matches!(step, FirstStep::Compare { whole: true, .. })
}

async fn resolved(
    attempt: Attempt<'_>,
    file: &mut FileState,
    conflict: Conflict,
) -> Result<TransferAction, TransferError> {
    let decided = match file.job.direction {
        Direction::Up => file.begun_by_this_run || file.overwrite_agreed,
        Direction::Down => file.overwrite_agreed,
    };
    if decided && conflict.may_overwrite() {
        return Ok(TransferAction::anew(attempt));
    }
    let context = attempt.context;
    match context
        .resolve_conflict(attempt.link, &file.job, conflict)
        .await?
    {
        Policy::Overwrite if conflict.may_overwrite() => {
            file.overwrite_agreed = true;
            Ok(TransferAction::anew(attempt))
        }
        Policy::Overwrite | Policy::Ask => Err(TransferError::InTheWay(conflict)),
        Policy::Skip => Ok(TransferAction::Skip),
        Policy::Rename => Ok(TransferAction::Rename),
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
