//! The extension continue-hash@homeport: hashes of the beginnings of a file, which the server computes from the states
//! that this machine's hash had. The server answers other requests of the channel meanwhile.

use base::hash_state::HashState;
use sftp_wire::extension::{ContinueHashQuery, ContinueHashReply};
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Extension, Reply, Request};

use super::Link;
use super::error::RemoteError;
use super::hash::{HashKind, HashValue};

/// Successive ranges of a file, of which this machine has the same bytes.
#[derive(Debug, Clone, Copy)]
pub struct ContinuedQuestion<'a> {
    /// A handle of the file that is open for reading.
    pub handle: &'a [u8],
    /// The algorithm of the hash.
    pub kind: HashKind,
    /// The offset of the first range: a multiple of 64.
    pub offset: u64,
    /// The number of bytes of all ranges.
    pub length: u64,
    /// The number of bytes of each range but the last, which may have fewer.
    pub step: u64,
    /// The state of the hash before each range.
    pub states: &'a [HashState],
}

/// Whether the server offers to continue hashes.
pub fn continues_hashes(link: &Link) -> bool {
    link.channel.offers(Extension::ContinueHash)
}

/// The hashes of the beginnings of the file up to the end of each range. There are fewer if the file ends before.
///
/// # Errors
/// When the server refuses, or the connection is lost.
pub async fn continue_hash(
    link: &Link,
    question: &ContinuedQuestion<'_>,
) -> Result<Vec<HashValue>, RemoteError> {
    let ContinuedQuestion { handle, kind, .. } = *question;
    let algorithm = kind.algorithm();
    let states: Vec<u8> = question
        .states
        .iter()
        .flat_map(|state| state.to_bytes())
        .collect();
    let query = ContinueHashQuery {
        algorithm: algorithm.name().as_bytes(),
        offset: question.offset,
        length: question.length,
        step: question.step,
        states: &states,
    };
    let request = Request::Extended(ExtendedRequest::ContinueHash { handle, query });
    let body = match link.channel.ask(&request).await? {
        Reply::Extended(body) => body,
        other => return Err(RemoteError::from_reply(other, "hashes")),
    };
    let unexpected = RemoteError::UnexpectedReply("hashes");
    let Ok(reply) = ContinueHashReply::decode(&body) else {
        return Err(unexpected);
    };
    let hashes = reply.hashes.chunks(algorithm.length());
    let values: Option<Vec<_>> = hashes.map(|hash| HashValue::new(kind, hash)).collect();
    values.ok_or(unexpected)
}
