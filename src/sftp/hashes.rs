//! Answers requests for hashes: computes the hash outside of the session, then encodes the reply in the layout that
//! this client reads. [`super::extensions`] checks the requests, and [`super::beside`] lets later ones go on meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::extension::{CheckFileFormat, CheckFileShape, ContinueHashReply, Md5HashReply};
use sftp_wire::{ExtendedReply as _, Extension};
use tokio_util::sync::CancellationToken;

use crate::session::BusyGuard;
use crate::session::budget::Descriptor;
use crate::session::work::WorkEntry;
use crate::storage::hash::{self, HashWork};
use base::digest::Algorithm;

use super::status::RequestRefusal;

/// A request that is answered by a hash.
pub struct HashRequest {
    /// The id of the request, which is also that of the reply.
    pub id: u32,
    /// The file, the range and the algorithm of the hash.
    pub work: Box<dyn HashWork>,
    /// The layout of the reply.
    pub layout: HashReply,
    /// Cancelled when the client has left.
    pub gone: CancellationToken,
    /// Makes a server that drains wait for the reply.
    pub busy: BusyGuard,
    /// Shows operators which file is hashed.
    pub shown: WorkEntry,
    /// The share of the user's descriptors that the file takes, even if its handle is closed meanwhile.
    pub descriptor: Arc<Descriptor>,
}

/// The layout of a reply after its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashReply {
    /// The name of the request, then the hash as a string.
    Md5 {
        /// The request that is answered.
        extension: Extension,
    },
    /// The reply to check-file, as the client reads it.
    CheckFile {
        /// The variant of the draft that the client implements.
        shape: CheckFileShape,
        /// The algorithm that was chosen from the client's list.
        algorithm: Algorithm,
    },
    /// The reply to continue-hash.
    Continued,
}

impl HashRequest {
    /// Returns whether the requests behind this one go on while the hash is computed. Its client expects that; others may
    /// rely on replies in order.
    pub fn is_answered_beside(&self) -> bool {
        self.layout == HashReply::Continued
    }

    /// Computes the hash, and encodes the reply.
    pub async fn answer(self: Box<Self>) -> Bytes {
        let Self {
            id,
            work,
            layout,
            gone,
            busy,
            shown,
            descriptor,
        } = *self;
        let hashed = hash::run(work, &gone).await;
        drop((busy, shown, descriptor));
        match hashed {
            Ok(hashes) => layout.reply(id, &hashes),
            Err(error) => RequestRefusal::from(error).reply(id),
        }
    }
}

impl HashReply {
    fn reply(self, id: u32, hashes: &[u8]) -> Bytes {
        match self {
            HashReply::Md5 { extension } => {
                let name = extension.name().as_bytes();
                Md5HashReply { name, hash: hashes }.to_bytes(id)
            }
            HashReply::CheckFile { shape, algorithm } => CheckFileFormat {
                shape,
                algorithm: algorithm.name().as_bytes(),
                hash_length: algorithm.length(),
            }
            .reply(id, hashes),
            HashReply::Continued => ContinueHashReply { hashes }.to_bytes(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: HashReply, hashes: &[u8], expected: &[u8]) {
        let reply = layout.reply(0x0102_0304, hashes);
        let length = u32::try_from(expected.len() + 5).unwrap().to_be_bytes();
        let whole = [&length[..], &[201, 1, 2, 3, 4], expected].concat();
        assert_eq!(reply, whole, "{layout:?}");
    }

    #[test]
    fn replies_are_laid_out_as_the_drafts_and_clients_have_them() {
        let md5 = [7; 16];
        check(
            HashReply::Md5 {
                extension: Extension::Md5Hash,
            },
            &md5,
            &[b"\0\0\0\x08md5-hash\0\0\0\x10", &md5[..]].concat(),
        );
        check(
            HashReply::Md5 {
                extension: Extension::Md5HashHandle,
            },
            &[],
            b"\0\0\0\x0fmd5-hash-handle\0\0\0\0",
        );
        check(HashReply::Continued, &md5, &[b"\0\0\0\x10", &md5[..]].concat());
        let two = [[1; 20], [2; 20]].concat();
        let check_file = |shape| HashReply::CheckFile {
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
