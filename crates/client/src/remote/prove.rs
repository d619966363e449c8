//! MD5 of files on the server, by whatever way it has: the md5-hash extension, else check-file, else the command
//! `md5sum`, else none. Which one is found out at the first question, and remembered for the connection.

use bytes::{Buf as _, Bytes};
use russh::ChannelMsg;

use super::failed::Failed;
use super::files::string;
use crate::link::{COMMANDS, Link};
use crate::packets::Reply;

/// The MD5 of bytes.
pub type Md5 = [u8; 16];

/// Longest output of a command that is kept: a hash and a path with every byte escaped.
const MAX_OUTPUT: usize = 16 << 10;

/// How long the first command may take.
const PROBE: std::time::Duration = std::time::Duration::from_secs(15);
/// What `md5sum` says of an empty input.
const MD5_OF_NOTHING: Md5 = *b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e";

/// A way to hash on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The extension of draft-ietf-secsh-filexfer-extensions, section 3.2.
    Md5Hash,
    /// Section 3 of the same, by this name.
    CheckFile(&'static str),
    /// A command by exec.
    Command,
}

/// All of them, the best first.
const WAYS: [Way; 4] = [
    Way::Md5Hash,
    Way::CheckFile("check-file-name"),
    Way::CheckFile("check-file"),
    Way::Command,
];

impl Way {
    fn is_offered(self, link: &Link) -> bool {
        match self {
            Self::Md5Hash => link.extension("md5-hash").is_some(),
            Self::CheckFile(name) => link.extension(name).is_some(),
            Self::Command => true,
        }
    }
}

impl Link {
    /// The MD5 of the first `length` bytes of a file; `None` for the length: of all of it. `Ok(None)`: this server cannot
    /// hash.
    ///
    /// # Errors
    /// When it can, but not this file; or the connection is lost.
    pub async fn md5(&self, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, Failed> {
        while let Some(way) = self.way().await {
            match self.md5_by(way, path, length).await {
                Ok(Some(hash)) => return Ok(Some(hash)),
                Err(failed) if !failed.is_unsupported() => return Err(failed),
                Ok(None) if way == Way::Command && length.is_some() => return Ok(None),
                Ok(None) | Err(_) => self.useless.add(way),
            }
        }
        Ok(None)
    }

    /// The best way that is not known to be useless.
    async fn way(&self) -> Option<Way> {
        for way in WAYS {
            if !way.is_offered(self) || self.useless.contains(way) {
                continue;
            }
            if way != Way::Command || self.runs_commands().await {
                return Some(way);
            }
        }
        None
    }

    /// Is there any way to hash, as far as can be told without a file?
    pub async fn can_hash(&self) -> bool {
        self.way().await.is_some()
    }

    /// The MD5 of a whole file, computed while other requests are answered: by a command, on a channel of its own.
    /// `Ok(None)`: that is not possible here.
    ///
    /// # Errors
    /// As [`Link::md5`].
    pub async fn md5_beside(&self, path: &[u8]) -> Result<Option<Md5>, Failed> {
        match !self.useless.contains(Way::Command) && self.runs_commands().await {
            true => self.md5sum(path, None).await,
            false => Ok(None),
        }
    }

    /// Asks once for something whose answer is known. What other servers start instead (an SFTP server, a menu) waits
    /// for input, which has ended, or goes on for ever, which is not waited for.
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
        *self.useless.runs_commands.get_or_init(|| asking).await
    }

