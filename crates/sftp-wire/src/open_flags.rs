//! The flags with which a client opens a file.

use std::ops::BitOr;

use crate::constants::*;

/// The flags of OPEN (section 6.3 of the draft), as a set. Bits that version 3 does not define are kept and have no
/// effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags(u32);

impl OpenFlags {
    /// The file is opened for reading.
    pub const READ: Self = Self(SSH_FXF_READ);
    /// The file is opened for writing.
    pub const WRITE: Self = Self(SSH_FXF_WRITE);
    /// Every write goes to the end of the file.
    pub const APPEND: Self = Self(SSH_FXF_APPEND);
    /// The file is created if it does not exist.
    pub const CREAT: Self = Self(SSH_FXF_CREAT);
    /// The file is truncated to length 0.
    pub const TRUNC: Self = Self(SSH_FXF_TRUNC);
    /// OPEN fails if the file already exists.
    pub const EXCL: Self = Self(SSH_FXF_EXCL);
    /// All flags that version 3 defines.
    pub const ALL: Self =
        Self(SSH_FXF_READ | SSH_FXF_WRITE | SSH_FXF_APPEND | SSH_FXF_CREAT | SSH_FXF_TRUNC | SSH_FXF_EXCL);

    /// Returns the set with these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns the bits of the set.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the set with the flags of `flags` added.
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Returns whether the set contains all flags of `flags`.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for OpenFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}
