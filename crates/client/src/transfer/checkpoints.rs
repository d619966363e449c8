//! The hash of a file at successive offsets, while it is computed: from each of them, the server can go on with the bytes
//! that it has.

use tokio::sync::mpsc;

use super::digest::{Checkpoint, Digest};

/// How many bytes lie between two checkpoints: a multiple of the block of a hash. A checkpoint takes about a hundred
/// bytes of memory until it is proven.
pub(super) const STEP: u64 = 4 << 20;

/// The checkpoints of a file, in their order. They end with the file.
pub(super) type Checkpoints = mpsc::UnboundedReceiver<Checkpoint>;

/// A digest that may tell its checkpoints.
pub(super) struct MarkedDigest {
    digest: Digest,
    marks: Option<Marks>,
}

/// Where the next checkpoint is.
struct Marks {
    next: u64,
    /// One entry for each [`STEP`] of the file: it needs no limit.
    checkpoints: mpsc::UnboundedSender<Checkpoint>,
}

impl From<Digest> for MarkedDigest {
    /// A digest without checkpoints.
    fn from(digest: Digest) -> Self {
        Self { digest, marks: None }
    }
}

impl MarkedDigest {
    /// A digest whose checkpoints lie at each [`STEP`] from here on, and at the end.
    pub fn with_checkpoints(digest: Digest) -> (Self, Checkpoints) {
        let (checkpoints, receiver) = mpsc::unbounded_channel();
        let next = digest.checkpoint().covered.saturating_add(STEP);
        let marks = Some(Marks { next, checkpoints });
        (Self { digest, marks }, receiver)
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        while let Some(marks) = &mut self.marks {
            let missing = marks.next.saturating_sub(self.digest.length());
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let Some((now, later)) = bytes.split_at_checked(missing) else {
                break;
            };
            self.digest.update(now);
            bytes = later;
            marks.next = marks.next.saturating_add(STEP);
            if marks.checkpoints.send(self.digest.checkpoint()).is_err() {
                // Nobody proves them any more.
                self.marks = None;
            }
        }
        self.digest.update(bytes);
    }

    /// Ends the checkpoints with that of the whole file.
    pub fn finish(self) -> Digest {
        if let Some(Marks { next, checkpoints }) = self.marks
            && self.digest.length() > next.saturating_sub(STEP)
        {
            // If nobody proves them any more, this one is not needed either.
            let _ = checkpoints.send(self.digest.checkpoint());
        }
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::HashKind;

    fn digest_of(kind: HashKind, bytes: &[u8]) -> Digest {
        let mut digest = Digest::new(kind);
        digest.update(bytes);
        digest
    }

    /// Hashes the bytes from an offset on, in pieces of this size, and returns the checkpoints.
    fn checkpoints(kind: HashKind, bytes: &[u8], from: usize, piece: usize) -> Vec<Checkpoint> {
        let (mut digest, mut checkpoints) = MarkedDigest::with_checkpoints(digest_of(kind, &bytes[..from]));
        bytes[from..].chunks(piece).for_each(|piece| digest.update(piece));
        assert_eq!(digest.finish().value(), digest_of(kind, bytes).value());
        std::iter::from_fn(|| checkpoints.try_recv().ok()).collect()
    }

    #[test]
    fn checkpoints_lie_at_each_step_and_at_the_end() {
        let step = usize::try_from(STEP).unwrap();
        let bytes = vec![7; 2 * step + 100];
        let check = |from: usize, length: usize, ends: &[usize]| {
            for (kind, piece) in [(HashKind::Md5, 261_120), (HashKind::Sha256, 3 * step)] {
                let found = checkpoints(kind, &bytes[..length], from, piece);
                let found_ends: Vec<_> = found.iter().map(|checkpoint| checkpoint.end).collect();
                let expected: Vec<_> = ends.iter().map(|end| *end as u64).collect();
                assert_eq!(found_ends, expected, "{from} {length}");
                for checkpoint in found {
                    let end = usize::try_from(checkpoint.end).unwrap();
                    assert_eq!(checkpoint, digest_of(kind, &bytes[..end]).checkpoint());
                    assert_eq!(checkpoint.covered, checkpoint.end / 64 * 64);
                }
            }
        };
        check(0, 2 * step + 100, &[step, 2 * step, 2 * step + 100]);
        check(0, 2 * step, &[step, 2 * step]);
        check(0, 1, &[1]);
        check(0, 0, &[]);
        check(64, step + 64, &[step + 64]);
        // A beginning that ends within a block: the ranges begin with the block.
        check(70, step + 70, &[step + 64, step + 70]);
    }
}
