//! Decodes SFTP version 3 replies strictly: missing or additional bytes are reported.
//!
//! This decoder deliberately shares no code with [`sftp_wire`]: both programs use that codec, so a layout that is wrong
//! in both directions there would not be noticed. The numbers and layouts are therefore written down a second time
//! here. Replies of OpenSSH's server are decoded here too, and compared with Homeport's.

use std::fmt::Write as _;
use std::io::{self, Read};

/// A reply's type and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// VERSION, the reply to INIT.
    Version {
        /// The version of the protocol that the server speaks.
        version: u32,
        /// The names of the extensions that the server announces, each with its data.
        extensions: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// STATUS: the request succeeded, or failed for the reason that it gives.
    Status {
        /// The status code, such as SSH_FX_NO_SUCH_FILE.
        code: u32,
        /// The error message for the user.
        message: Vec<u8>,
        /// The language tag of the message.
        language: Vec<u8>,
    },
    /// HANDLE: the handle of the file or directory that was opened.
    Handle(Vec<u8>),
    /// DATA: bytes of a file.
    Data(Vec<u8>),
    /// NAME: entries of a directory, or a path.
    Names(Vec<Name>),
    /// ATTRS: the attributes of a file.
    Attrs(Attributes),
    /// EXTENDED_REPLY: the reply to an extension's request, undecoded.
    Extended(Vec<u8>),
    /// The reply is not one of version 3, or it is too short or too long.
    Malformed {
        /// The packet type, as a number.
        kind: u8,
        /// The bytes behind the packet type.
        body: Vec<u8>,
    },
}

/// One entry of a NAME reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name in its directory, or the path that REALPATH and READLINK return.
    pub name: Vec<u8>,
    /// The long name, a line as `ls -l` prints it.
    pub long: Vec<u8>,
    /// The attributes of the file.
    pub attrs: Attributes,
}

/// The attributes as they were received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The flags, which say what follows.
    pub flags: u32,
    /// The size of the file, in bytes.
    pub size: Option<u64>,
    /// The numeric ids of the owner and of the group.
    pub owner: Option<(u32, u32)>,
    /// The permissions with the file type bits.
    pub mode: Option<u32>,
    /// The access time and the modification time, in seconds since 1970.
    pub times: Option<(u32, u32)>,
    /// The names and the values of extended attributes.
    pub extended: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads big-endian numbers and strings from a slice.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Takes the next `n` bytes; returns `None` if there are fewer.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }
    /// Reads the next number of four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
    /// Reads the next number of eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }
    /// Reads the next string: its length, and that many bytes.
    pub fn string(&mut self) -> Option<Vec<u8>> {
        let length = self.u32()? as usize;
        Some(self.take(length)?.to_vec())
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.u32()?;
        let mut attrs = Attributes {
            flags,
            ..Attributes::default()
        };
        if flags & 1 != 0 {
            attrs.size = Some(self.u64()?);
        }
        if flags & 2 != 0 {
            attrs.owner = Some((self.u32()?, self.u32()?));
        }
        if flags & 4 != 0 {
            attrs.mode = Some(self.u32()?);
        }
        if flags & 8 != 0 {
            attrs.times = Some((self.u32()?, self.u32()?));
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.u32()? {
                attrs.extended.push((self.string()?, self.string()?));
            }
        }
        Some(attrs)
    }
}

/// Reads the next packet from a stream, and returns it without its length field.
pub fn read_packet(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut packet)?;
    Ok(packet)
}

