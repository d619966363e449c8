//! `scp -t`: what the client sends is written.

use bytes::Bytes;

use super::record::{self, Record, Times, UNEXPECTED, is_name};
use super::{MAX_LINE, Options, Stop, Talk};
use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::exec::desk::Desk;
use crate::exec::opened::Opened;
use crate::exec::reason::reason;
use crate::session::memory::TOO_MUCH_HELD;
use crate::session::stream::input::Line;
use crate::storage::{Error, FileKind, Links, OpenHow, SetAttrs, Wait};

/// So much is written at once.
const PIECE: usize = 256 * 1024;

/// What a directory costs that the client is in.
fn level_cost(name: &[u8]) -> usize {
    size_of::<Level>() + name.len()
}

/// A directory that the client is in.
struct Level {
    /// As the client named it.
    name: Vec<u8>,
    /// Does `name` stand for a directory, or is it the name of what comes?
    is_directory: bool,
    /// To be set when the client leaves it.
    later: SetAttrs,
}

/// Takes what the client sends.
pub(super) async fn run(
    desk: &mut Desk,
    talk: &mut Talk<'_>,
    options: &Options,
    names: &[Vec<u8>],
    whole: Option<Vec<u8>>,
) -> Result<(), Stop> {
    let target = match (names, whole) {
        ([one], _) => one.clone(),
        // There is one target only: what was split was not quoted.
        (_, Some(whole)) => whole,
        _ => return talk.fatal(b"ambiguous target").await,
    };
    let is_directory = match desk.stat(&target).await {
        Ok(meta) if meta.kind == FileKind::Directory => true,
        Ok(_) if options.directory => {
            return talk.fatal(&[&target, &b": Not a directory"[..]].concat()).await;
        }
        Err(error) if options.directory => {
            let why = reason(error);
            return talk.fatal(&[&target, &b": "[..], why.as_bytes()].concat()).await;
        }
        Ok(_) | Err(_) => false,
    };
    let mut sink = Sink {
        desk,
        talk,
        options,
        levels: vec![Level {
            name: target,
            is_directory,
            later: SetAttrs::default(),
        }],
        times: None,
        first: true,
    };
    sink.talk.ok().await?;
    while sink.record().await? {}
    Ok(())
}

struct Sink<'a, 'b> {
    desk: &'a Desk,
    talk: &'a mut Talk<'b>,
    options: &'a Options,
    levels: Vec<Level>,
    times: Option<Times>,
    /// Nothing has come yet.
    first: bool,
}

