//! From a question about a file's bytes to its reply: hashes off the session, and lays them out.

use bytes::Bytes;
use sftp_wire::extension::{CheckFileFormat, CheckFileShape, Md5HashReply};
use sftp_wire::{ExtendedReply as _, Extension};
use tokio_util::sync::CancellationToken;

use crate::io::HomeIo;
use crate::session::Busy;
use crate::session::share::Descriptor;
use crate::storage::hash::Work;
use base::digest::Algorithm;

use super::status::Refusal;

/// A request that is answered by a hash.
pub struct Question {
    /// The request's id.
    pub id: u32,
    /// What is to be hashed.
    pub work: Work,
    /// How the reply looks.
    pub layout: Layout,
    /// Set when the client has left.
    pub gone: CancellationToken,
    /// A server that drains waits for the answer.
    pub busy: Busy,
    /// Of the user's share, where the file is open for this alone.
    pub descriptor: Option<Descriptor>,
}

/// What follows the id in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The request's name, then the hash as a string.
    Md5 {
        /// The request.
        extension: Extension,
    },
    /// As the client reads it.
    CheckFile {
        /// Which reading.
        shape: CheckFileShape,
        /// The one that was chosen.
        algorithm: Algorithm,
    },
}

impl Question {
    /// Hashes, and makes the reply.
    pub async fn answer(self: Box<Self>, io: &HomeIo) -> Bytes {
        let Self {
            id,
            work,
            layout,
            gone,
            busy,
            descriptor,
        } = *self;
        let hashed = work.run(io, &gone).await;
        drop((busy, descriptor));
        match hashed {
            Ok(hashes) => layout.reply(id, &hashes),
            Err(error) => Refusal::from(error).reply(id),
        }
    }
}

impl Layout {
    fn reply(self, id: u32, hashes: &[u8]) -> Bytes {
        match self {
            Layout::Md5 { extension } => {
                let name = extension.name().as_bytes();
                Md5HashReply { name, hash: hashes }.to_bytes(id)
            }
            Layout::CheckFile { shape, algorithm } => CheckFileFormat {
                shape,
                algorithm: algorithm.name().as_bytes(),
                hash_length: algorithm.length(),
            }
            .reply(id, hashes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: Layout, hashes: &[u8], expected: &[u8]) {
        let reply = layout.reply(0x0102_0304, hashes);
        let length = u32::try_from(expected.len() + 5).unwrap().to_be_bytes();
        let whole = [&length[..], &[201, 1, 2, 3, 4], expected].concat();
        assert_eq!(reply, whole, "{layout:?}");
    }

    #[test]
    fn replies_are_laid_out_as_the_drafts_and_clients_have_them() {
        let md5 = [7; 16];
        check(
            Layout::Md5 {
                extension: Extension::Md5Hash,
            },
            &md5,
            &[b"\0\0\0\x08md5-hash\0\0\0\x10", &md5[..]].concat(),
        );
        check(
            Layout::Md5 {
                extension: Extension::Md5HashHandle,
            },
            &[],
            b"\0\0\0\x0fmd5-hash-handle\0\0\0\0",
        );
        let two = [[1; 20], [2; 20]].concat();
        let check_file = |shape| Layout::CheckFile {
            shape,
            algorithm: Algorithm::Sha1,
        };
        check(
            check_file(CheckFileShape::Plain),
            &two,
            &[b"\0\0\0\x04sha1", &two[..]].concat(),
        );
        check(
            check_file(CheckFileShape::Named),
            &two,
            &[b"\0\0\0\x0acheck-file\0\0\0\x04sha1", &two[..]].concat(),
        );
        check(
            check_file(CheckFileShape::Strings),
            &two,
            &[
                b"\0\0\0\x0acheck-file\0\0\0\x04sha1\0\0\0\x14",
                &two[..20],
                b"\0\0\0\x14",
                &two[20..],
            ]
            .concat(),
        );
    }
}
