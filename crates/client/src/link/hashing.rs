//! Hashes of files on the server, by whatever route it has: the md5-hash extensions, else those of check-file, else the
//! command `md5sum`, else none. Each is tried on a real file, and what fails is remembered for the connection.

use parking_lot::Mutex;
use std::sync::Arc;

use sftp_wire::extension::{CheckFileFormat, CheckFileQuery, Md5HashReply, Md5Query};
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Reply, Request};
use tokio::sync::mpsc;

use super::Link;
use super::channel::ByteRange;
use super::error::{ConnectionLost, RemoteError};
use super::hash::{Extent, HashKind, HashQuestion, HashValue, NoHash};
use super::hash_routes::{HashAnswer, HashRoute};
use super::inbox::{Completion, DataSink};

/// How many bytes of a file are read to find out whether a command sees the same file.
const COMPARED_HEAD: u64 = 256 << 10;

/// The hash of a file, by the best route that has it.
///
/// # Errors
/// When the connection is lost. All else is an answer.
pub async fn hash(link: &Link, question: &HashQuestion<'_>) -> Result<HashAnswer, ConnectionLost> {
    let mut first_reason = None;
    for route in HashRoute::ALL {
        if !route.fits(question) || !route.is_offered(&link.channel) || !link.hash_routes.is_usable(route) {
            continue;
        }
        let reason = match hash_by(link, route, question).await {
            Ok(value) if !is_of_nothing(&value, question) => {
                link.hash_routes.worked(route);
                return Ok(HashAnswer::Value(value, route));
            }
            Ok(_) => NoHash::EmptyInput,
            Err(_) if link.channel.is_lost() => return Err(link.channel.lost()),
            Err(reason) => reason,
        };
        link.hash_routes.refused(route, &reason);
        let is_missing = matches!(&reason, NoHash::Refused(refused) if refused.is_missing());
        // The reason of the best route is the one that is shown.
        first_reason.get_or_insert(reason);
        if is_missing {
            break;
        }
    }
    Ok(HashAnswer::CannotBeHad(first_reason.unwrap_or(NoHash::NoRoute)))
}

/// Whether there is any route for this algorithm, as far as that can be decided without a file.
pub async fn can_hash(link: &Link, kind: HashKind) -> bool {
    let usable = |route: &HashRoute| route.has(kind) && link.hash_routes.is_usable(*route);
    let extensions = HashRoute::ALL.into_iter().filter(|route| !route.is_command());
    if extensions
        .filter(usable)
        .any(|route| route.is_offered(&link.channel))
    {
        return true;
    }
    usable(&HashRoute::Command) && link.commands.runs(&*link.transport).await
}

/// Whether the server offers an algorithm by an extension that is not known to fail.
pub fn offers(link: &Link, kind: HashKind) -> bool {
    HashRoute::ALL.into_iter().any(|route| {
        !route.is_command()
            && route.has(kind)
            && route.is_offered(&link.channel)
            && link.hash_routes.is_usable(route)
    })
}

/// Finds out whether the server's commands see the file that its SFTP server has under this path, by its beginning.
/// The result is remembered for the connection.
///
/// # Errors
/// When the connection is lost.
pub async fn commands_see_the_file(link: &Link, path: &[u8]) -> Result<bool, ConnectionLost> {
    let head = read_head(link, path).await?;
    let beginning = |head: &Vec<u8>| {
        let mut hasher = HashKind::Md5.algorithm().hasher();
        hasher.update(head);
        HashValue::new(HashKind::Md5, &hasher.finalize())
    };
    let expected = head.as_ref().filter(|head| !head.is_empty()).and_then(beginning);
    let length = head.map_or(0, |head| head.len() as u64);
    // A server that has no head may still hash all of a small file.
    let [by_head, by_all] = [Extent::First(length), Extent::AllOf(length)].map(|extent| HashQuestion {
        path,
        handle: None,
        extent,
        expected: Some(length),
        kind: HashKind::Md5,
    });
    let mut seen = false;
    for (route, question) in [(HashRoute::CommandHead, by_head), (HashRoute::Command, by_all)] {
        seen = seen || (expected.is_some() && hash_by(link, route, &question).await.ok() == expected);
    }
    if link.channel.is_lost() {
        return Err(link.channel.lost());
    }
    match seen {
        true => link.hash_routes.confirm_commands(),
        false => link.hash_routes.distrust_commands(),
    }
    Ok(seen)
}

/// What the hashes of both ends say.
pub enum HashComparison {
    /// Both ends hold the same bytes.
    Equal,
    /// The server's bytes differ, and this is their hash.
    Differs(HashValue),
    /// The hash of the server's bytes cannot be had.
    Unknown(NoHash),
}

