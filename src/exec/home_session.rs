//! A command's access to its user's home: every call goes the quick way or the slow one, as SFTP's requests do, and
//! what the command keeps in memory is charged to its user. Permissions and quotas are the storage's.

use parking_lot::Mutex;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::event::Event;
use crate::domain::path::{PathError, VirtualPath};
use crate::io::HomeIo;
use crate::mount::Mounted;
use crate::session::SessionContext;
use crate::session::memory::MemoryCharge;
use crate::storage::hash::{Range, Work};
use crate::storage::{DirEntry, DirStream, Error, FileKind, Links, Metadata, OpenHow, Result, Storage, Wait};
use base::digest::Algorithm;
use base::glob::Pattern;

use super::command_file::CommandFile;
use super::reason::reason;

/// Entries of a directory that are read at once, on one thread.
const ENTRIES_AT_ONCE: usize = 50;

/// A command's access to its user's home.
pub struct HomeSession {
    storage: Arc<dyn Storage>,
    io: HomeIo,
    /// The session that the command belongs to.
    pub context: SessionContext,
    /// Is cancelled when the channel or its connection ends.
    pub gone: CancellationToken,
    directory: Vec<u8>,
    memory: Mutex<MemoryCharge>,
}

/// The names in a directory that match a pattern, as far as they were looked at.
pub struct Matches {
    /// The rest of the directory; `None` if all of it was looked at.
    pub rest: Option<Box<dyn DirStream>>,
    /// The names that match.
    pub names: Vec<Vec<u8>>,
    /// The number of names that were looked at.
    pub looked_at: usize,
}

impl HomeSession {
    /// Access to a home, beginning in its root directory.
    pub fn new(home: Mounted, context: SessionContext) -> Self {
        Self {
            io: home.storage.scheduler().clone(),
            storage: home.storage,
            memory: Mutex::new(MemoryCharge::nothing(&context.budget.memory)),
            context,
            gone: CancellationToken::new(),
            directory: b"/".to_vec(),
        }
    }

