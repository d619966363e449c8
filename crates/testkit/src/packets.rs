//! SFTP version 3 requests as templates, valid or invalid. They are built part by part, so that a test can leave a part
//! out, cut it short or send a wrong length. Handles and the row's directory are filled in when a request is sent.
//!
//! The codec decides how numbers, strings and attributes are written; the test decides what a request consists of.

use sftp_wire::constants::*;
use sftp_wire::fields::{Body as _, Output as _};
use sftp_wire::{Attributes, Extension, Owner, Times};

/// The flag SSH_FXF_READ of OPEN: the file is opened for reading.
pub const READ: u32 = SSH_FXF_READ;
/// The flag SSH_FXF_WRITE of OPEN: the file is opened for writing.
pub const WRITE: u32 = SSH_FXF_WRITE;
/// The flag SSH_FXF_APPEND of OPEN: each WRITE goes to the end of the file.
pub const APPEND: u32 = SSH_FXF_APPEND;
/// The flag SSH_FXF_CREAT of OPEN: the file is created if it does not exist.
pub const CREAT: u32 = SSH_FXF_CREAT;
/// The flag SSH_FXF_TRUNC of OPEN: an existing file is emptied.
pub const TRUNC: u32 = SSH_FXF_TRUNC;
/// The flag SSH_FXF_EXCL of OPEN: OPEN fails if the file exists.
pub const EXCL: u32 = SSH_FXF_EXCL;

/// The handle that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle {
    /// The handle of the nth HANDLE reply of this row, from 0.
    Nth(usize),
    /// A handle of these bytes, which no reply contained.
    Raw(Vec<u8>),
}

/// A piece of a request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A number of four bytes.
    U32(u32),
    /// A number of eight bytes.
    U64(u64),
    /// A string, with its length in front.
    Text(Vec<u8>),
    /// A path, in which a component `@` stands for the row's own directory.
    Path(Vec<u8>),
    /// A handle, sent as a string.
    Handle(Handle),
    /// Bytes without a length in front.
    Raw(Vec<u8>),
}

/// A request of a test, valid or invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The packet type, such as SSH_FXP_OPEN.
    pub kind: u8,
    /// The parts of the body behind the id.
    pub parts: Vec<Part>,
    /// The id to send; by default the next number.
    pub id: Option<u32>,
    /// The number of bytes cut off the end of the body. The length field is adjusted.
    cut: usize,
    /// The value of the length field, if it is to be wrong.
    claimed: Option<u32>,
    /// Whether the request has an id. INIT has none, and some invalid requests get no reply that could be waited for.
    pub has_id: bool,
}

/// The values that turn a request template into bytes.
pub struct Context<'a> {
    /// The row's directory, without a leading slash.
    pub base: &'a str,
    /// The handles that this row has received so far.
    pub handles: &'a [Vec<u8>],
}

impl Request {
    fn new(kind: u8, parts: Vec<Part>) -> Self {
        Self {
            kind,
            parts,
            id: None,
            cut: 0,
            claimed: None,
            has_id: true,
        }
    }

    /// Sets the id to send.
    pub fn id(mut self, id: u32) -> Self {
        self.id = Some(id);
        self
    }

    /// Cuts this many bytes off the end of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.cut = bytes;
        self
    }

    /// Adds bytes behind the body.
    pub fn trailing(mut self, bytes: &[u8]) -> Self {
        self.parts.push(Part::Raw(bytes.to_vec()));
        self
    }

    /// Sets the value of the length field, whatever follows.
    pub fn claiming(mut self, length: u32) -> Self {
        self.claimed = Some(length);
        self
    }

    /// Returns the name of an EXTENDED request.
    pub fn extension(&self) -> Option<&[u8]> {
        match (self.kind, self.parts.first()) {
            (SSH_FXP_EXTENDED, Some(Part::Text(name))) => Some(name),
            _ => None,
        }
    }

    /// Returns the packet with its length field.
    pub fn encode(&self, id: u32, context: &Context<'_>) -> Vec<u8> {
        let mut body = vec![self.kind];
        if self.has_id {
            body.put_u32(id);
        }
        for part in &self.parts {
            match part {
                Part::U32(n) => body.put_u32(*n),
                Part::U64(n) => body.put_u64(*n),
                Part::Text(text) => body.put_string(text),
                Part::Path(path) => body.put_string(&expand(path, context.base)),
                Part::Handle(Handle::Raw(raw)) => body.put_string(raw),
                Part::Handle(Handle::Nth(n)) => {
                    let never_given = b"????".to_vec();
                    body.put_string(context.handles.get(*n).unwrap_or(&never_given));
                }
                Part::Raw(raw) => body.put_bytes(raw),
            }
        }
        body.truncate(body.len() - self.cut);
        let mut packet = Vec::new();
        packet.put_u32(self.claimed.unwrap_or(body.len() as u32));
        packet.extend(body);
        packet
    }
}

