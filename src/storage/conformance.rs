//! The tests that every storage must pass. They run on the local storage alone, and behind each decorator with all
//! permissions and enough space.
//!
//! A decorator's tests call `conformance::run(|home| Arc::new(Decorator::new(LocalStorage::open(home).unwrap())));`.

mod limited;
mod listing;
mod names;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::router::folders::{FolderMounter, Mounting};
use super::{
    Error, FileKind, FileTimes, IfExists, Links, OpenFile, OpenHow, Owner, Renaming, Result, SetAttrs,
    Storage, Wait,
};
use crate::domain::path::VirtualPath;

/// One test, which runs on a home of its own.
type Story = fn(&dyn Storage);

macro_rules! stories {
    ($($story:path),* $(,)?) => { &[$((stringify!($story), $story)),*] };
}

const STORIES: &[(&str, Story)] = stories![
    what_is_written_is_read,
    opening_keeps_or_cuts,
    appending_ignores_offsets,
    offsets_never_wrap,
    handles_do_only_what_they_were_opened_for,
    directories_open_as_files_but_do_not_read,
    listing::a_listing_has_everything_once,
    the_home_is_the_root,
    what_is_abandoned_is_not_lost,
    a_home_has_one_identity,
    what_cannot_be_done_is_declared,
    names::attributes_are_set_and_kept_in_bounds,
    names::links_have_attributes_of_their_own,
    names::names_are_made_and_removed,
    names::renames_refuse_or_replace,
    names::links_are_made_and_followed,
    names::there_is_room,
];

/// Runs every test on a storage that `make` builds over an empty home.
pub(crate) fn run(make: impl Fn(&Path) -> Arc<dyn Storage>) {
    run_without(&[], make);
}

/// Runs every test but those with these names.
pub(crate) fn run_without(left_out: &[&str], make: impl Fn(&Path) -> Arc<dyn Storage>) {
    let is_left_out = |name: &str| left_out.iter().any(|left_out| name.ends_with(left_out));
    for (name, story) in STORIES.iter().filter(|(name, _)| !is_left_out(name)) {
        let home = tempfile::tempdir().unwrap();
        eprintln!("story: {name}");
        story(&*make(home.path()));
    }
}

/// A folder whose storage is open before the session enters it.
pub(crate) struct OpenedFolder(pub(crate) Arc<dyn Storage>);

impl FolderMounter for OpenedFolder {
    fn mount(&self) -> Mounting {
        let storage = Arc::clone(&self.0);
        Box::pin(async move { Ok(storage) })
    }
}

/// A rename that never replaces an existing name.
pub(crate) const REFUSE: Renaming = Renaming {
    if_exists: IfExists::Refuse,
    only_files: false,
    wait: Wait::Allowed,
};

/// A rename that replaces an existing name.
pub(crate) const REPLACE: Renaming = Renaming {
    if_exists: IfExists::Replace,
    only_files: false,
    wait: Wait::Allowed,
};

/// Parses a path as a client writes it.
pub(crate) fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

/// Returns the flags that the letters stand for: `r`ead, `w`rite, `a`ppend, `c`reate, `t`runcate, e`x`clusive.
pub(crate) fn how(letters: &str) -> OpenHow {
    OpenHow {
        read: letters.contains('r'),
        write: letters.contains('w'),
        append: letters.contains('a'),
        create: letters.contains('c'),
        truncate: letters.contains('t'),
        exclusive: letters.contains('x'),
        mode: None,
    }
}

/// Creates a file with this content.
pub(crate) fn put(storage: &dyn Storage, at: &str, content: &[u8]) {
    let file = storage.open(&path(at), how("wct"), Wait::Allowed).unwrap();
    file.write_at(content, 0, Wait::Allowed).unwrap();
}

