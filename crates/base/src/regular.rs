//! Opens files that must be regular files: the configuration, host keys, the audit log, the lock, the store. Anything
//! else (a FIFO, a device, a directory, or a symbolic link where none is allowed) is refused with a message. What must be a
//! directory is opened in the same way.
//!
//! A name may refer to something else after it was checked. So the open itself cannot block (`O_NONBLOCK`) and does not
//! make a terminal the controlling one (`O_NOCTTY`), and what was opened is checked again. The size of what is read is
//! limited.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// What to do if the name is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The link is followed: the operator put it there.
    Follow,
    /// The link is refused: nobody has a reason to put a link into this directory.
    Refuse,
}

/// Opens a regular file with these options. Custom flags in them are replaced.
///
/// # Errors
/// Returns the system's error, or one of kind [`io::ErrorKind::InvalidInput`] that says what it is if it is not a
/// regular file.
pub fn open_regular(path: &Path, options: &OpenOptions, links: Links) -> io::Result<File> {
    // Check the type first, because opening a device may have an effect.
    match stat(path, links) {
        Ok(meta) => must_be_regular(&meta)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let mut options = options.clone();
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    let file = match options.open(path) {
        Ok(file) => file,
        // It may have changed meanwhile; its type is a better message than ENXIO or ELOOP.
        Err(error) => {
            if let Ok(meta) = stat(path, links) {
                must_be_regular(&meta)?;
            }
            return Err(error);
        }
    };
    must_be_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a directory, in which nothing can be read or written by this alone. Symbolic links are followed.
///
/// # Errors
/// Returns the system's error, or one of kind [`io::ErrorKind::InvalidInput`] that says what it is if it is not a
/// directory.
pub fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    options.open(path).map_err(|error| match path.metadata() {
        Ok(meta) if !meta.is_dir() => refused(format!("it is {}, not a directory", kind(meta.file_type()))),
        _ => error,
    })
}

/// Reads a regular file of at most `most` bytes. Symbolic links are followed.
///
/// # Errors
/// Returns the errors of [`open_regular`], or an error if the file is larger.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path, OpenOptions::new().read(true), Links::Follow)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(refused(format!("it is larger than {}", crate::size::Size(most))));
    }
    Ok(bytes)
}

/// Checks that this is a regular file.
///
/// # Errors
/// Returns an error that says what it is if it is not.
pub fn must_be_regular(meta: &Metadata) -> io::Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    Err(refused(format!(
        "it is {}, not a regular file",
        kind(meta.file_type())
    )))
}

/// Returns the kind of a directory entry, with its article.
pub fn kind(of: FileType) -> &'static str {
    if of.is_file() {
        "a regular file"
    } else if of.is_dir() {
        "a directory"
    } else if of.is_symlink() {
        "a symbolic link"
    } else if of.is_fifo() {
        "a FIFO"
    } else if of.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn stat(path: &Path, links: Links) -> io::Result<Metadata> {
    match links {
        Links::Follow => path.metadata(),
        Links::Refuse => path.symlink_metadata(),
    }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    /// A directory with one entry of each kind.
    fn zoo() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        UnixListener::bind(at("socket")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("fifo", at("link to a fifo")).unwrap();
        symlink("/dev/null", at("link to a device")).unwrap();
        symlink("none", at("link to nothing")).unwrap();
        dir
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() {
        let dir = zoo();
        let options = |text: &str| {
            let mut options = OpenOptions::new();
            options
                .read(text.contains('r'))
                .write(text.contains('w'))
                .append(text.contains('a'))
                .create(text.contains('c'));
            options
        };
        let rows = [
            ("file", None, None),
            ("dir", Some("a directory"), Some("a directory")),
            ("fifo", Some("a FIFO"), Some("a FIFO")),
            ("socket", Some("a socket"), Some("a socket")),
            ("link", None, Some("a symbolic link")),
            ("link to a fifo", Some("a FIFO"), Some("a symbolic link")),
            ("link to a device", Some("a device"), Some("a symbolic link")),
        ];
        for (name, followed, refused) in rows {
            for (links, expected) in [(Links::Follow, followed), (Links::Refuse, refused)] {
                for how in ["r", "rw", "a", "ac", "rwc"] {
                    let opened = open_regular(&dir.path().join(name), &options(how), links);
                    let message = opened.map(drop).map_err(|e| e.to_string());
                    let expected = match expected {
                        None => Ok(()),
                        Some(kind) => Err(format!("it is {kind}, not a regular file")),
                    };
                    assert_eq!(message, expected, "{name} {links:?} {how}");
                }
            }
        }
        let lost = dir.path().join("link to nothing");
        assert!(open_regular(&lost, &options("wc"), Links::Refuse).is_err());
        assert!(!dir.path().join("none").exists());
        let none = open_regular(&dir.path().join("no"), &options("r"), Links::Follow);
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_directories_are_opened_as_such_and_nothing_waits() {
        let dir = zoo();
        for (name, expected) in [
            ("dir", None),
            ("file", Some("a regular file")),
            ("fifo", Some("a FIFO")),
            ("socket", Some("a socket")),
            ("link to a fifo", Some("a FIFO")),
            ("link to a device", Some("a device")),
        ] {
            let opened = open_directory(&dir.path().join(name));
            let expected = expected.map(|kind| format!("it is {kind}, not a directory"));
            assert_eq!(opened.err().map(|error| error.to_string()), expected, "{name}");
        }
        let none = open_directory(&dir.path().join("link to nothing"));
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_read_is_limited() {
        let dir = zoo();
        let read = |name: &str, most| read_regular(&dir.path().join(name), most).map_err(|e| e.to_string());
        assert_eq!(read("file", 4), Ok(b"text".to_vec()));
        assert_eq!(read("link", 4), Ok(b"text".to_vec()));
        assert_eq!(read("file", 3), Err("it is larger than 3 B".to_owned()));
        assert!(read("fifo", 4).is_err());
    }
}
