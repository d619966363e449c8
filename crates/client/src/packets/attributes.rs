//! What is known of a file, in both directions.

use std::os::unix::fs::MetadataExt as _;

use bytes::Bytes;
use rustix::fs::FileType;

use super::fields::{string_of, u32_of, u32_to, u64_of, u64_to};
use base::sftp_kinds::attributes::{ACMODTIME, EXTENDED, PERMISSIONS, SIZE, UIDGID};

/// Of a mode, what says which type of file it is (stat(2)).
const TYPE: u32 = 0o170_000;

/// Attributes on the wire; what is `None` is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// In bytes.
    pub size: Option<u64>,
    /// User and group.
    pub owner: Option<(u32, u32)>,
    /// With the file's type.
    pub mode: Option<u32>,
    /// Access and modification, seconds since 1970.
    pub times: Option<(u32, u32)>,
}

impl Attributes {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |there: bool, bit: u32| if there { bit } else { 0 };
        u32_to(
            out,
            flag(self.size.is_some(), SIZE)
                | flag(self.owner.is_some(), UIDGID)
                | flag(self.mode.is_some(), PERMISSIONS)
                | flag(self.times.is_some(), ACMODTIME),
        );
        if let Some(size) = self.size {
            u64_to(out, size);
        }
        for (a, b) in [self.owner].into_iter().flatten() {
            u32_to(out, a);
            u32_to(out, b);
        }
        if let Some(mode) = self.mode {
            u32_to(out, mode);
        }
        for (accessed, modified) in [self.times].into_iter().flatten() {
            u32_to(out, accessed);
            u32_to(out, modified);
        }
    }

    pub(super) fn decode(bytes: &mut Bytes) -> Option<Self> {
        let flags = u32_of(bytes)?;
        let has = |bit: u32| flags & bit != 0;
        let mut attrs = Self::default();
        if has(SIZE) {
            attrs.size = Some(u64_of(bytes)?);
        }
        if has(UIDGID) {
            attrs.owner = Some((u32_of(bytes)?, u32_of(bytes)?));
        }
        if has(PERMISSIONS) {
            attrs.mode = Some(u32_of(bytes)?);
        }
        if has(ACMODTIME) {
            attrs.times = Some((u32_of(bytes)?, u32_of(bytes)?));
        }
        if has(EXTENDED) {
            // Each pair takes eight bytes at least, so the packet's own length bounds this loop.
            for _ in 0..u32_of(bytes)? {
                string_of(bytes)?;
                string_of(bytes)?;
            }
        }
        Some(attrs)
    }

    /// Permissions and times of a file of this machine; no times where they do not fit (the draft's section 5 has 32 bits).
    pub fn of_local(meta: &std::fs::Metadata) -> Self {
        let seconds = |time: i64| u32::try_from(time).ok();
        let modified = seconds(meta.mtime());
        Self {
            mode: Some(meta.mode() & 0o777),
            times: modified.map(|modified| (seconds(meta.atime()).unwrap_or(modified), modified)),
            ..Self::default()
        }
    }

    /// What it is. `None`: the server did not say; some send permissions without a type.
    pub fn kind(&self) -> Option<FileType> {
        let mode = self.mode.filter(|mode| mode & TYPE != 0);
        mode.map(FileType::from_raw_mode)
    }

    /// Is it a directory? `None`: the server did not say.
    pub fn is_directory(&self) -> Option<bool> {
        self.kind().map(|kind| kind == FileType::Directory)
    }

    /// Is it a symbolic link, as far as the server says?
    pub fn is_link(&self) -> bool {
        self.kind() == Some(FileType::Symlink)
    }
}
