//! Hashes of files on the server, by whatever route it has: the md5-hash extensions, else those of check-file, else the
//! command `md5sum`, else none. Each is tried on a real file, and what fails is remembered for the connection.

use sftp_wire::extension::{CheckFileFormat, CheckFileQuery, Md5HashReply, Md5Query};
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Reply, Request};

use super::Link;
use super::error::{Answered as _, ConnectionLost, RemoteError};
use super::hash::{Extent, HashKind, HashQuestion, HashValue, NoHash};
use super::hash_routes::{HashAnswer, HashRoute};

/// The hash of a file, by the best route that has it.
///
/// # Errors
/// When the connection is lost. All else is an answer.
pub async fn hash(link: &Link, question: &HashQuestion<'_>) -> Result<HashAnswer, ConnectionLost> {
    let (mut first_reason, mut ran_command) = (None, false);
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
        ran_command |= route.is_command();
        link.hash_routes.refused(route, &reason);
        let is_missing = matches!(&reason, NoHash::Refused(refused) if refused.is_missing());
        // The reason of the best route is the one that is shown.
        first_reason.get_or_insert(reason);
        if is_missing {
            break;
        }
    }
    if ran_command {
        check_connection(link).await?;
    }
    Ok(HashAnswer::CannotBeHad(first_reason.unwrap_or(NoHash::NoRoute)))
}

/// Checks that the connection is up, after a command has failed: the channel of a command may end before the others are
/// known to be lost.
async fn check_connection(link: &Link) -> Result<(), ConnectionLost> {
    // Any answer will do.
    link.realpath(b".").await.unless_refused().map(|_| ())
}

/// Whether there is any route for this algorithm, as far as that can be decided without a file.
///
/// # Errors
/// When the connection is lost.
pub async fn can_hash(link: &Link, kind: HashKind) -> Result<bool, ConnectionLost> {
    let usable = |route: &HashRoute| route.has(kind) && link.hash_routes.is_usable(*route);
    let extensions = HashRoute::ALL.into_iter().filter(|route| !route.is_command());
    if extensions
        .filter(usable)
        .any(|route| route.is_offered(&link.channel))
    {
        return Ok(true);
    }
    if !usable(&HashRoute::Command) {
        return Ok(false);
    }
    let runs = link.commands.runs(&*link.transport).await;
    if !runs {
        check_connection(link).await?;
    }
    Ok(runs)
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

/// Whether a server answers with the hash of an empty input for a file that has bytes.
fn is_of_nothing(value: &HashValue, question: &HashQuestion<'_>) -> bool {
    question.expected.is_some_and(|bytes| bytes > 0) && value.is_of_nothing()
}

pub(super) async fn hash_by(
    link: &Link,
    route: HashRoute,
    question: &HashQuestion<'_>,
) -> Result<HashValue, NoHash> {
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
