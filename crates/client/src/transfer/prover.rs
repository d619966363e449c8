//! How far the two files of a transfer are known to hold the same bytes: by their hashes, or by sizes and samples where
//! a hash cannot be had.
//!
//! A proof never harms: only hashes of the same bytes that differ make a transfer fail. A hash that cannot be had is a
//! failure with `--verify=always` alone, and otherwise one warning in the whole run.

use std::fs::File;
use std::sync::Arc;

use sftp_wire::Attributes;

use super::attempt::{Attempt, FileState};
use super::digest::Digest;
use super::end_samples::{ends_agree, is_all};
use super::error::TransferError;
use super::job::Job;
use super::outcome::Proof;
use super::progress_hub::Stage;
use super::settings::Verify;
use crate::link::{
    Answered as _, Extent, HashAnswer, HashComparison, HashQuestion, HashValue, LocalHash, NoHash,
    confirm_commands, hashing, judge,
};
use crate::plan::Policy;

/// The error when the server's file is not the one any more that was fetched.
pub(super) const CHANGED_MEANWHILE: &str = "the file changed on the server while it was fetched";

/// What a comparison says about the bytes that both files have.
pub(super) enum ExistingBytes {
    /// Both files have the same bytes there.
    Same {
        /// The digest of this machine's bytes.
        digest: Digest,
        /// How far that is verified.
        proof: Proof,
    },
    /// The two files have different bytes there.
    Different,
    /// The server cannot hash them, and they may be replaced.
    Replaceable,
}

