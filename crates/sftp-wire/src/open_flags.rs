//! How a file is to be opened.

use std::ops::BitOr;

use crate::constants::*;

/// The flags of OPEN (section 6.3 of the draft), as a set. Bits that version 3 does not know are kept and mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags(u32);

impl OpenFlags {
    /// The file is to be read.
    pub const READ: Self = Self(SSH_FXF_READ);
    /// The file is to be written.
    pub const WRITE: Self = Self(SSH_FXF_WRITE);
    /// Every write goes to the end of the file.
    pub const APPEND: Self = Self(SSH_FXF_APPEND);
    /// The file is made if it does not exist.
    pub const CREAT: Self = Self(SSH_FXF_CREAT);
    /// The file is cut to length 0.
    pub const TRUNC: Self = Self(SSH_FXF_TRUNC);
    /// OPEN fails if the file exists.
    pub const EXCL: Self = Self(SSH_FXF_EXCL);
    /// All flags that version 3 knows.
    pub const ALL: Self =
        Self(SSH_FXF_READ | SSH_FXF_WRITE | SSH_FXF_APPEND | SSH_FXF_CREAT | SSH_FXF_TRUNC | SSH_FXF_EXCL);

    /// The set with these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The set as a number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with these flags added.
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Whether all flags of `flags` are in the set.
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
