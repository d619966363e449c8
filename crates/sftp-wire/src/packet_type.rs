//! The packet types of SFTP version 3.

use crate::constants::*;

/// The type of a packet, which is its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the draft's names")]
#[repr(u8)]
pub enum PacketType {
    Init = SSH_FXP_INIT,
    Version = SSH_FXP_VERSION,
    Open = SSH_FXP_OPEN,
    Close = SSH_FXP_CLOSE,
    Read = SSH_FXP_READ,
    Write = SSH_FXP_WRITE,
    Lstat = SSH_FXP_LSTAT,
    Fstat = SSH_FXP_FSTAT,
    Setstat = SSH_FXP_SETSTAT,
    Fsetstat = SSH_FXP_FSETSTAT,
    Opendir = SSH_FXP_OPENDIR,
    Readdir = SSH_FXP_READDIR,
    Remove = SSH_FXP_REMOVE,
    Mkdir = SSH_FXP_MKDIR,
    Rmdir = SSH_FXP_RMDIR,
    Realpath = SSH_FXP_REALPATH,
    Stat = SSH_FXP_STAT,
    Rename = SSH_FXP_RENAME,
    Readlink = SSH_FXP_READLINK,
    Symlink = SSH_FXP_SYMLINK,
    Status = SSH_FXP_STATUS,
    Handle = SSH_FXP_HANDLE,
    Data = SSH_FXP_DATA,
    Name = SSH_FXP_NAME,
    Attrs = SSH_FXP_ATTRS,
    Extended = SSH_FXP_EXTENDED,
    ExtendedReply = SSH_FXP_EXTENDED_REPLY,
}

impl PacketType {
    /// Returns the type of a packet, given without its length field, or `None` if version 3 does not define the type.
    pub fn of(packet: &[u8]) -> Option<Self> {
        Self::from_byte(*packet.first()?)
    }

    /// Returns the type with this number, or `None` if version 3 does not define it.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            SSH_FXP_INIT => Self::Init,
            SSH_FXP_VERSION => Self::Version,
            SSH_FXP_OPEN => Self::Open,
            SSH_FXP_CLOSE => Self::Close,
            SSH_FXP_READ => Self::Read,
            SSH_FXP_WRITE => Self::Write,
            SSH_FXP_LSTAT => Self::Lstat,
            SSH_FXP_FSTAT => Self::Fstat,
            SSH_FXP_SETSTAT => Self::Setstat,
            SSH_FXP_FSETSTAT => Self::Fsetstat,
            SSH_FXP_OPENDIR => Self::Opendir,
            SSH_FXP_READDIR => Self::Readdir,
            SSH_FXP_REMOVE => Self::Remove,
            SSH_FXP_MKDIR => Self::Mkdir,
            SSH_FXP_RMDIR => Self::Rmdir,
            SSH_FXP_REALPATH => Self::Realpath,
            SSH_FXP_STAT => Self::Stat,
            SSH_FXP_RENAME => Self::Rename,
            SSH_FXP_READLINK => Self::Readlink,
            SSH_FXP_SYMLINK => Self::Symlink,
            SSH_FXP_STATUS => Self::Status,
            SSH_FXP_HANDLE => Self::Handle,
            SSH_FXP_DATA => Self::Data,
            SSH_FXP_NAME => Self::Name,
            SSH_FXP_ATTRS => Self::Attrs,
            SSH_FXP_EXTENDED => Self::Extended,
            SSH_FXP_EXTENDED_REPLY => Self::ExtendedReply,
            _ => return None,
        })
    }

    /// Returns the number of the type.
    pub fn byte(self) -> u8 {
        self as u8
    }
}
