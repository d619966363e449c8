//! MD5 of files on the server, by whatever way it has: the md5-hash extension, else check-file, else the command
//! `md5sum`, else none. The first question finds out which, and that is remembered for the connection.

use russh::ChannelMsg;
use sftp_wire::extension::{CheckFileFormat, CheckFileQuery, Md5HashReply, Md5Query};
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Extension, Reply, Request, StatusCode};

use super::channel::{COMMANDS, Link};
use super::error::RemoteError;
use super::hash_methods::HashMethod;

/// The MD5 of some bytes.
pub type Md5 = [u8; 16];
/// The name of MD5 in check-file.
const ALGORITHM: &[u8] = b"md5";

/// The longest output of a command that is kept, in bytes: a hash and a path with every byte escaped.
const MAX_OUTPUT: usize = 16 << 10;

/// How long the first command may take.
const PROBE: std::time::Duration = std::time::Duration::from_secs(15);
/// The hash of an empty input, which `md5sum` is asked for first.
const MD5_OF_NOTHING: Md5 = *b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e";

/// All ways, the best first.
const HASH_METHODS: [HashMethod; 4] = [
    HashMethod::Md5Hash,
    HashMethod::CheckFileName,
    HashMethod::CheckFile,
    HashMethod::Command,
];

/// Whether the server says that it has this way. A command has to be tried.
fn is_offered(method: HashMethod, link: &Link) -> bool {
    match method {
        HashMethod::Md5Hash => link.offers(Extension::Md5Hash),
        HashMethod::CheckFileName => link.offers(Extension::CheckFileName),
        HashMethod::CheckFile => link.offers(Extension::CheckFile),
        HashMethod::Command => true,
    }
}