/// The bytes of a download that have arrived.
pub(super) struct ReceivedBytes<'a> {
    /// The hash of the bytes that arrived.
    pub hash: HashValue,
    /// The number of bytes that arrived.
    pub size: u64,
    /// The handle from which they were read, if it is still open.
    pub handle: Option<&'a [u8]>,
    /// What the server answered meanwhile about as many bytes as the file had at the beginning.
    pub early: Option<HashAnswer>,
    /// The attributes of the server's file before.
    pub before: &'a Attributes,
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
        match always && !hashing::can_hash(self.attempt.link, self.attempt.hash_kind()).await? {
            true => Err(TransferError::Unproven(NoHash::NoRoute)),
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
        let question = self.question(match whole {
            true => Extent::AllOf(length),
            false => Extent::First(length),
        });
        let local_hash = async {
            let stop = self.attempt.context.stop.clone();
            let compared = self.attempt.progress.comparison();
            let digest = self.attempt.new_digest();
            let hashing = digest.of_head(Arc::clone(local), length, compared, stop);
            hashing.await.map_err(TransferError::local("read the file"))
        };
        let asking = async { self.ask(&question).await };
        let (digest, answer) = tokio::try_join!(local_hash, asking)?;
        if whole {
            self.attempt.progress.set_hash(digest.clone().value());
        }
        let here = LocalHash {
            value: digest.clone().value(),
            is_of_shown_bytes: false,
        };
        let path = &self.file.job.remote;
        let reason = match self.judge(&question, here, answer).await? {
            HashComparison::Equal => {
                let proof = Proof::by_hash(question.kind);
                return Ok(ExistingBytes::Same { digest, proof });
            }
            HashComparison::Unchecked => {
                if !ends_agree(self.attempt.link, path, local, length).await? {
                    return Ok(ExistingBytes::Different);
                }
                confirm_commands(self.attempt.link);
                let proof = Proof::by_hash(question.kind);
                return Ok(ExistingBytes::Same { digest, proof });
            }
            HashComparison::Differs(_) => return Ok(ExistingBytes::Different),
            HashComparison::Unknown(reason) if self.is_required() => {
                return Err(TransferError::Unproven(reason));
            }
            HashComparison::Unknown(_) if self.may_replace() => return Ok(ExistingBytes::Replaceable),
            HashComparison::Unknown(reason) => reason,
        };
        if !ends_agree(self.attempt.link, path, local, length).await? {
            return Ok(ExistingBytes::Different);
        }
        let what = match whole {
            true => "the existing file is taken for the same by its size and its ends",
            false => "the part that is there is taken for the beginning by its ends",
        };
        if !is_all(length) {
            self.attempt.context.warn_unproven(&self.file.job, &reason, what);
        }
        let proof = Proof::Sizes;
        Ok(ExistingBytes::Same { digest, proof })
    }

    /// What a comparison of no bytes says: they are the same.
    pub(super) fn nothing(&self) -> ExistingBytes {
        ExistingBytes::Same {
            digest: self.attempt.new_digest(),
            proof: Proof::Sizes,
        }
    }

    /// Whether bytes that nothing verifies may be replaced.
    fn may_replace(&self) -> bool {
        self.attempt.context.settings.conflicts == Policy::Overwrite && !self.file.begun_by_this_run
    }

    fn is_required(&self) -> bool {
        self.attempt.context.settings.verify == Verify::Always
    }

    /// The hash of the server's file, computed while its bytes are under way. `None`: the connection is lost.
    pub(super) async fn hash_meanwhile(&self, handle: &[u8], size: u64) -> Option<HashAnswer> {
        let mut question = self.question(Extent::AllOf(size));
        question.handle = Some(handle);
        let answered = hashing::hash(self.attempt.link, &question).await;
        // Those who fetch the bytes notice a lost connection, too.
        answered.ok()
    }

    /// Compares the hash of the bytes that were sent with that of the server's whole file. `None`: no verification was
    /// asked for.
    pub(super) async fn verify_stored(
        &self,
        sent: Option<HashValue>,
        size: u64,
    ) -> Result<Proof, TransferError> {
        let Some(here) = sent else {
            return Ok(Proof::NotAsked);
        };
        self.attempt.progress.set_hash(here);
        self.attempt.progress.enter(Stage::Verifying);
        let mut question = self.question(Extent::Whole);
        (question.expected, question.kind) = (Some(size), here.kind());
        let local = LocalHash {
            value: here,
            is_of_shown_bytes: false,
        };
        match self.compare(&question, local).await? {
            HashComparison::Equal => Ok(Proof::by_hash(here.kind())),
            HashComparison::Unchecked if self.shows_what_was_sent(size).await? => {
                confirm_commands(self.attempt.link);
                Ok(Proof::by_hash(here.kind()))
            }
            HashComparison::Unchecked => {
                self.compare_sizes(size).await?;
                self.sizes_only(NoHash::Unchecked)
            }
            HashComparison::Differs(there) => Err(TransferError::Differs {
                here,
                there,
                hint: self.attempt.context.settings.advice_to_start_anew(),
            }),
            HashComparison::Unknown(reason) => {
                self.compare_sizes(size).await?;
                self.sizes_only(reason)
            }
        }
    }

    /// Whether the SFTP server shows the ends of the file that was sent, as far as this machine has one.
    async fn shows_what_was_sent(&self, size: u64) -> Result<bool, TransferError> {
        let Job { local, remote, .. } = &self.file.job;
        match File::open(local) {
            Ok(local) => ends_agree(self.attempt.link, remote, &Arc::new(local), size).await,
            // It was a stream, or is not there any more.
            Err(_) => Ok(false),
        }
    }

    /// The proof of a file whose ranges are all proven: nothing may lie behind them.
    pub(super) async fn verify_ranges(&self, sent: HashValue, size: u64) -> Result<Proof, TransferError> {
        self.attempt.progress.enter(Stage::Verifying);
        self.attempt.progress.set_compared(size);
        self.attempt.progress.set_hash(sent);
        self.compare_sizes(size).await?;
        Ok(Proof::by_hash(sent.kind()))
    }

    /// The proof of a download whose bytes were all compared while they arrived.
    pub(super) fn received_ranges(&self, received: HashValue, size: u64) -> Proof {
        self.attempt.progress.enter(Stage::Verifying);
        self.attempt.progress.set_compared(size);
        self.attempt.progress.set_hash(received);
        Proof::by_hash(received.kind())
    }

    /// Compares the hash of the bytes that have arrived with that of the same range of the server's file, which may
    /// have grown since.
    pub(super) async fn verify_received(&self, received: ReceivedBytes<'_>) -> Result<Proof, TransferError> {
        let here = received.hash;
        let local = LocalHash {
            value: here,
            is_of_shown_bytes: true,
        };
        self.attempt.progress.set_hash(here);
        self.attempt.progress.enter(Stage::Verifying);
        let mut question = self.question(Extent::AllOf(received.size));
        (question.handle, question.kind) = (received.handle, here.kind());
        // Another hash may be that of other bytes, because the file has grown.
        if let Some(early @ HashAnswer::Value(there, _)) = received.early
            && there == here
            && let HashComparison::Equal = self.judge(&question, local, early).await?
        {
            return Ok(Proof::by_hash(here.kind()));
        }
        let there = match self.compare(&question, local).await? {
            HashComparison::Equal => return Ok(Proof::by_hash(here.kind())),
            HashComparison::Unchecked => return self.sizes_only(NoHash::Unchecked),
            HashComparison::Unknown(reason) => return self.sizes_only(reason),
            HashComparison::Differs(there) => there,
        };
        let now = self.attempt.link.stat(&self.file.job.remote).await;
        let now = now.unless_refused()?;
        if now
            .and_then(|now| now.size)
            .is_some_and(|size| size > received.size)
        {
            // A command has hashed all of the file, which has grown.
            question.extent = Extent::First(received.size);
            if let HashComparison::Equal = self.compare(&question, local).await? {
                return Ok(Proof::by_hash(here.kind()));
            }
        }
        let hint = self.attempt.context.settings.advice_to_start_anew();
        match now {
            Some(now) if is_unchanged(received.before, &now) => {
                Err(TransferError::Differs { here, there, hint })
            }
            _ => Err(TransferError::changed(CHANGED_MEANWHILE, hint)),
        }
    }

    fn question(&self, extent: Extent) -> HashQuestion<'a> {
        let expected = match extent {
            Extent::Whole => None,
            Extent::AllOf(length) | Extent::First(length) | Extent::Part { length, .. } => Some(length),
        };
        HashQuestion {
            path: &self.file.job.remote,
            handle: None,
            extent,
            expected,
            kind: self.attempt.hash_kind(),
        }
    }

    async fn ask(&self, question: &HashQuestion<'_>) -> Result<HashAnswer, TransferError> {
        let asking = hashing::hash(self.attempt.link, question);
        let asked = match self.attempt.place_for_commands() {
            Some(place) => place.aside(asking).await,
            None => asking.await,
        };
        asked.map_err(TransferError::ConnectionLost)
    }

    async fn compare(
        &self,
        question: &HashQuestion<'_>,
        here: LocalHash,
    ) -> Result<HashComparison, TransferError> {
        let answer = self.ask(question).await?;
        self.judge(question, here, answer).await
    }

    async fn judge(
        &self,
        question: &HashQuestion<'_>,
        here: LocalHash,
        answer: HashAnswer,
    ) -> Result<HashComparison, TransferError> {
        // That may take a command, too, for which all other files wait.
        let judging = judge(self.attempt.link, question, here, answer);
        let judged = match self.attempt.place_for_commands() {
            Some(place) => place.aside(judging).await,
            None => judging.await,
        };
        judged.map_err(TransferError::ConnectionLost)
    }

    /// Compares the number of bytes that were sent with the size that the server shows, if it shows one.
    async fn compare_sizes(&self, here: u64) -> Result<(), TransferError> {
        let hint = self.attempt.context.settings.advice_to_start_anew();
        let shown = self.attempt.link.stat(&self.file.job.remote).await;
        match shown.unless_refused()?.and_then(|attrs| attrs.size) {
            Some(there) if there != here => Err(TransferError::OtherSize { here, there, hint }),
            _ => Ok(()),
        }
    }

    /// The proof when a hash cannot be had and the sizes are equal.
    fn sizes_only(&self, reason: NoHash) -> Result<Proof, TransferError> {
        if self.is_required() {
            return Err(TransferError::Unproven(reason));
        }
        let what = "only its size was compared";
        self.attempt.context.warn_unproven(&self.file.job, &reason, what);
        Ok(Proof::Sizes)
    }
}

/// Whether nothing shows that a file has changed.
fn is_unchanged(before: &Attributes, now: &Attributes) -> bool {
    let modified = |attrs: &Attributes| attrs.times.map(|times| times.modified);
    before.size == now.size && modified(before) == modified(now)
}
