//! SFTP version 3 (draft-ietf-secsh-filexfer-02) as a client speaks it: requests out, replies in. Sans-io.
//!
//! What comes from a server is not trusted: lengths are checked before anything is kept, a reply that is cut short or
//! goes on too long is an error, and nothing here can panic.

use bytes::{Buf, Bytes, BytesMut};
use rustix::fs::FileType;

use crate::buffer::{Buffer, Filled};
use crate::sftp::kinds::attributes::{ACMODTIME, EXTENDED, PERMISSIONS, SIZE, UIDGID};
pub use crate::sftp::kinds::flags;
use crate::sftp::kinds::*;

/// Larger than any server's packet (OpenSSH: 256 KiB, others up to 1 MiB): a peer must not make us keep more.
const MAX_PACKET: usize = 2 << 20;
/// Of a mode, what says which type of file it is (stat(2)).
const TYPE: u32 = 0o170_000;
/// The header of a WRITE with a handle of 256 bytes, the longest that there is.
const HEADERS: usize = 4 + 1 + 4 + 4 + 256 + 8 + 4;

/// What a client asks. Paths are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the draft's")]
pub enum Request<'a> {
    /// The first word of a session; has no id.
    Init,
    Open {
        path: &'a [u8],
        flags: u32,
        attrs: &'a Attributes,
    },
    Close {
        handle: &'a [u8],
    },
    Read {
        handle: &'a [u8],
        offset: u64,
        length: u32,
    },
    Write {
        handle: &'a [u8],
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
        handle: &'a [u8],
    },
    Setstat {
        path: &'a [u8],
        attrs: &'a Attributes,
    },
    Fsetstat {
        handle: &'a [u8],
        attrs: &'a Attributes,
    },
    Opendir {
        path: &'a [u8],
    },
    Readdir {
        handle: &'a [u8],
    },
    Remove {
        path: &'a [u8],
    },
    Mkdir {
        path: &'a [u8],
        attrs: &'a Attributes,
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
    /// Target first, as OpenSSH has it.
    Symlink {
        target: &'a [u8],
        link: &'a [u8],
    },
    /// The body as it stands behind the name.
    Extended {
        name: &'a str,
        body: &'a [u8],
    },
}

/// A WRITE with room for its data, so that a file is read into the packet itself.
#[derive(Debug)]
pub struct Block {
    buffer: Buffer,
    /// Where the data begins.
    header: usize,
    /// Of the file.
    pub offset: u64,
    /// Of the data, in bytes.
    pub length: u32,
}

impl Block {
    /// Room for at most `room` bytes, or what fits into a [`Buffer`] with its header.
    pub fn new(handle: &[u8], offset: u64, room: u32) -> Self {
        let mut packet = Vec::with_capacity(HEADERS);
        let data = &[];
        Request::Write { handle, offset, data }.encode(0, &mut packet);
        let mut buffer = Buffer::take();
        let header = packet.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(&packet) {
            *to = *from;
        }
        let most = buffer.len().saturating_sub(header);
        let length = room.min(u32::try_from(most).unwrap_or(u32::MAX));
        Self {
            buffer,
            header,
            offset,
            length,
        }
    }

    /// Where the data goes.
    pub fn data(&mut self) -> &mut [u8] {
        let end = self.end();
        self.buffer.get_mut(self.header..end).unwrap_or_default()
    }

    /// Only the first bytes were filled.
    pub fn cut(&mut self, length: u32) {
        self.length = self.length.min(length);
    }

    fn end(&self) -> usize {
        self.header.saturating_add(self.length as usize)
    }

