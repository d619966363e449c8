//! `scp -t`: receives what the client sends, and writes it to the home.

use bytes::Bytes;

use super::options::ScpOptions;
use super::peer::{MAX_LINE, ScpAbort, ScpPeer};
use super::record::{self, Record, UNEXPECTED, is_name};
use crate::domain::event::{Event, SizeChange};
use crate::domain::path::VirtualPath;
use crate::exec::command_file::{CommandFile, TransferEnd};
use crate::exec::home_session::HomeSession;
use crate::exec::reason::reason;
use crate::session::memory::TOO_MUCH_HELD;
use crate::session::stream::input::InputLine;
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error, FileKind, FileTimes, Links, OpenHow, SetAttrs, Wait};

/// The most bytes that are written in one call.
const PIECE: usize = 256 * 1024;

/// Returns the memory that a directory costs while the client is in it.
fn level_cost(name: &[u8]) -> usize {
    size_of::<ReceivedDirectory>() + name.len()
}

/// A directory that the client has entered.
struct ReceivedDirectory {
    /// The name by which the client refers to it.
    name: Vec<u8>,
    /// Whether `name` is a directory, and not the name of the next entry.
    is_directory: bool,
    /// The attributes to set when the client leaves the directory.
    later: SetAttrs,
}

/// Receives the files and directories that the client sends.
pub(super) async fn run(
    home: &mut HomeSession,
    peer: &mut ScpPeer<'_>,
    options: &ScpOptions,
    names: &[Vec<u8>],
    whole: Option<Vec<u8>>,
) -> Result<(), ScpAbort> {
    let target = match (names, whole) {
        ([one], _) => one.clone(),
        // There is only one target, so a line with several words was not quoted.
        (_, Some(whole)) => whole,
        _ => return peer.fatal(b"ambiguous target").await,
    };
    let is_directory = match home.stat(&target).await {
        Ok(meta) if meta.kind == FileKind::Directory => true,
        Ok(_) if options.directory => {
            return peer.fatal(&[&target, &b": Not a directory"[..]].concat()).await;
        }
        Err(error) if options.directory => {
            let why = reason(error);
            return peer.fatal(&[&target, &b": "[..], why.as_bytes()].concat()).await;
        }
        Ok(_) | Err(_) => false,
    };
    let mut sink = ScpSink {
        home,
        peer,
        options,
        levels: vec![ReceivedDirectory {
            name: target,
            is_directory,
            later: SetAttrs::default(),
        }],
        times: None,
        first: true,
    };
    sink.peer.ok().await?;
    while sink.record().await? {}
    Ok(())
}

struct ScpSink<'a, 'b> {
    home: &'a HomeSession,
    peer: &'a mut ScpPeer<'b>,
    options: &'a ScpOptions,
    levels: Vec<ReceivedDirectory>,
    times: Option<FileTimes>,
    /// Whether no record has arrived yet.
    first: bool,
}

impl ScpSink<'_, '_> {
    /// Processes one record; returns `false` at the end.
    async fn record(&mut self) -> Result<bool, ScpAbort> {
        let line = match self.peer.io.input.line(MAX_LINE).await? {
            InputLine::Whole(line) => line,
            // In the middle of a directory this is too early, but OpenSSH accepts it.
            InputLine::End => return Ok(false),
            InputLine::Cut => return self.protocol_error("a record that has no end").await,
        };
        match record::parse(&line) {
            Ok(Record::Times(times)) => {
                self.times = Some(times);
                self.peer.ok().await?;
            }
            Ok(Record::File { mode, size, name }) => {
                let name = self.name_of(name).await?;
                self.file(name, mode, size).await?;
            }
            Ok(Record::Directory { mode, name }) => {
                if !self.options.recursive {
                    return self.protocol_error("received directory without -r").await;
                }
                let name = self.name_of(name).await?;
                self.directory(name, mode).await?;
            }
            Ok(Record::Up) => return self.up().await,
            Ok(Record::Warning) => self.peer.errors += 1,
            Ok(Record::Fatal) => return Err(ScpAbort::Failed),
            // A message that a shell prints before scp is started arrives this way.
            Err(UNEXPECTED) if self.first => return self.peer.fatal(&line).await.map(|()| false),
            Err(why) => return self.protocol_error(why).await,
        }
        self.first = false;
        Ok(true)
    }