/// Compares the answer to a question with the hash of this machine's bytes. A hash by a command counts against a file
/// only if the server's commands are known to see the files of its SFTP server.
///
/// # Errors
/// When the connection is lost.
pub async fn judge(
    link: &Link,
    question: &HashQuestion<'_>,
    here: HashValue,
    answer: HashAnswer,
) -> Result<HashComparison, ConnectionLost> {
    let (there, route) = match answer {
        HashAnswer::CannotBeHad(reason) => return Ok(HashComparison::Unknown(reason)),
        HashAnswer::Value(there, route) => (there, route),
    };
    if here == there {
        if route.is_command() && !here.is_of_nothing() {
            link.hash_routes.confirm_commands();
        }
        return Ok(HashComparison::Equal);
    }
    if link.hash_routes.is_confirmed(route) || commands_see_the_file(link, question.path).await? {
        return Ok(HashComparison::Differs(there));
    }
    Ok(HashComparison::Unknown(NoHash::OtherFile))
}

/// Whether a server answers with the hash of an empty input for a file that has bytes.
fn is_of_nothing(value: &HashValue, question: &HashQuestion<'_>) -> bool {
    question.expected.is_some_and(|bytes| bytes > 0) && value.is_of_nothing()
}

async fn hash_by(link: &Link, route: HashRoute, question: &HashQuestion<'_>) -> Result<HashValue, NoHash> {
    let HashQuestion { path, handle, .. } = *question;
    let handle = handle.unwrap_or_default();
    match route {
        HashRoute::Md5HashHandle => {
            let query = md5_query(question.extent);
            md5_hash(link, ExtendedRequest::Md5HashHandle { handle, query }).await
        }
        HashRoute::Md5Hash => {
            let query = md5_query(question.extent);
            md5_hash(link, ExtendedRequest::Md5Hash { path, query }).await
        }
        HashRoute::CheckFileHandle => {
            let query = check_file_query(question);
            let request = ExtendedRequest::CheckFileHandle { handle, query };
            check_file(link, request, question.kind).await
        }
        HashRoute::CheckFileName => {
            let query = check_file_query(question);
            let request = ExtendedRequest::CheckFileName { path, query };
            check_file(link, request, question.kind).await
        }
        HashRoute::CheckFile => check_file_by_handle(link, question).await,
        HashRoute::Command | HashRoute::CommandHead => by_command(link, question).await,
    }
}

async fn by_command(link: &Link, question: &HashQuestion<'_>) -> Result<HashValue, NoHash> {
    let path = match question.path {
        [b'/', ..] => question.path.to_vec(),
        relative => link.realpath(relative).await.map_err(NoHash::Refused)?,
    };
    let (commands, transport) = (&link.commands, &*link.transport);
    let hash = match question.extent {
        Extent::First(length) => commands.head(transport, &path, length).await,
        _ => {
            commands
                .whole(transport, &path, question.expected.unwrap_or(0))
                .await
        }
    };
    let reason = match commands.is_useless() {
        true => NoHash::NoRoute,
        false => NoHash::NoLine,
    };
    hash.ok_or(reason)
}

async fn md5_hash(link: &Link, request: ExtendedRequest<'_>) -> Result<HashValue, NoHash> {
    let body = extended(link, request).await?;
    // An empty hash says that the server has computed none.
    let hash = Md5HashReply::decode(&body).ok().map(|reply| reply.hash);
    let value = hash.and_then(|hash| HashValue::new(HashKind::Md5, hash));
    value.ok_or(NoHash::Refused(RemoteError::UnexpectedReply("an MD5")))
}

async fn check_file(link: &Link, request: ExtendedRequest<'_>, kind: HashKind) -> Result<HashValue, NoHash> {
    let body = extended(link, request).await?;
    let value = check_file_reply(&body, kind);
    value.ok_or(NoHash::Refused(RemoteError::UnexpectedReply("a hash")))
}

async fn check_file_by_handle(link: &Link, question: &HashQuestion<'_>) -> Result<HashValue, NoHash> {
    let (own, query) = (question.handle, check_file_query(question));
    let opened = match own {
        Some(_) => None,
        None => Some(link.open_read(question.path).await.map_err(NoHash::Refused)?),
    };
    let file = own.or(opened.as_deref()).unwrap_or_default();
    let hash = check_file(link, ExtendedRequest::CheckFile { file, query }, question.kind).await;
    if let Some(opened) = &opened {
        // Nothing was written through the handle, so the reply does not matter.
        link.forget_handle(opened);
    }
    hash
}

