//! The bytes of a download: they are fetched, hashed as they arrive, and compared with the server's meanwhile, as far as
//! that can be had.

use std::ops::Range;
use std::sync::Arc;

use sftp_wire::Attributes;
use tokio::sync::watch;

use super::attempt::{Attempt, FileState};
use super::checkpoints::MarkedDigest;
use super::continued_proof::ContinuedProver;
use super::digest::Digest;
use super::error::TransferError;
use super::hashers::Follower;
use super::job::SMALL_BYTES;
use super::open_files::OpenFiles;
use super::outcome::Proof;
use super::progress_hub::Stage;
use super::prover::{Prover, ReceivedBytes};
use super::spread::download::SpreadDownload;
use crate::link::HashAnswer;

/// Fetches a file into its part.
pub(super) struct ProvenFetch<'a> {
    pub attempt: Attempt<'a>,
    pub file: &'a FileState,
    /// The part, and the handle of the server's file.
    pub files: OpenFiles<'a>,
    /// The attributes of the server's file before.
    pub before: &'a Attributes,
}

/// What the server has said about the bytes of a download while they were under way.
enum EarlyProof {
    /// Nothing that counts.
    Nothing,
    /// Its hash of as many bytes as the file had at the beginning.
    Hash(HashAnswer),
    /// All bytes that have arrived are the same.
    Equal,
}

/// The bytes of a download that have arrived.
enum FetchedBytes {
    /// Nothing is left to compare.
    Proven(Proof),
    /// The server's hash is missing, or has to be compared.
    Hashed {
        digest: Digest,
        size: u64,
        early: Option<HashAnswer>,
    },
}

impl ProvenFetch<'_> {
    /// Fetches the range, behind a beginning with the digest `head`, and closes the server's file. Returns how far the
    /// whole file is proven.
    pub async fn run(&self, range: Range<u64>, head: Digest) -> Result<Proof, TransferError> {
        let fetched = self.fetch_and_hash(range, head).await;
        // Nothing was written through the handle, so the reply to CLOSE does not matter.
        let close = || self.attempt.link.forget_handle(self.files.handle);
        // Many files wait for one command, which needs no handles, and servers limit their number.
        let kept = self.attempt.needs_handle().then_some(self.files.handle);
        if kept.is_none() {
            close();
        }
        let proof = match fetched {
            Ok(FetchedBytes::Proven(proof)) => Ok(proof),
            Ok(FetchedBytes::Hashed { digest, size, early }) => {
                let received = ReceivedBytes {
                    hash: digest.value(),
                    size,
                    handle: kept,
                    early,
                    before: self.before,
                };
                self.prover().verify_received(received).await
            }
            Err(failed) => Err(failed),
        };
        if kept.is_some() {
            close();
        }
        proof
    }

    async fn fetch_and_hash(&self, range: Range<u64>, head: Digest) -> Result<FetchedBytes, TransferError> {
        if !self.prover().is_wanted() {
            self.fetch(range, None).await?;
            return Ok(FetchedBytes::Proven(Proof::NotAsked));
        }
        // It is faster to hash a small file and to ask afterwards, together with other files.
        if range.end.saturating_sub(range.start) < SMALL_BYTES {
            let size = self.fetch(range, None).await?;
            let stop = self.attempt.context.stop.clone();
            let compared = self.attempt.progress.comparison();
            let part = Arc::clone(self.files.local);
            let digest = self.attempt.new_digest().of_head(part, size, compared, stop);
            let digest = digest
                .await
                .map_err(TransferError::local("read the .part file"))?;
            let early = None;
            return Ok(FetchedBytes::Hashed { digest, size, early });
        }
        self.fetch_hashing(range, head).await
    }

    /// Hashes the part while it grows, and has the server hash its file.
    async fn fetch_hashing(&self, range: Range<u64>, head: Digest) -> Result<FetchedBytes, TransferError> {
        let Range {
            start: from,
            end: size,
        } = range;
        let prover = ContinuedProver::new(self.attempt, &head, from, size);
        let (digest, continued) = match prover {
            Some(prover) => {
                let (digest, checkpoints) = MarkedDigest::with_checkpoints(head);
                (digest, Some((prover, checkpoints)))
            }
            None => (head.into(), None),
        };
        let follower = Follower::start(digest, Arc::clone(self.files.local), from);
        let fetching = async {
            let end = self.fetch(range, Some(&follower)).await?;
            follower.end();
            Ok::<_, TransferError>(end)
        };
        let asking = async {
            let handle = self.files.handle;
            Ok(match continued {
                Some((prover, checkpoints)) => {
                    // What was hashed here has come from there.
                    let (_there, all) = watch::channel(u64::MAX);
                    match prover.run(handle, checkpoints, all).await {
                        true => EarlyProof::Equal,
                        false => EarlyProof::Nothing,
                    }
                }
                None => {
                    let hash = self.prover().hash_meanwhile(handle, size).await;
                    hash.map_or(EarlyProof::Nothing, EarlyProof::Hash)
                }
            })
        };
        // If the fetch fails, nobody needs the hash.
        let (end, early) = tokio::try_join!(fetching, asking)?;
        let digest = follower.finish().await;
        let digest = digest.map_err(TransferError::local("read the .part file"))?;
        let early = match early {
            EarlyProof::Equal => {
                let proof = self.prover().received_ranges(digest.value(), end);
                return Ok(FetchedBytes::Proven(proof));
            }
            EarlyProof::Hash(answer) => Some(answer),
            EarlyProof::Nothing => None,
        };
        Ok(FetchedBytes::Hashed {
            digest,
            size: end,
            early,
        })
    }

    fn prover(&self) -> Prover<'_> {
        Prover::new(self.attempt, self.file)
    }

    /// Fetches the range. Returns where the file ends.
    async fn fetch(&self, range: Range<u64>, follower: Option<&Follower>) -> Result<u64, TransferError> {
        let size = range.end;
        let fetch = SpreadDownload {
            attempt: self.attempt,
            path: &self.file.job.remote,
            files: self.files,
            follower,
        };
        let end = fetch.run(range).await?;
        self.attempt.progress.set_total(end.max(size));
        if end < size {
            let why = format!("the server said that the file has {size} bytes, but it ended after {end}");
            let hint = self.attempt.context.settings.advice_to_start_anew();
            return Err(TransferError::changed(&why, hint));
        }
        if end > size && size > 0 {
            let job = self.file.job.name();
            let warning = format!("{job}: it grew on the server while it was fetched; {end} bytes are here");
            self.attempt.context.hub.warn(&warning);
        }
        if self.prover().is_wanted() {
            self.attempt.progress.enter(Stage::Verifying);
        }
        Ok(end)
    }
}
