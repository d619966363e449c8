//! Digests of the beginnings of a file up to the ends of successive ranges. A client that has hashed the same bytes
//! tells the state of its hash before each range, so that the server reads and hashes only the ranges, each byte once.
//!
//! Ranges of the same length are hashed side by side, which for MD5 is several times as fast as one alone. Each buffer is
//! read and hashed on the same thread, while its bytes are in the cache of the core.

use std::sync::Arc;

use base::buffer::{BUFFER_SIZE, Buffer};
use base::digest::Algorithm;
use base::hash_state::{BLOCK, HashState, LANES};
use tokio_util::sync::CancellationToken;

use super::HashWork;
use crate::io::cpu_slots::CpuSlots;
use crate::storage::{Error, OpenFile, Result, Wait};

/// The most ranges of one request.
pub const MAX_RANGES: usize = 64;
/// The number of bytes that are read at once of each of [`LANES`] ranges.
const PIECE: usize = BUFFER_SIZE / LANES;
const _: () = assert!(PIECE / BLOCK * BLOCK == PIECE, "a piece has whole blocks");

/// Successive ranges of a file, and the states of their hashes. [`ContinuedRanges::new`] checks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinuedRanges {
    offset: u64,
    end: u64,
    step: u64,
    states: Vec<HashState>,
}

/// Why ranges cannot be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRanges {
    /// A range begins within a block, so that no state belongs to its beginning.
    #[error("a range begins at a multiple of 64 bytes")]
    WithinBlock,
    /// The number of states is not that of the ranges.
    #[error("there must be one state for each range, and no range may be empty")]
    OtherCount,
    /// There are too many ranges.
    #[error("a request has at most {} ranges", MAX_RANGES)]
    TooMany,
}

impl ContinuedRanges {
    /// Checks that there is one state for each range of `step` bytes, of which the last may be shorter.
    ///
    /// # Errors
    /// Returns an error if the numbers do not fit together.
    pub fn new(
        offset: u64,
        length: u64,
        step: u64,
        states: Vec<HashState>,
    ) -> std::result::Result<Self, BadRanges> {
        if states.len() > MAX_RANGES {
            return Err(BadRanges::TooMany);
        }
        let end = offset.checked_add(length).ok_or(BadRanges::OtherCount)?;
        if length == 0 || step == 0 || length.div_ceil(step) != states.len() as u64 {
            return Err(BadRanges::OtherCount);
        }
        let block = BLOCK as u64;
        if !offset.is_multiple_of(block) || (states.len() > 1 && !step.is_multiple_of(block)) {
            return Err(BadRanges::WithinBlock);
        }
        Ok(Self {
            offset,
            end,
            step,
            states,
        })
    }

    /// Returns the offset behind the last range.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the offset of a range. All are below the end, which was checked.
    fn begin_of(&self, number: usize) -> u64 {
        let before = self.step.saturating_mul(number as u64);
        self.offset.saturating_add(before)
    }

    /// Returns the number of ranges that have `step` bytes.
    fn full_ranges(&self) -> usize {
        let full = (self.end - self.offset) / self.step;
        usize::try_from(full).unwrap_or(0).min(self.states.len())
    }
}

/// The digests to compute over ranges of a file.
pub struct ContinuedWork {
    /// An open file that can be read.
    pub file: Arc<dyn OpenFile>,
    /// The algorithm of all digests.
    pub algorithm: Algorithm,
    /// The ranges, with states of this algorithm.
    pub ranges: ContinuedRanges,
}

impl HashWork for ContinuedWork {
    fn file(&self) -> &Arc<dyn OpenFile> {
        &self.file
    }

    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn length(&self) -> u64 {
        self.ranges.end - self.ranges.offset
    }

    /// Computes one digest for each range, on this thread. Returns nothing if the file ends before the last range does.
    fn compute(&self, cpu_slots: &CpuSlots, gone: &CancellationToken) -> Result<Vec<u8>> {
        let reading = ContinuedReading {
            work: self,
            cpu_slots,
            gone,
        };
        let hashed = reading.hash_all()?;
        Ok(hashed.unwrap_or_default())
    }
}