    fn memory(&self) -> parking_lot::MutexGuard<'_, MemoryCharge> {
        self.memory.lock()
    }

    /// Charges so many bytes more that the command keeps; returns `false`, and charges none, if there is no room for
    /// them.
    pub fn charge_memory(&self, bytes: usize) -> bool {
        self.memory().grow(bytes)
    }

    /// Gives back so many bytes that the command keeps no longer.
    pub fn release_memory(&self, bytes: usize) {
        self.memory().shrink(bytes);
    }

    /// The name of the user.
    pub fn user(&self) -> &str {
        self.context.actor.user.as_str()
    }

    /// The absolute path of the directory that relative names begin in.
    pub fn directory(&self) -> &[u8] {
        &self.directory
    }

    /// A path of a command, from the directory that it is in.
    ///
    /// # Errors
    /// What the kernel says of a name that none can have.
    pub fn path(&self, name: &[u8]) -> Result<VirtualPath> {
        let path = match name {
            [b'/', ..] => VirtualPath::parse(name),
            _ => VirtualPath::parse(&[&self.directory, &b"/"[..], name].concat()),
        };
        path.map_err(|error| match error {
            PathError::TooLong => Error::NameTooLong,
            PathError::Nul => Error::Invalid,
        })
    }

    /// Attributes of what a name stands for.
    ///
    /// # Errors
    /// What looking says.
    pub async fn stat(&self, name: &[u8]) -> Result<Metadata> {
        let path = self.path(name)?;
        self.call(move |storage, _wait| storage.stat(&path, Links::Follow))
            .await
    }

    /// Makes a directory the one that relative names begin in.
    ///
    /// # Errors
    /// With the reason, in words.
    pub async fn change_directory(&mut self, name: &[u8]) -> std::result::Result<(), String> {
        let path = self.path(name).map_err(reason)?;
        let found = self.call(move |storage, _wait| {
            let meta = storage.stat(&path, Links::Follow)?;
            match meta.kind {
                FileKind::Directory => storage.real_path(&path),
                FileKind::File | FileKind::Symlink | FileKind::Special => Err(Error::NotADirectory),
            }
        });
        self.directory = found.await.map_err(reason)?.absolute();
        Ok(())
    }

    /// Makes a call on the home: on this thread if the call is quick and the file system answers, else on a thread of
    /// the blocking pool. The call is made again with [`Wait::Allowed`] where it would block.
    ///
    /// # Errors
    /// What the call says.
    pub async fn call<T: Send + 'static>(
        &self,
        call: impl Fn(&dyn Storage, Wait) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.context.credit.wait().await;
        yield_if_due().await;
        if let Some(_permit) = self.io.enter() {
            match call(&*self.storage, Wait::Never) {
                Err(Error::WouldBlock) => {}
                done => return done,
            }
        }
        self.call_slowly(move |storage| call(storage, Wait::Allowed))
            .await
    }

    /// Makes a call that may take long.
    ///
    /// # Errors
    /// What the call says.
    pub async fn call_slowly<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Storage) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _working = self.context.activity.begin();
        let way = self.io.slow_way().await;
        let storage = Arc::clone(&self.storage);
        let working = tokio::task::spawn_blocking(move || {
            let done = call(&*storage);
            drop(way);
            done
        });
        working.await.unwrap_or(Err(Error::DeviceFailed))
    }

    /// Opens a file, and tells that it was opened.
    ///
    /// # Errors
    /// What opening says.
    pub async fn open(&self, path: &VirtualPath, how: OpenHow) -> Result<CommandFile> {
        let wanted = path.clone();
        let file = self
            .call(move |storage, wait| storage.open(&wanted, how, wait))
            .await?;
        Ok(CommandFile {
            record: Some(self.context.opened(path.clone(), how.write)),
            file: Some(file),
            // A file that is only read has no end that its client could tell.
            finished: !how.write,
        })
    }

    /// Opens a directory for listing.
    ///
    /// # Errors
    /// What opening says.
    pub async fn open_dir(&self, path: VirtualPath) -> Result<Box<dyn DirStream>> {
        self.call(move |storage, _wait| storage.open_dir(&path)).await
    }

    /// The next entries of a directory without `.` and `..`; none at its end.
    ///
    /// # Errors
    /// What reading says.
    pub async fn entries(
        &self,
        mut stream: Box<dyn DirStream>,
    ) -> Result<(Box<dyn DirStream>, Vec<DirEntry>)> {
        fn read(stream: &mut dyn DirStream) -> Result<Vec<DirEntry>> {
            let mut entries = Vec::new();
            while entries.len() < ENTRIES_AT_ONCE {
                match stream.next()? {
                    Some(entry) if entry.name == b"." || entry.name == b".." => {}
                    Some(entry) => entries.push(entry),
                    None => break,
                }
            }
            Ok(entries)
        }
        yield_if_due().await;
        if let Some(_permit) = self.io.enter() {
            let entries = read(&mut *stream)?;
            return Ok((stream, entries));
        }
        self.call_slowly(move |_storage| {
            let entries = read(&mut *stream)?;
            Ok((stream, entries))
        })
        .await
    }

    /// Opens a directory whose names are looked at; `None` if it cannot be listed.
    pub async fn list(&self, directory: &[u8]) -> Option<Box<dyn DirStream>> {
        let path = self.path(directory).ok()?;
        match self.open_dir(path.clone()).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                self.refused(&path, error);
                None
            }
        }
    }

    /// Looks at the next names of a directory. When `in_turn`, it is work that has taken long already: it goes to a
    /// thread of its own, and waits for its turn at the CPU.
    pub async fn matches(&self, stream: Box<dyn DirStream>, wanted: &Arc<Pattern>, in_turn: bool) -> Matches {
        yield_if_due().await;
        if !in_turn && let Some(_permit) = self.io.enter() {
            return look(stream, wanted);
        }
        let (wanted, io) = (Arc::clone(wanted), self.io.clone());
        let looked = self.call_slowly(move |_storage| {
            let _slot = in_turn.then(|| io.cpu_slots().take());
            Ok(look(stream, &wanted))
        });
        // Whatever fails, there are no more names.
        looked.await.unwrap_or(Matches {
            rest: None,
            names: Vec::new(),
            looked_at: 0,
        })
    }

    /// Why a call failed, in words. The log hears of some reasons, too.
    pub fn refused(&self, path: &VirtualPath, error: Error) -> String {
        let sentence = reason(error);
        self.context.refused(error, path, || sentence.clone());
        sentence
    }

    /// Hashes a file.
    ///
    /// # Errors
    /// With the reason, in words.
    pub async fn hash(&self, name: &[u8], algorithm: Algorithm) -> std::result::Result<Vec<u8>, String> {
        let path = self.path(name).map_err(reason)?;
        let hashed = self.hash_path(&path, algorithm).await;
        hashed.map_err(|error| self.refused(&path, error))
    }

    async fn hash_path(&self, path: &VirtualPath, algorithm: Algorithm) -> Result<Vec<u8>> {
        let wanted = path.clone();
        let (file, meta) = self
            .call(move |storage, wait| {
                let read = OpenHow {
                    read: true,
                    ..OpenHow::default()
                };
                let file = storage.open(&wanted, read, wait)?;
                let meta = file.stat()?;
                Ok((file, meta))
            })
            .await?;
        if meta.kind == FileKind::Directory {
            return Err(Error::IsADirectory);
        }
        let (_busy, _working) = (self.context.busy(), self.context.activity.begin());
        let (name, path) = (algorithm.name(), path.clone());
        self.context.tell(|who| Event::Hashed {
            who,
            algorithm: name,
            path,
        });
        let work = Work {
            file,
            algorithm,
            range: Range {
                offset: 0,
                length: meta.size,
            },
            block: None,
            quick_check: None,
        };
        work.run(&self.gone).await
    }

    /// Computes on a thread of the blocking pool, in turn with others.
    pub async fn compute<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _working = self.context.activity.begin();
        let place = self.io.slow_way().await;
        let io = self.io.clone();
        let working = tokio::task::spawn_blocking(move || {
            let slot = io.cpu_slots().take();
            let computed = compute();
            drop((slot, place));
            computed
        });
        working.await.ok()
    }
}

fn look(mut stream: Box<dyn DirStream>, wanted: &Pattern) -> Matches {
    let (mut names, mut looked_at, mut ended) = (Vec::new(), 0, false);
    while looked_at < ENTRIES_AT_ONCE && !ended {
        match stream.next() {
            Ok(Some(entry)) => {
                looked_at += 1;
                let itself = entry.name == b"." || entry.name == b"..";
                if !itself && wanted.matches(&entry.name) {
                    names.push(entry.name);
                }
            }
            Ok(None) | Err(_) => ended = true,
        }
    }
    Matches {
        rest: (!ended).then_some(stream),
        names,
        looked_at,
    }
}

/// Lets other connections go on: a command that never waits would keep its thread to itself.
async fn yield_if_due() {
    tokio::task::coop::consume_budget().await;
}
