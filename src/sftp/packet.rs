//! The packets of SFTP version 3: splitting the byte stream and reading requests.
//!
//! Pure functions over bytes; nothing is trusted and nothing is copied that need not be. A string is a `u32` length
//! and as many bytes; numbers are big-endian (RFC 4251, section 5).

use crate::storage::{OpenHow, SetAttrs};

use super::attrs;
use super::status::Status;
use base::sftp_kinds::*;

/// OpenSSH's SFTP_MAX_MSG_LENGTH: the largest packet, without its length field.
pub const MAX_PACKET: u32 = 262_144;
/// The most that one READ returns and one WRITE may carry, as `limits@openssh.com` announces it.
pub const MAX_DATA: u32 = MAX_PACKET - 1024;

/// A handle as it stands in a packet. Anything but four bytes names no handle of ours, as [`RawHandle::NONE`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawHandle(pub u32);

impl RawHandle {
    /// Never given out.
    pub const NONE: RawHandle = RawHandle(u32::MAX);
}

/// One request, borrowed from its packet.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named and laid out as in the draft")]
pub enum Request<'a> {
    Open {
        path: &'a [u8],
        how: OpenHow,
    },
    Close {
        handle: RawHandle,
    },
    Read(Read),
    Write {
        handle: RawHandle,
        offset: u64,
        data: &'a [u8],
    },
    Stat {
        path: &'a [u8],
    },
    Lstat {
        path: &'a [u8],
    },
    Fstat {
        handle: RawHandle,
    },
    Setstat {
        path: &'a [u8],
        attrs: SetAttrs,
    },
    Fsetstat {
        handle: RawHandle,
        attrs: SetAttrs,
    },
    Opendir {
        path: &'a [u8],
    },
    Readdir {
        handle: RawHandle,
    },
    Remove {
        path: &'a [u8],
    },
    Mkdir {
        path: &'a [u8],
        attrs: SetAttrs,
    },
    Rmdir {
        path: &'a [u8],
    },
    Realpath {
        path: &'a [u8],
    },
    Rename {
        from: &'a [u8],
        to: &'a [u8],
    },
    Readlink {
        path: &'a [u8],
    },
    /// The two paths in the order of the wire, which clients do not agree on.
    Symlink {
        first: &'a [u8],
        second: &'a [u8],
    },
    Extended {
        name: &'a [u8],
        body: Fields<'a>,
    },
}

/// A READ; plain numbers, so that a queue of them is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The file.
    pub handle: RawHandle,
    /// From here.
    pub offset: u64,
    /// So many bytes, at most [`MAX_DATA`].
    pub length: u32,
}

/// What a packet turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The client's first word, with the version that it speaks.
    Init,
    /// A request to answer under its id.
    Request {
        /// Chosen by the client, echoed in the reply.
        id: u32,
        /// What is asked.
        request: Request<'a>,
    },
    /// Answerable, but not understood.
    Bad {
        /// The request's id.
        id: u32,
        /// `BadMessage` for a truncated body, `Unsupported` for an unknown type.
        status: Status,
    },
}

/// No packet at all: the stream cannot be trusted any more, the channel must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The length field is below 5 or above [`MAX_PACKET`].
    #[error("an SFTP packet claims a length of {0} bytes (5 to {MAX_PACKET} are possible)")]
    Length(u32),
    /// The first packet is something else than INIT.
    #[error("the SFTP session begins with a packet of type {0} instead of INIT")]
    NotInit(u8),
}

/// The length of the packet that `buffer` begins with, its length field not counted; `None`: not yet known.
///
/// A type and an id, or a version, take five bytes: what is shorter could not be answered.
pub fn length(buffer: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some((field, _)) = buffer.split_first_chunk::<4>() else {
        return Ok(None);
    };
    match u32::from_be_bytes(*field) {
        length @ 5..=MAX_PACKET => Ok(Some(length as usize)),
        length => Err(Malformed::Length(length)),
    }
}

/// Checks the first packet of a session, given without its length field.
pub fn expect_init(packet: &[u8]) -> Result<(), Malformed> {
    match packet.first() {
        Some(&SSH_FXP_INIT) => Ok(()),
        Some(&kind) => Err(Malformed::NotInit(kind)),
        None => Err(Malformed::Length(0)),
    }
}

/// Reads one packet, given without its length field. Bytes behind the last field are ignored, as OpenSSH does.
pub fn parse(packet: &[u8]) -> Packet<'_> {
    let mut fields = Fields(packet);
    let kind = fields.u8().unwrap_or(0);
    if kind == SSH_FXP_INIT {
        // Whatever version the client asks for, the answer is 3.
        return Packet::Init;
    }
    // [`length`] has seen to it that there is an id.
    let id = fields.u32().unwrap_or(0);
    match request(kind, fields) {
        Ok(request) => Packet::Request { id, request },
        Err(status) => Packet::Bad { id, status },
    }
}

