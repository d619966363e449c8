//! MD5 of files on the server by the command `md5sum`, on a channel of its own beside the SFTP session.

use sftp_wire::StatusCode;

use super::Link;
use super::error::RemoteError;
use super::hash_methods::Md5;

/// The longest output of a command that is kept, in bytes: a hash and a path with every byte escaped.
const MAX_OUTPUT: usize = 16 << 10;
/// How long the first command may take.
const PROBE: std::time::Duration = std::time::Duration::from_secs(15);
/// The hash of an empty input, which `md5sum` is asked for first.
const MD5_OF_NOTHING: Md5 = *b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e";

/// Whether the server runs commands. It is asked once for a hash that is known in advance. A server that starts
/// another program instead (an SFTP server, a menu) is given the end of input and a time limit.
pub(super) async fn runs_commands(link: &Link) -> bool {
    let asking = async {
        let running = link.transport.run(b"md5sum".to_vec(), MAX_OUTPUT);
        let answer = tokio::time::timeout(PROBE, running).await;
        let hash = answer
            .ok()
            .and_then(Result::ok)
            .flatten()
            .as_deref()
            .and_then(md5sum_line);
        hash == Some(MD5_OF_NOTHING)
    };
    *link
        .failed_hash_methods
        .runs_commands
        .get_or_init(|| asking)
        .await
}

/// The MD5 of a file: of its first `length` bytes, or of all of it without a length. `Ok(None)`: a server without a
/// shell refuses the channel or the command, or prints something else.
pub(super) async fn md5sum(
    link: &Link,
    path: &[u8],
    length: Option<u64>,
) -> Result<Option<Md5>, RemoteError> {
    let path = quoted(&link.realpath(path).await?);
    let command = match length {
        None => [b"md5sum ", &path[..]].concat(),
        Some(length) => [format!("head -c {length} ").as_bytes(), &path, b" | md5sum"].concat(),
    };
    // Commands are known to run here, so the failure concerns this file.
    let cannot = || RemoteError::Refused {
        code: StatusCode::Failure,
        message: b"the server's md5sum cannot read it".to_vec(),
    };
    match link.transport.run(command, MAX_OUTPUT).await {
        Ok(output) => {
            let hash = output.as_deref().and_then(md5sum_line);
            match length {
                // A server that has md5sum need not have head and pipes.
                Some(_) => Ok(hash),
                None => hash.map(Some).ok_or_else(cannot),
            }
        }
        Err(_) if link.channel.is_lost() => Err(link.channel.lost().into()),
        Err(_) => Ok(None),
    }
}

/// The path as one word for a shell.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for byte in path {
        match byte {
            b'\'' => word.extend_from_slice(b"'\\''"),
            byte => word.push(*byte),
        }
    }
    word.push(b'\'');
    word
}

/// Reads a line `HASH  NAME` of coreutils' md5sum. A backslash stands before it if the name has been escaped.
fn md5sum_line(output: &[u8]) -> Option<Md5> {
    let line = output.strip_prefix(b"\\").unwrap_or(output);
    let (digits, rest) = line.split_at_checked(32)?;
    if !rest.starts_with(b" ") {
        return None;
    }
    let mut hash = [0; 16];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_md5sum_is_read() {
        let empty = Some(MD5_OF_NOTHING);
        for (line, hash) in [
            (&b"d41d8cd98f00b204e9800998ecf8427e  a file\n"[..], empty),
            (b"\\d41d8cd98f00b204e9800998ecf8427e  a\\nfile\n", empty),
            (b"d41d8cd98f00b204e9800998ecf8427e  -\n", empty),
            (b"d41d8cd98f00b204e9800998ecf8427", None),
            (b"z41d8cd98f00b204e9800998ecf8427e  -\n", None),
            (b"This service allows sftp connections only.\n", None),
            (b"", None),
        ] {
            assert_eq!(md5sum_line(line), hash);
        }
    }

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(quoted(b"it's $HOME"), b"'it'\\''s $HOME'");
    }
}
