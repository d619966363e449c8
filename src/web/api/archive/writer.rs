//! Writes an archive: walks what was asked for, without recursion and without following links, and sends it file by file.

use std::sync::Arc;

use bytes::Bytes;
use flate2::Crc;

use super::left_out::OmittedEntries;
use super::stream::{ClientGone, PieceSender};
use crate::domain::path::VirtualPath;
use crate::exec::home_session::HomeSession;
use crate::session::budget::Exhausted;
use crate::session::memory::TOO_MUCH_HELD;
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error as StorageError, FileKind, Links, Metadata, OpenHow, Result as StorageResult};
use crate::web::api::file_bytes::{BrokenBody, FileBytes, OpenDownload};
use crate::web::users::WebUser;
use crate::web::zip::member::{ZipKind, ZipMember};
use crate::web::zip::{ZipError, ZipLayout};

/// The bytes whose checksum is not worth a turn on another thread.
const FEW_BYTES: usize = 16 * 1024;

/// The memory of a directory that waits, in bytes, beside its names.
const WAITING_COST: usize = size_of::<ArchiveRoot>() + 32;

/// Something that an archive has: a file, or a directory with all that is in it.
pub(super) struct ArchiveRoot {
    /// The path in the archive.
    pub(super) name: Vec<u8>,
    /// The path in the home.
    pub(super) path: VirtualPath,
    /// The attributes when it was found, without following a link.
    pub(super) meta: Metadata,
}