    /// The whole packet, and its data alone, which lies in it.
    pub fn with_id(mut self, id: u32) -> (Bytes, Bytes) {
        let end = self.end();
        let fields = [
            (0, u32::try_from(end.saturating_sub(4)).unwrap_or(u32::MAX)),
            (5, id),
            (self.header.saturating_sub(4), self.length),
        ];
        for (at, number) in fields {
            if let Some(field) = self.buffer.get_mut(at..at + 4) {
                field.copy_from_slice(&number.to_be_bytes());
            }
        }
        let header = self.header;
        let packet = Bytes::from_owner(Filled::new(self.buffer, end));
        let data = packet.slice(header.min(packet.len())..);
        (packet, data)
    }
}

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

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the draft's")]
pub enum Reply {
    Version {
        version: u32,
        extensions: Vec<(Bytes, Bytes)>,
    },
    Status {
        code: u32,
        message: Bytes,
    },
    Handle(Bytes),
    Data(Bytes),
    Names(Vec<Name>),
    Attrs(Attributes),
    Extended(Bytes),
}

/// One entry of a NAME reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As the server has it.
    pub name: Bytes,
    /// As `ls -l` would show it.
    pub long: Bytes,
    /// What is known of it.
    pub attrs: Attributes,
}

/// The server's stream makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short for a type, or longer than any packet.
    #[error("the server sent a packet that claims a length of {0} bytes")]
    Length(usize),
    /// Cut short, too long, or of a type that is no reply.
    #[error("the server sent a packet of type {0} that makes no sense")]
    Body(u8),
}

impl Request<'_> {
    fn kind(&self) -> u8 {
        match self {
            Request::Init => SSH_FXP_INIT,
            Request::Open { .. } => SSH_FXP_OPEN,
            Request::Close { .. } => SSH_FXP_CLOSE,
            Request::Read { .. } => SSH_FXP_READ,
            Request::Write { .. } => SSH_FXP_WRITE,
            Request::Stat { .. } => SSH_FXP_STAT,
            Request::Lstat { .. } => SSH_FXP_LSTAT,
            Request::Fstat { .. } => SSH_FXP_FSTAT,
            Request::Setstat { .. } => SSH_FXP_SETSTAT,
            Request::Fsetstat { .. } => SSH_FXP_FSETSTAT,
            Request::Opendir { .. } => SSH_FXP_OPENDIR,
            Request::Readdir { .. } => SSH_FXP_READDIR,
            Request::Remove { .. } => SSH_FXP_REMOVE,
            Request::Mkdir { .. } => SSH_FXP_MKDIR,
            Request::Rmdir { .. } => SSH_FXP_RMDIR,
            Request::Realpath { .. } => SSH_FXP_REALPATH,
            Request::Rename { .. } => SSH_FXP_RENAME,
            Request::Readlink { .. } => SSH_FXP_READLINK,
            Request::Symlink { .. } => SSH_FXP_SYMLINK,
            Request::Extended { .. } => SSH_FXP_EXTENDED,
        }
    }

    /// Appends the request, with its length, to what is to be sent.
    pub fn encode(&self, id: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(
            HEADERS
                + if let Request::Write { data, .. } = self {
                    data.len()
                } else {
                    0
                },
        );
        out.extend_from_slice(&[0, 0, 0, 0, self.kind()]);
        match self {
            Request::Init => u32_to(out, 3),
            _ => u32_to(out, id),
        }
        self.body(out);
        let length = u32::try_from(out.len().saturating_sub(start + 4)).unwrap_or(u32::MAX);
        if let Some(field) = out.get_mut(start..start + 4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }

    fn body(&self, out: &mut Vec<u8>) {
        match *self {
            Request::Init => {}
            Request::Open { path, flags, attrs } => {
                string_to(out, path);
                u32_to(out, flags);
                attrs.encode(out);
            }
            Request::Close { handle } | Request::Fstat { handle } | Request::Readdir { handle } => {
                string_to(out, handle);
            }
            Request::Read {
                handle,
                offset,
                length,
            } => {
                string_to(out, handle);
                u64_to(out, offset);
                u32_to(out, length);
            }
            Request::Write { handle, offset, data } => {
                string_to(out, handle);
                u64_to(out, offset);
                string_to(out, data);
            }
            Request::Stat { path }
            | Request::Lstat { path }
            | Request::Opendir { path }
            | Request::Remove { path }
            | Request::Rmdir { path }
            | Request::Realpath { path }
            | Request::Readlink { path } => string_to(out, path),
            Request::Setstat { path, attrs } | Request::Mkdir { path, attrs } => {
                string_to(out, path);
                attrs.encode(out);
            }
            Request::Fsetstat { handle, attrs } => {
                string_to(out, handle);
                attrs.encode(out);
            }
            Request::Rename { from, to } => {
                string_to(out, from);
                string_to(out, to);
            }
            Request::Symlink { target, link } => {
                string_to(out, target);
                string_to(out, link);
            }
            Request::Extended { name, body } => {
                string_to(out, name.as_bytes());
                out.extend_from_slice(body);
            }
        }
    }
}

