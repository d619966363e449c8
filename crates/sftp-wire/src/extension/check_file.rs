//! The replies to check-file, check-file-name and check-file-handle.

use bytes::Bytes;

use super::Extension;
use crate::constants::SSH_FXP_EXTENDED_REPLY;
use crate::fault::ServerFault;
use crate::fields::{Body, Outgoing, Output, Reader};
use crate::packet_type::PacketType;

/// How a client reads draft-ietf-secsh-filexfer-13, section 9.1.2: three layouts for what follows the id in a reply to
/// check-file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckFileShape {
    /// The algorithm, then the hashes up to the end, as in WinSCP and its model, ProFTPD's mod_sftp.
    Plain,
    /// The text "check-file", the algorithm, then the hashes up to the end, as in paramiko, which requests plain
    /// `check-file`.
    Named,
    /// The text "check-file", the algorithm, then each hash as a string, as in Apache MINA SSHD.
    Strings,
}

/// How hashes are laid out in a reply to check-file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckFileFormat<'a> {
    /// The reading of the draft that the layout follows.
    pub shape: CheckFileShape,
    /// The name of the hash algorithm.
    pub algorithm: &'a [u8],
    /// The size of one hash, in bytes.
    pub hash_length: usize,
}

impl<'a> CheckFileFormat<'a> {
    /// Returns the whole packet, with its length field, for hashes that follow each other without separators.
    pub fn reply(self, id: u32, hashes: &[u8]) -> Bytes {
        let body = &Hashes {
            format: self,
            bytes: hashes,
        };
        Outgoing {
            packet_type: PacketType::ExtendedReply,
            number: id,
            body,
        }
        .to_bytes()
    }

    /// Decodes a reply of any shape to a request for `algorithm`, whose hashes have `hash_length` bytes, into its
    /// format and its hashes.
    ///
    /// # Errors
    /// Returns an error if the reply is for another algorithm or does not consist of whole hashes.
    pub fn decode(
        body: &'a [u8],
        algorithm: &[u8],
        hash_length: usize,
    ) -> Result<(Self, Vec<&'a [u8]>), ServerFault> {
        decode(body, algorithm, hash_length).ok_or(ServerFault::Body(SSH_FXP_EXTENDED_REPLY))
    }
}

fn decode<'a>(
    body: &'a [u8],
    algorithm: &[u8],
    hash_length: usize,
) -> Option<(CheckFileFormat<'a>, Vec<&'a [u8]>)> {
    let mut reader = Reader::new(body);
    let mut found = reader.string()?;
    // Any string in front of the algorithm is the request's name.
    let named = found != algorithm;
    if named {
        found = reader.string()?;
    }
    if found != algorithm {
        return None;
    }
    let format = |shape: CheckFileShape| CheckFileFormat {
        shape,
        algorithm: found,
        hash_length,
    };
    if let Some(hashes) = strings(reader, hash_length).filter(|hashes| !hashes.is_empty()) {
        return Some((format(CheckFileShape::Strings), hashes));
    }
    let rest = reader.rest();
    // Hashes of zero length could not be told apart.
    if hash_length == 0 || !rest.len().is_multiple_of(hash_length) {
        return None;
    }
    let shape = match named {
        true => CheckFileShape::Named,
        false => CheckFileShape::Plain,
    };
    Some((format(shape), rest.chunks_exact(hash_length).collect()))
}

/// Returns the hashes if each of them is a string.
fn strings(mut reader: Reader<&[u8]>, hash_length: usize) -> Option<Vec<&[u8]>> {
    let mut hashes = Vec::new();
    while !reader.is_empty() {
        hashes.push(reader.string().filter(|hash| hash.len() == hash_length)?);
    }
    Some(hashes)
}

struct Hashes<'a> {
    format: CheckFileFormat<'a>,
    bytes: &'a [u8],
}

impl Body for Hashes<'_> {
    fn put(&self, out: &mut impl Output) {
        let CheckFileFormat {
            shape,
            algorithm,
            hash_length,
        } = self.format;
        match shape {
            CheckFileShape::Plain => {}
            CheckFileShape::Named | CheckFileShape::Strings => {
                out.put_string(Extension::CheckFile.name().as_bytes());
            }
        }
        out.put_string(algorithm);
        match shape {
            CheckFileShape::Plain | CheckFileShape::Named => out.put_bytes(self.bytes),
            CheckFileShape::Strings => {
                for hash in self.bytes.chunks(hash_length.max(1)) {
                    out.put_string(hash);
                }
            }
        }
    }
}