/// Splits a buffer into its first packet, without the length field, and the bytes behind it. Returns `None` if the
/// packet is not complete.
pub fn split_packet(buffer: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = buffer.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// Decodes a packet without its length field into its id (`None` for VERSION) and the reply.
pub fn decode(packet: &[u8]) -> (Option<u32>, Reply) {
    let malformed = |body: &[u8]| Reply::Malformed {
        kind: packet.first().copied().unwrap_or(0),
        body: body.to_vec(),
    };
    let Some((&kind, body)) = packet.split_first() else {
        return (None, malformed(&[]));
    };
    let mut reader = Reader(body);
    if kind == 2 {
        return (None, version(&mut reader).unwrap_or_else(|| malformed(body)));
    }
    let Some(id) = reader.u32() else {
        return (None, malformed(body));
    };
    let reply = content(kind, &mut reader).filter(|_| reader.0.is_empty());
    (Some(id), reply.unwrap_or_else(|| malformed(body)))
}

fn version(reader: &mut Reader<'_>) -> Option<Reply> {
    let version = reader.u32()?;
    let mut extensions = Vec::new();
    while !reader.0.is_empty() {
        extensions.push((reader.string()?, reader.string()?));
    }
    Some(Reply::Version { version, extensions })
}

fn content(kind: u8, reader: &mut Reader<'_>) -> Option<Reply> {
    Some(match kind {
        101 => Reply::Status {
            code: reader.u32()?,
            message: reader.string()?,
            language: reader.string()?,
        },
        102 => Reply::Handle(reader.string()?),
        103 => Reply::Data(reader.string()?),
        104 => {
            let mut names = Vec::new();
            for _ in 0..reader.u32()? {
                names.push(Name {
                    name: reader.string()?,
                    long: reader.string()?,
                    attrs: reader.attributes()?,
                });
            }
            Reply::Names(names)
        }
        105 => Reply::Attrs(reader.attributes()?),
        201 => Reply::Extended(std::mem::take(&mut reader.0).to_vec()),
        _ => return None,
    })
}

/// Makes replies comparable by leaving out what two runs cannot have in common, such as times and the bytes of handles.
pub struct Renderer {
    /// The time from which times are rendered as "now", in seconds since 1970.
    pub now: u32,
    /// The time of files that were not accessed. The mount options decide whether reading changes an access time, so
    /// both this time and "now" are rendered as if there were no access time.
    pub untouched: u32,
}

impl Renderer {
    /// Returns the reply as text; `extension` is the name of the EXTENDED request that it answers.
    pub fn reply(&self, reply: &Reply, extension: Option<&[u8]>) -> String {
        match reply {
            Reply::Version { version, extensions } => {
                let mut out = format!("version {version}");
                for (name, value) in extensions {
                    let _ = write!(out, " {}={}", name.escape_ascii(), value.escape_ascii());
                }
                out
            }
            Reply::Status {
                code,
                message,
                language,
            } => {
                let mut out = format!("status {code} {}", message.escape_ascii());
                if !language.is_empty() {
                    let _ = write!(out, " [{}]", language.escape_ascii());
                }
                out
            }
            Reply::Handle(handle) if (1..=256).contains(&handle.len()) => "handle".into(),
            Reply::Handle(handle) => format!("a handle of {} bytes", handle.len()),
            Reply::Data(data) => format!("data {}", bytes(data)),
            Reply::Names(names) => {
                let lines: Vec<_> = names.iter().map(|name| self.name(name)).collect();
                format!("names {}", lines.join("; "))
            }
            Reply::Attrs(attrs) => format!("attrs {}", self.attrs(attrs)),
            Reply::Extended(body) => extended(body, extension.unwrap_or_default()),
            Reply::Malformed { kind, body } => format!("malformed type {kind}: {}", body.escape_ascii()),
        }
    }

    /// Returns one entry of a listing as text.
    pub fn name(&self, entry: &Name) -> String {
        let moment = entry.attrs.times.is_some_and(|(_, mtime)| mtime >= self.now);
        let long = if moment {
            without_date(&entry.long)
        } else {
            entry.long.clone()
        };
        let name = bytes(&entry.name);
        format!("{name} [{}] {}", long.escape_ascii(), self.attrs(&entry.attrs))
    }

    fn attrs(&self, attrs: &Attributes) -> String {
        let time = |t: u32| {
            if t >= self.now {
                "now".to_owned()
            } else if t == self.untouched {
                "untouched".to_owned()
            } else {
                t.to_string()
            }
        };
        let mut out = format!("flags={:x}", attrs.flags);
        if let Some(size) = attrs.size {
            let _ = write!(out, " size={size}");
        }
        if let Some((uid, gid)) = attrs.owner {
            let own = (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            );
            let owner = if (uid, gid) == own {
                "self".to_owned()
            } else {
                format!("{uid}:{gid}")
            };
            let _ = write!(out, " owner={owner}");
        }
        if let Some(mode) = attrs.mode {
            let _ = write!(out, " mode={mode:o}");
        }
        if let Some((atime, mtime)) = attrs.times {
            if atime < self.now && atime != self.untouched {
                let _ = write!(out, " atime={atime}");
            }
            let _ = write!(out, " mtime={}", time(mtime));
        }
        for (name, value) in &attrs.extended {
            let _ = write!(out, " {}={}", name.escape_ascii(), value.escape_ascii());
        }
        out
    }
}

/// Returns the line of `ls -l` without its date.
fn without_date(long: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(long);
    // The line has mode, links, owner, group and size, then the date in exactly 12 columns, then the name.
    let mut fields = text.split_whitespace();
    let Some(size) = fields.nth(4) else {
        return long.to_vec();
    };
    let end_of_size = size.as_ptr() as usize - text.as_ptr() as usize + size.len();
    match (text.get(..end_of_size), text.get(end_of_size + 13..)) {
        (Some(head), Some(tail)) => format!("{head} now{tail}").into_bytes(),
        _ => long.to_vec(),
    }
}

/// Returns short content as text, and long content as its length and a checksum.
pub fn bytes(data: &[u8]) -> String {
    if data.len() <= 300 {
        return format!("\"{}\"", data.escape_ascii());
    }
    // The checksum is FNV-1a, which is enough to distinguish two contents.
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} bytes, {hash:016x}", data.len())
}

fn extended(body: &[u8], request: &[u8]) -> String {
    let mut reader = Reader(body);
    let mut numbers = Vec::new();
    while let Some(number) = reader.u64() {
        numbers.push(number);
    }
    match (request, &numbers[..]) {
        // Blocks and inodes come from the account here and from the disk there, and the free ones change during the
        // test.
        (b"statvfs@openssh.com" | b"fstatvfs@openssh.com", [bsize, frsize, _, .., fsid, flag, max])
            if numbers.len() == 11 =>
        {
            format!("statvfs bsize={bsize} frsize={frsize} fsid={fsid:x} flag={flag} max={max}")
        }
        (b"limits@openssh.com", [packet, read, write, handles]) => {
            format!("limits packet={packet} read={read} write={write} handles={handles}")
        }
        _ => format!("extended {}", bytes(body)),
    }
}
