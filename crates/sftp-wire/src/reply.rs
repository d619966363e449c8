//! The replies that a server sends.
//!
//! [`Reply`] is generic over its bytes: a server fills it with borrowed slices and encodes it once, a client decodes it
//! from [`Bytes`] whose parts share the packet's memory. A long listing is written entry by entry ([`NamesReply`]), and
//! a DATA reply is written around the file's bytes ([`DataHeader`](crate::DataHeader)).

use std::ops::Deref;

use bytes::Bytes;

use crate::attributes::Attributes;
use crate::fault::ServerFault;
use crate::fields::{Body, Input, Outgoing, Output, Reader};
use crate::limits::LENGTH_FIELD;
use crate::packet_type::PacketType;
use crate::status_code::StatusCode;

/// A reply from a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<B> {
    /// The server's answer to INIT.
    Version {
        /// The version that the server uses.
        version: u32,
        /// The extensions that the server announces, in the order of the packet.
        extensions: Vec<Announcement<B>>,
    },
    /// The result of a request that returns nothing else, or the reason why a request failed.
    Status {
        /// The status code, for programs.
        code: StatusCode,
        /// The message for people, as one sentence.
        message: B,
        /// The language of the message (RFC 3066). OpenSSH and Homeport leave it empty.
        language: B,
    },
    /// The handle of the file or directory that was opened.
    Handle(B),
    /// The bytes that were read from a file.
    Data(B),
    /// The entries of a directory, or a single path.
    Names(Vec<Name<B>>),
    /// The attributes of a file.
    Attrs(Attributes),
    /// The reply to an extension request. Its layout depends on the request: see
    /// [`ExtendedReply`](crate::ExtendedReply).
    Extended(B),
}

/// One extension that VERSION announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement<B> {
    /// The name of the extension.
    pub name: B,
    /// The data of the extension: usually the extension's version as a decimal number.
    pub data: B,
}

/// One entry of a NAME reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name<B> {
    /// The name of the file; a path in replies to REALPATH and READLINK.
    pub name: B,
    /// The line that `ls -l` would print for the file.
    pub long: B,
    /// The attributes of the file.
    pub attrs: Attributes,
}

impl<B: Input> Reply<B> {
    /// Decodes one packet, given without its length field, into its id (0 for VERSION, which has none) and its content.
    ///
    /// # Errors
    /// Returns an error if the packet is not a reply, or if it is too short or too long.
    pub fn decode(packet: B) -> Result<(u32, Self), ServerFault> {
        let byte = packet.first().copied().unwrap_or(0);
        let fault = ServerFault::Body(byte);
        let packet_type = PacketType::from_byte(byte).ok_or(fault)?;
        let mut reader = Reader::new(packet);
        reader.u8();
        let number = reader.u32().ok_or(fault)?;
        if packet_type == PacketType::Version {
            return match announcements(reader) {
                Some(extensions) => Ok((
                    0,
                    Self::Version {
                        version: number,
                        extensions,
                    },
                )),
                None => Err(fault),
            };
        }
        match Self::content(packet_type, reader) {
            Some(reply) => Ok((number, reply)),
            None => Err(fault),
        }
    }

    /// Decodes the content behind the id; returns `None` if it is too short or too long, or if the packet is not a
    /// reply.
    fn content(packet_type: PacketType, mut reader: Reader<B>) -> Option<Self> {
        let reply = match packet_type {
            PacketType::Status => status(&mut reader)?,
            PacketType::Handle => Self::Handle(reader.string()?),
            PacketType::Data => Self::Data(reader.string()?),
            PacketType::Name => {
                // The count comes from the peer, so memory grows only with the names that are present.
                let mut names = Vec::new();
                for _ in 0..reader.u32()? {
                    names.push(Name {
                        name: reader.string()?,
                        long: reader.string()?,
                        attrs: Attributes::decode(&mut reader)?,
                    });
                }
                Self::Names(names)
            }
            PacketType::Attrs => Self::Attrs(Attributes::decode(&mut reader)?),
            PacketType::ExtendedReply => return Some(Self::Extended(reader.rest())),
            PacketType::Init
            | PacketType::Version
            | PacketType::Open
            | PacketType::Close
            | PacketType::Read
            | PacketType::Write
            | PacketType::Lstat
            | PacketType::Fstat
            | PacketType::Setstat
            | PacketType::Fsetstat
            | PacketType::Opendir
            | PacketType::Readdir
            | PacketType::Remove
            | PacketType::Mkdir
            | PacketType::Rmdir
            | PacketType::Realpath
            | PacketType::Stat
            | PacketType::Rename
            | PacketType::Readlink
            | PacketType::Symlink
            | PacketType::Extended => return None,
        };
        reader.is_empty().then_some(reply)
    }
}

fn announcements<B: Input>(mut reader: Reader<B>) -> Option<Vec<Announcement<B>>> {
    let mut extensions = Vec::new();
    while !reader.is_empty() {
        extensions.push(Announcement {
            name: reader.string()?,
            data: reader.string()?,
        });
    }
    Some(extensions)
}