/// The work with what it needs while it runs.
struct ContinuedReading<'a> {
    work: &'a ContinuedWork,
    cpu_slots: &'a CpuSlots,
    gone: &'a CancellationToken,
}

impl ContinuedReading<'_> {
    /// Returns the digests, or `None` if the file ends too early.
    fn hash_all(&self) -> Result<Option<Vec<u8>>> {
        let ranges = &self.work.ranges;
        let mut digests = Vec::new();
        let mut buffer = Buffer::take();
        let (full, last) = ranges.states.split_at(ranges.full_ranges());
        for (number, states) in full.chunks(LANES).enumerate() {
            let first = number * LANES;
            let hashed = match states {
                [state] => self.alone(&mut buffer, first, *state)?.map(|state| vec![state]),
                several => self.side_by_side(&mut buffer, first, several.to_vec())?,
            };
            let Some(hashed) = hashed else {
                return Ok(None);
            };
            digests.extend(hashed.into_iter().flat_map(HashState::to_bytes));
        }
        if let [state] = last {
            let Some(hashed) = self.alone(&mut buffer, full.len(), *state)? else {
                return Ok(None);
            };
            digests.extend(hashed.to_bytes());
        }
        Ok(Some(digests))
    }

    /// Hashes full ranges from `first` on, with the states before them.
    fn side_by_side(
        &self,
        buffer: &mut Buffer,
        first: usize,
        mut states: Vec<HashState>,
    ) -> Result<Option<Vec<HashState>>> {
        let ranges = &self.work.ranges;
        let mut done = 0;
        while done < ranges.step {
            let length = usize::try_from(ranges.step - done).map_or(PIECE, |left| left.min(PIECE));
            for (lane, room) in buffer.chunks_mut(PIECE).take(states.len()).enumerate() {
                let room = room.get_mut(..length).unwrap_or_default();
                let at = ranges.begin_of(first + lane).saturating_add(done);
                if !self.fill(room, at)? {
                    return Ok(None);
                }
            }
            let pieces = buffer.chunks(PIECE).take(states.len());
            let pieces: Vec<_> = pieces
                .map(|piece| piece.get(..length).unwrap_or_default().as_chunks::<BLOCK>().0)
                .collect();
            let _slot = self.cpu_slots.take();
            HashState::update_each(&mut states, &pieces);
            done = done.saturating_add(length as u64);
        }
        let end = |lane: usize| ranges.begin_of(first + lane).saturating_add(ranges.step);
        let finished = states.into_iter().enumerate();
        Ok(Some(
            finished
                .map(|(lane, state)| state.finish(&[], end(lane)))
                .collect(),
        ))
    }

    /// Hashes one range of any length.
    fn alone(&self, buffer: &mut Buffer, number: usize, mut state: HashState) -> Result<Option<HashState>> {
        let ranges = &self.work.ranges;
        let mut at = ranges.begin_of(number);
        let end = at.saturating_add(ranges.step).min(ranges.end);
        loop {
            let left = end.saturating_sub(at);
            let length = usize::try_from(left).map_or(BUFFER_SIZE, |left| left.min(BUFFER_SIZE));
            let room = buffer.get_mut(..length).unwrap_or_default();
            if !self.fill(room, at)? {
                return Ok(None);
            }
            let _slot = self.cpu_slots.take();
            at = at.saturating_add(length as u64);
            if at >= end {
                return Ok(Some(state.finish(room, end)));
            }
            // Only the last piece may have a part of a block.
            state.update(room.as_chunks().0);
        }
    }

    /// Fills the room with the bytes at an offset. Returns `false` if the file ends before.
    fn fill(&self, mut room: &mut [u8], mut at: u64) -> Result<bool> {
        while !room.is_empty() {
            if self.gone.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let count = self.work.file.read_at(room, at, Wait::Allowed)?;
            if count == 0 {
                return Ok(false);
            }
            at = at.saturating_add(count as u64);
            room = room.get_mut(count..).unwrap_or_default();
        }
        Ok(true)
    }
}
