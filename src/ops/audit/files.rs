//! The files of an audit log: the current one, and those that logrotate has moved aside and compressed.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::line;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};

/// The bytes of an archive that are read at once.
const ARCHIVE_PIECE: usize = 256 * 1024;
/// The lines at the beginning of a file among which its first time is looked for.
const FIRST_LINES: usize = 100;

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogFile {
    pub path: PathBuf,
    /// The time of the first line that has one.
    pub begins: Vec<u8>,
}

/// The files that a log has.
#[derive(Debug, Default)]
pub(super) struct LogFiles {
    /// The files that can be read, oldest first.
    pub files: Vec<LogFile>,
    /// The files of other compressors.
    pub skipped: Vec<PathBuf>,
    /// Why others cannot be read: they belong to somebody else, are not regular files, or are damaged from their beginning.
    pub unreadable: Vec<Error>,
}

/// Returns the files of the log.
///
/// # Errors
/// Returns an error if the directory cannot be read, or none of the files.
pub(super) fn find(current: &Path) -> Result<LogFiles> {
    let dir = current.parent().unwrap_or(Path::new("/"));
    let cannot = |error| cannot_read(format!("cannot list the directory {dir:?}"), error);
    let mut found = LogFiles::default();
    let mut damaged = Vec::new();
    let mut is_readable = false;
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        match belongs(&path, current) {
            Belongs::Yes => match open(&path).map(first_time) {
                Ok(Ok(begins)) => {
                    is_readable = true;
                    found.files.extend(begins.map(|begins| LogFile { path, begins }));
                }
                Ok(Err(error)) => damaged.push((path, error)),
                Err(error) => found.unreadable.push(error),
            },
            Belongs::Unreadable => found.skipped.push(path),
            Belongs::No => {}
        }
    }
    // While logrotate compresses a file, both exist.
    let plain: HashSet<PathBuf> = found.files.iter().map(|file| file.path.clone()).collect();
    let is_copy =
        |path: &Path| path.extension().is_some_and(|e| e == "gz") && plain.contains(&path.with_extension(""));
    found.files.retain(|file| !is_copy(&file.path));
    damaged.retain(|(path, _)| !is_copy(path));
    let damaged = damaged.into_iter().map(|(path, error)| {
        Error::new(format!("cannot read the audit log {path:?}"))
            .because(error)
            .hint("it is damaged from its beginning; nothing of it is in the answer")
    });
    found.unreadable.extend(damaged);
    if !is_readable {
        return Err(found.unreadable.pop().unwrap_or_else(|| {
            Error::new(format!("there is no audit log {current:?}"))
                .hint("the server creates it when it starts")
        }));
    }
    found
        .files
        .sort_by(|a, b| a.begins.cmp(&b.begins).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

enum Belongs {
    Yes,
    No,
    /// It is a file of the log, compressed in a way that is not read here.
    Unreadable,
}

/// Returns whether a file has the name of the current one, or one that logrotate makes of it: `.1`, `.2.gz`,
/// `-20261130`, `-20261130-1600.gz`.
fn belongs(path: &Path, current: &Path) -> Belongs {
    let name = |path: &Path| path.file_name().map(|name| name.as_bytes().to_vec());
    let (Some(name), Some(current)) = (name(path), name(current)) else {
        return Belongs::No;
    };
    let Some(rest) = name.strip_prefix(&current[..]) else {
        return Belongs::No;
    };
    let is_rotated = |rest: &[u8]| match rest.split_first() {
        None => true,
        Some((b'.' | b'-', number)) => {
            number.first().is_some_and(u8::is_ascii_digit)
                && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
        }
        Some(_) => false,
    };
    if is_rotated(rest.strip_suffix(b".gz").unwrap_or(rest)) {
        return Belongs::Yes;
    }
    let others = [&b".xz"[..], b".zst", b".bz2", b".lz4"];
    let is_other = others
        .iter()
        .filter_map(|suffix| rest.strip_suffix(*suffix))
        .any(is_rotated);
    match is_other {
        true => Belongs::Unreadable,
        false => Belongs::No,
    }
}

/// Opens a file of the log; a compressed one is unpacked as it is read. Anything but a regular file is an error, and is not
/// waited for.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let cannot = |error| cannot_read(format!("cannot read the audit log {path:?}"), error);
    let file: File = open_regular(path, OpenOptions::new().read(true), Links::Follow).map_err(cannot)?;
    Ok(match path.extension() {
        Some(extension) if extension == "gz" => {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(ARCHIVE_PIECE, file)))
        }
        _ => Box::new(file),
    })
}

fn cannot_read(what: String, cause: io::Error) -> Error {
    let is_denied = cause.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::new(what).because(cause);
    match is_denied {
        true => error.hint("run the command as root, or as the server's user"),
        false => error,
    }
}

/// Returns the time of the first line that has one; `None` if the file is empty.
///
/// # Errors
/// Returns an error if the file cannot be read or unpacked so far, or none of its first lines has a time.
fn first_time(file: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut read = BufReader::new(file.take(FIRST_LINES as u64 * 1024));
    for number in 0..FIRST_LINES {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line)? == 0 {
            if number == 0 {
                return Ok(None);
            }
            break;
        }
        if let Some(time) = line::time(line.trim_ascii_end()) {
            return Ok(Some(time.to_vec()));
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "none of its first lines is an event",
    ))
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinePlace {
    /// The file that the line stands in.
    pub file: PathBuf,
    /// The number of the line in it, from 1.
    pub number: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_belong_to_the_log_and_others_do_not() {
        let check = |name: &str, expected: &str| {
            let found = match belongs(Path::new(name), Path::new("/var/log/audit.log")) {
                Belongs::Yes => "yes",
                Belongs::No => "no",
                Belongs::Unreadable => "unreadable",
            };
            assert_eq!(found, expected, "{name}");
        };
        for name in [
            "audit.log",
            "audit.log.1",
            "audit.log.12.gz",
            "audit.log-20261130",
            "audit.log-20261130-1600.gz",
            "audit.log.gz",
        ] {
            check(name, "yes");
        }
        for name in [
            "audit.logs",
            "audit.log.swp",
            "audit.log~",
            "other.log",
            "audit.log.1.old",
            "audit",
        ] {
            check(name, "no");
        }
        check("audit.log.3.xz", "unreadable");
        check("audit.log-20261130.zst", "unreadable");
    }
}
