//! A command's access to its user's home. Quick calls run on this thread and slow ones on the blocking pool, as for
//! SFTP, and the memory that the command keeps is charged to its user. The storage enforces permissions and quotas.

use parking_lot::Mutex;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::event::Event;
use crate::domain::path::{PathError, VirtualPath};
use crate::mount::Mounted;
use crate::session::memory::MemoryCharge;
use crate::session::work::WorkPurpose;
use crate::session::{FileRecord, SessionContext};
use crate::storage::hash::{self, Range, Work};
use crate::storage::router::call_io::{CallIo, CallPath, SessionIo, SlowWay};
use crate::storage::{
    DirEntry, Error, FileFacts, FileKind, Links, Metadata, OpenFile, OpenHow, Result, Storage, Wait,
};
use base::digest::Algorithm;
use base::glob::Pattern;

use super::command_file::{CommandFile, TransferEnd};
use super::listing::{Matches, NameListing};
use super::reason::{reason, reason_in_folder};

/// A command's access to its user's home.
pub struct HomeSession {
    storage: Arc<dyn Storage>,
    /// The file systems that the command works on.
    io: SessionIo,
    /// The session that the command belongs to.
    pub context: SessionContext,
    /// Cancelled when the channel or its connection ends.
    pub gone: CancellationToken,
    directory: Vec<u8>,
    memory: Mutex<MemoryCharge>,
}

impl HomeSession {
    /// Creates the access to a home, beginning in its root directory.
    pub fn new(home: Mounted, context: SessionContext) -> Self {
        Self {
            io: SessionIo::new(&*home.storage, home.folders.as_ref()),
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

    /// Charges this many bytes that the command keeps; returns `false`, and charges none, if there is no room for them.
    pub fn charge_memory(&self, bytes: usize) -> bool {
        self.memory().grow(bytes)
    }

    /// Returns this many bytes that the command does not keep any more.
    pub fn release_memory(&self, bytes: usize) {
        self.memory().shrink(bytes);
    }

    /// Whether a new file gets the mode that its client asks for.
    pub fn has_chosen_modes(&self) -> bool {
        self.storage.capabilities().chosen_modes
    }

    /// Returns the name of the user.
    pub fn user(&self) -> &str {
        self.context.actor.user.as_str()
    }

    /// Returns the absolute path of the current directory, in which relative names begin.
    pub fn directory(&self) -> &[u8] {
        &self.directory
    }

    /// Returns the path that a name stands for in the current directory.
    ///
    /// # Errors
    /// Returns the kernel's error for a name that no file can have.
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

    /// Returns the attributes of a name, and follows links.
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub async fn stat(&self, name: &[u8]) -> Result<Metadata> {
        let path = self.path(name)?;
        let wanted = path.clone();
        self.call(CallPath::Name(&path), move |storage, _wait| {
            storage.stat(&wanted, Links::Follow)
        })
        .await
    }

    /// Changes the current directory.
    ///
    /// # Errors
    /// Returns the reason, as a message.
    pub async fn change_directory(&mut self, name: &[u8]) -> std::result::Result<(), String> {
        let path = self.path(name).map_err(reason)?;
        let wanted = path.clone();
        let found = self.call(CallPath::Name(&path), move |storage, _wait| {
            let meta = storage.stat(&wanted, Links::Follow)?;
            match meta.kind {
                FileKind::Directory => storage.real_path(&wanted),
                FileKind::File | FileKind::Symlink | FileKind::Special => Err(Error::NotADirectory),
            }
        });
        self.directory = found.await.map_err(reason)?.absolute();
        Ok(())
    }

    /// Makes a call on a path: on this thread if the call is quick and the file system responds, otherwise on a thread of
    /// the blocking pool. If it would block here, it is repeated there with [`Wait::Allowed`]. A folder that the path
    /// enters is mounted first.
    ///
    /// # Errors
    /// Returns the error of the call.
    pub async fn call<T: Send + 'static>(
        &self,
        path: CallPath<'_>,
        call: impl Fn(&dyn Storage, Wait) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.call_on_paths(&[path], call).await
    }

    /// Makes a call on several paths, as [`HomeSession::call`] does.
    ///
    /// # Errors
    /// Returns the error of the call.
    pub async fn call_on_paths<T: Send + 'static>(
        &self,
        paths: &[CallPath<'_>],
        call: impl Fn(&dyn Storage, Wait) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.make(self.io.of_call(paths), call).await
    }

    /// Makes a call on an open file, as [`HomeSession::call`] does.
    ///
    /// # Errors
    /// Returns the error of the call.
    pub async fn call_on<T: Send + 'static>(
        &self,
        file: Arc<dyn OpenFile>,
        call: impl Fn(&dyn OpenFile, Wait) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let io = self.io.of_handle(file.scheduler());
        self.make(io, move |_storage, wait| call(&*file, wait)).await
    }