/// Decodes the body of STATUS. Servers before version 3 send neither message nor language, and some servers of version
/// 3 do the same.
fn status<B: Input>(reader: &mut Reader<B>) -> Option<Reply<B>> {
    let code = StatusCode::from_number(reader.u32()?);
    let message = reader.string_or_end()?;
    let language = reader.string_or_end()?;
    Some(Reply::Status {
        code,
        message,
        language,
    })
}

impl<'a> Reply<&'a [u8]> {
    /// Returns a STATUS reply with a message in English; its language field is empty.
    pub fn status(code: StatusCode, message: &'a str) -> Self {
        Self::Status {
            code,
            message: message.as_bytes(),
            language: b"",
        }
    }
}

impl<B: Deref<Target = [u8]>> Reply<B> {
    /// Returns the packet with its length field. VERSION has no id, so `id` is ignored for it.
    pub fn to_bytes(&self, id: u32) -> Bytes {
        self.outgoing(id).to_bytes()
    }

    /// Appends the packet, with its length field, to `out`.
    pub fn encode(&self, id: u32, out: &mut Vec<u8>) {
        self.outgoing(id).append_to(out);
    }

    fn outgoing(&self, id: u32) -> Outgoing<'_, Self> {
        let (packet_type, number) = match self {
            Self::Version { version, .. } => (PacketType::Version, *version),
            Self::Status { .. } => (PacketType::Status, id),
            Self::Handle(_) => (PacketType::Handle, id),
            Self::Data(_) => (PacketType::Data, id),
            Self::Names(_) => (PacketType::Name, id),
            Self::Attrs(_) => (PacketType::Attrs, id),
            Self::Extended(_) => (PacketType::ExtendedReply, id),
        };
        Outgoing {
            packet_type,
            number,
            body: self,
        }
    }
}

impl<B: Deref<Target = [u8]>> Body for Reply<B> {
    fn put(&self, out: &mut impl Output) {
        match self {
            Self::Version { extensions, .. } => {
                for Announcement { name, data } in extensions {
                    out.put_string(name);
                    out.put_string(data);
                }
            }
            Self::Status {
                code,
                message,
                language,
            } => {
                out.put_u32(code.number());
                out.put_string(message);
                out.put_string(language);
            }
            Self::Handle(bytes) | Self::Data(bytes) => out.put_string(bytes),
            Self::Names(names) => {
                out.put_u32(u32::try_from(names.len()).unwrap_or(u32::MAX));
                for Name { name, long, attrs } in names {
                    out.put_string(name);
                    out.put_string(long);
                    attrs.put(out);
                }
            }
            Self::Attrs(attrs) => attrs.put(out),
            Self::Extended(bytes) => out.put_bytes(bytes),
        }
    }
}

/// A NAME reply that is built entry by entry.
#[derive(Debug)]
pub struct NamesReply {
    bytes: Vec<u8>,
    count: u32,
}

impl NamesReply {
    /// The size of the header in bytes: packet length, type, id and count.
    const HEADER: usize = 13;

    /// Creates a reply without entries.
    pub fn new(id: u32) -> Self {
        Self::with_capacity(id, Self::HEADER)
    }

    fn with_capacity(id: u32, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.put_u32(0);
        bytes.put_u8(PacketType::Name.byte());
        bytes.put_u32(id);
        bytes.put_u32(0);
        Self { bytes, count: 0 }
    }

    /// Returns a whole reply with one path, which is also its own long form and has no attributes: the answer to
    /// REALPATH and READLINK.
    pub fn single(id: u32, path: &[u8]) -> Bytes {
        // The entry has the length fields of two strings and the flags of empty attributes.
        let entry = path.len().saturating_mul(2).saturating_add(12);
        let mut reply = Self::with_capacity(id, Self::HEADER.saturating_add(entry));
        reply.push(path, path, &Attributes::default());
        reply.finish()
    }

    /// Adds an entry with its name, the line that `ls -l` would print, and its attributes.
    pub fn push(&mut self, name: &[u8], long: &[u8], attrs: &Attributes) {
        self.bytes.put_string(name);
        self.bytes.put_string(long);
        attrs.put(&mut self.bytes);
        self.count = self.count.saturating_add(1);
    }

    /// Makes this the reply to another request, with the entries that were added.
    #[must_use]
    pub fn answering(mut self, id: u32) -> Self {
        if let Some(header) = self.bytes.first_chunk_mut::<{ Self::HEADER }>() {
            header[5..9].copy_from_slice(&id.to_be_bytes());
        }
        self
    }

    /// Returns the names of the entries that were added.
    pub fn into_names(self) -> Vec<Bytes> {
        let packet = self.finish().slice(LENGTH_FIELD..);
        match Reply::decode(packet) {
            Ok((_, Reply::Names(names))) => names.into_iter().map(|entry| entry.name).collect(),
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// Returns the number of entries that were added.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the current size of the packet, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Completes the packet and returns it with its length field.
    pub fn finish(mut self) -> Bytes {
        let length = u32::try_from(self.bytes.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(header) = self.bytes.first_chunk_mut::<{ Self::HEADER }>() {
            header[..4].copy_from_slice(&length.to_be_bytes());
            header[9..].copy_from_slice(&self.count.to_be_bytes());
        }
        self.bytes.into()
    }
}
