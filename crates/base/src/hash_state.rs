//! MD5 and SHA-256 with a state that another machine can go on from: so two machines compare a file piece by piece,
//! each of them hashes each byte once, and the result is the hash of the whole file.
//!
//! It compresses blocks with the functions of the crates `md5` and `sha2`, and does what is around that itself.

mod md5_lanes;

use crate::digest::Algorithm;

pub use md5_lanes::{BLOCK, LANES};

/// The size of the length at the end of the last block, in bytes.
const LENGTH_FIELD: usize = 8;

/// The state of a hash behind whole blocks. At the end of a file it is the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashState {
    /// The four words of MD5.
    Md5([u32; 4]),
    /// The eight words of SHA-256.
    Sha256([u32; 8]),
}

impl HashState {
    /// Returns the state before the first byte, or `None` if there are no states of this algorithm.
    pub fn initial(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Md5 => Some(Self::MD5),
            Algorithm::Sha256 => Some(Self::SHA256),
            Algorithm::Sha1 | Algorithm::Sha512 => None,
        }
    }

    /// The state of MD5 before the first byte (RFC 1321, section 3.3).
    pub const MD5: Self = Self::Md5([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]);

    /// The state of SHA-256 before the first byte (FIPS 180-4, section 5.3.3).
    pub const SHA256: Self = Self::Sha256([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);

    /// Reads a state as [`HashState::to_bytes`] writes it. `None`: these bytes are not a state of this algorithm.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Md5 => words(bytes, u32::from_le_bytes).map(Self::Md5),
            Algorithm::Sha256 => words(bytes, u32::from_be_bytes).map(Self::Sha256),
            Algorithm::Sha1 | Algorithm::Sha512 => None,
        }
    }

    /// Returns the words of the state in the order of a digest, which has as many bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Md5(words) => words.map(u32::to_le_bytes).concat(),
            Self::Sha256(words) => words.map(u32::to_be_bytes).concat(),
        }
    }

    /// Goes on with whole blocks.
    pub fn update(&mut self, blocks: &[[u8; BLOCK]]) {
        match self {
            Self::Md5(state) => md5::block_api::compress(state, blocks),
            Self::Sha256(state) => sha2::block_api::compress256(state, blocks),
        }
    }

    /// Goes on with a piece of whole blocks for each state. For MD5 that is several times as fast as one piece after the
    /// other, if the pieces are equally long. There are as many pieces as states.
    pub fn update_each(states: &mut [Self], pieces: &[&[[u8; BLOCK]]]) {
        for (states, pieces) in states.chunks_mut(LANES).zip(pieces.chunks(LANES)) {
            let done = Self::update_md5(states, pieces);
            for (state, piece) in states.iter_mut().zip(pieces) {
                state.update(piece.get(done..).unwrap_or_default());
            }
        }
    }

    /// Goes on with the blocks that all pieces have, if all states are those of MD5. Returns how many blocks that are.
    fn update_md5(states: &mut [Self], pieces: &[&[[u8; BLOCK]]]) -> usize {
        let words = states.iter().map(|state| match state {
            Self::Md5(words) => Some(*words),
            Self::Sha256(_) => None,
        });
        let Some(mut words) = words.collect::<Option<Vec<_>>>() else {
            return 0;
        };
        let done = md5_lanes::update(&mut words, pieces);
        for (state, words) in states.iter_mut().zip(words) {
            *state = Self::Md5(words);
        }
        done
    }

    /// Returns the hash of an input of `length` bytes. This state covers all of it but the `tail`.
    #[must_use]
    pub fn finish(mut self, tail: &[u8], length: u64) -> Self {
        let (blocks, rest) = tail.as_chunks();
        self.update(blocks);
        let mut last = rest.to_vec();
        last.push(0x80);
        while !(last.len() + LENGTH_FIELD).is_multiple_of(BLOCK) {
            last.push(0);
        }
        let bits = length.wrapping_mul(8);
        last.extend(match self {
            Self::Md5(_) => bits.to_le_bytes(),
            Self::Sha256(_) => bits.to_be_bytes(),
        });
        self.update(last.as_chunks().0);
        self
    }
}

fn words<const N: usize>(bytes: &[u8], word: impl Fn([u8; 4]) -> u32) -> Option<[u32; N]> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let words: Vec<u32> = chunks.iter().map(|chunk| word(*chunk)).collect();
    words.try_into().ok().filter(|_| rest.is_empty())
}

/// The hash of an input that comes in pieces of any length, whose state can be told at any time.
#[derive(Debug, Clone)]
pub struct RunningHash {
    state: HashState,
    /// The bytes behind the last whole block.
    rest: Vec<u8>,
    length: u64,
}

impl RunningHash {
    /// The hash of nothing so far, with this state.
    pub fn new(state: HashState) -> Self {
        Self {
            state,
            rest: Vec::new(),
            length: 0,
        }
    }

