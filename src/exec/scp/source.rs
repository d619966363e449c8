//! `scp -f`: sends the files and directories that the client requests.

use bytes::Bytes;

use super::options::ScpOptions;
use super::peer::{ScpAbort, ScpPeer};
use crate::exec::command_file::{CommandFile, TransferEnd};
use crate::exec::home_session::HomeSession;
use crate::exec::listing::NameListing;
use crate::exec::reason::reason;
use crate::session::budget::Descriptor;
use crate::session::memory::{MemoryCharge, TOO_MUCH_HELD};
use crate::storage::{DirEntry, FileKind, InodeId, Metadata, OpenHow};
use base::buffer::{BUFFER_SIZE, Buffer, FilledBuffer};

/// The most levels of directories that are sent, since each level keeps a directory open.
const MAX_DEPTH: usize = 256;
/// OpenSSH's limit for a name with its directories, in bytes.
const MAX_NAME: usize = 4096;

/// The memory of a directory that is being sent: its name, the names that are read at once, and entries.
const LEVEL_COST: usize = MAX_NAME + 48 * 1024;

/// A directory that is being sent.
struct SentDirectory {
    name: Vec<u8>,
    inode: InodeId,
    stream: Option<NameListing>,
    /// Entries that were read and are not sent yet.
    entries: Vec<DirEntry>,
    _descriptor: Descriptor,
    _memory: MemoryCharge,
}

/// Sends the files and directories that the client has requested.
pub(super) async fn run(
    home: &mut HomeSession,
    peer: &mut ScpPeer<'_>,
    options: &ScpOptions,
    names: &[Vec<u8>],
    whole: Option<Vec<u8>>,
) -> Result<(), ScpAbort> {
    // The client says that it is ready. Continue whatever it says, unless it ends the transfer.
    peer.answer().await?;
    let mut source = ScpSource { home, peer, options };
    for name in source.requested_names(names, whole).await {
        source.send(name).await?;
    }
    Ok(())
}

struct ScpSource<'a, 'b> {
    home: &'a HomeSession,
    peer: &'a mut ScpPeer<'b>,
    options: &'a ScpOptions,
}

impl ScpSource<'_, '_> {
    /// Returns the names that the client requests: if none of the words exists, but all of them joined do, the name was
    /// not quoted.
    async fn requested_names(&self, names: &[Vec<u8>], whole: Option<Vec<u8>>) -> Vec<Vec<u8>> {
        if let (true, Some(whole)) = (names.len() > 1, whole)
            && self.home.stat(&whole).await.is_ok()
        {
            let mut any = false;
            for name in names {
                any |= self.home.stat(name).await.is_ok();
            }
            if !any {
                return vec![whole];
            }
        }
        names.to_vec()
    }

    /// Sends a file, or a directory with its contents.
    async fn send(&mut self, name: Vec<u8>) -> Result<(), ScpAbort> {
        let mut levels: Vec<SentDirectory> = Vec::new();
        // The inodes of the directories detect a link that leads back.
        let mut above: Vec<InodeId> = Vec::new();
        if let Some(level) = self.file_or_directory(name, &above).await? {
            above.push(level.inode);
            levels.push(level);
        }
        while let Some(level) = levels.last_mut() {
            match self.next(level).await? {
                Some(entry) => {
                    let name = [&level.name, &b"/"[..], &entry.name].concat();
                    if let Some(deeper) = self.file_or_directory(name, &above).await? {
                        above.push(deeper.inode);
                        levels.push(deeper);
                    }
                }
                None => {
                    levels.pop();
                    above.pop();
                    self.peer.send(&b"E\n"[..]).await?;
                    self.peer.answer().await?;
                }
            }
        }
        Ok(())
    }

    /// Returns the next entry of a directory.
    async fn next(&mut self, level: &mut SentDirectory) -> Result<Option<DirEntry>, ScpAbort> {
        if level.entries.is_empty()
            && let Some(stream) = level.stream.take()
        {
            match self.home.entries(stream).await {
                Ok((_, entries)) if entries.is_empty() => {}
                Ok((stream, mut entries)) => {
                    entries.reverse();
                    level.entries = entries;
                    level.stream = Some(stream);
                }
                Err(error) => self.peer.error_about(&level.name, &reason(error)).await?,
            }
        }
        Ok(level.entries.pop())
    }

    /// Sends a file, or begins a directory.
    async fn file_or_directory(
        &mut self,
        name: Vec<u8>,
        above: &[InodeId],
    ) -> Result<Option<SentDirectory>, ScpAbort> {
        let name = match name.iter().rposition(|&b| b != b'/') {
            Some(last) => name.get(..=last).unwrap_or_default().to_vec(),
            // `/` is the home.
            None => b"/".to_vec(),
        };
        if name.len() >= MAX_NAME {
            self.peer.error_about(&name, "name too long").await?;
            return Ok(None);
        }
        match self.home.stat(&name).await {
            Ok(meta) if meta.kind == FileKind::File => {
                self.file(&name).await?;
                Ok(None)
            }
            Ok(meta) if meta.kind == FileKind::Directory && self.options.recursive => {
                self.directory(name, &meta, above).await
            }
            Ok(_) => {
                self.peer.error_about(&name, "not a regular file").await?;
                Ok(None)
            }
            Err(error) => {
                self.peer.error_about(&name, &reason(error)).await?;
                Ok(None)
            }
        }
    }

