//! The source of an upload: a file of this machine, which may change while it is sent.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::sync::Arc;

use super::error::TransferError;
use super::job::Job;
use super::settings::Settings;

/// An open file of this machine, with its state at that time.
pub(super) struct SourceFile {
    /// The file, open for reading.
    pub(super) file: Arc<File>,
    /// Its attributes when it was opened.
    pub(super) meta: Metadata,
}

impl SourceFile {
    /// Opens the source of an upload.
    pub(super) fn open(job: &Job) -> Result<Self, TransferError> {
        let file = File::options()
            .read(true)
            // Opening a FIFO would wait for a writer.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&job.local)
            .map_err(TransferError::local("open the file"))?;
        let meta = file
            .metadata()
            .map_err(TransferError::local("look at the file"))?;
        if !meta.is_file() {
            return Err(TransferError::NotAFile);
        }
        Ok(Self {
            file: Arc::new(file),
            meta,
        })
    }

    /// Checks that the file did not change while `sent` bytes of it were sent.
    pub(super) fn check(&self, sent: u64, settings: &Settings) -> Result<(), TransferError> {
        let now = self
            .file
            .metadata()
            .map_err(TransferError::local("look at the file"))?;
        let size = self.meta.len();
        let changed = |what: &str, hint: &str| Err(TransferError::changed(what, hint));
        let again = "run the same command again";
        let anew = settings.advice_to_start_anew();
        match now.len() {
            len if len < size => changed(
                &format!("the file became shorter while it was sent: it has {len} of {size} bytes"),
                anew,
            ),
            len if len > size => changed(
                &format!("the file grew while it was sent: {sent} of {len} bytes"),
                again,
            ),
            _ if sent < size => changed(&format!("the file ended after {sent} of {size} bytes"), again),
            _ if now.mtime() != self.meta.mtime() || now.mtime_nsec() != self.meta.mtime_nsec() => {
                changed("the file was changed while it was sent", anew)
            }
            _ => Ok(()),
        }
    }
}