impl Link {
    /// The MD5 of a file: of its first `length` bytes, or of all of it without a length. `Ok(None)`: this server cannot
    /// hash.
    ///
    /// # Errors
    /// When the server can hash, but not this file; or the connection is lost.
    pub async fn md5(&self, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, RemoteError> {
        while let Some(method) = self.method().await {
            match self.md5_by(method, path, length).await {
                Ok(Some(hash)) => return Ok(Some(hash)),
                Err(failed) if !failed.is_unsupported() => return Err(failed),
                Ok(None) if method == HashMethod::Command && length.is_some() => return Ok(None),
                Ok(None) | Err(_) => self.failed_hash_methods.add(method),
            }
        }
        Ok(None)
    }

    /// The best way that is not known to fail.
    async fn method(&self) -> Option<HashMethod> {
        for method in HASH_METHODS {
            if !is_offered(method, self) || self.failed_hash_methods.contains(method) {
                continue;
            }
            if method != HashMethod::Command || self.runs_commands().await {
                return Some(method);
            }
        }
        None
    }

    /// Whether there is any way to hash, as far as that can be decided without a file.
    pub async fn can_hash(&self) -> bool {
        self.method().await.is_some()
    }

    /// The MD5 of a whole file, computed while other requests are answered: by a command, on a channel of its own.
    /// `Ok(None)`: that is not possible here.
    ///
    /// # Errors
    /// Those of [`Link::md5`].
    pub async fn md5_meanwhile(&self, path: &[u8]) -> Result<Option<Md5>, RemoteError> {
        match !self.failed_hash_methods.contains(HashMethod::Command) && self.runs_commands().await {
            true => self.md5sum(path, None).await,
            false => Ok(None),
        }
    }

    /// Whether the server runs commands. It is asked once for a hash that is known in advance. A server that starts
    /// another program instead (an SFTP server, a menu) is given the end of input and a time limit.
    async fn runs_commands(&self) -> bool {
        let asking = async {
            let answer = tokio::time::timeout(PROBE, self.run(b"md5sum".to_vec())).await;
            let hash = answer
                .ok()
                .and_then(Result::ok)
                .flatten()
                .as_deref()
                .and_then(md5sum_line);
            hash == Some(MD5_OF_NOTHING)
        };
        *self
            .failed_hash_methods
            .runs_commands
            .get_or_init(|| asking)
            .await
    }

    async fn md5_by(
        &self,
        method: HashMethod,
        path: &[u8],
        length: Option<u64>,
    ) -> Result<Option<Md5>, RemoteError> {
        match method {
            HashMethod::Md5Hash => self.md5_hash(path, length).await,
            HashMethod::CheckFileName => {
                let query = check_file_query(length);
                self.check_file(ExtendedRequest::CheckFileName { path, query })
                    .await
            }
            HashMethod::CheckFile => self.check_file_by_handle(path, length).await,
            HashMethod::Command => self.md5sum(path, length).await,
        }
    }

    async fn md5_hash(&self, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, RemoteError> {
        let query = md5_query(length);
        let request = ExtendedRequest::Md5Hash { path, query };
        match self.ask(&Request::Extended(request)).await? {
            Reply::Extended(reply) => Ok(md5_reply(&reply)),
            other => Err(RemoteError::from_reply(other, "a hash")),
        }
    }

    async fn check_file_by_handle(
        &self,
        path: &[u8],
        length: Option<u64>,
    ) -> Result<Option<Md5>, RemoteError> {
        let handle = self.open_read(path).await?;
        let query = check_file_query(length);
        let hash = self
            .check_file(ExtendedRequest::CheckFile { file: &handle, query })
            .await;
        self.close_handle(&handle).await?;
        hash
    }

    async fn check_file(&self, request: ExtendedRequest<'_>) -> Result<Option<Md5>, RemoteError> {
        match self.ask(&Request::Extended(request)).await? {
            Reply::Extended(reply) => Ok(check_file_reply(&reply)),
            // The server has no md5, or not this request. It is not about the file, unless that is missing.
            other => match RemoteError::from_reply(other, "a hash") {
                failed if failed.is_missing() => Err(failed),
                _ => Ok(None),
            },
        }
    }

    /// Hashes by the command `md5sum`. A server without a shell refuses the channel or the command, or prints something
    /// else: then it cannot.
    async fn md5sum(&self, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, RemoteError> {
        let path = match self.realpath(path).await {
            Ok(path) => quoted(&path),
            Err(failed) => return Err(failed),
        };
        let command = match length {
            None => [b"md5sum ", &path[..]].concat(),
            Some(length) => [format!("head -c {length} ").as_bytes(), &path, b" | md5sum"].concat(),
        };
        // Commands are known to run here, so the failure concerns this file.
        let cannot = || RemoteError::Refused {
            code: StatusCode::Failure,
            message: b"the server's md5sum cannot read it".to_vec(),
        };
        match self.run(command).await {
            Ok(output) => {
                let hash = output.as_deref().and_then(md5sum_line);
                match length {
                    // A server that has md5sum need not have head and pipes.
                    Some(_) => Ok(hash),
                    None => hash.map(Some).ok_or_else(cannot),
                }
            }
            Err(_) if self.is_lost() => Err(self.lost().into()),
            Err(_) => Ok(None),
        }
    }

    /// Runs a command, and returns what it prints. `None`: it failed.
    async fn run(&self, command: Vec<u8>) -> Result<Option<Vec<u8>>, russh::Error> {
        // The semaphore is never closed.
        let turn = self.commands.acquire().await;
        match self.channel().await {
            Ok(channel) => self.run_in(channel, command).await,
            // The server allows no more channels: try again when no other command runs.
            Err(russh::Error::ChannelOpenFailure(_)) => {
                drop(turn);
                let _all = self.commands.acquire_many(COMMANDS).await;
                self.run_in(self.channel().await?, command).await
            }
            Err(error) => Err(error),
        }
    }

    async fn run_in(
        &self,
        mut channel: russh::Channel<russh::client::Msg>,
        command: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, russh::Error> {
        channel.exec(true, command).await?;
        // No command here reads input.
        channel.eof().await?;
        let (mut output, mut code) = (Vec::new(), None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } if output.len() + data.len() <= MAX_OUTPUT => {
                    output.extend_from_slice(&data);
                }
                ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                ChannelMsg::Failure => return Ok(None),
                _ => {}
            }
        }
        Ok((code == Some(0)).then_some(output))
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