    async fn directory(
        &mut self,
        name: Vec<u8>,
        meta: &Metadata,
        above: &[InodeId],
    ) -> Result<Option<SentDirectory>, ScpAbort> {
        if above.contains(&meta.inode) {
            self.peer
                .error_about(&name, "a link that leads back to a directory above it")
                .await?;
            return Ok(None);
        }
        if above.len() >= MAX_DEPTH {
            self.peer.error_about(&name, "the directory is too deep").await?;
            return Ok(None);
        }
        let budget = &self.home.context.budget;
        let mut memory = MemoryCharge::nothing(&budget.memory);
        let room = match budget.descriptor() {
            Ok(_) if !memory.grow(LEVEL_COST) => Err(TOO_MUCH_HELD.to_owned()),
            Ok(descriptor) => Ok(descriptor),
            Err(exhausted) => Err(exhausted.to_string()),
        };
        let opened = match room {
            Ok(descriptor) => self.open_dir(&name).await.map(|stream| (stream, descriptor)),
            Err(why) => Err(why),
        };
        let (stream, descriptor) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                self.peer.error_about(&name, &why).await?;
                return Ok(None);
            }
        };
        if !self.times(meta).await? {
            return Ok(None);
        }
        let header = [
            format!("D{:04o} 0 ", meta.mode & 0o7777).as_bytes(),
            &shown(&name),
            b"\n",
        ]
        .concat();
        self.peer.send(header).await?;
        if !self.peer.answer().await? {
            return Ok(None);
        }
        Ok(Some(SentDirectory {
            name,
            inode: meta.inode,
            stream: Some(stream),
            entries: Vec::new(),
            _descriptor: descriptor,
            _memory: memory,
        }))
    }

    async fn open_dir(&self, name: &[u8]) -> Result<NameListing, String> {
        let path = self.home.path(name).map_err(reason)?;
        let opened = self.home.open_dir(&path).await;
        opened.map_err(|error| self.home.refused(&path, error))
    }

    /// Sends a `T` record, if times were requested; returns whether the client continues with this file.
    async fn times(&mut self, meta: &Metadata) -> Result<bool, ScpAbort> {
        if !self.options.preserve {
            return Ok(true);
        }
        let line = format!("T{} 0 {} 0\n", meta.mtime.max(0), meta.atime.max(0));
        self.peer.send(line).await?;
        self.peer.answer().await
    }

    async fn file(&mut self, name: &[u8]) -> Result<(), ScpAbort> {
        let (opened, meta) = match self.open(name).await {
            Ok(found) => found,
            Err(why) => return self.peer.error_about(name, &why).await,
        };
        if !self.times(&meta).await? {
            return Ok(());
        }
        let header = format!("C{:04o} {} ", meta.mode & 0o7777, meta.size);
        self.peer
            .send([header.as_bytes(), &shown(name), b"\n"].concat())
            .await?;
        if !self.peer.answer().await? {
            return Ok(());
        }
        match self.bytes(opened, meta.size).await? {
            Ok(()) => self.peer.ok().await?,
            Err(why) => self.peer.error_about(name, &why).await?,
        }
        self.peer.answer().await?;
        Ok(())
    }

    async fn open(&self, name: &[u8]) -> Result<(CommandFile, Metadata), String> {
        let path = self.home.path(name).map_err(reason)?;
        let read = OpenHow {
            read: true,
            ..OpenHow::default()
        };
        let opened = self.home.open(&path, read).await;
        let opened = opened.map_err(|error| self.home.refused(&path, error))?;
        let file = opened.file().map_err(reason)?;
        let stat = self.home.call_on(file, |file, _wait| file.stat());
        let meta = stat.await.map_err(reason)?;
        Ok((opened, meta))
    }

    /// Sends exactly this many bytes, even if reading fails, because the client waits for them.
    async fn bytes(&mut self, mut opened: CommandFile, size: u64) -> Result<Result<(), String>, ScpAbort> {
        let mut outcome = Ok(());
        let mut offset = 0;
        while offset < size {
            let rest = usize::try_from(size - offset).map_or(BUFFER_SIZE, |rest| rest.min(BUFFER_SIZE));
            self.peer.sent.pay().await;
            // Read only when the bytes can be sent, since many commands may wait for their clients.
            let room = self.peer.io.output.room(rest).await?;
            let wanted = room.bytes;
            let read = match outcome {
                Ok(()) => self.read(&opened, offset, wanted).await,
                Err(_) => Ok((Buffer::take(), 0)),
            };
            let (mut buffer, count) = read.unwrap_or_else(|why| {
                outcome = Err(why);
                (Buffer::take(), 0)
            });
            opened.note_read(count, offset);
            if outcome.is_ok() && count < wanted {
                outcome = Err("the file has become shorter".to_owned());
            }
            buffer.get_mut(count..wanted).unwrap_or_default().fill(0);
            let bytes = Bytes::from_owner(FilledBuffer::new(buffer, wanted));
            self.peer.io.output.send_into(room, bytes).await?;
            self.peer.sent.add(wanted);
            offset += wanted as u64;
        }
        opened.note_end(match outcome {
            Ok(()) => TransferEnd::Complete,
            Err(_) => TransferEnd::Failed,
        });
        Ok(outcome)
    }

    async fn read(
        &self,
        opened: &CommandFile,
        offset: u64,
        wanted: usize,
    ) -> Result<(Buffer, usize), String> {
        let file = opened.file().map_err(reason)?;
        self.home
            .call_on(file, move |file, wait| {
                let mut buffer = Buffer::take();
                let room = buffer.get_mut(..wanted).unwrap_or_default();
                let count = file.read_at(room, offset, wait)?;
                Ok((buffer, count))
            })
            .await
            .map_err(reason)
    }
}

/// Returns the last component, on one line.
fn shown(name: &[u8]) -> Vec<u8> {
    let last = name.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let last = if last.is_empty() { b"." } else { last };
    // strnvis(3) encodes it in the same way with VIS_NL.
    last.iter()
        .flat_map(|&b| match b {
            b'\n' => b"\\^J".to_vec(),
            plain => vec![plain],
        })
        .collect()
}