/// Returns the whole content of a file.
pub(crate) fn get(storage: &dyn Storage, at: &str) -> Result<Vec<u8>> {
    let file = storage.open(&path(at), how("r"), Wait::Allowed)?;
    let size = usize::try_from(file.stat()?.size).unwrap();
    let mut buffer = vec![0; size + 1];
    let count = file.read_at(&mut buffer, 0, Wait::Allowed)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// Returns the names in a directory with their kinds, without `.` and `..`.
pub(crate) fn list(storage: &dyn Storage, at: &str) -> Result<BTreeMap<String, FileKind>> {
    let mut stream = storage.open_dir(&path(at))?;
    let mut names = BTreeMap::new();
    while let Some(entry) = stream.next()? {
        let name = String::from_utf8(entry.name).unwrap();
        if name != "." && name != ".." {
            assert_eq!(names.insert(name, entry.meta.kind), None);
        }
    }
    Ok(names)
}

/// Returns the error of a call that has to fail.
pub(crate) fn error<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => error,
    }
}

fn kind(storage: &dyn Storage, at: &str) -> Result<FileKind> {
    storage.stat(&path(at), Links::NoFollow).map(|meta| meta.kind)
}

fn mode(storage: &dyn Storage, at: &str) -> u32 {
    storage.stat(&path(at), Links::Follow).unwrap().mode & 0o7777
}

/// Reads as the server does: without waiting first, and again with waiting if that is refused.
fn read(file: &dyn OpenFile, length: usize, offset: u64) -> Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let count = match file.read_at(&mut buffer, offset, Wait::Never) {
        Err(Error::WouldBlock) => file.read_at(&mut buffer, offset, Wait::Allowed)?,
        result => result?,
    };
    buffer.truncate(count);
    Ok(buffer)
}

fn what_is_written_is_read(storage: &dyn Storage) {
    let file = storage.open(&path("f"), how("rwc"), Wait::Allowed).unwrap();
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    file.write_at(&content[500_000..], 500_000, Wait::Allowed)
        .unwrap();
    file.write_at(&content[..500_000], 0, Wait::Allowed).unwrap();
    assert_eq!(file.stat().unwrap().size, 1_200_000);
    assert_eq!(read(&*file, 1_200_000, 0).unwrap(), content);
    assert_eq!(read(&*file, 261_120, 100_001).unwrap(), content[100_001..361_121]);
    assert_eq!(read(&*file, 5_000, 1_199_000).unwrap(), content[1_199_000..]);
    assert_eq!(read(&*file, 10, 1_200_000).unwrap(), b"");
    assert_eq!(read(&*file, 10, 1 << 40).unwrap(), b"");
    assert_eq!(read(&*file, 0, 0).unwrap(), b"");
    file.write_at(b"", 0, Wait::Allowed).unwrap();
    file.write_at(b"!", 1_300_000, Wait::Allowed).unwrap();
    assert_eq!(read(&*file, 3, 1_299_998).unwrap(), b"\0\0!");
    file.sync().unwrap();
    assert_eq!(get(storage, "f").unwrap().len(), 1_300_001);
}

fn opening_keeps_or_cuts(storage: &dyn Storage) {
    put(storage, "f", b"content");
    storage.open(&path("f"), how("w"), Wait::Allowed).unwrap();
    storage.open(&path("f"), how("wc"), Wait::Allowed).unwrap();
    storage.open(&path("f"), how("rwac"), Wait::Allowed).unwrap();
    assert_eq!(get(storage, "f").unwrap(), b"content");
    assert_eq!(
        error(storage.open(&path("f"), how("wcx"), Wait::Allowed)),
        Error::AlreadyExists
    );
    assert_eq!(
        error(storage.open(&path("f"), how("wctx"), Wait::Allowed)),
        Error::AlreadyExists
    );
    assert_eq!(get(storage, "f").unwrap(), b"content");
    storage.open(&path("f"), how("wt"), Wait::Allowed).unwrap();
    assert_eq!(get(storage, "f").unwrap(), b"");
    put(storage, "f", b"content");
    // This is what OpenSSH's server does on Linux.
    storage.open(&path("f"), how("rt"), Wait::Allowed).unwrap();
    assert_eq!(get(storage, "f").unwrap(), b"");
    assert_eq!(
        error(storage.open(&path("new"), how("w"), Wait::Allowed)),
        Error::NotFound
    );
    assert_eq!(
        error(storage.open(&path("no/new"), how("wc"), Wait::Allowed)),
        Error::NotFound
    );
    assert_eq!(
        error(storage.open(&path("f/new"), how("wc"), Wait::Allowed)),
        Error::NotADirectory
    );
    let made = OpenHow {
        mode: Some(0o6640),
        ..how("wcx")
    };
    storage.open(&path("new"), made, Wait::Allowed).unwrap();
    assert_eq!(mode(storage, "new"), 0o640 & mode_left_by_umask());
    // The mode is used for new files only.
    let kept = OpenHow {
        mode: Some(0),
        ..how("wc")
    };
    storage.open(&path("new"), kept, Wait::Allowed).unwrap();
    assert_eq!(mode(storage, "new"), 0o640 & mode_left_by_umask());
    let unreadable = OpenHow {
        mode: Some(0),
        ..how("wcx")
    };
    storage.open(&path("zero"), unreadable, Wait::Allowed).unwrap();
    assert_eq!(mode(storage, "zero"), 0o400);
}