fn expand(path: &[u8], base: &str) -> Vec<u8> {
    let components = path.split(|&b| b == b'/');
    let named = components.map(|component| {
        if component == b"@" {
            base.as_bytes()
        } else {
            component
        }
    });
    named.collect::<Vec<_>>().join(&b'/')
}

/// Attributes as they are sent. `None` leaves out the field and its flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attrs {
    /// The size of the file, in bytes.
    pub size: Option<u64>,
    /// The numeric ids of the owner and of the group.
    pub owner: Option<(u32, u32)>,
    /// The permissions, with the file type bits if a test sends them.
    pub mode: Option<u32>,
    /// The access time and the modification time, in seconds since 1970.
    pub times: Option<(u32, u32)>,
    /// The names and the values of extended attributes.
    pub extended: Vec<(Vec<u8>, Vec<u8>)>,
    /// Flag bits that version 3 does not define.
    pub odd_flags: u32,
}

impl Attrs {
    /// Returns attributes with nothing but permissions.
    pub fn mode(mode: u32) -> Self {
        Self {
            mode: Some(mode),
            ..Self::default()
        }
    }

    /// Returns attributes with nothing but a size.
    pub fn size(size: u64) -> Self {
        Self {
            size: Some(size),
            ..Self::default()
        }
    }

    /// Returns attributes with nothing but times.
    pub fn times(atime: u32, mtime: u32) -> Self {
        Self {
            times: Some((atime, mtime)),
            ..Self::default()
        }
    }

    /// Returns attributes with nothing but an owner.
    pub fn owner(uid: u32, gid: u32) -> Self {
        Self {
            owner: Some((uid, gid)),
            ..Self::default()
        }
    }

    fn encode(&self) -> Part {
        let known = Attributes {
            size: self.size,
            owner: self.owner.map(|(uid, gid)| Owner { uid, gid }),
            permissions: self.mode,
            times: self
                .times
                .map(|(accessed, modified)| Times { accessed, modified }),
        };
        let mut body = Vec::new();
        known.put(&mut body);
        let mut flags = u32::from_be_bytes(*body.first_chunk().unwrap()) | self.odd_flags;
        if !self.extended.is_empty() {
            flags |= SSH_FILEXFER_ATTR_EXTENDED;
            body.put_u32(self.extended.len() as u32);
            for (name, value) in &self.extended {
                body.put_string(name);
                body.put_string(value);
            }
        }
        body[..4].copy_from_slice(&flags.to_be_bytes());
        Part::Raw(body)
    }
}

fn path(bytes: impl AsRef<[u8]>) -> Part {
    Part::Path(bytes.as_ref().to_vec())
}

/// Returns the nth handle that this row received.
pub fn nth(n: usize) -> Handle {
    Handle::Nth(n)
}

/// Returns a handle that no reply contained.
pub fn bogus(bytes: &[u8]) -> Handle {
    Handle::Raw(bytes.to_vec())
}

/// Returns INIT with this version number.
pub fn init(version: u32) -> Request {
    Request {
        has_id: false,
        ..Request::new(SSH_FXP_INIT, vec![Part::U32(version)])
    }
}

/// Returns an OPEN request with these flags, and without attributes.
pub fn open(name: impl AsRef<[u8]>, flags: u32) -> Request {
    open_with(name, flags, &Attrs::default())
}

/// Returns an OPEN request with these flags and attributes.
pub fn open_with(name: impl AsRef<[u8]>, flags: u32, attrs: &Attrs) -> Request {
    Request::new(SSH_FXP_OPEN, vec![path(name), Part::U32(flags), attrs.encode()])
}

/// Returns a CLOSE request for a file or directory.
pub fn close(handle: Handle) -> Request {
    Request::new(SSH_FXP_CLOSE, vec![Part::Handle(handle)])
}