    async fn make<T: Send + 'static>(
        &self,
        mut io: Option<CallIo>,
        call: impl Fn(&dyn Storage, Wait) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.context.event_backpressure.wait().await;
        yield_if_due().await;
        if let Some(permit) = CallIo::enter_one(io.as_ref(), self.io.home()) {
            match call(&*self.storage, Wait::with(&permit)) {
                Err(Error::WouldBlock) => {}
                done => return done,
            }
        }
        self.call_slowly(io.as_mut(), move |storage| call(storage, Wait::Allowed))
            .await
    }

    /// Makes a call that may take long, on a thread of the blocking pool.
    async fn call_slowly<T: Send + 'static>(
        &self,
        io: Option<&mut CallIo>,
        call: impl FnOnce(&dyn Storage) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _working = self.context.activity.begin();
        let way = SlowWay::wait(io, self.io.home()).await;
        let storage = Arc::clone(&self.storage);
        let working = tokio::task::spawn_blocking(move || {
            let done = call(&*storage);
            drop(way);
            done
        });
        working.await.unwrap_or(Err(Error::DeviceFailed))
    }

    /// Opens a file, and emits the event that it was opened.
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub async fn open(&self, path: &VirtualPath, how: OpenHow) -> Result<CommandFile> {
        let wanted = path.clone();
        let (file, facts) = self
            .call(CallPath::Content(path), move |storage, wait| {
                let file = storage.open(&wanted, how, wait)?;
                let facts = if how.may_change() {
                    file.facts()
                } else {
                    FileFacts::default()
                };
                Ok((file, facts))
            })
            .await?;
        Ok(CommandFile {
            record: Some(FileRecord::opened(&self.context, path.clone(), how, facts)),
            file: Some(file),
            transfer: TransferEnd::Unfinished,
            // The client does not confirm the end of a file that is only read.
            finished: !how.write,
        })
    }

    /// Opens a directory for listing.
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub async fn open_dir(&self, path: &VirtualPath) -> Result<NameListing> {
        let wanted = path.clone();
        let stream = self
            .call(CallPath::Content(path), move |storage, _wait| {
                storage.open_dir(&wanted)
            })
            .await?;
        let io = self.io.of_directory(path);
        Ok(NameListing::new(stream, io))
    }

    /// Returns the next entries of a directory without `.` and `..`; none at its end.
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub async fn entries(&self, mut listing: NameListing) -> Result<(NameListing, Vec<DirEntry>)> {
        yield_if_due().await;
        let mut io = self.io_of(&listing);
        if let Some(_permit) = CallIo::enter_one(io.as_ref(), self.io.home()) {
            let entries = listing.entries()?;
            return Ok((listing, entries));
        }
        self.call_slowly(io.as_mut(), move |_storage| {
            let entries = listing.entries()?;
            Ok((listing, entries))
        })
        .await
    }

    /// Opens a directory in order to examine its names; `None` if it cannot be listed.
    pub async fn list(&self, directory: &[u8]) -> Option<NameListing> {
        let path = self.path(directory).ok()?;
        match self.open_dir(&path).await {
            Ok(listing) => Some(listing),
            Err(error) => {
                self.refused(&path, error);
                None
            }
        }
    }

    /// Examines the next names of a directory. With `in_turn`, the command has already taken long: it runs on a thread
    /// of its own, and waits for a CPU slot.
    pub async fn matches(&self, listing: NameListing, wanted: &Arc<Pattern>, in_turn: bool) -> Matches {
        yield_if_due().await;
        let mut io = self.io_of(&listing);
        if !in_turn && let Some(_permit) = CallIo::enter_one(io.as_ref(), self.io.home()) {
            return listing.matches(wanted);
        }
        let (wanted, home) = (Arc::clone(wanted), self.io.home().clone());
        let examined = self.call_slowly(io.as_mut(), move |_storage| {
            let _slot = in_turn.then(|| home.cpu_slots().take());
            Ok(listing.matches(&wanted))
        });
        // Whatever error occurs, it is the end of the names.
        examined.await.unwrap_or(Matches {
            rest: None,
            names: Vec::new(),
            examined: 0,
        })
    }

    fn io_of(&self, listing: &NameListing) -> Option<CallIo> {
        self.io.of_handle(listing.io()?)
    }

    /// Returns why a call failed, as a message. Some errors are logged, too.
    pub fn refused(&self, path: &VirtualPath, error: Error) -> String {
        let sentence = match self.context.actor.folder_of(path) {
            Some(folder) => reason_in_folder(error, folder.as_str()),
            None => reason(error),
        };
        self.context.refused(error, path, || sentence.clone());
        sentence
    }

    /// Hashes a file.
    ///
    /// # Errors
    /// Returns the reason, as a message.
    pub async fn hash(&self, name: &[u8], algorithm: Algorithm) -> std::result::Result<Vec<u8>, String> {
        let path = self.path(name).map_err(reason)?;
        let hashed = self.hash_path(&path, algorithm).await;
        hashed.map_err(|error| self.refused(&path, error))
    }

    /// Hashes the file of a path.
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub async fn hash_path(&self, path: &VirtualPath, algorithm: Algorithm) -> Result<Vec<u8>> {
        let wanted = path.clone();
        let (file, meta) = self
            .call(CallPath::Content(path), move |storage, wait| {
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
        let shown = self.context.work.enter(path.clone(), WorkPurpose::Hash);
        shown.file().note_size(Some(meta.size));
        let (name, path) = (algorithm.name(), path.clone());
        self.context.emit(|who| Event::Hashed {
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
        hash::run(Box::new(work), &self.gone).await
    }

    /// Computes something on a thread of the blocking pool, with a CPU slot.
    pub async fn compute<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _working = self.context.activity.begin();
        let io = self.io.home().clone();
        let place = io.slow_way().await;
        let working = tokio::task::spawn_blocking(move || {
            let slot = io.cpu_slots().take();
            let computed = compute();
            drop((slot, place));
            computed
        });
        working.await.ok()
    }
}

/// Lets other connections run: a command that never waits would occupy its thread.
async fn yield_if_due() {
    tokio::task::coop::consume_budget().await;
}
