//! What a server answers.
//!
//! [`Reply`] is generic over its bytes: a server fills it with borrowed slices and writes it once, a client reads it
//! from [`Bytes`] whose parts share the packet's memory. A long listing is written entry by entry ([`NamesReply`]), a
//! DATA reply around the file's bytes ([`DataHeader`](crate::DataHeader)).

use std::ops::Deref;

use bytes::Bytes;

use crate::attributes::Attributes;
use crate::fault::ServerFault;
use crate::fields::{Body, Input, Outgoing, Output, Reader};
use crate::packet_type::PacketType;
use crate::status_code::StatusCode;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<B> {
    /// The answer to INIT.
    Version {
        /// The version that the server speaks.
        version: u32,
        /// The extensions that it announces, in its order.
        extensions: Vec<Announcement<B>>,
    },
    /// How a request ended that returns nothing, or why it failed.
    Status {
        /// The code, for programs.
        code: StatusCode,
        /// A sentence for people.
        message: B,
        /// The language of the message (RFC 3066). OpenSSH and Homeport leave it empty.
        language: B,
    },
    /// What was opened.
    Handle(B),
    /// Bytes of a file.
    Data(B),
    /// Entries of a directory, or one path.
    Names(Vec<Name<B>>),
    /// Attributes of a file.
    Attrs(Attributes),
    /// The answer to an extension; its layout depends on the request: see [`ExtendedReply`](crate::ExtendedReply).
    Extended(B),
}

/// One extension in VERSION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement<B> {
    /// The name of the extension.
    pub name: B,
    /// What the server says about it: mostly the extension's version as a decimal number.
    pub data: B,
}

/// One entry of a NAME reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name<B> {
    /// The name, or a path in replies to REALPATH and READLINK.
    pub name: B,
    /// The line that `ls -l` would print.
    pub long: B,
    /// What is known of it.
    pub attrs: Attributes,
}

impl<B: Input> Reply<B> {
    /// Reads one packet, given without its length field: its id (0 for VERSION, which has none) and its content.
    ///
    /// # Errors
    /// If it is not a reply, is cut short or goes on too long.
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

    /// What stands behind the id; `None` if it is cut short, goes on too long or is not a reply.
    fn content(packet_type: PacketType, mut reader: Reader<B>) -> Option<Self> {
        let reply = match packet_type {
            PacketType::Status => status(&mut reader)?,
            PacketType::Handle => Self::Handle(reader.string()?),
            PacketType::Data => Self::Data(reader.string()?),
            PacketType::Name => {
                // The count is the peer's word: memory grows only with the names that are there.
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

/// Servers before version 3 send neither message nor language, and some of version 3 follow them.
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
    /// STATUS with a sentence in English, whose language is left empty.
    pub fn status(code: StatusCode, message: &'a str) -> Self {
        Self::Status {
            code,
            message: message.as_bytes(),
            language: b"",
        }
    }
}

impl<B: Deref<Target = [u8]>> Reply<B> {
    /// The packet with its length field. VERSION has no id: it is left out there.
    pub fn to_bytes(&self, id: u32) -> Bytes {
        self.outgoing(id).to_bytes()
    }

    /// Appends the packet with its length field to what is to be sent.
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

/// A NAME reply that is written entry by entry.
#[derive(Debug)]
pub struct NamesReply {
    bytes: Vec<u8>,
    count: u32,
}

impl NamesReply {
    /// Length, type, id and count.
    const HEADER: usize = 13;

    /// A reply without entries.
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

    /// A whole reply with one path, which stands for its own long form and has no attributes: the answer to REALPATH and
    /// READLINK.
    pub fn single(id: u32, path: &[u8]) -> Bytes {
        // Two strings and the flags of attributes that are not there.
        let entry = path.len().saturating_mul(2).saturating_add(12);
        let mut reply = Self::with_capacity(id, Self::HEADER.saturating_add(entry));
        reply.push(path, path, &Attributes::default());
        reply.finish()
    }

    /// Adds an entry: its name, the line that `ls -l` would print, its attributes.
    pub fn push(&mut self, name: &[u8], long: &[u8], attrs: &Attributes) {
        self.bytes.put_string(name);
        self.bytes.put_string(long);
        attrs.put(&mut self.bytes);
        self.count = self.count.saturating_add(1);
    }

    /// The number of entries so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The size of the packet so far, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The packet with its length field.
    pub fn finish(mut self) -> Bytes {
        let length = u32::try_from(self.bytes.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(header) = self.bytes.first_chunk_mut::<{ Self::HEADER }>() {
            header[..4].copy_from_slice(&length.to_be_bytes());
            header[9..].copy_from_slice(&self.count.to_be_bytes());
        }
        self.bytes.into()
    }
}
