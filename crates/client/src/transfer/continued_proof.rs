//! Proves a file while it is transferred, by the states that the running hash of this machine has at its checkpoints:
//! each end hashes each byte once, and in the end it is the hash of the whole file that is equal.

use base::hash_state::{HashState, LANES};
use tokio::sync::watch;

use super::attempt::Attempt;
use super::checkpoints::{Checkpoints, STEP};
use super::digest::{Checkpoint, Digest};
use crate::link::{ContinuedQuestion, HashKind, continue_hash, continues_hashes};

/// The size from which on a file is proven like that, in bytes: below, one question at the end is as fast.
const SMALLEST: u64 = 16 << 20;
/// The most checkpoints in one question: as many as a server hashes side by side.
const AT_ONCE: usize = LANES;

/// Compares a file of the server with the checkpoints of this machine's hash.
pub(super) struct ContinuedProver<'a> {
    attempt: Attempt<'a>,
    kind: HashKind,
    /// The beginning that both ends had before.
    head: Checkpoint,
}

impl<'a> ContinuedProver<'a> {
    /// Makes the prover of a file whose beginning, of `from` bytes, has this digest. `None`: the server does not offer it,
    /// or so few bytes are left that it would gain nothing.
    pub fn new(attempt: Attempt<'a>, head: &Digest, from: u64, size: u64) -> Option<Self> {
        let is_worth_it = size.saturating_sub(from) >= SMALLEST && head.length() == from;
        (is_worth_it && continues_hashes(attempt.link)).then(|| Self {
            attempt,
            kind: attempt.hash_kind(),
            head: head.checkpoint(),
        })
    }

    /// Compares all checkpoints, each once the server has the bytes up to there. Returns whether all are equal; if not, the
    /// hash of the whole file decides. `handle` is open for reading, and `there` tells how many bytes the server has
    /// without a gap.
    pub async fn run(
        self,
        handle: &[u8],
        mut checkpoints: Checkpoints,
        mut there: watch::Receiver<u64>,
    ) -> bool {
        if !self.is_head_equal(handle).await {
            return false;
        }
        let mut before = self.head;
        loop {
            let mut some = Vec::with_capacity(AT_ONCE);
            while some.len() < AT_ONCE
                && let Some(checkpoint) = checkpoints.recv().await
            {
                some.push(checkpoint);
            }
            let Some(last) = some.last().copied() else {
                return true;
            };
            // The sender ends when nothing more will be there.
            let is_there = there.wait_for(|front| *front >= last.end).await.is_ok();
            if !is_there || !self.are_equal(handle, before, &some, STEP).await {
                return false;
            }
            self.attempt.progress.set_compared(last.end);
            before = last;
        }
    }

    /// Compares the beginning that both ends had before.
    async fn is_head_equal(&self, handle: &[u8]) -> bool {
        let length = self.head.end;
        let nothing = Digest::new(self.kind).checkpoint();
        length == 0 || self.are_equal(handle, nothing, &[self.head], length).await
    }

    /// Compares checkpoints that lie `step` bytes apart, but for the last. The first range begins where the state
    /// `before` ends.
    async fn are_equal(&self, handle: &[u8], before: Checkpoint, some: &[Checkpoint], step: u64) -> bool {
        let states = std::iter::once(&before).chain(some);
        let states: Vec<HashState> = states
            .take(some.len())
            .map(|checkpoint| checkpoint.state)
            .collect();
        let end = some.last().map_or(0, |last| last.end);
        let question = ContinuedQuestion {
            handle,
            kind: self.kind,
            offset: before.covered,
            length: end.saturating_sub(before.covered),
            step,
            states: &states,
        };
        let expected = some.iter().map(|checkpoint| checkpoint.hash);
        match continue_hash(self.attempt.link, &question).await {
            Ok(hashes) => hashes.into_iter().eq(expected),
            // If the connection is lost, the transfer says it.
            Err(_) => false,
        }
    }
}