async fn extended(link: &Link, request: ExtendedRequest<'_>) -> Result<bytes::Bytes, NoHash> {
    match link.channel.ask(&Request::Extended(request)).await {
        Ok(Reply::Extended(body)) => Ok(body),
        Ok(other) => Err(NoHash::Refused(RemoteError::from_reply(other, "a hash"))),
        Err(lost) => Err(NoHash::Refused(lost.into())),
    }
}

/// The range in a query. A length of 0 means all of the file.
struct QueryRange {
    offset: u64,
    length: u64,
}

impl QueryRange {
    fn of(extent: Extent) -> Self {
        match extent {
            Extent::Whole => Self { offset: 0, length: 0 },
            Extent::AllOf(length) | Extent::First(length) => Self { offset: 0, length },
            Extent::Part { offset, length } => Self { offset, length },
        }
    }
}

fn md5_query(extent: Extent) -> Md5Query<'static> {
    let QueryRange { offset, length } = QueryRange::of(extent);
    Md5Query {
        offset,
        length,
        // The whole range is wanted.
        quick_check: b"",
    }
}

/// The query for one hash of all bytes.
fn check_file_query(question: &HashQuestion<'_>) -> CheckFileQuery<'static> {
    let QueryRange { offset, length } = QueryRange::of(question.extent);
    CheckFileQuery {
        algorithms: question.kind.algorithm().name().as_bytes(),
        offset,
        length,
        block_size: 0,
    }
}

/// The hash in a reply to check-file, whose shape differs from server to server.
fn check_file_reply(reply: &[u8], kind: HashKind) -> Option<HashValue> {
    let algorithm = kind.algorithm();
    let name = algorithm.name().as_bytes();
    let (_, hashes) = CheckFileFormat::decode(reply, name, algorithm.length()).ok()?;
    match hashes[..] {
        [hash] => HashValue::new(kind, hash),
        _ => None,
    }
}

/// Collects the bytes at the beginning of a file.
#[derive(Default)]
struct HeadSink(Mutex<Vec<u8>>);

impl DataSink for HeadSink {
    fn bytes(&self, _offset: u64, bytes: &[u8]) {
        self.0.lock().extend_from_slice(bytes);
    }
}

/// Reads the first bytes of a file. `None`: it cannot be read.
async fn read_head(link: &Link, path: &[u8]) -> Result<Option<Vec<u8>>, ConnectionLost> {
    let handle = match link.open_read(path).await {
        Ok(handle) => handle,
        Err(RemoteError::ConnectionLost(lost)) => return Err(lost),
        Err(_) => return Ok(None),
    };
    let head = Arc::new(HeadSink::default());
    let sink: Arc<dyn DataSink> = Arc::clone(&head) as _;
    let (sender, mut completions) = mpsc::unbounded_channel();
    loop {
        let offset = head.0.lock().len() as u64;
        let left = u32::try_from(COMPARED_HEAD.saturating_sub(offset)).unwrap_or(0);
        let length = left.min(link.channel.limits.read);
        if length == 0 {
            break;
        }
        link.channel
            .read(&handle, ByteRange { offset, length }, &sink, &sender);
        match completions.recv().await.map(|completed| completed.ended) {
            Some(Completion::Data(1..)) => {}
            Some(Completion::Data(0) | Completion::Reply(_)) => break,
            Some(Completion::ConnectionLost) | None => return Err(link.channel.lost()),
        }
    }
    link.forget_handle(&handle);
    Ok(Some(std::mem::take(&mut *head.0.lock())))
}

#[cfg(test)]
mod tests {
    use sftp_wire::extension::CheckFileShape;

    use super::*;

    /// The layouts themselves are tested with the codec.
    #[test]
    fn a_reply_of_check_file_is_one_hash() {
        let check = |name: &[u8], hashes: &[u8], expected: Option<&[u8]>| {
            for shape in [
                CheckFileShape::Plain,
                CheckFileShape::Named,
                CheckFileShape::Strings,
            ] {
                let format = CheckFileFormat {
                    shape,
                    algorithm: name,
                    hash_length: 16,
                };
                let packet = format.reply(1, hashes);
                let Ok((1, Reply::Extended(body))) = Reply::decode(&packet[4..]) else {
                    panic!("{shape:?}")
                };
                let expected = expected.and_then(|hash| HashValue::new(HashKind::Md5, hash));
                assert_eq!(check_file_reply(body, HashKind::Md5), expected, "{shape:?}");
            }
        };
        check(b"md5", &[7; 16], Some(&[7; 16]));
        check(b"sha1", &[7; 16], None);
        check(b"md5", &[7; 15], None);
        check(b"md5", &[7; 32], None);
        check(b"md5", b"", None);
        assert_eq!(check_file_reply(&[0, 0, 0, 9, 1], HashKind::Md5), None);
        assert_eq!(check_file_reply(b"", HashKind::Md5), None);
    }
}