impl Sink<'_, '_> {
    /// Takes one record; `false` at the end.
    async fn record(&mut self) -> Result<bool, Stop> {
        let line = match self.talk.io.input.line(MAX_LINE).await? {
            Line::Whole(line) => line,
            // In the middle of a directory it is too early, and OpenSSH lets it pass.
            Line::End => return Ok(false),
            Line::Cut => return self.protocol_error("a record that has no end").await,
        };
        match record::parse(&line) {
            Ok(Record::Times(times)) => {
                self.times = Some(times);
                self.talk.ok().await?;
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
            Ok(Record::Warning) => self.talk.errors += 1,
            Ok(Record::Fatal) => return Err(Stop::Failed),
            // What a shell says before scp is even started comes this way.
            Err(UNEXPECTED) if self.first => return self.talk.fatal(&line).await.map(|()| false),
            Err(why) => return self.protocol_error(why).await,
        }
        self.first = false;
        Ok(true)
    }

    async fn protocol_error(&mut self, why: &str) -> Result<bool, Stop> {
        let sentence = format!("protocol error: {why}");
        self.talk.fatal(sentence.as_bytes()).await?;
        Ok(false)
    }

    /// Where a record's name is to be.
    async fn name_of(&mut self, name: &[u8]) -> Result<Vec<u8>, Stop> {
        if !is_name(name) {
            let sentence = [b"error: unexpected filename: ", name].concat();
            self.talk.fatal(&sentence).await?;
        }
        Ok(match self.levels.last() {
            Some(level) if level.is_directory && level.name.ends_with(b"/") => [&level.name, name].concat(),
            Some(level) if level.is_directory => [&level.name, &b"/"[..], name].concat(),
            Some(level) => level.name.clone(),
            None => name.to_vec(),
        })
    }

    async fn directory(&mut self, name: Vec<u8>, mode: u32) -> Result<(), Stop> {
        let times = self.times.take();
        if !self.desk.hold(level_cost(&name)) {
            return self.talk.about(&name, TOO_MUCH_HELD).await;
        }
        match self.make_directory(&name, mode).await {
            Ok(()) => {
                // Without -p the umask has decided about what was made.
                let later_mode = self.options.preserve.then_some(mode & 0o777);
                self.levels.push(Level {
                    name,
                    is_directory: true,
                    later: SetAttrs {
                        permissions: later_mode,
                        times: times.map(|times| (times.accessed, times.modified)),
                        ..SetAttrs::default()
                    },
                });
                self.talk.ok().await
            }
            Err(why) => {
                self.desk.let_go(level_cost(&name));
                self.talk.about(&name, &why).await
            }
        }
    }

    /// Makes it, if it is not there.
    async fn make_directory(&self, name: &[u8], mode: u32) -> Result<(), String> {
        match self.desk.stat(name).await {
            Ok(meta) if meta.kind == FileKind::Directory => return Ok(()),
            Ok(_) => return Err("Not a directory".to_owned()),
            Err(_) => {}
        }
        let path = self.desk.path(name).map_err(reason)?;
        let wanted = path.clone();
        self.desk
            .call(move |storage, wait| storage.mkdir(&wanted, mode & 0o777 | 0o700, wait))
            .await
            .map_err(|error| self.desk.refused(&path, error))?;
        self.desk.presence.tell(|who| Event::DirectoryMade { who, path });
        Ok(())
    }

    /// Leaves a directory; `false` at the end.
    async fn up(&mut self) -> Result<bool, Stop> {
        if self.levels.len() <= 1 {
            self.talk.ok().await?;
            return Ok(false);
        }
        let Some(level) = self.levels.pop() else {
            return Ok(false);
        };
        self.desk.let_go(level_cost(&level.name));
        if level.later != SetAttrs::default()
            && let Err(why) = self.set_attrs(&level.name, level.later).await
        {
            self.talk.about(&level.name, &why).await?;
            return Ok(true);
        }
        self.talk.ok().await?;
        Ok(true)
    }

    async fn set_attrs(&self, name: &[u8], attrs: SetAttrs) -> Result<(), String> {
        let path = self.desk.path(name).map_err(reason)?;
        let wanted = path.clone();
        self.desk
            .call(move |storage, _wait| storage.set_attrs(&wanted, &attrs, Links::Follow))
            .await
            .map_err(|error| self.desk.refused(&path, error))
    }

    async fn file(&mut self, name: Vec<u8>, mode: u32, size: u64) -> Result<(), Stop> {
        let times = self.times.take();
        let mut receiving = match self.open(&name, mode).await {
            Ok(receiving) => receiving,
            Err(why) => return self.talk.about(&name, &why).await,
        };
        self.talk.ok().await?;
        let mut outcome = self.receive(&mut receiving, size).await?;
        // Before the client says that it has read all: libssh2 never says so, and leaves.
        if outcome.is_ok() {
            outcome = self.finish(&receiving, mode, size, times).await;
        }
        drop(receiving);
        // Could the client read all of it? If not, it has told its user, and waits for us all the same.
        self.talk.answer().await?;
        match outcome {
            Ok(()) => self.talk.ok().await,
            Err(why) => self.talk.about(&name, &why).await,
        }
    }

    async fn open(&self, name: &[u8], mode: u32) -> Result<Receiving, String> {
        let path = self.desk.path(name).map_err(reason)?;
        let existed = self.desk.stat(name).await.is_ok();
        let how = OpenHow {
            write: true,
            create: true,
            mode: Some(mode & 0o777 | 0o200),
            ..OpenHow::default()
        };
        let opened = self
            .desk
            .open(&path, how)
            .await
            .map_err(|error| self.desk.refused(&path, error))?;
        Ok(Receiving {
            opened,
            path,
            existed,
        })
    }

    /// Reads the bytes of a file, all of them even if they cannot be written: the client sends them anyway.
    async fn receive(&mut self, receiving: &mut Receiving, size: u64) -> Result<Result<(), String>, Stop> {
        let mut outcome = Ok(());
        let mut offset = 0;
        while offset < size {
            let most = usize::try_from(size - offset).map_or(PIECE, |rest| rest.min(PIECE));
            let bytes = self.talk.io.input.take(most).await?;
            if bytes.is_empty() {
                self.talk.fatal(b"dropped connection").await?;
            }
            let length = bytes.len();
            if outcome.is_ok() {
                outcome = self.write(receiving, bytes, offset).await;
            }
            offset += length as u64;
        }
        Ok(outcome)
    }

    async fn write(&self, receiving: &mut Receiving, bytes: Bytes, offset: u64) -> Result<(), String> {
        let file = receiving.opened.file().map_err(reason)?;
        let length = bytes.len();
        self.desk
            .call(move |_storage, wait| file.write_at(&bytes, offset, wait))
            .await
            .map_err(|error| self.desk.refused(&receiving.path, error))?;
        receiving.opened.note_written(length);
        Ok(())
    }

    /// Size, mode and times, and what the operator wants to be waited for.
    async fn finish(
        &self,
        receiving: &Receiving,
        mode: u32,
        size: u64,
        times: Option<Times>,
    ) -> Result<(), String> {
        let file = receiving.opened.file().map_err(reason)?;
        let preserve = self.options.preserve;
        let existed = receiving.existed;
        self.desk
            .call(move |_storage, wait| {
                let now = file.stat()?;
                if now.size != size {
                    if wait == Wait::Never {
                        // What is cut may be large.
                        return Err(Error::WouldBlock);
                    }
                    file.set_attrs(&SetAttrs {
                        size: Some(size),
                        ..SetAttrs::default()
                    })?;
                }
                let attrs = SetAttrs {
                    permissions: preserve.then_some(mode & 0o777),
                    times: times.map(|times| (times.accessed, times.modified)),
                    ..SetAttrs::default()
                };
                if attrs != SetAttrs::default() {
                    file.set_attrs(&attrs)?;
                } else if !existed && mode & 0o200 == 0 {
                    // It was made writable only so that it could be written. Who may not change modes keeps it so.
                    let made = SetAttrs {
                        permissions: Some(now.mode & 0o777 & !0o200),
                        ..SetAttrs::default()
                    };
                    match file.set_attrs(&made) {
                        Ok(()) | Err(Error::Forbidden(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                file.finish(wait)
            })
            .await
            .map_err(|error| self.desk.refused(&receiving.path, error))
    }
}

/// A file that is being received.
struct Receiving {
    opened: Opened,
    path: VirtualPath,
    existed: bool,
}