impl Attributes {
    fn encode(&self, out: &mut Vec<u8>) {
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

    fn decode(bytes: &mut Bytes) -> Option<Self> {
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

/// Takes the next whole reply off the front, with its id (0 for VERSION, which has none); `None`: more must come first.
///
/// # Errors
/// When the stream cannot be trusted any more.
pub fn next_reply(buffer: &mut BytesMut) -> Result<Option<(u32, Reply)>, Malformed> {
    let Some(field) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*field) as usize;
    if !(5..=MAX_PACKET).contains(&length) {
        return Err(Malformed::Length(length));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    buffer.advance(4);
    decode(buffer.split_to(length).freeze()).map(Some)
}

fn decode(mut packet: Bytes) -> Result<(u32, Reply), Malformed> {
    // At least five bytes, as was checked.
    let kind = packet.try_get_u8().unwrap_or(0);
    let malformed = Malformed::Body(kind);
    let number = u32_of(&mut packet).ok_or(malformed)?;
    if kind == SSH_FXP_VERSION {
        let mut extensions = Vec::new();
        while !packet.is_empty() {
            let pair = string_of(&mut packet).zip(string_of(&mut packet));
            extensions.push(pair.ok_or(malformed)?);
        }
        let version = number;
        return Ok((0, Reply::Version { version, extensions }));
    }
    let reply = content(kind, &mut packet).filter(|_| packet.is_empty());
    reply.map(|reply| (number, reply)).ok_or(malformed)
}

fn content(kind: u8, packet: &mut Bytes) -> Option<Reply> {
    Some(match kind {
        SSH_FXP_STATUS => {
            let code = u32_of(packet)?;
            // Servers before version 3 send no words.
            let message = match packet.is_empty() {
                true => Bytes::new(),
                false => string_of(packet)?,
            };
            if !packet.is_empty() {
                string_of(packet)?;
            }
            Reply::Status { code, message }
        }
        SSH_FXP_HANDLE => Reply::Handle(string_of(packet)?),
        SSH_FXP_DATA => Reply::Data(string_of(packet)?),
        SSH_FXP_NAME => {
            let mut names = Vec::new();
            for _ in 0..u32_of(packet)? {
                names.push(Name {
                    name: string_of(packet)?,
                    long: string_of(packet)?,
                    attrs: Attributes::decode(packet)?,
                });
            }
            Reply::Names(names)
        }
        SSH_FXP_ATTRS => Reply::Attrs(Attributes::decode(packet)?),
        SSH_FXP_EXTENDED_REPLY => Reply::Extended(packet.split_to(packet.len())),
        _ => return None,
    })
}

fn u32_to(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn u64_to(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn string_to(out: &mut Vec<u8>, bytes: &[u8]) {
    // Ours are paths, handles and blocks, far below 4 GiB.
    u32_to(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

fn u32_of(bytes: &mut Bytes) -> Option<u32> {
    bytes.try_get_u32().ok()
}

fn u64_of(bytes: &mut Bytes) -> Option<u64> {
    bytes.try_get_u64().ok()
}

fn string_of(bytes: &mut Bytes) -> Option<Bytes> {
    let length = u32_of(bytes)? as usize;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

#[cfg(test)]
mod tests;
