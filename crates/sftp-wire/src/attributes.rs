//! File attributes (section 5 of the draft), read and written.

use crate::constants::*;
use crate::fields::{Body, Input, Output, Reader};

/// The bits of a mode that hold the file type (stat(2)).
const TYPE_BITS: u32 = 0o170_000;

/// The attributes of a file, or the changes to them. A field that is `None` is not in the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The size of the file in bytes.
    pub size: Option<u64>,
    /// The numeric ids of the user and the group.
    pub owner: Option<Owner>,
    /// The mode as in stat(2). Most servers include the file type, and clients send it back.
    pub permissions: Option<u32>,
    /// The times of the last access and of the last modification.
    pub times: Option<Times>,
}

/// The numeric ids of the user and the group that own a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user id of the owner.
    pub uid: u32,
    /// The group id of the owner.
    pub gid: u32,
}

/// The times of a file, in seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The time of the last access.
    pub accessed: u32,
    /// The time of the last modification.
    pub modified: u32,
}

/// The type of a file, taken from its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// The file is a regular file.
    Regular,
    /// The file is a directory.
    Directory,
    /// The file is a symbolic link.
    Symlink,
    /// The file is a named pipe.
    Fifo,
    /// The file is a socket.
    Socket,
    /// The file is a device that is read in blocks.
    BlockDevice,
    /// The file is a device that is read character by character.
    CharacterDevice,
    /// The type bits have a value that Linux does not define.
    Unknown,
}

impl FileType {
    /// Returns the type that a mode contains, or `None` if its type bits are 0.
    pub fn from_mode(mode: u32) -> Option<Self> {
        match mode & TYPE_BITS {
            0 => None,
            0o010_000 => Some(Self::Fifo),
            0o020_000 => Some(Self::CharacterDevice),
            0o040_000 => Some(Self::Directory),
            0o060_000 => Some(Self::BlockDevice),
            0o100_000 => Some(Self::Regular),
            0o120_000 => Some(Self::Symlink),
            0o140_000 => Some(Self::Socket),
            _ => Some(Self::Unknown),
        }
    }
}

impl Attributes {
    /// Returns the file's type, or `None` if the peer did not send it. Some servers send permissions without a type.
    pub fn file_type(&self) -> Option<FileType> {
        FileType::from_mode(self.permissions?)
    }

    /// Returns whether the file is a directory, or `None` if the peer did not send the type.
    pub fn is_directory(&self) -> Option<bool> {
        self.file_type().map(|file_type| file_type == FileType::Directory)
    }

    /// Returns whether the peer says that the file is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.file_type() == Some(FileType::Symlink)
    }

    /// Reads attributes; returns `None` if they are cut short. Extended pairs are skipped.
    pub fn decode<B: Input>(reader: &mut Reader<B>) -> Option<Self> {
        let flags = reader.u32()?;
        let has = |bit: u32| flags & bit != 0;
        let mut attributes = Self::default();
        if has(SSH_FILEXFER_ATTR_SIZE) {
            attributes.size = Some(reader.u64()?);
        }
        if has(SSH_FILEXFER_ATTR_UIDGID) {
            let (uid, gid) = (reader.u32()?, reader.u32()?);
            attributes.owner = Some(Owner { uid, gid });
        }
        if has(SSH_FILEXFER_ATTR_PERMISSIONS) {
            attributes.permissions = Some(reader.u32()?);
        }
        if has(SSH_FILEXFER_ATTR_ACMODTIME) {
            let (accessed, modified) = (reader.u32()?, reader.u32()?);
            attributes.times = Some(Times { accessed, modified });
        }
        if has(SSH_FILEXFER_ATTR_EXTENDED) {
            // Each pair takes at least eight bytes, so the packet's own length bounds this loop.
            for _ in 0..reader.u32()? {
                reader.string()?;
                reader.string()?;
            }
        }
        Some(attributes)
    }
}

impl Body for Attributes {
    fn put(&self, out: &mut impl Output) {
        let Self {
            size,
            owner,
            permissions,
            times,
        } = self;
        let flag = |is_there: bool, bit: u32| if is_there { bit } else { 0 };
        out.put_u32(
            flag(size.is_some(), SSH_FILEXFER_ATTR_SIZE)
                | flag(owner.is_some(), SSH_FILEXFER_ATTR_UIDGID)
                | flag(permissions.is_some(), SSH_FILEXFER_ATTR_PERMISSIONS)
                | flag(times.is_some(), SSH_FILEXFER_ATTR_ACMODTIME),
        );
        if let Some(size) = size {
            out.put_u64(*size);
        }
        if let Some(Owner { uid, gid }) = owner {
            out.put_u32(*uid);
            out.put_u32(*gid);
        }
        if let Some(permissions) = permissions {
            out.put_u32(*permissions);
        }
        if let Some(Times { accessed, modified }) = times {
            out.put_u32(*accessed);
            out.put_u32(*modified);
        }
    }
}