    async fn md5_by(&self, way: Way, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, Failed> {
        match way {
            Way::Md5Hash => self.md5_hash(path, length).await,
            Way::CheckFile(name) => self.check_file(name, path, length).await,
            Way::Command => self.md5sum(path, length).await,
        }
    }

    /// Hashes by the handle of an open file, behind what was written to it: one round trip less. `None`: not offered.
    pub fn begin_md5_of_handle(&self, handle: &[u8]) -> Option<tokio::sync::oneshot::Receiver<Reply>> {
        const NAME: &str = "md5-hash-handle";
        self.extension(NAME)?;
        let mut body = Vec::new();
        string(&mut body, handle);
        range(&mut body, None);
        string(&mut body, b"");
        Some(self.begin(&crate::packets::Request::Extended {
            name: NAME,
            body: &body,
        }))
    }

    async fn md5_hash(&self, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, Failed> {
        let mut body = Vec::new();
        string(&mut body, path);
        range(&mut body, length);
        // No quick check: the whole range is wanted.
        string(&mut body, b"");
        match self.extended("md5-hash", &body).await? {
            Reply::Extended(reply) => Ok(md5_reply(reply)),
            other => Err(Failed::from_reply(other, "a hash")),
        }
    }

    async fn check_file(&self, name: &str, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, Failed> {
        let handle = match name {
            // The bare name takes a handle where it is implemented by that draft's first version, and a path elsewhere.
            "check-file" => Some(self.open_read(path).await?),
            _ => None,
        };
        let mut body = Vec::new();
        string(&mut body, handle.as_deref().unwrap_or(path));
        string(&mut body, b"md5");
        range(&mut body, length);
        // One hash for all of it.
        body.extend_from_slice(&0_u32.to_be_bytes());
        let reply = self.extended(name, &body).await;
        if let Some(handle) = handle {
            self.close_handle(&handle).await?;
        }
        match reply? {
            Reply::Extended(reply) => Ok(check_file_reply(reply)),
            // md5 is not among its algorithms, or it has no such request: not the file's fault, as it was looked at.
            other => match Failed::from_reply(other, "a hash") {
                failed if failed.is_missing() => Err(failed),
                _ => Ok(None),
            },
        }
    }

    /// By exec. A server without a shell refuses the channel or the command, or prints something else: then it cannot.
    async fn md5sum(&self, path: &[u8], length: Option<u64>) -> Result<Option<Md5>, Failed> {
        let path = match self.realpath(path).await {
            Ok(path) => quoted(&path),
            Err(failed) => return Err(failed),
        };
        let command = match length {
            None => [b"md5sum ", &path[..]].concat(),
            Some(length) => [format!("head -c {length} ").as_bytes(), &path, b" | md5sum"].concat(),
        };
        // That commands run here is known: whatever goes wrong concerns this file.
        let cannot = || Failed::Refused {
            code: 4,
            message: b"the server's md5sum cannot read it".to_vec(),
        };
        match self.run(command).await {
            Ok(output) => {
                let hash = output.as_deref().and_then(md5sum_line);
                match length {
                    // Not every server that has md5sum has head and pipes.
                    Some(_) => Ok(hash),
                    None => hash.map(Some).ok_or_else(cannot),
                }
            }
            Err(_) if self.is_lost() => Err(self.lost().into()),
            Err(_) => Ok(None),
        }
    }

    /// What a command prints; `None`: it failed.
    async fn run(&self, command: Vec<u8>) -> Result<Option<Vec<u8>>, russh::Error> {
        // The semaphore is never closed.
        let turn = self.commands.acquire().await;
        match self.channel().await {
            Ok(channel) => self.run_in(channel, command).await,
            // As many channels as it gives are open: it is tried again when no other command runs.
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
        // No command here reads any.
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

/// What was found out about a connection: ways that do not work there, and whether commands do.
#[derive(Debug, Default)]
pub struct Useless {
    ways: std::sync::Mutex<Vec<Way>>,
    runs_commands: tokio::sync::OnceCell<bool>,
}

impl Useless {
    fn ways(&self) -> std::sync::MutexGuard<'_, Vec<Way>> {
        self.ways
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn contains(&self, way: Way) -> bool {
        self.ways().contains(&way)
    }

    fn add(&self, way: Way) {
        self.ways().push(way);
    }
}

/// Start and length; both zero: the whole file.
fn range(body: &mut Vec<u8>, length: Option<u64>) {
    body.extend_from_slice(&0_u64.to_be_bytes());
    body.extend_from_slice(&length.unwrap_or(0).to_be_bytes());
}

fn text(reply: &mut Bytes) -> Option<Bytes> {
    let length = reply.try_get_u32().ok()? as usize;
    (length <= reply.len()).then(|| reply.split_to(length))
}

/// The echoed name, and the hash.
pub(crate) fn md5_reply(mut reply: Bytes) -> Option<Md5> {
    text(&mut reply)?;
    text(&mut reply)?.as_ref().try_into().ok()
}

/// Three layouts are in use: the algorithm and the raw hash; a string before them; the hash as a string.
fn check_file_reply(mut reply: Bytes) -> Option<Md5> {
    let mut name = text(&mut reply)?;
    if &name[..] != b"md5" {
        name = text(&mut reply)?;
    }
    if &name[..] != b"md5" {
        return None;
    }
    match reply.len() {
        20 => text(&mut reply)?.as_ref().try_into().ok(),
        _ => reply.as_ref().try_into().ok(),
    }
}

/// A word for a shell.
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

/// `HASH  NAME`, with a backslash before it if the name has been escaped (md5sum of coreutils).
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

    fn ssh_string(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        string(&mut out, bytes);
        out
    }

    #[test]
    fn each_layout_of_check_file_is_read() {
        let hash = [7_u8; 16];
        for reply in [
            [ssh_string(b"md5"), hash.to_vec()].concat(),
            [ssh_string(b"check-file"), ssh_string(b"md5"), hash.to_vec()].concat(),
            [ssh_string(b"check-file"), ssh_string(b"md5"), ssh_string(&hash)].concat(),
        ] {
            assert_eq!(check_file_reply(reply.into()), Some(hash));
        }
        for reply in [
            [ssh_string(b"sha1"), vec![7; 20]].concat(),
            [ssh_string(b"md5"), vec![7; 15]].concat(),
            ssh_string(b"md5"),
            vec![0, 0, 0, 9, 1],
        ] {
            assert_eq!(check_file_reply(reply.into()), None);
        }
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
