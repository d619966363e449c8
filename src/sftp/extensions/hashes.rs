//! The requests for hashes of a file: md5-hash and md5-hash-handle, check-file-name and check-file-handle, and
//! paramiko's check-file.
//!
//! This module checks the request and finds the file; the caller computes the hash, outside of the session.

use std::num::NonZeroU64;
use std::sync::Arc;

use sftp_wire::extension::{CheckFileQuery, CheckFileShape, Md5Query};
use sftp_wire::frame::LARGEST_REQUEST;
use sftp_wire::{Extension, StatusCode};

use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::session::budget::{Descriptor, Exhausted};
use crate::session::work::WorkPurpose;
use crate::sftp::handles::RawHandle;
use crate::sftp::hashes::{HashReply, HashRequest};
use crate::sftp::outcome::{Outcome, RequestError, RequestInfo, RequestResult};
use crate::sftp::session::{Sftp, path_of};
use crate::sftp::status::RequestRefusal;
use crate::storage::hash::{HashWork, Range, Work};
use crate::storage::{FileKind, OpenFile, OpenHow, Wait};
use base::digest::Algorithm;

/// The smallest block in bytes, as in the draft: a smaller one could make the reply longer than the file.
const MIN_BLOCK: u32 = 256;
/// The most bytes of hashes in one reply. Clients accept replies as long as packets; the rest is for what surrounds the
/// hashes.
const MAX_HASHES: u64 = LARGEST_REQUEST as u64 - 64;
/// The most bytes of hashes if the user's credit is nearly used up: such a reply may wait for long.
const FEW_HASHES: u64 = 4096;

pub(super) fn md5_hash(
    sftp: &mut Sftp,
    path: &[u8],
    query: Md5Query<'_>,
    info: RequestInfo,
) -> RequestResult {
    let subject = Subject::Path(path_of(path)?);
    md5(sftp, info, subject, query, Extension::Md5Hash)
}

pub(super) fn md5_hash_handle(
    sftp: &mut Sftp,
    handle: &[u8],
    query: Md5Query<'_>,
    info: RequestInfo,
) -> RequestResult {
    let subject = Subject::Handle(RawHandle::from_wire(handle));
    md5(sftp, info, subject, query, Extension::Md5HashHandle)
}

fn md5(
    sftp: &mut Sftp,
    info: RequestInfo,
    subject: Subject,
    query: Md5Query<'_>,
    extension: Extension,
) -> RequestResult {
    let asked = Range {
        offset: query.offset,
        length: query.length,
    };
    let quick_check = match query.quick_check {
        b"" => None,
        bytes => Some(bytes.try_into().map_err(|_| {
            let sentence = format!(
                "a quick check is an MD5 of 16 bytes, or empty; this one has {}",
                bytes.len()
            );
            RequestRefusal::with_sentence(StatusCode::BadMessage, sentence)
        })?),
    };
    let found = find(sftp, info, subject)?;
    let whole = asked.offset == 0 && asked.length == 0;
    let work = Work {
        range: found.range(asked, whole)?,
        file: found.file,
        algorithm: Algorithm::Md5,
        block: None,
        quick_check,
    };
    ask(sftp, info.id, found.origin, work, HashReply::Md5 { extension })
}

/// Executes check-file as paramiko sends it: with a handle, although the draft says a name.
pub(super) fn check_file(
    sftp: &mut Sftp,
    file: &[u8],
    query: CheckFileQuery<'_>,
    info: RequestInfo,
) -> RequestResult {
    let subject = Subject::Handle(RawHandle::from_wire(file));
    check(sftp, info, subject, query, CheckFileShape::Named)
}

pub(super) fn check_file_name(
    sftp: &mut Sftp,
    path: &[u8],
    query: CheckFileQuery<'_>,
    info: RequestInfo,
) -> RequestResult {
    let subject = Subject::Path(path_of(path)?);
    let shape = sftp.context.quirks.check_file;
    check(sftp, info, subject, query, shape)
}

pub(super) fn check_file_handle(
    sftp: &mut Sftp,
    handle: &[u8],
    query: CheckFileQuery<'_>,
    info: RequestInfo,
) -> RequestResult {
    let subject = Subject::Handle(RawHandle::from_wire(handle));
    let shape = sftp.context.quirks.check_file;
    check(sftp, info, subject, query, shape)
}

fn check(
    sftp: &mut Sftp,
    info: RequestInfo,
    subject: Subject,
    query: CheckFileQuery<'_>,
    shape: CheckFileShape,
) -> RequestResult {
    let CheckFileQuery {
        algorithms,
        offset,
        length,
        block_size: block,
    } = query;
    let asked = Range { offset, length };
    let Some(algorithm) = first_known(algorithms) else {
        let sentence = "none of these hash algorithms is supported; md5, sha1, sha256 and sha512 are";
        return Err(RequestRefusal::with_sentence(StatusCode::OpUnsupported, sentence).into());
    };
    if (1..MIN_BLOCK).contains(&block) {
        let sentence = format!("a block has {MIN_BLOCK} bytes at least, or 0 for one hash of all");
        return Err(RequestRefusal::with_sentence(StatusCode::BadMessage, sentence).into());
    }
    let found = find(sftp, info, subject)?;
    let range = found.range(asked, asked.length == 0)?;
    let block = NonZeroU64::new(block.into());
    let most = match sftp.context.session.budget.memory.is_short_of_credit() {
        true => FEW_HASHES,
        false => MAX_HASHES,
    };
    check_length(range, block, algorithm, most)?;
    let work = Work {
        range,
        file: found.file,
        algorithm,
        block,
        quick_check: None,
    };
    ask(
        sftp,
        info.id,
        found.origin,
        work,
        HashReply::CheckFile { shape, algorithm },
    )
}

