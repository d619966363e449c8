//! `edit`: edits a file of the server in the editor of this machine. The file is sent back only if it was changed, and
//! only if the one on the server is still the one that was fetched.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use md5::digest::DynDigest;
use sftp_wire::{Attributes, FileType};

use super::candidates::Candidates;
use super::local_program::LocalProgram;
use super::put::put;
use super::refusal::{not_answered, refused};
use super::resumed_read::{ByteSink, ReadFailure, ReadStart, ResumedRead};
use super::server_words::UsageError;
use super::session::{RemotePath, Session};
use super::transfer::TransferArgs;
use super::verb::Verb;
use crate::link::{Answered as _, OpenFile, ReadAhead};
use crate::names::last;
use crate::output::Style;
use crate::report;
use crate::temporary_directory::TemporaryDirectory;
use base::digest::Algorithm;
use base::error::{Error, Result};
use base::size::Size;
use base::visible::printable;

/// The largest file that is edited, in bytes: editors keep it in memory.
const MOST_BYTES: u64 = 256 << 20;
/// The permissions of a file that did not exist, before the server's umask.
const NEW_FILE: u32 = 0o644;
/// What versions of a file are compared by.
const HASH: Algorithm = Algorithm::Sha256;

/// Edit a file of the server in the editor of this machine
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    after_help = "The editor is $VISUAL, or else $EDITOR. The file is sent back when the editor ends, if it was \
    changed. If somebody has changed the file on the server meanwhile, nothing is sent, and the edited copy is kept.\n\n\
    Examples:\n  \
    homeport edit HOST:site/index.html\n  \
    VISUAL='code --wait' homeport edit HOST:notes.md"
)]
pub struct EditArgs {
    /// The file to edit. It is made if it does not exist.
    #[arg(required = true, num_args = 1, value_name = "FILE")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for EditArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        let [word] = &self.words[..] else {
            return Err(Error::new("edit takes one file"));
        };
        let choosing = async {
            let found = session.matching(word).await;
            let mut found = found.map_err(refused("list a directory"))?;
            match (found.pop(), found.is_empty()) {
                (Some(found), true) => Ok(found),
                _ => Err(Error::new("edit takes one file").hint("the pattern stands for several")),
            }
        };
        let found = session.stoppable(choosing).await?;
        edit(session, &found).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn check(&self) -> std::result::Result<(), UsageError> {
        match self.words[..] {
            [_] => Ok(()),
            _ => Err(UsageError::new("edit takes one file", "homeport edit HOST:FILE")),
        }
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            0 => &[Candidates::Remote],
            _ => &[],
        }
    }
}

/// The file on the server as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FetchedVersion {
    size: Option<u64>,
    modified: Option<u32>,
    hash: Vec<u8>,
}

impl FetchedVersion {
    fn new(attrs: &Attributes, hash: Vec<u8>) -> Self {
        Self {
            size: attrs.size,
            modified: attrs.times.map(|times| times.modified),
            hash,
        }
    }
}

async fn edit(session: &Arc<Session>, found: &RemotePath) -> Result<u8> {
    let editor = LocalProgram::choose(&["VISUAL", "EDITOR"], &["editor", "vi", "nano"])?;
    let name = match last(&found.path) {
        b"" => return Err(Error::new("this path has no file name")),
        name => OsStr::from_bytes(name),
    };
    let directory = TemporaryDirectory::new("homeport-edit-")
        .map_err(|error| Error::new("cannot make a temporary directory").because(error))?;
    let copy = directory.path().join(name);
    let before = session.stoppable(fetch(session, &found.path, &copy)).await?;
    let original = before.as_ref().map(|before| before.hash.clone());
    let shown = printable(copy.as_os_str().as_bytes());
    directory.keep_at_end(move || report::detail(&format!("the copy that was edited is {shown}")));
    let status = editor.edit(&copy).await?;
    let edited = hash_of(&copy)?;
    if edited == original || edited.is_none() {
        if session.output.style == Style::Words {
            session.remote.show(match status.success() {
                true => "the file was not changed",
                false => "the editor failed, and the file was not changed",
            });
        }
        return Ok(u8::from(!status.success()));
    }
    let sent = match status.success() {
        true => send_back(session, found, &copy, before.as_ref()).await,
        false => Err(Error::new("the editor failed, so nothing was sent")),
    };
    // The edited copy is never lost.
    sent.map_err(|error| match keep(directory, &copy) {
        Ok(()) => error.hint(format!(
            "the edited copy is {}",
            printable(copy.as_os_str().as_bytes())
        )),
        Err(failed) => failed,
    })
}