    async fn protocol_error(&mut self, why: &str) -> Result<bool, ScpAbort> {
        let sentence = format!("protocol error: {why}");
        self.peer.fatal(sentence.as_bytes()).await?;
        Ok(false)
    }

    /// Returns the path that a record's name stands for.
    async fn name_of(&mut self, name: &[u8]) -> Result<Vec<u8>, ScpAbort> {
        if !is_name(name) {
            let sentence = [b"error: unexpected filename: ", name].concat();
            self.peer.fatal(&sentence).await?;
        }
        Ok(match self.levels.last() {
            Some(level) if level.is_directory && level.name.ends_with(b"/") => [&level.name, name].concat(),
            Some(level) if level.is_directory => [&level.name, &b"/"[..], name].concat(),
            Some(level) => level.name.clone(),
            None => name.to_vec(),
        })
    }

    async fn directory(&mut self, name: Vec<u8>, mode: u32) -> Result<(), ScpAbort> {
        let times = self.times.take();
        if !self.home.charge_memory(level_cost(&name)) {
            return self.peer.error_about(&name, TOO_MUCH_HELD).await;
        }
        match self.make_directory(&name, mode).await {
            Ok(()) => {
                // Without -p, the umask applies to new files and directories.
                let later_mode = self.options.preserve.then_some(mode & 0o777);
                self.levels.push(ReceivedDirectory {
                    name,
                    is_directory: true,
                    later: SetAttrs {
                        permissions: later_mode,
                        times,
                        ..SetAttrs::default()
                    },
                });
                self.home.context.unsaved.saved().await;
                self.peer.ok().await
            }
            Err(why) => {
                self.home.release_memory(level_cost(&name));
                self.peer.error_about(&name, &why).await
            }
        }
    }

    /// Creates a directory, unless it exists.
    async fn make_directory(&self, name: &[u8], mode: u32) -> Result<(), String> {
        match self.home.stat(name).await {
            Ok(meta) if meta.kind == FileKind::Directory => return Ok(()),
            Ok(_) => return Err("Not a directory".to_owned()),
            Err(_) => {}
        }
        let path = self.home.path(name).map_err(reason)?;
        let wanted = path.clone();
        self.home
            .call(CallPath::Name(&path), move |storage, wait| {
                storage.mkdir(&wanted, mode & 0o777 | 0o700, wait)
            })
            .await
            .map_err(|error| self.home.refused(&path, error))?;
        self.home.context.emit(|who| Event::DirectoryMade { who, path });
        Ok(())
    }

    /// Leaves a directory; returns `false` at the end.
    async fn up(&mut self) -> Result<bool, ScpAbort> {
        if self.levels.len() <= 1 {
            self.peer.ok().await?;
            return Ok(false);
        }
        let Some(level) = self.levels.pop() else {
            return Ok(false);
        };
        self.home.release_memory(level_cost(&level.name));
        if level.later != SetAttrs::default()
            && let Err(why) = self.set_attrs(&level.name, level.later).await
        {
            self.peer.error_about(&level.name, &why).await?;
            return Ok(true);
        }
        self.peer.ok().await?;
        Ok(true)
    }

    async fn set_attrs(&self, name: &[u8], attrs: SetAttrs) -> Result<(), String> {
        let path = self.home.path(name).map_err(reason)?;
        let wanted = path.clone();
        self.home
            .call(CallPath::Name(&path), move |storage, _wait| {
                storage.set_attrs(&wanted, &attrs, Links::Follow)
            })
            .await
            .map_err(|error| self.home.refused(&path, error))?;
        self.home.context.attributes_changed(&path, &attrs, None);
        Ok(())
    }

    async fn file(&mut self, name: Vec<u8>, mode: u32, size: u64) -> Result<(), ScpAbort> {
        let times = self.times.take();
        let mut received = match self.open(&name, mode).await {
            Ok(received) => received,
            Err(why) => return self.peer.error_about(&name, &why).await,
        };
        self.peer.ok().await?;
        let mut outcome = self.receive(&mut received, size).await?;
        // This precedes the client's confirmation that it has read everything: libssh2 never sends it, and disconnects.
        if outcome.is_ok() {
            outcome = self.finish(&mut received, mode, size, times).await;
            received.opened.note_finished();
        }
        if outcome.is_err() {
            received.opened.note_end(TransferEnd::Failed);
        }
        drop(received);
        // The client says whether it could read all of the file. If not, it has told its user, and still waits for our
        // response.
        self.peer.answer().await?;
        match outcome {
            Ok(()) => {
                self.home.context.unsaved.saved().await;
                self.peer.ok().await
            }
            Err(why) => self.peer.error_about(&name, &why).await,
        }
    }

