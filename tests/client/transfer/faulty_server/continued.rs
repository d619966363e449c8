//! The reply to continue-hash: it goes on from the states of the client.

use base::digest::Algorithm;
use base::hash_state::HashState;
use bytes::Bytes;
use sftp_wire::ExtendedReply as _;
use sftp_wire::extension::{ContinueHashQuery, ContinueHashReply};

/// Encodes the reply for a file with this content. With `lies`, one bit of the last hash is wrong.
pub fn continued(id: u32, content: &[u8], query: ContinueHashQuery<'_>, lies: bool) -> Bytes {
    let algorithm = match query.algorithm {
        b"md5" => Algorithm::Md5,
        b"sha256" => Algorithm::Sha256,
        other => panic!("our client asks for {other:?}"),
    };
    let end = (query.offset + query.length) as usize;
    let begins = (query.offset as usize..end).step_by(query.step as usize);
    let states = query.states.chunks(algorithm.length());
    assert_eq!(begins.len(), states.len());
    let mut hashes = Vec::new();
    for (begin, state) in begins.zip(states) {
        let last = end.min(begin + query.step as usize);
        // Fewer hashes say that the file ends before.
        let Some(range) = content.get(begin..last) else {
            break;
        };
        let state = HashState::from_bytes(algorithm, state).unwrap();
        hashes.extend(state.finish(range, last as u64).to_bytes());
    }
    if let (true, Some(byte)) = (lies, hashes.last_mut()) {
        *byte ^= 1;
    }
    ContinueHashReply { hashes: &hashes }.to_bytes(id)
}