    /// Goes on with these bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if !self.rest.is_empty() {
            let missing = BLOCK.saturating_sub(self.rest.len());
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() < BLOCK {
                return;
            }
            self.state.update(self.rest.as_chunks().0);
            self.rest.clear();
        }
        let (blocks, rest) = bytes.as_chunks();
        self.state.update(blocks);
        self.rest.extend_from_slice(rest);
    }

    /// Returns the number of bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the state behind the last whole block, and how many bytes it covers.
    pub fn state(&self) -> (HashState, u64) {
        (self.state, self.length.wrapping_sub(self.rest.len() as u64))
    }

    /// Returns the hash of all bytes so far.
    #[must_use]
    pub fn finish(&self) -> HashState {
        self.state.finish(&self.rest, self.length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALGORITHMS: [Algorithm; 2] = [Algorithm::Md5, Algorithm::Sha256];

    fn digest(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let mut hasher = algorithm.hasher();
        hasher.update(bytes);
        hasher.finalize().to_vec()
    }

    fn noise(length: usize) -> Vec<u8> {
        let blend = |n: usize| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[2];
        (0..length).map(blend).collect()
    }

    fn running(algorithm: Algorithm) -> RunningHash {
        RunningHash::new(HashState::initial(algorithm).unwrap())
    }

    #[test]
    fn the_hash_of_every_short_input_is_that_of_the_standard() {
        let bytes = noise(3 * BLOCK);
        for algorithm in ALGORITHMS {
            for length in 0..bytes.len() {
                let mut hash = running(algorithm);
                hash.update(&bytes[..length]);
                let expected = digest(algorithm, &bytes[..length]);
                assert_eq!(hash.finish().to_bytes(), expected, "{algorithm:?} {length}");
                assert_eq!(hash.length(), length as u64);
            }
        }
    }

    proptest! {
        /// However an input is cut, its hash is the same, and another one goes on from each state.
        #[test]
        fn a_hash_goes_on_from_a_state(cuts in prop::collection::vec(0_usize..200, 0..12)) {
            let bytes = noise(cuts.iter().sum());
            for algorithm in ALGORITHMS {
                let mut hash = running(algorithm);
                let mut rest = &bytes[..];
                for cut in &cuts {
                    let (now, later) = rest.split_at(*cut);
                    hash.update(now);
                    rest = later;
                    let (state, covered) = hash.state();
                    prop_assert!(covered.is_multiple_of(BLOCK as u64) && covered <= hash.length());
                    let wire = HashState::from_bytes(algorithm, &state.to_bytes()).unwrap();
                    let tail = &bytes[usize::try_from(covered).unwrap()..];
                    let whole = wire.finish(tail, bytes.len() as u64);
                    prop_assert_eq!(whole.to_bytes(), digest(algorithm, &bytes));
                }
                prop_assert_eq!(hash.finish().to_bytes(), digest(algorithm, &bytes));
            }
        }
    }

    #[test]
    fn only_states_of_the_algorithm_are_read() {
        for (algorithm, length) in [(Algorithm::Md5, 16), (Algorithm::Sha256, 32)] {
            for given in [0, length - 4, length - 1, length + 1, length + 4] {
                assert_eq!(HashState::from_bytes(algorithm, &vec![1; given]), None);
            }
            let bytes = noise(length);
            assert_eq!(
                HashState::from_bytes(algorithm, &bytes).unwrap().to_bytes(),
                bytes
            );
        }
        for algorithm in [Algorithm::Sha1, Algorithm::Sha512] {
            assert_eq!(
                HashState::from_bytes(algorithm, &vec![1; algorithm.length()]),
                None
            );
            assert_eq!(HashState::initial(algorithm), None);
        }
    }

    #[test]
    fn pieces_side_by_side_have_the_hashes_that_they_have_alone() {
        let bytes = noise(64 * BLOCK);
        let (blocks, _) = bytes.as_chunks::<BLOCK>();
        for algorithm in ALGORITHMS {
            for count in 0..=2 * LANES + 1 {
                // Equally long, and each longer than the one before.
                for growth in [0, 1] {
                    let piece = |number: usize| &blocks[number..number + 9 + growth * number];
                    let pieces: Vec<_> = (0..count).map(piece).collect();
                    let mut states: Vec<_> = (0..count)
                        .map(|number| {
                            let mut hash = running(algorithm);
                            hash.update(&bytes[..number * BLOCK]);
                            hash.state().0
                        })
                        .collect();
                    let mut expected = states.clone();
                    for (state, piece) in expected.iter_mut().zip(&pieces) {
                        state.update(piece);
                    }
                    HashState::update_each(&mut states, &pieces);
                    assert_eq!(states, expected, "{algorithm:?} {count} {growth}");
                }
            }
        }
    }
}
