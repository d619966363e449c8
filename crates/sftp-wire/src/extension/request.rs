//! The requests of extensions.

use super::Extension;
use crate::attributes::Attributes;
use crate::fields::{Body, Output, Reader};

/// An EXTENDED request, borrowed from its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the documents of the extensions")]
pub enum ExtendedRequest<'a> {
    PosixRename {
        from: &'a [u8],
        to: &'a [u8],
    },
    Statvfs {
        path: &'a [u8],
    },
    Fstatvfs {
        handle: &'a [u8],
    },
    Hardlink {
        from: &'a [u8],
        to: &'a [u8],
    },
    Fsync {
        handle: &'a [u8],
    },
    Lsetstat {
        path: &'a [u8],
        attrs: Attributes,
    },
    Limits,
    ExpandPath {
        path: &'a [u8],
    },
    CopyData {
        from: &'a [u8],
        from_offset: u64,
        /// The number of bytes to copy; 0 means up to the end of the file.
        length: u64,
        to: &'a [u8],
        to_offset: u64,
    },
    HomeDirectory {
        /// The name of the user; empty means the user who is signed in.
        user: &'a [u8],
    },
    UsersGroupsById {
        uids: IdList<'a>,
        gids: IdList<'a>,
    },
    Md5Hash {
        path: &'a [u8],
        query: Md5Query<'a>,
    },
    Md5HashHandle {
        handle: &'a [u8],
        query: Md5Query<'a>,
    },
    /// The file is a handle for paramiko and for servers after the first draft, and a path for other servers. The
    /// packet is the same.
    CheckFile {
        file: &'a [u8],
        query: CheckFileQuery<'a>,
    },
    CheckFileName {
        path: &'a [u8],
        query: CheckFileQuery<'a>,
    },
    CheckFileHandle {
        handle: &'a [u8],
        query: CheckFileQuery<'a>,
    },
    ContinueHash {
        handle: &'a [u8],
        query: ContinueHashQuery<'a>,
    },
    SpaceAvailable {
        path: &'a [u8],
    },
    /// A request for an extension that this crate does not know.
    Unknown {
        name: &'a [u8],
        body: &'a [u8],
    },
}

/// The range of a file that md5-hash covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5Query<'a> {
    /// The offset of the first byte.
    pub offset: u64,
    /// The number of bytes; 0, with offset 0, means the whole file.
    pub length: u64,
    /// The MD5 hash of the first 2048 bytes of the range, or empty. If it differs, the reply has an empty hash.
    pub quick_check: &'a [u8],
}

/// The range of a file that check-file covers, and how it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckFileQuery<'a> {
    /// The names of algorithms, separated by commas. The server uses the first one that it supports.
    pub algorithms: &'a [u8],
    /// The offset of the first byte.
    pub offset: u64,
    /// The number of bytes; 0 means up to the end of the file.
    pub length: u64,
    /// The number of bytes that each hash covers; 0 means one hash of the whole range.
    pub block_size: u32,
}

/// Successive ranges of a file, and the state of a hash before each of them: a client that hashes a file has these
/// states, and learns whether the server's file has the same bytes, while each end hashes each byte once.
///
/// For each range the reply has the hash of the beginning of the file up to the end of the range, which the server
/// computes from the state and the bytes of the range. The reply may come after those of later requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContinueHashQuery<'a> {
    /// The name of the algorithm: md5 or sha256.
    pub algorithm: &'a [u8],
    /// The offset of the first byte, a multiple of 64.
    pub offset: u64,
    /// The number of bytes of all ranges.
    pub length: u64,
    /// The number of bytes of each range but the last, which may have fewer. If there are several ranges, it is a multiple
    /// of 64.
    pub step: u64,
    /// The states, one after the other, each as long as a hash, with its words in the order in which they are in a hash.
    pub states: &'a [u8],
}

/// A list of user or group ids, encoded in one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdList<'a>(&'a [u8]);

impl<'a> IdList<'a> {
    /// Returns the list of the ids that these bytes hold in network byte order, or `None` if the last one is cut short.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(4).then_some(Self(bytes))
    }

    /// Returns the ids in their order.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || reader.u32())
    }
}

impl<'a> ExtendedRequest<'a> {
    /// Decodes the fields behind the id; returns `None` if they are cut short.
    pub(crate) fn decode(mut reader: Reader<&'a [u8]>) -> Option<Self> {
        let name = reader.path()?;
        let Some(extension) = Extension::from_name(name) else {
            let body = reader.rest();
            return Some(Self::Unknown { name, body });
        };
        let r = &mut reader;
        Some(match extension {
            Extension::PosixRename => Self::PosixRename {
                from: r.path()?,
                to: r.path()?,
            },
            Extension::Statvfs => Self::Statvfs { path: r.path()? },
            Extension::Fstatvfs => Self::Fstatvfs { handle: r.string()? },
            Extension::Hardlink => Self::Hardlink {
                from: r.path()?,
                to: r.path()?,
            },
            Extension::Fsync => Self::Fsync { handle: r.string()? },
            Extension::Lsetstat => Self::Lsetstat {
                path: r.path()?,
                attrs: Attributes::decode(r)?,
            },
            Extension::Limits => Self::Limits,
            Extension::ExpandPath => Self::ExpandPath { path: r.path()? },
            Extension::CopyData => Self::CopyData {
                from: r.string()?,
                from_offset: r.u64()?,
                length: r.u64()?,
                to: r.string()?,
                to_offset: r.u64()?,
            },
            Extension::HomeDirectory => Self::HomeDirectory { user: r.path()? },
            Extension::UsersGroupsById => Self::UsersGroupsById {
                uids: IdList::from_bytes(r.string()?)?,
                gids: IdList::from_bytes(r.string()?)?,
            },
            Extension::Md5Hash => Self::Md5Hash {
                path: r.path()?,
                query: Md5Query::decode(r)?,
            },
            Extension::Md5HashHandle => Self::Md5HashHandle {
                handle: r.string()?,
                query: Md5Query::decode(r)?,
            },
            Extension::CheckFile => Self::CheckFile {
                file: r.string()?,
                query: CheckFileQuery::decode(r)?,
            },
            Extension::CheckFileName => Self::CheckFileName {
                path: r.path()?,
                query: CheckFileQuery::decode(r)?,
            },
            Extension::CheckFileHandle => Self::CheckFileHandle {
                handle: r.string()?,
                query: CheckFileQuery::decode(r)?,
            },
            Extension::ContinueHash => Self::ContinueHash {
                handle: r.string()?,
                query: ContinueHashQuery::decode(r)?,
            },
            Extension::SpaceAvailable => Self::SpaceAvailable { path: r.path()? },
        })
    }