/// Returns the permission bits that the process's umask leaves; a test must not change the umask.
fn mode_left_by_umask() -> u32 {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    std::fs::write(&file, "").unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    mode & 0o666 | 0o111
}

fn appending_ignores_offsets(storage: &dyn Storage) {
    put(storage, "log", b"one");
    let file = storage.open(&path("log"), how("wa"), Wait::Allowed).unwrap();
    file.write_at(b"two", 0, Wait::Allowed).unwrap();
    file.write_at(b"three", u64::MAX, Wait::Allowed).unwrap();
    assert_eq!(get(storage, "log").unwrap(), b"onetwothree");
}

fn offsets_never_wrap(storage: &dyn Storage) {
    let file = storage.open(&path("f"), how("rwc"), Wait::Allowed).unwrap();
    file.write_at(b"content", 0, Wait::Allowed).unwrap();
    for offset in [1 << 63, u64::MAX - 3, u64::MAX] {
        for wait in [Wait::Never, Wait::Allowed] {
            assert_eq!(error(file.read_at(&mut [0; 8], offset, wait)), Error::Invalid);
        }
        assert_eq!(error(file.write_at(b"x", offset, Wait::Allowed)), Error::Invalid);
        let size = SetAttrs {
            size: Some(offset),
            ..SetAttrs::default()
        };
        assert_eq!(error(file.set_attrs(&size)), Error::Invalid);
        assert_eq!(
            error(storage.set_attrs(&path("f"), &size, Links::Follow)),
            Error::Invalid
        );
    }
    // If the file system does not support such an offset, lseek(2) fails.
    let far = read(&*file, 8, (1 << 63) - 4);
    assert!(far == Ok(Vec::new()) || far == Err(Error::Invalid), "{far:?}");
    assert!(file.write_at(b"12345678", (1 << 63) - 4, Wait::Allowed).is_err());
    assert_eq!(get(storage, "f").unwrap(), b"content");
}

fn handles_do_only_what_they_were_opened_for(storage: &dyn Storage) {
    put(storage, "f", b"content");
    let reader = storage.open(&path("f"), how("r"), Wait::Allowed).unwrap();
    assert_eq!(error(reader.write_at(b"x", 0, Wait::Allowed)), Error::BadHandle);
    let writer = storage.open(&path("f"), how("w"), Wait::Allowed).unwrap();
    assert_eq!(
        error(writer.read_at(&mut [0; 8], 0, Wait::Allowed)),
        Error::BadHandle
    );
    // Handles stay usable after the file is removed.
    storage.remove(&path("f"), Wait::Allowed).unwrap();
    writer.write_at(b"C", 0, Wait::Allowed).unwrap();
    assert_eq!(read(&*reader, 8, 0).unwrap(), b"Content");
}

