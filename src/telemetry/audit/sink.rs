//! The destination of the audit log's lines, usually a file: how it is opened, and written without half a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use base::advice;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};

/// The destination of the audit log's lines.
#[derive(Debug)]
pub(in crate::telemetry) enum AuditSink {
    /// The lines go to a separate file.
    File(File),
    /// The lines go to the process's log.
    Log,
}

impl AuditSink {
    pub(super) fn open(path: Option<&Path>) -> Result<AuditSink> {
        let Some(path) = path else {
            return Ok(AuditSink::Log);
        };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        // The operator may have put a link there, which points to a larger disk.
        let file = open_regular(path, &options, Links::Follow);
        file.map(AuditSink::File).map_err(|e| cannot_open(path, e))
    }

    /// Returns whether the last line is not whole, because its writer was interrupted.
    pub(super) fn is_torn(&self) -> bool {
        match self {
            AuditSink::File(file) => ends_in_a_line(file),
            AuditSink::Log => false,
        }
    }
}

/// Returns whether a file ends within a line. One that cannot be read counts as whole.
pub(super) fn ends_in_a_line(file: &File) -> bool {
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut last = [b'\n'];
    let read = length.checked_sub(1).map(|at| file.read_at(&mut last, at));
    matches!(read, Some(Ok(1))) && last != *b"\n"
}

/// Returns the error for an audit log that cannot be opened, with what the operator can do about it.
pub(super) fn cannot_open(path: &Path, cause: io::Error) -> Error {
    let kept_out = match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            advice::view(path.parent().unwrap_or(path)).or_else(|| advice::outside_of_sandbox(path))
        }
        _ => None,
    };
    let hint = kept_out.unwrap_or_else(|| {
        "[log] audit in the configuration names it; its directory must exist and be ours".to_owned()
    });
    Error::new(format!("cannot open audit log \"{}\"", path.display()))
        .because(cause)
        .hint(hint)
}

/// Opens the file as [`AuditSink::open`] does, but does not create it. Returns `false` if the file is missing and can
/// be created.
pub(in crate::telemetry) fn probe(path: &Path) -> Result<bool> {
    let cannot = |cause| cannot_open(path, cause);
    match open_regular(path, OpenOptions::new().read(true).append(true), Links::Follow) {
        Ok(_) => Ok(true),
        // Opening a dangling link creates the file that it points to.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let target = std::fs::read_link(path).map(|target| path.with_file_name(target));
            let target = target.unwrap_or_else(|_| path.to_owned());
            let dir = target.parent().unwrap_or(Path::new("/"));
            let rights = Access::WRITE_OK | Access::EXEC_OK;
            accessat(CWD, dir, rights, AtFlags::EACCESS).map_err(|errno| match errno {
                rustix::io::Errno::NOENT => {
                    cannot(e).hint(format!("its directory is missing: mkdir {}", advice::quoted(dir)))
                }
                errno => cannot(errno.into()),
            })?;
            Ok(false)
        }
        Err(e) => Err(cannot(e)),
    }
}

/// Writes the whole text. On an error, it also returns the number of bytes that were written before.
pub(super) fn append(file: &mut File, text: &[u8]) -> std::result::Result<(), (u64, io::Error)> {
    let mut rest = text;
    while !rest.is_empty() {
        let error = match file.write(rest) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        return Err(((text.len() - rest.len()) as u64, error));
    }
    Ok(())
}

/// Truncates what was written last, so that no partial line remains. Only the server does so: commands append to the
/// file only while no server runs.
pub(super) fn take_back(file: &File, written: u64) -> bool {
    let cut = file
        .metadata()
        .and_then(|meta| file.set_len(meta.len().saturating_sub(written)));
    cut.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        append(&mut file, b"whole\n").unwrap();
        append(&mut file, b"half").unwrap();
        assert!(take_back(&file, 4));
        append(&mut file, b"next\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole\nnext\n");
        assert!(!ends_in_a_line(&File::open(&path).unwrap()));
        append(&mut file, b"half").unwrap();
        assert!(ends_in_a_line(&File::open(&path).unwrap()));
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(append(&mut full, b"x").unwrap_err().0, 0);
    }
}
