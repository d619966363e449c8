//! What a client asks of an extension.

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
        /// 0: to the end of the file.
        length: u64,
        to: &'a [u8],
        to_offset: u64,
    },
    HomeDirectory {
        /// Empty: the user who is signed in.
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
    /// The file is a handle for paramiko and for servers after the first draft, a path for others: the packet is the same.
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
    SpaceAvailable {
        path: &'a [u8],
    },
    /// An extension that this crate does not know.
    Unknown {
        name: &'a [u8],
        body: &'a [u8],
    },
}

/// Which bytes of a file md5-hash is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5Query<'a> {
    /// The first byte.
    pub offset: u64,
    /// The number of bytes; 0, with offset 0: the whole file.
    pub length: u64,
    /// Empty, or the MD5 of the first 2048 bytes of the range: if that differs, the answer is empty.
    pub quick_check: &'a [u8],
}

/// Which bytes of a file check-file is about, and how they are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckFileQuery<'a> {
    /// The names of algorithms, separated by commas: the server takes the first that it has.
    pub algorithms: &'a [u8],
    /// The first byte.
    pub offset: u64,
    /// The number of bytes; 0: to the end of the file.
    pub length: u64,
    /// The number of bytes under each hash; 0: one hash of all.
    pub block_size: u32,
}

/// Numbers of users or groups, one behind the other in one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdList<'a>(&'a [u8]);

impl<'a> IdList<'a> {
    /// The list whose numbers are these bytes, in network byte order; `None` if the last one is cut short.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(4).then_some(Self(bytes))
    }

    /// The numbers, in order.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || reader.u32())
    }
}

impl<'a> ExtendedRequest<'a> {
    /// Reads what stands behind the id; `None` if it is cut short.
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
            Extension::SpaceAvailable => Self::SpaceAvailable { path: r.path()? },
        })
    }

    /// The name of the extension that is asked.
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
