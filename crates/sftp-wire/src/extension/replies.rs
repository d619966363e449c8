//! What extensions answer, behind the id of an EXTENDED_REPLY.

use bytes::Bytes;

use crate::constants::SSH_FXP_EXTENDED_REPLY;
use crate::fault::ServerFault;
use crate::fields::{Body, Outgoing, Output, Reader};
use crate::packet_type::PacketType;

/// An answer of an extension.
pub trait ExtendedReply<'a>: Body + Sized {
    /// Reads the fields; `None` where they are cut short.
    fn take(reader: &mut Reader<&'a [u8]>) -> Option<Self>;

    /// Reads what [`Reply::Extended`](crate::Reply::Extended) holds. Bytes behind the last field are ignored: a later
    /// version of the extension may have added some.
    ///
    /// # Errors
    /// If it is cut short.
    fn decode(body: &'a [u8]) -> Result<Self, ServerFault> {
        Self::take(&mut Reader::new(body)).ok_or(ServerFault::Body(SSH_FXP_EXTENDED_REPLY))
    }

    /// The whole packet with its length field.
    fn to_bytes(&self, id: u32) -> Bytes {
        Outgoing {
            packet_type: PacketType::ExtendedReply,
            number: id,
            body: self,
        }
        .to_bytes()
    }
}

/// The answer to limits@openssh.com. 0 in a field: the server does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest packet, in bytes.
    pub packet_length: u64,
    /// The most bytes that one READ returns.
    pub read_length: u64,
    /// The most bytes that one WRITE may carry.
    pub write_length: u64,
    /// The most handles at once.
    pub open_handles: u64,
}

impl ExtendedReply<'_> for Limits {
    fn take(reader: &mut Reader<&[u8]>) -> Option<Self> {
        Some(Self {
            packet_length: reader.u64()?,
            read_length: reader.u64()?,
            write_length: reader.u64()?,
            open_handles: reader.u64()?,
        })
    }
}

impl Body for Limits {
    fn put(&self, out: &mut impl Output) {
        for number in [
            self.packet_length,
            self.read_length,
            self.write_length,
            self.open_handles,
        ] {
            out.put_u64(number);
        }
    }
}

/// The answer to statvfs@openssh.com and fstatvfs@openssh.com, as statvfs(3) has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statvfs {
    /// f_bsize: the preferred size of a transfer, in bytes.
    pub block_size: u64,
    /// f_frsize: the unit in which blocks are counted, in bytes.
    pub fragment_size: u64,
    /// f_blocks.
    pub blocks: u64,
    /// f_bfree.
    pub blocks_free: u64,
    /// f_bavail: the free blocks that are not kept for root.
    pub blocks_available: u64,
    /// f_files: the number of inodes.
    pub files: u64,
    /// f_ffree.
    pub files_free: u64,
    /// f_favail: the free inodes that are not kept for root.
    pub files_available: u64,
    /// f_fsid: which file system it is.
    pub fsid: u64,
    /// f_flag: see [`SSH_FXE_STATVFS_ST_RDONLY`](crate::constants::SSH_FXE_STATVFS_ST_RDONLY) and its neighbour.
    pub flags: u64,
    /// f_namemax: the longest name of a file, in bytes.
    pub name_max: u64,
}

impl ExtendedReply<'_> for Statvfs {
    fn take(reader: &mut Reader<&[u8]>) -> Option<Self> {
        Some(Self {
            block_size: reader.u64()?,
            fragment_size: reader.u64()?,
            blocks: reader.u64()?,
            blocks_free: reader.u64()?,
            blocks_available: reader.u64()?,
            files: reader.u64()?,
            files_free: reader.u64()?,
            files_available: reader.u64()?,
            fsid: reader.u64()?,
            flags: reader.u64()?,
            name_max: reader.u64()?,
        })
    }
}

impl Body for Statvfs {
    fn put(&self, out: &mut impl Output) {
        for number in [
            self.block_size,
            self.fragment_size,
            self.blocks,
            self.blocks_free,
            self.blocks_available,
            self.files,
            self.files_free,
            self.files_available,
            self.fsid,
            self.flags,
            self.name_max,
        ] {
            out.put_u64(number);
        }
    }
}

/// The answer to space-available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceAvailable {
    /// The size of the file system, in bytes.
    pub bytes_on_device: u64,
    /// What of it is free.
    pub unused_bytes_on_device: u64,
    /// What the user may use in all.
    pub bytes_available_to_user: u64,
    /// What of that is free.
    pub unused_bytes_available_to_user: u64,
    /// The size of a block, in bytes.
    pub bytes_per_allocation_unit: u32,
}

impl ExtendedReply<'_> for SpaceAvailable {
    fn take(reader: &mut Reader<&[u8]>) -> Option<Self> {
        Some(Self {
            bytes_on_device: reader.u64()?,
            unused_bytes_on_device: reader.u64()?,
            bytes_available_to_user: reader.u64()?,
            unused_bytes_available_to_user: reader.u64()?,
            bytes_per_allocation_unit: reader.u32()?,
        })
    }
}

impl Body for SpaceAvailable {
    fn put(&self, out: &mut impl Output) {
        for number in [
            self.bytes_on_device,
            self.unused_bytes_on_device,
            self.bytes_available_to_user,
            self.unused_bytes_available_to_user,
        ] {
            out.put_u64(number);
        }
        out.put_u32(self.bytes_per_allocation_unit);
    }
}

/// The answer to md5-hash and md5-hash-handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5HashReply<'a> {
    /// The name of the request, echoed.
    pub name: &'a [u8],
    /// The MD5; empty if the quick check found a difference.
    pub hash: &'a [u8],
}

impl<'a> ExtendedReply<'a> for Md5HashReply<'a> {
    fn take(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self {
            name: reader.string()?,
            hash: reader.string()?,
        })
    }
}

impl Body for Md5HashReply<'_> {
    fn put(&self, out: &mut impl Output) {
        out.put_string(self.name);
        out.put_string(self.hash);
    }
}

/// The answer to users-groups-by-id@openssh.com: a name for each number, empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsersGroupsById {
    /// The names of users.
    pub users: StringList,
    /// The names of groups.
    pub groups: StringList,
}

impl ExtendedReply<'_> for UsersGroupsById {
    fn take(reader: &mut Reader<&[u8]>) -> Option<Self> {
        Some(Self {
            users: StringList::from_bytes(reader.string()?)?,
            groups: StringList::from_bytes(reader.string()?)?,
        })
    }
}

impl Body for UsersGroupsById {
    fn put(&self, out: &mut impl Output) {
        out.put_string(&self.users.bytes);
        out.put_string(&self.groups.bytes);
    }
}

/// Strings one behind the other, each with its length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StringList {
    bytes: Vec<u8>,
}

impl StringList {
    /// The list that is laid out in these bytes; `None` if its last string is cut short.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            reader.string()?;
        }
        let bytes = bytes.to_vec();
        Some(Self { bytes })
    }

    /// Adds a string.
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.put_string(string);
    }

    /// The size on the wire so far, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The strings, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader::new(&self.bytes[..]);
        std::iter::from_fn(move || reader.string())
    }
}