fn request(kind: u8, mut f: Fields<'_>) -> Result<Request<'_>, Status> {
    let f = &mut f;
    let parsed = match kind {
        SSH_FXP_OPEN => open(f),
        SSH_FXP_CLOSE => f.handle().map(|handle| Request::Close { handle }),
        SSH_FXP_READ => read(f),
        SSH_FXP_WRITE => write(f),
        SSH_FXP_LSTAT => f.path().map(|path| Request::Lstat { path }),
        SSH_FXP_STAT => f.path().map(|path| Request::Stat { path }),
        SSH_FXP_FSTAT => f.handle().map(|handle| Request::Fstat { handle }),
        SSH_FXP_SETSTAT => path_and_attrs(f).map(|(path, attrs)| Request::Setstat { path, attrs }),
        SSH_FXP_FSETSTAT => handle_and_attrs(f),
        SSH_FXP_OPENDIR => f.path().map(|path| Request::Opendir { path }),
        SSH_FXP_READDIR => f.handle().map(|handle| Request::Readdir { handle }),
        SSH_FXP_REMOVE => f.path().map(|path| Request::Remove { path }),
        SSH_FXP_MKDIR => path_and_attrs(f).map(|(path, attrs)| Request::Mkdir { path, attrs }),
        SSH_FXP_RMDIR => f.path().map(|path| Request::Rmdir { path }),
        SSH_FXP_REALPATH => f.path().map(|path| Request::Realpath { path }),
        SSH_FXP_RENAME => two(f).map(|(from, to)| Request::Rename { from, to }),
        SSH_FXP_READLINK => f.path().map(|path| Request::Readlink { path }),
        SSH_FXP_SYMLINK => two(f).map(|(first, second)| Request::Symlink { first, second }),
        SSH_FXP_EXTENDED => f.path().map(|name| Request::Extended { name, body: *f }),
        _ => return Err(Status::UNSUPPORTED),
    };
    parsed.ok_or(Status::BAD_MESSAGE)
}

fn open<'a>(f: &mut Fields<'a>) -> Option<Request<'a>> {
    use base::sftp_kinds::flags::{APPEND, CREAT, EXCL, READ, TRUNC, WRITE};
    let path = f.path()?;
    let flags = f.u32()?;
    let attrs = attrs::read(f)?;
    let write = flags & WRITE != 0;
    let how = OpenHow {
        // As in OpenSSH: what asks for neither is opened for reading.
        read: flags & READ != 0 || !write,
        write,
        append: flags & APPEND != 0,
        create: flags & CREAT != 0,
        truncate: flags & TRUNC != 0,
        exclusive: flags & EXCL != 0,
        mode: attrs.permissions,
    };
    Some(Request::Open { path, how })
}

fn read<'a>(f: &mut Fields<'a>) -> Option<Request<'a>> {
    Some(Request::Read(Read {
        handle: f.handle()?,
        offset: f.u64()?,
        length: f.u32()?.min(MAX_DATA),
    }))
}

fn write<'a>(f: &mut Fields<'a>) -> Option<Request<'a>> {
    Some(Request::Write {
        handle: f.handle()?,
        offset: f.u64()?,
        data: f.string()?,
    })
}

fn path_and_attrs<'a>(f: &mut Fields<'a>) -> Option<(&'a [u8], SetAttrs)> {
    Some((f.path()?, attrs::read(f)?))
}

fn handle_and_attrs<'a>(f: &mut Fields<'a>) -> Option<Request<'a>> {
    Some(Request::Fsetstat {
        handle: f.handle()?,
        attrs: attrs::read(f)?,
    })
}

fn two<'a>(f: &mut Fields<'a>) -> Option<(&'a [u8], &'a [u8])> {
    Some((f.path()?, f.path()?))
}

/// Is this packet a READ? Its record, cheaper to keep than the packet.
pub fn as_read(packet: &[u8]) -> Option<(u32, Read)> {
    if packet.first() != Some(&SSH_FXP_READ) {
        return None;
    }
    match parse(packet) {
        Packet::Request {
            id,
            request: Request::Read(read),
        } => Some((id, read)),
        Packet::Init | Packet::Request { .. } | Packet::Bad { .. } => None,
    }
}

/// How many bytes have not come yet of a packet whose beginning this is, with its length field; 0: none has begun.
pub fn missing(partial: &[u8]) -> usize {
    match partial.split_first_chunk() {
        Some((length, rest)) => {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            length.saturating_sub(rest.len())
        }
        None => 0,
    }
}

/// Is this packet a READDIR?
pub fn is_readdir(packet: &[u8]) -> bool {
    packet.first() == Some(&SSH_FXP_READDIR)
}

/// Is this packet a WRITE?
pub fn is_write(packet: &[u8]) -> bool {
    packet.first() == Some(&SSH_FXP_WRITE)
}

/// The fields of a packet, taken from the front; `None` where a field is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        let (head, tail) = self.0.split_first()?;
        self.0 = tail;
        Some(*head)
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        let (head, tail) = self.0.split_first_chunk::<4>()?;
        self.0 = tail;
        Some(u32::from_be_bytes(*head))
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        let (head, tail) = self.0.split_first_chunk::<8>()?;
        self.0 = tail;
        Some(u64::from_be_bytes(*head))
    }

    /// The next string.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    /// The next string, as a path or a name. One NUL at its end is not part of it: some clients send C strings whole,
    /// and OpenSSH takes them.
    pub fn path(&mut self) -> Option<&'a [u8]> {
        let bytes = self.string()?;
        Some(bytes.strip_suffix(b"\0").unwrap_or(bytes))
    }

    /// The next string, as a handle.
    pub fn handle(&mut self) -> Option<RawHandle> {
        let bytes = self.string()?;
        Some(
            bytes
                .try_into()
                .map_or(RawHandle::NONE, |four| RawHandle(u32::from_be_bytes(four))),
        )
    }

    /// Nothing left?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