    /// Returns the name of the requested extension.
    pub fn name(&self) -> &'a [u8] {
        let known = match *self {
            Self::PosixRename { .. } => Extension::PosixRename,
            Self::Statvfs { .. } => Extension::Statvfs,
            Self::Fstatvfs { .. } => Extension::Fstatvfs,
            Self::Hardlink { .. } => Extension::Hardlink,
            Self::Fsync { .. } => Extension::Fsync,
            Self::Lsetstat { .. } => Extension::Lsetstat,
            Self::Limits => Extension::Limits,
            Self::ExpandPath { .. } => Extension::ExpandPath,
            Self::CopyData { .. } => Extension::CopyData,
            Self::HomeDirectory { .. } => Extension::HomeDirectory,
            Self::UsersGroupsById { .. } => Extension::UsersGroupsById,
            Self::Md5Hash { .. } => Extension::Md5Hash,
            Self::Md5HashHandle { .. } => Extension::Md5HashHandle,
            Self::CheckFile { .. } => Extension::CheckFile,
            Self::CheckFileName { .. } => Extension::CheckFileName,
            Self::CheckFileHandle { .. } => Extension::CheckFileHandle,
            Self::ContinueHash { .. } => Extension::ContinueHash,
            Self::SpaceAvailable { .. } => Extension::SpaceAvailable,
            Self::Unknown { name, .. } => return name,
        };
        known.name().as_bytes()
    }
}

impl Body for ExtendedRequest<'_> {
    fn put(&self, out: &mut impl Output) {
        out.put_path(self.name());
        match *self {
            Self::PosixRename { from, to } | Self::Hardlink { from, to } => {
                out.put_path(from);
                out.put_path(to);
            }
            Self::Statvfs { path } | Self::ExpandPath { path } | Self::SpaceAvailable { path } => {
                out.put_path(path);
            }
            Self::Fstatvfs { handle } | Self::Fsync { handle } => out.put_string(handle),
            Self::Lsetstat { path, attrs } => {
                out.put_path(path);
                attrs.put(out);
            }
            Self::Limits => {}
            Self::CopyData {
                from,
                from_offset,
                length,
                to,
                to_offset,
            } => {
                out.put_string(from);
                out.put_u64(from_offset);
                out.put_u64(length);
                out.put_string(to);
                out.put_u64(to_offset);
            }
            Self::HomeDirectory { user } => out.put_path(user),
            Self::UsersGroupsById { uids, gids } => {
                out.put_string(uids.0);
                out.put_string(gids.0);
            }
            Self::Md5Hash { path, query } => {
                out.put_path(path);
                query.put(out);
            }
            Self::Md5HashHandle { handle, query } => {
                out.put_string(handle);
                query.put(out);
            }
            Self::CheckFileName { path, query } => {
                out.put_path(path);
                query.put(out);
            }
            Self::CheckFile { file: handle, query } | Self::CheckFileHandle { handle, query } => {
                out.put_string(handle);
                query.put(out);
            }
            Self::ContinueHash { handle, query } => {
                out.put_string(handle);
                query.put(out);
            }
            Self::Unknown { body, .. } => out.put_bytes(body),
        }
    }
}

impl<'a> Md5Query<'a> {
    fn decode(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self {
            offset: reader.u64()?,
            length: reader.u64()?,
            quick_check: reader.string()?,
        })
    }
}

impl Body for Md5Query<'_> {
    fn put(&self, out: &mut impl Output) {
        out.put_u64(self.offset);
        out.put_u64(self.length);
        out.put_string(self.quick_check);
    }
}

impl<'a> CheckFileQuery<'a> {
    fn decode(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self {
            algorithms: reader.string()?,
            offset: reader.u64()?,
            length: reader.u64()?,
            block_size: reader.u32()?,
        })
    }
}

impl Body for CheckFileQuery<'_> {
    fn put(&self, out: &mut impl Output) {
        out.put_string(self.algorithms);
        out.put_u64(self.offset);
        out.put_u64(self.length);
        out.put_u32(self.block_size);
    }
}

impl<'a> ContinueHashQuery<'a> {
    fn decode(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self {
            algorithm: reader.string()?,
            offset: reader.u64()?,
            length: reader.u64()?,
            step: reader.u64()?,
            states: reader.string()?,
        })
    }
}

impl Body for ContinueHashQuery<'_> {
    fn put(&self, out: &mut impl Output) {
        out.put_string(self.algorithm);
        out.put_u64(self.offset);
        out.put_u64(self.length);
        out.put_u64(self.step);
        out.put_string(self.states);
    }
}
