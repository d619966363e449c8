//! MD5 of files on the server, by whatever way it has: the md5-hash extension, else check-file, else the command
//! `md5sum`, else none. The first question finds out which, and that is remembered for the connection.

use sftp_wire::extension::{CheckFileFormat, CheckFileQuery, Md5HashReply, Md5Query};
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Extension, Reply, Request};

use super::Link;
use super::error::RemoteError;
use super::hash_methods::{HashMethod, Md5};
use super::md5sum::{md5sum, runs_commands};

/// The name of MD5 in check-file.
const ALGORITHM: &[u8] = b"md5";

/// All ways, the best first.
const HASH_METHODS: [HashMethod; 4] = [
    HashMethod::Md5Hash,
    HashMethod::CheckFileName,
    HashMethod::CheckFile,
    HashMethod::Command,
];

/// The MD5 of a file: of its first `length` bytes, or of all of it without a length. `Ok(None)`: this server cannot
/// hash.
///
/// # Errors
/// When the server can hash, but not this file; or the connection is lost.
pub async fn md5(link: &Link, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, RemoteError> {
    while let Some(method) = best_method(link).await {
        match md5_by(link, method, path, length).await {
            Ok(Some(hash)) => return Ok(Some(hash)),
            Err(failed) if !failed.is_unsupported() => return Err(failed),
            Ok(None) if method == HashMethod::Command && length.is_some() => return Ok(None),
            Ok(None) | Err(_) => link.failed_hash_methods.add(method),
        }
    }
    Ok(None)
}

/// Whether there is any way to hash, as far as that can be decided without a file.
pub async fn can_hash(link: &Link) -> bool {
    best_method(link).await.is_some()
}

/// The MD5 of a whole file, computed while other requests are answered: by a command, on a channel of its own.
/// `Ok(None)`: that is not possible here.
///
/// # Errors
/// Those of [`md5`].
pub async fn md5_meanwhile(link: &Link, path: &[u8]) -> Result<Option<Md5>, RemoteError> {
    match !link.failed_hash_methods.contains(HashMethod::Command) && runs_commands(link).await {
        true => md5sum(link, path, None).await,
        false => Ok(None),
    }
}

/// The best way that is not known to fail.
async fn best_method(link: &Link) -> Option<HashMethod> {
    for method in HASH_METHODS {
        if !is_offered(link, method) || link.failed_hash_methods.contains(method) {
            continue;
        }
        if method != HashMethod::Command || runs_commands(link).await {
            return Some(method);
        }
    }
    None
}

/// Whether the server says that it has this way. A command has to be tried.
fn is_offered(link: &Link, method: HashMethod) -> bool {
    match method {
        HashMethod::Md5Hash => link.channel.offers(Extension::Md5Hash),
        HashMethod::CheckFileName => link.channel.offers(Extension::CheckFileName),
        HashMethod::CheckFile => link.channel.offers(Extension::CheckFile),
        HashMethod::Command => true,
    }
}

async fn md5_by(
    link: &Link,
    method: HashMethod,
    path: &[u8],
    length: Option<u64>,
) -> Result<Option<Md5>, RemoteError> {
    match method {
        HashMethod::Md5Hash => md5_hash(link, path, length).await,
        HashMethod::CheckFileName => {
            let query = check_file_query(length);
            check_file(link, ExtendedRequest::CheckFileName { path, query }).await
        }
        HashMethod::CheckFile => check_file_by_handle(link, path, length).await,
        HashMethod::Command => md5sum(link, path, length).await,
    }
}

async fn md5_hash(link: &Link, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, RemoteError> {
    let query = md5_query(length);
    let request = ExtendedRequest::Md5Hash { path, query };
    match link.channel.ask(&Request::Extended(request)).await? {
        Reply::Extended(reply) => Ok(md5_reply(&reply)),
        other => Err(RemoteError::from_reply(other, "a hash")),
    }
}

async fn check_file_by_handle(
    link: &Link,
    path: &[u8],
    length: Option<u64>,
) -> Result<Option<Md5>, RemoteError> {
    let handle = link.open_read(path).await?;
    let query = check_file_query(length);
    let hash = check_file(link, ExtendedRequest::CheckFile { file: &handle, query }).await;
    link.close_handle(&handle).await?;
    hash
}

async fn check_file(link: &Link, request: ExtendedRequest<'_>) -> Result<Option<Md5>, RemoteError> {
    match link.channel.ask(&Request::Extended(request)).await? {
        Reply::Extended(reply) => Ok(check_file_reply(&reply)),
        // The server has no md5, or not this request. It is not about the file, unless that is missing.
        other => match RemoteError::from_reply(other, "a hash") {
            failed if failed.is_missing() => Err(failed),
            _ => Ok(None),
        },
    }
}

/// The query for the first `length` bytes, or for the whole file.
fn md5_query(length: Option<u64>) -> Md5Query<'static> {
    Md5Query {
        offset: 0,
        length: length.unwrap_or(0),
        // The whole range is wanted.
        quick_check: b"",
    }
}

/// The query for one hash of the first `length` bytes, or of the whole file.
fn check_file_query(length: Option<u64>) -> CheckFileQuery<'static> {
    CheckFileQuery {
        algorithms: ALGORITHM,
        offset: 0,
        length: length.unwrap_or(0),
        block_size: 0,
    }
}

/// The hash in a reply to md5-hash; `None` if the server has computed none.
fn md5_reply(reply: &[u8]) -> Option<Md5> {
    Md5HashReply::decode(reply).ok()?.hash.try_into().ok()
}

/// The hash in a reply to check-file, whose shape differs from server to server.
fn check_file_reply(reply: &[u8]) -> Option<Md5> {
    let (_, hashes) = CheckFileFormat::decode(reply, ALGORITHM, size_of::<Md5>()).ok()?;
    match hashes[..] {
        [hash] => hash.try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sftp_wire::extension::CheckFileShape;

    use super::*;

    /// The layouts themselves are tested with the codec.
    #[test]
    fn a_reply_of_check_file_is_one_md5() {
        let check = |algorithm: &[u8], hashes: &[u8], expected: Option<Md5>| {
            for shape in [
                CheckFileShape::Plain,
                CheckFileShape::Named,
                CheckFileShape::Strings,
            ] {
                let format = CheckFileFormat {
                    shape,
                    algorithm,
                    hash_length: 16,
                };
                let packet = format.reply(1, hashes);
                let Ok((1, Reply::Extended(body))) = Reply::decode(&packet[4..]) else {
                    panic!("{shape:?}")
                };
                assert_eq!(check_file_reply(body), expected, "{shape:?}");
            }
        };
        check(b"md5", &[7; 16], Some([7; 16]));
        check(b"sha1", &[7; 16], None);
        check(b"md5", &[7; 15], None);
        check(b"md5", &[7; 32], None);
        check(b"md5", b"", None);
        assert_eq!(check_file_reply(&[0, 0, 0, 9, 1]), None);
        assert_eq!(check_file_reply(b""), None);
    }
}
