//! What a client asks, and how it is written.

use super::Attributes;
use super::fields::{string_to, u32_to, u64_to};
use base::sftp_kinds::*;

/// The header of a WRITE with a handle of 256 bytes, the longest that there is.
pub(super) const HEADERS: usize = 4 + 1 + 4 + 4 + 256 + 8 + 4;

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
