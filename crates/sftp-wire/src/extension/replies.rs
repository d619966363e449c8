//! The bodies of EXTENDED_REPLY, behind the id.

use bytes::Bytes;

use crate::constants::SSH_FXP_EXTENDED_REPLY;
use crate::fault::ServerFault;
use crate::fields::{Body, Outgoing, Output, Reader};
use crate::packet_type::PacketType;

/// The reply of an extension.
pub trait ExtendedReply<'a>: Body + Sized {
    /// Reads the fields of the reply; returns `None` if they are cut short.
    fn take(reader: &mut Reader<&'a [u8]>) -> Option<Self>;

    /// Decodes the bytes of [`Reply::Extended`](crate::Reply::Extended). Bytes behind the last field are ignored,
    /// because a later version of the extension may have added fields.
    ///
    /// # Errors
    /// Returns an error if the reply is cut short.
    fn decode(body: &'a [u8]) -> Result<Self, ServerFault> {
        Self::take(&mut Reader::new(body)).ok_or(ServerFault::Body(SSH_FXP_EXTENDED_REPLY))
    }

    /// Returns the whole packet with its length field.
    fn to_bytes(&self, id: u32) -> Bytes {
        Outgoing {
            packet_type: PacketType::ExtendedReply,
            number: id,
            body: self,
        }
        .to_bytes()
    }
}

/// The reply to limits@openssh.com. A field of 0 means that the server does not state the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest packet, in bytes.
    pub packet_length: u64,
    /// The most bytes that one READ returns.
    pub read_length: u64,
    /// The most bytes that one WRITE may carry.
    pub write_length: u64,
    /// The most handles that a session may have open at once.
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

/// The reply to statvfs@openssh.com and fstatvfs@openssh.com, with the fields of statvfs(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statvfs {
    /// The preferred transfer size, in bytes (f_bsize).
    pub block_size: u64,
    /// The unit in which blocks are counted, in bytes (f_frsize).
    pub fragment_size: u64,
    /// The number of blocks (f_blocks).
    pub blocks: u64,
    /// The number of free blocks (f_bfree).
    pub blocks_free: u64,
    /// The number of free blocks that are not reserved for root (f_bavail).
    pub blocks_available: u64,
    /// The number of inodes (f_files).
    pub files: u64,
    /// The number of free inodes (f_ffree).
    pub files_free: u64,
    /// The number of free inodes that are not reserved for root (f_favail).
    pub files_available: u64,
    /// The id of the file system (f_fsid).
    pub fsid: u64,
    /// The flags of the file system (f_flag): see
    /// [`SSH_FXE_STATVFS_ST_RDONLY`](crate::constants::SSH_FXE_STATVFS_ST_RDONLY) and the constant next to it.
    pub flags: u64,
    /// The longest file name, in bytes (f_namemax).
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

/// The reply to space-available: the space of the file system and of the user, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceAvailable {
    /// The size of the file system, in bytes.
    pub bytes_on_device: u64,
    /// The free space on the file system, in bytes.
    pub unused_bytes_on_device: u64,
    /// The total space that the user may use, in bytes.
    pub bytes_available_to_user: u64,
    /// The free part of the user's space, in bytes.
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

/// The reply to md5-hash and md5-hash-handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5HashReply<'a> {
    /// The name of the request, repeated in the reply.
    pub name: &'a [u8],
    /// The MD5 hash; empty if the quick check found a difference.
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

/// The reply to continue-hash@homeport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContinueHashReply<'a> {
    /// The hashes, one after the other; empty if the file ends before the last range does.
    pub hashes: &'a [u8],
}

impl<'a> ExtendedReply<'a> for ContinueHashReply<'a> {
    fn take(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self {
            hashes: reader.string()?,
        })
    }
}

impl Body for ContinueHashReply<'_> {
    fn put(&self, out: &mut impl Output) {
        out.put_string(self.hashes);
    }
}

/// The reply to users-groups-by-id@openssh.com: one name for each id, empty where the id has no name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsersGroupsById {
    /// The names of the users, in the order of their ids.
    pub users: StringList,
    /// The names of the groups, in the order of their ids.
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

/// A list of strings, each with its length in front.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StringList {
    bytes: Vec<u8>,
}

impl StringList {
    /// Returns the list that is encoded in these bytes, or `None` if its last string is cut short.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            reader.string()?;
        }
        let bytes = bytes.to_vec();
        Some(Self { bytes })
    }

    /// Adds a string to the end of the list.
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.put_string(string);
    }

    /// Returns the encoded size of the list, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the strings in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader::new(&self.bytes[..]);
        std::iter::from_fn(move || reader.string())
    }
}
