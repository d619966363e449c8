//! Pseudo-random numbers and bytes that are the same in each run.

use std::ops::Range;

/// The generator xorshift64*: fast, sufficiently uniform, and repeatable for the same seed.
pub struct Random(u64);

impl Random {
    /// Creates the generator of the sequence for this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns the next number, of the whole 64-bit range.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns the next number within the range.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.number() % (range.end - range.start)
    }
}

/// Returns `length` bytes of noise, in which no two offsets have the same content.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut content: Vec<u8> = (0..length.div_ceil(8))
        .flat_map(|_| random.number().to_le_bytes())
        .collect();
    content.truncate(length);
    content
}
