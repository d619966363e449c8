//! What an archive tells of a file or a directory.

/// What an entry stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZipKind {
    /// A directory, whose entry is complete at once.
    Directory,
    /// A file with at most this many bytes.
    File {
        /// The size in bytes when the file was opened. A file that grows is sent up to it.
        size: u64,
    },
}

/// What an archive tells of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipMember {
    /// What it is.
    pub kind: ZipKind,
    /// The time of the last change, in seconds since 1970.
    pub mtime: i64,
    /// The permission bits; all others are left out.
    pub mode: u32,
}
