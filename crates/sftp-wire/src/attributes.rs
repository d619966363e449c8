//! File attributes (section 5 of the draft), in both directions.

use crate::constants::*;
use crate::fields::{Body, Input, Output, Reader};

/// The bits of a mode that say which type of file it is (stat(2)).
const TYPE_BITS: u32 = 0o170_000;

/// What is known of a file, or what is to be changed about it. A field that is `None` is not in the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The size in bytes.
    pub size: Option<u64>,
    /// The user and the group.
    pub owner: Option<Owner>,
    /// The mode as in stat(2). Most servers put the file's type into it, and clients send it along.
    pub permissions: Option<u32>,
    /// Access and modification.
    pub times: Option<Times>,
}

/// The numbers of a file's user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
}

/// The times of a file, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The time of the last access.
    pub accessed: u32,
    /// The time of the last modification.
    pub modified: u32,
}

/// The type of a file, from its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A device that is read by blocks.
    BlockDevice,
    /// A device that is read by characters.
    CharacterDevice,
    /// Something else, whose bits no system of ours knows.
    Unknown,
}

impl FileType {
    /// The type that a mode says; `None` if it says none.
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
    /// The file's type; `None` if the peer does not say. Some servers send permissions without a type.
    pub fn file_type(&self) -> Option<FileType> {
        FileType::from_mode(self.permissions?)
    }

    /// Whether it is a directory; `None` if the peer does not say.
    pub fn is_directory(&self) -> Option<bool> {
        self.file_type().map(|file_type| file_type == FileType::Directory)
    }

    /// Whether it is a symbolic link, as far as the peer says.
    pub fn is_symlink(&self) -> bool {
        self.file_type() == Some(FileType::Symlink)
    }

    /// Reads attributes; `None` where they are cut short. Extended pairs are skipped.
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
            // Each pair takes eight bytes at least, so a packet's own length bounds this loop.
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