/// Why an archive cannot be completed.
#[derive(Debug, thiserror::Error)]
enum ArchiveFailure {
    #[error(transparent)]
    Client(#[from] ClientGone),
    #[error(transparent)]
    Body(#[from] BrokenBody),
    #[error(transparent)]
    Layout(#[from] ZipError),
    #[error(transparent)]
    Descriptors(#[from] Exhausted),
    #[error("{}", TOO_MUCH_HELD)]
    Memory,
    #[error("{path}: {error}")]
    Storage { path: VirtualPath, error: StorageError },
}

/// An archive that is being written.
pub(super) struct ArchiveWriter {
    user: WebUser,
    home: Arc<HomeSession>,
    sender: PieceSender,
    zip: ZipLayout,
    left_out: OmittedEntries,
    left_out_name: Vec<u8>,
    /// The directories that were found and are not written yet.
    waiting: Vec<ArchiveRoot>,
}

/// Whether an entry is in the archive, or was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryOutcome {
    Added,
    LeftOut,
}

impl ArchiveWriter {
    /// Begins an archive.
    pub(super) fn new(
        user: WebUser,
        home: Arc<HomeSession>,
        sender: PieceSender,
        left_out_name: Vec<u8>,
    ) -> Self {
        Self {
            user,
            home,
            sender,
            zip: ZipLayout::new(),
            left_out: OmittedEntries::default(),
            left_out_name,
            waiting: Vec::new(),
        }
    }

    /// Writes the archive. If that fails, the body of the response does, too.
    pub(super) async fn run(mut self, roots: Vec<ArchiveRoot>) {
        let user = self.user.login().user().clone();
        let written = match self.write(roots).await {
            Ok(()) => self.end().await,
            Err(failure) => Err(failure),
        };
        if let Err(why) = written {
            tracing::debug!(%user, %why, "an archive was broken off");
        }
    }

    async fn write(&mut self, roots: Vec<ArchiveRoot>) -> Result<(), ArchiveFailure> {
        for root in roots {
            self.add(root).await?;
            while let Some(directory) = self.waiting.pop() {
                self.home.release_memory(directory.cost());
                self.directory(directory).await?;
            }
        }
        Ok(())
    }

    async fn end(mut self) -> Result<(), ArchiveFailure> {
        if let Some(text) = self.left_out.text() {
            let member = ZipMember {
                kind: ZipKind::File {
                    size: text.len() as u64,
                },
                mtime: jiff::Timestamp::now().as_second(),
                mode: 0o644,
            };
            let header = self.zip.entry(&self.left_out_name, &member)?;
            self.sender.send(header).await?;
            let mut crc = Crc::new();
            crc.update(text.as_bytes());
            let size = text.len() as u64;
            self.sender.send(text.into()).await?;
            let descriptor = self.zip.finish_entry(crc.sum(), size)?;
            self.sender.send(descriptor).await?;
        }
        for piece in self.zip.end()? {
            self.sender.send(piece).await?;
        }
        Ok(self.sender.end().await?)
    }

    /// Adds a file; a directory waits for its turn.
    async fn add(&mut self, found: ArchiveRoot) -> Result<(), ArchiveFailure> {
        match found.meta.kind {
            FileKind::File => self.file(&found).await,
            FileKind::Directory => {
                self.charge(found.cost())?;
                self.waiting.push(found);
                Ok(())
            }
            FileKind::Symlink => {
                self.left_out.note(&found.name, "a link");
                Ok(())
            }
            FileKind::Special => {
                self.left_out.note(&found.name, "neither a file nor a directory");
                Ok(())
            }
        }
    }

    async fn directory(&mut self, directory: ArchiveRoot) -> Result<(), ArchiveFailure> {
        let ArchiveRoot { name, path, meta } = directory;
        let home = Arc::clone(&self.home);
        let _descriptor = home.context.budget.descriptor()?;
        let proven = path.clone();
        let proving = home.call(CallPath::Content(&path), move |storage, _wait| {
            storage.prove_directory(&proven)
        });
        let opened = match proving.await {
            Ok(()) => home.open_dir(&path).await,
            Err(error) => Err(error),
        };
        let mut listing = match opened {
            Ok(listing) => listing,
            Err(error) => return self.leave_out(&name, &path, error),
        };
        let member = ZipMember {
            kind: ZipKind::Directory,
            mtime: meta.mtime,
            mode: meta.mode,
        };
        if self.entry(&name, &member).await? == EntryOutcome::LeftOut {
            return Ok(());
        }
        loop {
            let (rest, entries) = home
                .entries(listing)
                .await
                .map_err(|error| failed(&path, error))?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                let below = [path.absolute(), entry.name.clone()].join(&b'/');
                let found = ArchiveRoot {
                    path: VirtualPath::parse(&below).map_err(|_| failed(&path, StorageError::NameTooLong))?,
                    name: [&name[..], b"/", &entry.name].concat(),
                    meta: entry.meta,
                };
                self.add(found).await?;
            }
            listing = rest;
        }
    }

    async fn file(&mut self, found: &ArchiveRoot) -> Result<(), ArchiveFailure> {
        let ArchiveRoot { name, path, meta } = found;
        let open = match self.open(path, meta).await? {
            Ok(open) => open,
            Err(error) => return self.leave_out(name, path, error),
        };
        let size = open.meta.size;
        let member = ZipMember {
            kind: ZipKind::File { size },
            mtime: open.meta.mtime,
            mode: open.meta.mode,
        };
        if self.entry(name, &member).await? == EntryOutcome::LeftOut {
            return Ok(());
        }
        let mut bytes = FileBytes::new(open, 0, size);
        let mut crc = Crc::new();
        while let Some(mut piece) = bytes.next().await? {
            (crc, piece) = self.checksum(crc, piece).await?;
            self.sender.send(piece).await?;
        }
        let descriptor = self.zip.finish_entry(crc.sum(), size)?;
        Ok(self.sender.send(descriptor).await?)
    }

    /// Adds bytes to a checksum, with a CPU slot if they are many.
    async fn checksum(&self, mut crc: Crc, piece: Bytes) -> Result<(Crc, Bytes), ArchiveFailure> {
        let is_small = piece.len() <= FEW_BYTES;
        let add = move || {
            crc.update(&piece);
            (crc, piece)
        };
        if is_small {
            return Ok(add());
        }
        let computed = self.home.compute(add).await;
        computed.ok_or(ArchiveFailure::Body(BrokenBody::Ended))
    }

    /// Opens a file. The inner error is one for which it is left out.
    async fn open(
        &self,
        path: &VirtualPath,
        found: &Metadata,
    ) -> Result<StorageResult<OpenDownload>, ArchiveFailure> {
        let home = &self.home;
        let descriptor = home.context.budget.descriptor()?;
        let how = OpenHow {
            read: true,
            ..OpenHow::default()
        };
        let file = match home.open(path, how).await {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let opened = file.file().map_err(|error| failed(path, error))?;
        let looking = home.call_on(opened, |file, _wait| file.stat()).await;
        let meta = looking.map_err(|error| failed(path, error))?;
        // What was listed as a file may be a link by now.
        if meta.inode != found.inode && self.is_link(path).await {
            return Ok(Err(StorageError::LinkLoop));
        }
        if meta.kind != FileKind::File {
            return Ok(Err(StorageError::NotAFile));
        }
        Ok(Ok(OpenDownload {
            user: self.user.clone(),
            home: Arc::clone(home),
            file,
            meta,
            _descriptor: descriptor,
        }))
    }

    async fn is_link(&self, path: &VirtualPath) -> bool {
        let wanted = path.clone();
        let looking = self.home.call(CallPath::Name(path), move |storage, _wait| {
            storage.stat(&wanted, Links::NoFollow)
        });
        !looking.await.is_ok_and(|meta| meta.kind == FileKind::File)
    }

    /// Leaves something out that the user may not read or that is no file any more. Every other error ends the archive.
    fn leave_out(
        &mut self,
        name: &[u8],
        path: &VirtualPath,
        error: StorageError,
    ) -> Result<(), ArchiveFailure> {
        match error {
            StorageError::Forbidden(_)
            | StorageError::AccessDenied
            | StorageError::LinkLoop
            | StorageError::NotAFile
            | StorageError::FolderMissing
            | StorageError::FolderUnavailable => {
                let why = self.home.refused(path, error);
                self.left_out.note(name, &why);
                Ok(())
            }
            _ => Err(failed(path, error)),
        }
    }

    /// Sends the header of an entry, unless no archive can have its name.
    async fn entry(&mut self, name: &[u8], member: &ZipMember) -> Result<EntryOutcome, ArchiveFailure> {
        self.charge(ZipLayout::kept_bytes(name))?;
        match self.zip.entry(name, member) {
            Ok(header) => {
                self.sender.send(header).await?;
                Ok(EntryOutcome::Added)
            }
            Err(error @ (ZipError::Name | ZipError::LongName | ZipError::Duplicate)) => {
                self.left_out.note(name, &error.to_string());
                Ok(EntryOutcome::LeftOut)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn charge(&self, bytes: usize) -> Result<(), ArchiveFailure> {
        match self.home.charge_memory(bytes) {
            true => Ok(()),
            false => Err(ArchiveFailure::Memory),
        }
    }
}

impl ArchiveRoot {
    fn cost(&self) -> usize {
        WAITING_COST + self.name.len() + self.path.len()
    }
}

fn failed(path: &VirtualPath, error: StorageError) -> ArchiveFailure {
    ArchiveFailure::Storage {
        path: path.clone(),
        error,
    }
}