/// Returns a READ request for `length` bytes at `offset`.
pub fn read(handle: Handle, offset: u64, length: u32) -> Request {
    Request::new(
        SSH_FXP_READ,
        vec![Part::Handle(handle), Part::U64(offset), Part::U32(length)],
    )
}

/// Returns a WRITE request with this data for `offset`.
pub fn write(handle: Handle, offset: u64, data: impl AsRef<[u8]>) -> Request {
    let data = Part::Text(data.as_ref().to_vec());
    Request::new(SSH_FXP_WRITE, vec![Part::Handle(handle), Part::U64(offset), data])
}

/// Returns an LSTAT request, which does not follow a symbolic link.
pub fn lstat(name: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_LSTAT, vec![path(name)])
}

/// Returns an FSTAT request for an open file.
pub fn fstat(handle: Handle) -> Request {
    Request::new(SSH_FXP_FSTAT, vec![Part::Handle(handle)])
}

/// Returns a SETSTAT request with these attributes.
pub fn setstat(name: impl AsRef<[u8]>, attrs: &Attrs) -> Request {
    Request::new(SSH_FXP_SETSTAT, vec![path(name), attrs.encode()])
}

/// Returns an FSETSTAT request with these attributes.
pub fn fsetstat(handle: Handle, attrs: &Attrs) -> Request {
    Request::new(SSH_FXP_FSETSTAT, vec![Part::Handle(handle), attrs.encode()])
}

/// Returns an OPENDIR request for this path.
pub fn opendir(name: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_OPENDIR, vec![path(name)])
}

/// Returns a READDIR request for an open directory.
pub fn readdir(handle: Handle) -> Request {
    Request::new(SSH_FXP_READDIR, vec![Part::Handle(handle)])
}

/// Returns a REMOVE request for a file.
pub fn remove(name: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_REMOVE, vec![path(name)])
}

/// Returns a MKDIR request with these attributes.
pub fn mkdir(name: impl AsRef<[u8]>, attrs: &Attrs) -> Request {
    Request::new(SSH_FXP_MKDIR, vec![path(name), attrs.encode()])
}

/// Returns an RMDIR request for an empty directory.
pub fn rmdir(name: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_RMDIR, vec![path(name)])
}

/// Returns a REALPATH request for this path.
pub fn realpath(name: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_REALPATH, vec![path(name)])
}

/// Returns a STAT request, which follows symbolic links.
pub fn stat(name: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_STAT, vec![path(name)])
}

/// Returns a RENAME request, which never replaces a file.
pub fn rename(from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_RENAME, vec![path(from), path(to)])
}

/// Returns a READLINK request for a symbolic link.
pub fn readlink(name: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_READLINK, vec![path(name)])
}

/// Returns a SYMLINK request with the target first, as OpenSSH sends it.
pub fn symlink(target: impl AsRef<[u8]>, link: impl AsRef<[u8]>) -> Request {
    Request::new(SSH_FXP_SYMLINK, vec![path(target), path(link)])
}

/// Returns an EXTENDED request with any body.
pub fn extended(name: &str, parts: Vec<Part>) -> Request {
    let name = Part::Text(name.as_bytes().to_vec());
    Request::new(SSH_FXP_EXTENDED, [vec![name], parts].concat())
}

/// Returns an EXTENDED request whose body consists of paths.
pub fn extended_paths(name: &str, paths: &[&[u8]]) -> Request {
    extended(name, paths.iter().map(path).collect())
}

/// Returns an EXTENDED request whose body is one handle.
pub fn extended_handle(name: &str, handle: Handle) -> Request {
    extended(name, vec![Part::Handle(handle)])
}

/// Returns an lsetstat@openssh.com request, which does not follow a symbolic link.
pub fn lsetstat(name: impl AsRef<[u8]>, attrs: &Attrs) -> Request {
    extended(Extension::Lsetstat.name(), vec![path(name), attrs.encode()])
}

/// Returns a copy-data request between open files. A length of 0 means up to the end.
pub fn copy_data(from: Handle, at: u64, length: u64, to: Handle, into: u64) -> Request {
    let parts = vec![
        Part::Handle(from),
        Part::U64(at),
        Part::U64(length),
        Part::Handle(to),
        Part::U64(into),
    ];
    extended(Extension::CopyData.name(), parts)
}

/// Returns a request of any type with any body.
pub fn any(kind: u8, body: &[u8]) -> Request {
    Request::new(kind, vec![Part::Raw(body.to_vec())])
}
