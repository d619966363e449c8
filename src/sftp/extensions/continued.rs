//! The request continue-hash@homeport, by which a client proves ranges of a file while it transfers later ones.
//!
//! Nothing is kept from one request to the next: the client tells the states, and the server reads the ranges anew. So
//! it does not matter who has written the file meanwhile, nor in which order.

use base::digest::Algorithm;
use base::hash_state::HashState;
use sftp_wire::StatusCode;
use sftp_wire::extension::ContinueHashQuery;

use super::hashes::{Subject, ask, find};
use crate::sftp::handles::RawHandle;
use crate::sftp::hashes::HashReply;
use crate::sftp::outcome::{RequestInfo, RequestResult};
use crate::sftp::session::Sftp;
use crate::sftp::status::RequestRefusal;
use crate::storage::hash::continued::{ContinuedRanges, ContinuedWork};

pub(super) fn continue_hash(
    sftp: &mut Sftp,
    handle: &[u8],
    query: ContinueHashQuery<'_>,
    info: RequestInfo,
) -> RequestResult {
    let known = Algorithm::ALL.into_iter().find(|algorithm| {
        algorithm.name().as_bytes() == query.algorithm && HashState::initial(*algorithm).is_some()
    });
    let Some(algorithm) = known else {
        let sentence = "only md5 and sha256 can be continued";
        return Err(RequestRefusal::with_sentence(StatusCode::OpUnsupported, sentence).into());
    };
    let ranges = ranges(algorithm, query)?;
    let found = find(sftp, info, Subject::Handle(RawHandle::from_wire(handle)))?;
    if ranges.end() > found.size {
        let sentence = format!(
            "the ranges end at byte {}, past the end of the file ({} bytes)",
            ranges.end(),
            found.size
        );
        return Err(RequestRefusal::with_sentence(StatusCode::Failure, sentence).into());
    }
    let work = ContinuedWork {
        file: found.file,
        algorithm,
        ranges,
    };
    ask(sftp, info.id, found.origin, work, HashReply::Continued)
}

fn ranges(algorithm: Algorithm, query: ContinueHashQuery<'_>) -> Result<ContinuedRanges, RequestRefusal> {
    let bad = |sentence: String| RequestRefusal::with_sentence(StatusCode::BadMessage, sentence);
    let states = query.states.chunks(algorithm.length());
    let states: Option<Vec<_>> = states
        .map(|state| HashState::from_bytes(algorithm, state))
        .collect();
    let length = algorithm.length();
    let states = states.ok_or_else(|| bad(format!("a state of {} has {length} bytes", algorithm.name())))?;
    ContinuedRanges::new(query.offset, query.length, query.step, states).map_err(|why| bad(why.to_string()))
}