fn directories_open_as_files_but_do_not_read(storage: &dyn Storage) {
    storage.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    let dir = storage.open(&path("d"), how("r"), Wait::Allowed).unwrap();
    assert_eq!(dir.stat().unwrap().kind, FileKind::Directory);
    for wait in [Wait::Never, Wait::Allowed] {
        assert_eq!(error(dir.read_at(&mut [0; 8], 0, wait)), Error::IsADirectory);
    }
    assert_eq!(
        error(storage.open(&path("d"), how("w"), Wait::Allowed)),
        Error::IsADirectory
    );
    assert_eq!(
        error(storage.open(&path("d"), how("rwc"), Wait::Allowed)),
        Error::IsADirectory
    );
    put(storage, "f", b"");
    assert_eq!(error(storage.open_dir(&path("f"))), Error::NotADirectory);
    assert_eq!(error(storage.open_dir(&path("no"))), Error::NotFound);
}

fn the_home_is_the_root(storage: &dyn Storage) {
    storage.mkdir(&path("a"), 0o755, Wait::Allowed).unwrap();
    // The home is recognised by its modification time; the directory above it has another one.
    let times = SetAttrs {
        times: Some(FileTimes {
            accessed: 11,
            modified: 22,
        }),
        ..SetAttrs::default()
    };
    storage.set_attrs(&path("/"), &times, Links::Follow).unwrap();
    for up in ["..", "../..", "a/..", "a/../..", "/../a/.."] {
        let meta = storage.stat(&path(up), Links::NoFollow).unwrap();
        assert_eq!(meta.mtime, 22, "{up}");
        let mut stream = storage.open_dir(&path(up)).unwrap();
        while let Some(entry) = stream.next().unwrap() {
            if entry.name == b".." || entry.name == b"." {
                assert_eq!(entry.meta.mtime, 22, "{entry:?}");
            }
        }
        assert_eq!(storage.real_path(&path(up)).unwrap(), VirtualPath::root());
    }
    assert_eq!(storage.real_path(&path("a/./b")).unwrap(), path("/a/b"));
    assert_eq!(error(storage.real_path(&path("b/c"))), Error::NotFound);
}

/// A client that disconnects keeps what it has written, and other clients keep their handles.
fn what_is_abandoned_is_not_lost(storage: &dyn Storage) {
    let lost = storage.open(&path("f"), how("wc"), Wait::Allowed).unwrap();
    let other = storage.open(&path("f"), how("rw"), Wait::Allowed).unwrap();
    lost.write_at(b"half a", 0, Wait::Allowed).unwrap();
    lost.abandon();
    drop(lost);
    assert_eq!(get(storage, "f").unwrap(), b"half a");
    other.write_at(b" file", 6, Wait::Allowed).unwrap();
    other.finish(Wait::Allowed).unwrap();
    assert_eq!(get(storage, "f").unwrap(), b"half a file");
}

fn a_home_has_one_identity(storage: &dyn Storage) {
    assert_eq!(storage.identity(), storage.identity());
    assert!(storage.identity().is_ok());
}

/// What a storage declares works. What it does not declare is refused, and changes nothing.
fn what_cannot_be_done_is_declared(storage: &dyn Storage) {
    let can = storage.capabilities();
    let check = |declared: bool, done: Result<()>| match declared {
        true => assert_eq!(done, Ok(())),
        false => assert_eq!(done, Err(Error::NotSupported)),
    };
    put(storage, "f", b"content");
    storage.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    check(can.links, storage.symlink(b"f", &path("l"), Wait::Allowed));
    check(
        can.links,
        storage.hard_link(&path("f"), &path("m"), Wait::Allowed),
    );
    assert_eq!(storage.stat(&path("l"), Links::NoFollow).is_ok(), can.links);
    assert_eq!(storage.stat(&path("m"), Links::NoFollow).is_ok(), can.links);
    check(
        can.directory_renames,
        storage.rename(&path("d"), &path("e"), REFUSE),
    );
    let file = storage.open(&path("f"), how("rw"), Wait::Allowed).unwrap();
    check(can.random_writes, file.write_at(b"C", 0, Wait::Allowed));
    file.finish(Wait::Allowed).unwrap();
}