fn first_known(list: &[u8]) -> Option<Algorithm> {
    list.split(|&b| b == b',').find_map(|name| {
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().as_bytes() == name.trim_ascii())
    })
}

fn check_length(
    range: Range,
    block: Option<NonZeroU64>,
    algorithm: Algorithm,
    most: u64,
) -> Result<(), RequestRefusal> {
    let Some(block) = block else { return Ok(()) };
    let blocks = range.length.div_ceil(block.get());
    // MINA's layout has four more bytes for each hash.
    if blocks.saturating_mul(algorithm.length() as u64 + 4) <= most {
        return Ok(());
    }
    let sentence =
        format!("{blocks} hashes do not fit into a reply; ask for larger blocks or a shorter range");
    Err(RequestRefusal::with_sentence(StatusCode::Failure, sentence))
}

/// The file to hash, as the client names it.
pub(super) enum Subject {
    Path(VirtualPath),
    Handle(RawHandle),
}

/// A file that can be hashed.
pub(super) struct HashedFile {
    pub(super) file: Arc<dyn OpenFile>,
    pub(super) size: u64,
    pub(super) origin: HashOrigin,
}

/// The path of a file that can be hashed, and its share of the user's budget.
pub(super) struct HashOrigin {
    path: VirtualPath,
    /// The share of the user's budget that the file takes: the request may wait for long, and its handle may be closed
    /// meanwhile.
    descriptor: Arc<Descriptor>,
}

impl HashedFile {
    /// Returns the part of the file that is to be hashed.
    fn range(&self, asked: Range, to_the_end: bool) -> Result<Range, RequestRefusal> {
        let Some(rest) = self.size.checked_sub(asked.offset) else {
            let sentence = format!(
                "the range begins at byte {}, past the end of the file ({} bytes)",
                asked.offset, self.size
            );
            return Err(RequestRefusal::with_sentence(StatusCode::Failure, sentence));
        };
        let length = match to_the_end {
            true => rest,
            false => asked.length.min(rest),
        };
        Ok(Range {
            offset: asked.offset,
            length,
        })
    }
}

pub(super) fn find(sftp: &mut Sftp, info: RequestInfo, subject: Subject) -> Result<HashedFile, RequestError> {
    let (file, path, descriptor) = match subject {
        Subject::Handle(handle) => {
            let open = sftp.file(handle)?;
            if !open.read {
                let sentence = "the file was not opened for reading";
                return Err(RequestRefusal::with_sentence(StatusCode::PermissionDenied, sentence).into());
            }
            let (file, descriptor) = (Arc::clone(&open.file), Arc::clone(&open.descriptor));
            (file, open.record.path().clone(), descriptor)
        }
        Subject::Path(path) => {
            sftp.not_in_callback(true, info.wait)?;
            let read = OpenHow {
                read: true,
                ..OpenHow::default()
            };
            let descriptor = sftp.context.session.budget.descriptor();
            let refuse = |exhausted: Exhausted| {
                RequestRefusal::with_sentence(StatusCode::Failure, exhausted.to_string())
            };
            let descriptor = descriptor.map_err(refuse)?;
            let opened = sftp.storage.open(&path, read, Wait::Allowed);
            (sftp.report_refusal(opened, &path)?, path, Arc::new(descriptor))
        }
    };
    sftp.not_in_callback(true, info.wait)?;
    let meta = file.stat()?;
    if meta.kind != FileKind::File {
        return Err(
            RequestRefusal::with_sentence(StatusCode::Failure, "only regular files can be hashed").into(),
        );
    }
    Ok(HashedFile {
        file,
        size: meta.size,
        origin: HashOrigin { path, descriptor },
    })
}

pub(super) fn ask(
    sftp: &Sftp,
    id: u32,
    origin: HashOrigin,
    work: impl HashWork,
    layout: HashReply,
) -> RequestResult {
    let HashOrigin { path, descriptor } = origin;
    let algorithm = work.algorithm().name();
    let shown = sftp.context.session.work.enter(path.clone(), WorkPurpose::Hash);
    shown.file().note_size(Some(work.length()));
    sftp.emit(|who| Event::Hashed { who, algorithm, path });
    let busy = sftp.context.session.busy();
    let gone = sftp.context.gone.clone();
    Ok(Outcome::HashFirst(Box::new(HashRequest {
        id,
        work: Box::new(work),
        layout,
        gone,
        busy,
        shown,
        descriptor,
    })))
}