/// Sends the copy, unless the file on the server is another one by now.
async fn send_back(
    session: &Arc<Session>,
    found: &RemotePath,
    copy: &Path,
    before: Option<&FetchedVersion>,
) -> Result<u8> {
    if session
        .stoppable(has_changed(session, &found.path, before))
        .await?
    {
        let shown = printable(&found.shown);
        return Err(Error::new(format!(
            "\"{shown}\" was changed on the server meanwhile, so nothing was sent"
        )));
    }
    let target = match before {
        // A link stays a link: the file that it points to is written.
        Some(_) => {
            let real = session.realpath(&found.path).await.unless_refused();
            real.map_err(not_answered)?.unwrap_or_else(|| found.path.clone())
        }
        None => {
            // If this fails, the file on the server is only readable for its owner.
            let _ = std::fs::set_permissions(copy, Permissions::from_mode(NEW_FILE));
            found.path.clone()
        }
    };
    let args = TransferArgs {
        overwrite: true,
        no_resume: true,
        ..TransferArgs::default()
    };
    match put(session, &args, vec![copy.to_owned()], &target).await? {
        0 => Ok(0),
        _ => Err(Error::new("the edited file was not sent")),
    }
}

/// Fetches a file into the private copy. `None`: it does not exist.
async fn fetch(session: &Session, path: &[u8], copy: &Path) -> Result<Option<FetchedVersion>> {
    let Some(attrs) = look(session, path).await? else {
        return Ok(None);
    };
    let mut options = File::options();
    let options = options.write(true).create_new(true).mode(0o600);
    let local = options.open(copy).map_err(copy_not_written)?;
    let hash = read(session, path, Some(local)).await?;
    Ok(Some(FetchedVersion::new(&attrs, hash)))
}

/// Whether the file on the server is another one than that which was fetched.
async fn has_changed(session: &Session, path: &[u8], before: Option<&FetchedVersion>) -> Result<bool> {
    let (attrs, before) = match (look(session, path).await?, before) {
        (None, before) => return Ok(before.is_some()),
        (Some(_), None) => return Ok(true),
        (Some(now), Some(before)) => (now, before),
    };
    let unread = FetchedVersion::new(&attrs, before.hash.clone());
    if unread != *before {
        return Ok(true);
    }
    // Times have seconds only, so the bytes are compared too.
    Ok(read(session, path, None).await? != before.hash)
}

/// Looks at a file that is to be edited. `None`: it does not exist.
async fn look(session: &Session, path: &[u8]) -> Result<Option<Attributes>> {
    let looking = session.repeated(|link, _| async move {
        let file = OpenFile::open(&link, path).await.unless_missing()?;
        match file {
            Some(file) => file.attributes().await.map(Some),
            None => Ok(None),
        }
    });
    let Some(attrs) = looking.await.map_err(refused("open the file"))? else {
        return Ok(None);
    };
    if !matches!(attrs.file_type(), Some(FileType::Regular) | None) {
        let shown = printable(path);
        return Err(Error::new(format!("\"{shown}\" is not a regular file")));
    }
    if attrs.size.is_some_and(|size| size > MOST_BYTES) {
        return Err(too_large());
    }
    Ok(Some(attrs))
}

fn copy_not_written(error: std::io::Error) -> Error {
    Error::new("cannot write the temporary copy").because(error)
}

fn too_large() -> Error {
    Error::new(format!(
        "files of more than {} are not edited here",
        Size(MOST_BYTES)
    ))
    .hint("get, edit, and put it")
}

/// The sink that hashes the bytes of the file on the server, and copies them.
struct HashedCopy {
    hasher: Box<dyn DynDigest + Send>,
    size: u64,
    /// The copy that they are written to, if there is one.
    copy: Option<File>,
}

#[async_trait]
impl ByteSink for HashedCopy {
    async fn take(&mut self, bytes: Vec<u8>) -> Result<bool> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        // The file may have grown since it was opened.
        if self.size > MOST_BYTES {
            return Err(too_large());
        }
        self.hasher.update(&bytes);
        if let Some(copy) = &mut self.copy {
            copy.write_all(&bytes).map_err(copy_not_written)?;
        }
        Ok(true)
    }
}

/// Reads a file, and writes its bytes to the copy. Returns their hash.
async fn read(session: &Session, path: &[u8], copy: Option<File>) -> Result<Vec<u8>> {
    let mut taken = HashedCopy {
        hasher: HASH.hasher(),
        size: 0,
        copy,
    };
    let reading = ResumedRead::new(session, path, ReadStart::Beginning, ReadAhead::MANY);
    let read = reading.run(&mut taken).await;
    match read {
        Ok(()) => Ok(taken.hasher.finalize().to_vec()),
        Err(ReadFailure::Sink(failed)) => Err(failed),
        Err(ReadFailure::Lost(lost)) => Err(not_answered(lost)),
        Err(ReadFailure::File(why)) => Err(Error::new(format!("cannot read the file: {why}"))),
    }
}

/// The hash of the copy. `None`: the editor has removed it, or never made it.
fn hash_of(copy: &Path) -> Result<Option<Vec<u8>>> {
    let cannot = |error: std::io::Error| Error::new("cannot read the edited copy").because(error);
    let mut file = match File::open(copy) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    let mut hasher = HASH.hasher();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(cannot)?;
        if count == 0 {
            return Ok(Some(hasher.finalize().to_vec()));
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}

/// Leaves the temporary directory where it is, private as before.
fn keep(directory: TemporaryDirectory, copy: &Path) -> Result<()> {
    directory.keep();
    std::fs::set_permissions(copy, Permissions::from_mode(0o600))
        .map_err(|error| Error::new("the edited copy is gone").because(error))
}
