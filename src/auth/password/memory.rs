//! The memory in which Argon2 computes.

use argon2::Block;
use zeroize::Zeroize;

/// The memory of a hash with the default parameters, in KiB, each of which is a block.
pub(super) const MEMORY_KIB: u32 = 19_456;

/// The memory for hashing, which is reused from one hash to the next and wiped when dropped. It is allocated at the
/// first use.
#[derive(Default)]
pub(in crate::auth) struct Memory(Vec<Block>);

impl Memory {
    /// Returns `count` blocks from the memory that is kept. A hash that needs more than the default parameters uses
    /// `more` instead, which is not kept. Returns `None` if there is not enough memory.
    pub(super) fn blocks<'a>(&'a mut self, count: usize, more: &'a mut Memory) -> Option<&'a mut [Block]> {
        let usual = MEMORY_KIB as usize;
        let Memory(blocks) = if count > usual { more } else { self };
        let wanted = count.max(usual);
        if blocks.is_empty() {
            blocks.try_reserve_exact(wanted).ok()?;
            blocks.resize(wanted, Block::new());
        }
        Some(blocks)
    }

    /// Returns the position and the length of the memory that is kept.
    #[cfg(test)]
    pub(super) fn area(&self) -> (*const Block, usize) {
        (self.0.as_ptr(), self.0.len())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
