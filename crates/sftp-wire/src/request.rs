//! The requests that a client sends.

use crate::attributes::Attributes;
use crate::extension::ExtendedRequest;
use crate::fields::{Body, Outgoing, Output, Reader};
use crate::open_flags::OpenFlags;
use crate::packet_type::PacketType;
use crate::status_code::StatusCode;

/// A request, borrowed from its packet, so that the data of a WRITE is not copied. Paths are bytes, and a handle is the
/// bytes that the server returned for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named and laid out as in the draft")]
pub enum Request<'a> {
    Open {
        path: &'a [u8],
        flags: OpenFlags,
        attrs: Attributes,
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
        attrs: Attributes,
    },
    Fsetstat {
        handle: &'a [u8],
        attrs: Attributes,
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
        attrs: Attributes,
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
    /// The two paths in the order in which the packet has them. Clients do not agree on that order: the draft puts the
    /// link first, OpenSSH and most other clients the target.
    Symlink {
        first: &'a [u8],
        second: &'a [u8],
    },
    Extended(ExtendedRequest<'a>),
}

/// A packet from a client, as the server reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The first packet of a session, with the version that the client supports.
    Init {
        /// The highest version that the client supports.
        version: u32,
    },
    /// A request, which is answered under its id.
    Request {
        /// The number that the client chose; the reply repeats it.
        id: u32,
        /// The request's type, with the fields that follow the id.
        request: Request<'a>,
    },
    /// A malformed packet that can still be answered. The client is at fault.
    Bad {
        /// The id of the request.
        id: u32,
        /// [`StatusCode::BadMessage`] for a body that is cut short, [`StatusCode::OpUnsupported`] for an unknown type.
        code: StatusCode,
    },
}

impl<'a> Packet<'a> {
    /// Decodes one packet, given without its length field. Bytes behind the last field are ignored, as in OpenSSH.
    pub fn decode(packet: &'a [u8]) -> Self {
        let mut reader = Reader::new(packet);
        let packet_type = reader.u8().and_then(PacketType::from_byte);
        // The packet's length was checked before, so this number is present.
        let number = reader.u32().unwrap_or(0);
        let bad = |code: StatusCode| Packet::Bad { id: number, code };
        match packet_type {
            Some(PacketType::Init) => Packet::Init { version: number },
            Some(packet_type) => match Request::decode(packet_type, reader) {
                Ok(request) => Packet::Request { id: number, request },
                Err(code) => bad(code),
            },
            None => bad(StatusCode::OpUnsupported),
        }
    }
}

impl<'a> Request<'a> {
    /// Decodes the fields behind the id, or returns the status code to answer with.
    fn decode(packet_type: PacketType, mut reader: Reader<&'a [u8]>) -> Result<Self, StatusCode> {
        let r = &mut reader;
        let request = match packet_type {
            PacketType::Open => Self::open(r),
            PacketType::Close => r.string().map(|handle| Self::Close { handle }),
            PacketType::Read => Self::read(r),
            PacketType::Write => Self::write(r),
            PacketType::Stat => r.path().map(|path| Self::Stat { path }),
            PacketType::Lstat => r.path().map(|path| Self::Lstat { path }),
            PacketType::Fstat => r.string().map(|handle| Self::Fstat { handle }),
            PacketType::Setstat => {
                with_attributes(r.path(), r).map(|(path, attrs)| Self::Setstat { path, attrs })
            }
            PacketType::Fsetstat => {
                with_attributes(r.string(), r).map(|(handle, attrs)| Self::Fsetstat { handle, attrs })
            }
            PacketType::Opendir => r.path().map(|path| Self::Opendir { path }),
            PacketType::Readdir => r.string().map(|handle| Self::Readdir { handle }),
            PacketType::Remove => r.path().map(|path| Self::Remove { path }),
            PacketType::Mkdir => {
                with_attributes(r.path(), r).map(|(path, attrs)| Self::Mkdir { path, attrs })
            }
            PacketType::Rmdir => r.path().map(|path| Self::Rmdir { path }),
            PacketType::Realpath => r.path().map(|path| Self::Realpath { path }),
            PacketType::Rename => two_paths(r).map(|(from, to)| Self::Rename { from, to }),
            PacketType::Readlink => r.path().map(|path| Self::Readlink { path }),
            PacketType::Symlink => two_paths(r).map(|(first, second)| Self::Symlink { first, second }),
            PacketType::Extended => ExtendedRequest::decode(reader).map(Self::Extended),
            PacketType::Init
            | PacketType::Version
            | PacketType::Status
            | PacketType::Handle
            | PacketType::Data
            | PacketType::Name
            | PacketType::Attrs
            | PacketType::ExtendedReply => return Err(StatusCode::OpUnsupported),
        };
        request.ok_or(StatusCode::BadMessage)
    }