    async fn open(&self, name: &[u8], mode: u32) -> Result<ReceivedFile, String> {
        let path = self.home.path(name).map_err(reason)?;
        let existed = self.home.stat(name).await.is_ok();
        let how = OpenHow {
            write: true,
            create: true,
            mode: Some(mode & 0o777 | 0o200),
            ..OpenHow::default()
        };
        let opened = self
            .home
            .open(&path, how)
            .await
            .map_err(|error| self.home.refused(&path, error))?;
        let chosen_modes = self.home.has_chosen_modes();
        Ok(ReceivedFile {
            opened,
            path,
            existed,
            chosen_modes,
        })
    }

    /// Reads all bytes of a file, even if they cannot be written, because the client sends them anyway.
    async fn receive(
        &mut self,
        received: &mut ReceivedFile,
        size: u64,
    ) -> Result<Result<(), String>, ScpAbort> {
        let mut outcome = Ok(());
        let mut offset = 0;
        while offset < size {
            let most = usize::try_from(size - offset).map_or(PIECE, |rest| rest.min(PIECE));
            // As long as nothing is read, the client's window stays shut.
            self.peer.received.pay().await;
            let bytes = self.peer.io.input.take(most).await?;
            self.peer.received.add(bytes.len());
            if bytes.is_empty() {
                self.peer.fatal(b"dropped connection").await?;
            }
            let length = bytes.len();
            if outcome.is_ok() {
                outcome = self.write(received, bytes, offset).await;
            }
            offset += length as u64;
        }
        Ok(outcome)
    }

    async fn write(&self, received: &mut ReceivedFile, bytes: Bytes, offset: u64) -> Result<(), String> {
        let file = received.opened.file().map_err(reason)?;
        let written = bytes.clone();
        self.home
            .call_on(file, move |file, wait| file.write_at(&bytes, offset, wait))
            .await
            .map_err(|error| self.home.refused(&received.path, error))?;
        received.opened.note_written(&written, offset);
        Ok(())
    }

    /// Sets size, mode and times, and flushes the file as configured.
    async fn finish(
        &self,
        received: &mut ReceivedFile,
        mode: u32,
        size: u64,
        times: Option<FileTimes>,
    ) -> Result<(), String> {
        let file = received.opened.file().map_err(reason)?;
        let preserve = self.options.preserve;
        let existed = received.existed;
        let chosen_modes = received.chosen_modes;
        let attrs = SetAttrs {
            permissions: preserve.then_some(mode & 0o777),
            times,
            ..SetAttrs::default()
        };
        let size_before = self
            .home
            .call_on(file, move |file, wait| {
                let now = file.stat()?;
                if now.size != size {
                    if wait != Wait::Allowed {
                        // Cutting a large file may take long.
                        return Err(Error::WouldBlock);
                    }
                    file.set_attrs(&SetAttrs {
                        size: Some(size),
                        ..SetAttrs::default()
                    })?;
                }
                if attrs != SetAttrs::default() {
                    file.set_attrs(&attrs)?;
                } else if !existed && mode & 0o200 == 0 && chosen_modes {
                    // The file was made writable only for writing. If the user may not change modes, it stays so.
                    let made = SetAttrs {
                        permissions: Some(now.mode & 0o777 & !0o200),
                        ..SetAttrs::default()
                    };
                    match file.set_attrs(&made) {
                        Ok(()) | Err(Error::Forbidden(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                file.finish(wait)?;
                Ok(now.size)
            })
            .await
            .map_err(|error| self.home.refused(&received.path, error))?;
        let sizes = (size_before != size).then_some(SizeChange {
            old: Some(size_before),
            new: size,
        });
        if sizes.is_some() {
            received.opened.note_resized();
        }
        self.home
            .context
            .attributes_changed(&received.path, &attrs, sizes);
        Ok(())
    }
}

/// A file that is being received.
struct ReceivedFile {
    opened: CommandFile,
    path: VirtualPath,
    existed: bool,
    /// Whether a new file has got the mode that the client asked for.
    chosen_modes: bool,
}