    fn open(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self::Open {
            path: reader.path()?,
            flags: OpenFlags::from_bits(reader.u32()?),
            attrs: Attributes::decode(reader)?,
        })
    }

    fn read(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self::Read {
            handle: reader.string()?,
            offset: reader.u64()?,
            length: reader.u32()?,
        })
    }

    fn write(reader: &mut Reader<&'a [u8]>) -> Option<Self> {
        Some(Self::Write {
            handle: reader.string()?,
            offset: reader.u64()?,
            data: reader.string()?,
        })
    }

    /// Returns the packet type of this request.
    pub fn packet_type(&self) -> PacketType {
        match self {
            Self::Open { .. } => PacketType::Open,
            Self::Close { .. } => PacketType::Close,
            Self::Read { .. } => PacketType::Read,
            Self::Write { .. } => PacketType::Write,
            Self::Stat { .. } => PacketType::Stat,
            Self::Lstat { .. } => PacketType::Lstat,
            Self::Fstat { .. } => PacketType::Fstat,
            Self::Setstat { .. } => PacketType::Setstat,
            Self::Fsetstat { .. } => PacketType::Fsetstat,
            Self::Opendir { .. } => PacketType::Opendir,
            Self::Readdir { .. } => PacketType::Readdir,
            Self::Remove { .. } => PacketType::Remove,
            Self::Mkdir { .. } => PacketType::Mkdir,
            Self::Rmdir { .. } => PacketType::Rmdir,
            Self::Realpath { .. } => PacketType::Realpath,
            Self::Rename { .. } => PacketType::Rename,
            Self::Readlink { .. } => PacketType::Readlink,
            Self::Symlink { .. } => PacketType::Symlink,
            Self::Extended(_) => PacketType::Extended,
        }
    }

    /// Appends the packet, with its length field, to `out`.
    pub fn encode(&self, id: u32, out: &mut Vec<u8>) {
        Outgoing {
            packet_type: self.packet_type(),
            number: id,
            body: self,
        }
        .append_to(out);
    }
}

/// Combines a path or handle with the attributes that follow it.
fn with_attributes<'a>(
    name: Option<&'a [u8]>,
    reader: &mut Reader<&'a [u8]>,
) -> Option<(&'a [u8], Attributes)> {
    Some((name?, Attributes::decode(reader)?))
}

fn two_paths<'a>(reader: &mut Reader<&'a [u8]>) -> Option<(&'a [u8], &'a [u8])> {
    Some((reader.path()?, reader.path()?))
}

impl Body for Request<'_> {
    fn put(&self, out: &mut impl Output) {
        match *self {
            Self::Open { path, flags, attrs } => {
                out.put_path(path);
                out.put_u32(flags.bits());
                attrs.put(out);
            }
            Self::Close { handle } | Self::Fstat { handle } | Self::Readdir { handle } => {
                out.put_string(handle)
            }
            Self::Read {
                handle,
                offset,
                length,
            } => {
                out.put_string(handle);
                out.put_u64(offset);
                out.put_u32(length);
            }
            Self::Write { handle, offset, data } => {
                out.put_string(handle);
                out.put_u64(offset);
                out.put_string(data);
            }
            Self::Stat { path }
            | Self::Lstat { path }
            | Self::Opendir { path }
            | Self::Remove { path }
            | Self::Rmdir { path }
            | Self::Realpath { path }
            | Self::Readlink { path } => out.put_path(path),
            Self::Setstat { path, attrs } | Self::Mkdir { path, attrs } => {
                out.put_path(path);
                attrs.put(out);
            }
            Self::Fsetstat { handle, attrs } => {
                out.put_string(handle);
                attrs.put(out);
            }
            Self::Rename { from, to } => {
                out.put_path(from);
                out.put_path(to);
            }
            Self::Symlink { first, second } => {
                out.put_path(first);
                out.put_path(second);
            }
            Self::Extended(request) => request.put(out),
        }
    }
}

/// The body of INIT, which is empty: nothing follows the version.
struct Init;

impl Body for Init {
    fn put(&self, _out: &mut impl Output) {}
}

/// Appends INIT, the client's first packet, with its length field.
pub fn encode_init(version: u32, out: &mut Vec<u8>) {
    Outgoing {
        packet_type: PacketType::Init,
        number: version,
        body: &Init,
    }
    .append_to(out);
}
