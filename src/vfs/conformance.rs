//! What every storage must do, told as stories: the local one bare, and behind each decorator with nothing
//! forbidden and room enough.
//!
//! `conformance::run(|home| Arc::new(Decorator::new(LocalStorage::open(home).unwrap())));` in a decorator's tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::{Error, FileKind, Links, OpenFile, OpenHow, Over, Result, SetAttrs, Storage, Wait};
use crate::path::VirtualPath;

/// One story, on a home of its own.
type Story = fn(&dyn Storage);

const STORIES: [(&str, Story); 14] = [
    ("what is written is read", what_is_written_is_read),
    ("opening keeps or cuts", opening_keeps_or_cuts),
    ("appending ignores offsets", appending_ignores_offsets),
    ("offsets never wrap", offsets_never_wrap),
    (
        "handles do only what they were opened for",
        handles_do_only_what_they_were_opened_for,
    ),
    (
        "directories open as files but do not read",
        directories_open_as_files_but_do_not_read,
    ),
    ("a listing has everything once", a_listing_has_everything_once),
    ("the home is the root", the_home_is_the_root),
    (
        "attributes are set and kept in bounds",
        attributes_are_set_and_kept_in_bounds,
    ),
    (
        "links have attributes of their own",
        links_have_attributes_of_their_own,
    ),
    ("names are made and removed", names_are_made_and_removed),
    ("renames refuse or replace", renames_refuse_or_replace),
    ("links are made and followed", links_are_made_and_followed),
    ("there is room", there_is_room),
];

/// Tells every story to a storage that `make` builds over an empty home.
pub(crate) fn run(make: impl Fn(&Path) -> Arc<dyn Storage>) {
    for (name, story) in STORIES {
        let home = tempfile::tempdir().unwrap();
        eprintln!("story: {name}");
        story(&*make(home.path()));
    }
}

/// A path, as a client writes it.
pub(crate) fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

/// Flags as letters: `r`ead, `w`rite, `a`ppend, `c`reate, `t`runcate, e`x`clusive.
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

/// Makes a file with this content.
pub(crate) fn put(storage: &dyn Storage, at: &str, content: &[u8]) {
    let file = storage.open(&path(at), how("wct")).unwrap();
    file.write_at(content, 0).unwrap();
}

/// All of a file.
pub(crate) fn get(storage: &dyn Storage, at: &str) -> Result<Vec<u8>> {
    let file = storage.open(&path(at), how("r"))?;
    let size = usize::try_from(file.stat()?.size).unwrap();
    let mut buffer = vec![0; size + 1];
    let count = file.read_at(&mut buffer, 0, Wait::Allowed)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// The names in a directory with their kinds, without `.` and `..`.
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

/// The error of a call that has to fail.
pub(crate) fn error<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => error,
    }
}

fn os(errno: Errno) -> Error {
    Error::Os(errno)
}

fn kind(storage: &dyn Storage, at: &str) -> Result<FileKind> {
    storage.stat(&path(at), Links::NoFollow).map(|meta| meta.kind)
}

fn mode(storage: &dyn Storage, at: &str) -> u32 {
    storage.stat(&path(at), Links::Follow).unwrap().mode & 0o7777
}

/// Reads without leave to wait, and with it where that is refused: the way the server does.
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
    let file = storage.open(&path("f"), how("rwc")).unwrap();
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    file.write_at(&content[500_000..], 500_000).unwrap();
    file.write_at(&content[..500_000], 0).unwrap();
    assert_eq!(file.stat().unwrap().size, 1_200_000);
    assert_eq!(read(&*file, 1_200_000, 0).unwrap(), content);
    assert_eq!(read(&*file, 261_120, 100_001).unwrap(), content[100_001..361_121]);
    assert_eq!(read(&*file, 5_000, 1_199_000).unwrap(), content[1_199_000..]);
    assert_eq!(read(&*file, 10, 1_200_000).unwrap(), b"");
    assert_eq!(read(&*file, 10, 1 << 40).unwrap(), b"");
    assert_eq!(read(&*file, 0, 0).unwrap(), b"");
    file.write_at(b"", 0).unwrap();
    file.write_at(b"!", 1_300_000).unwrap();
    assert_eq!(read(&*file, 3, 1_299_998).unwrap(), b"\0\0!");
    file.sync().unwrap();
    assert_eq!(get(storage, "f").unwrap().len(), 1_300_001);
}

fn opening_keeps_or_cuts(storage: &dyn Storage) {
    put(storage, "f", b"content");
    storage.open(&path("f"), how("w")).unwrap();
    storage.open(&path("f"), how("wc")).unwrap();
    storage.open(&path("f"), how("rwac")).unwrap();
    assert_eq!(get(storage, "f").unwrap(), b"content");
    assert_eq!(error(storage.open(&path("f"), how("wcx"))), os(Errno::EXIST));
    assert_eq!(error(storage.open(&path("f"), how("wctx"))), os(Errno::EXIST));
    assert_eq!(get(storage, "f").unwrap(), b"content");
    storage.open(&path("f"), how("wt")).unwrap();
    assert_eq!(get(storage, "f").unwrap(), b"");
    put(storage, "f", b"content");
    // As OpenSSH's server on Linux.
    storage.open(&path("f"), how("rt")).unwrap();
    assert_eq!(get(storage, "f").unwrap(), b"");
    assert_eq!(error(storage.open(&path("new"), how("w"))), os(Errno::NOENT));
    assert_eq!(error(storage.open(&path("no/new"), how("wc"))), os(Errno::NOENT));
    assert_eq!(error(storage.open(&path("f/new"), how("wc"))), os(Errno::NOTDIR));
    let made = OpenHow {
        mode: Some(0o6640),
        ..how("wcx")
    };
    storage.open(&path("new"), made).unwrap();
    assert_eq!(mode(storage, "new"), 0o640 & mode_left_by_umask());
    // The mode is for new files only.
    let kept = OpenHow {
        mode: Some(0),
        ..how("wc")
    };
    storage.open(&path("new"), kept).unwrap();
    assert_eq!(mode(storage, "new"), 0o640 & mode_left_by_umask());
    let unreadable = OpenHow {
        mode: Some(0),
        ..how("wcx")
    };
    storage.open(&path("zero"), unreadable).unwrap();
    assert_eq!(mode(storage, "zero"), 0o400);
}

/// What the process's umask, which is not ours to change, lets through.
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
    let file = storage.open(&path("log"), how("wa")).unwrap();
    file.write_at(b"two", 0).unwrap();
    file.write_at(b"three", u64::MAX).unwrap();
    assert_eq!(get(storage, "log").unwrap(), b"onetwothree");
}

fn offsets_never_wrap(storage: &dyn Storage) {
    let file = storage.open(&path("f"), how("rwc")).unwrap();
    file.write_at(b"content", 0).unwrap();
    for offset in [1 << 63, u64::MAX - 3, u64::MAX] {
        for wait in [Wait::Never, Wait::Allowed] {
            assert_eq!(error(file.read_at(&mut [0; 8], offset, wait)), os(Errno::INVAL));
        }
        assert_eq!(error(file.write_at(b"x", offset)), os(Errno::INVAL));
        let size = SetAttrs {
            size: Some(offset),
            ..SetAttrs::default()
        };
        assert_eq!(error(file.set_attrs(&size)), os(Errno::INVAL));
        assert_eq!(
            error(storage.set_attrs(&path("f"), &size, Links::Follow)),
            os(Errno::INVAL)
        );
    }
    assert_eq!(read(&*file, 8, (1 << 63) - 4).unwrap(), b"");
    assert!(file.write_at(b"12345678", (1 << 63) - 4).is_err());
    assert_eq!(get(storage, "f").unwrap(), b"content");
}

fn handles_do_only_what_they_were_opened_for(storage: &dyn Storage) {
    put(storage, "f", b"content");
    let reader = storage.open(&path("f"), how("r")).unwrap();
    assert_eq!(error(reader.write_at(b"x", 0)), os(Errno::BADF));
    let writer = storage.open(&path("f"), how("w")).unwrap();
    assert_eq!(
        error(writer.read_at(&mut [0; 8], 0, Wait::Allowed)),
        os(Errno::BADF)
    );
    // Removing a file leaves those who have it open with it.
    storage.remove(&path("f")).unwrap();
    writer.write_at(b"C", 0).unwrap();
    assert_eq!(read(&*reader, 8, 0).unwrap(), b"Content");
}

fn directories_open_as_files_but_do_not_read(storage: &dyn Storage) {
    storage.mkdir(&path("d"), 0o755).unwrap();
    let dir = storage.open(&path("d"), how("r")).unwrap();
    assert_eq!(dir.stat().unwrap().kind, FileKind::Directory);
    for wait in [Wait::Never, Wait::Allowed] {
        assert_eq!(error(dir.read_at(&mut [0; 8], 0, wait)), os(Errno::ISDIR));
    }
    assert_eq!(error(storage.open(&path("d"), how("w"))), os(Errno::ISDIR));
    assert_eq!(error(storage.open(&path("d"), how("rwc"))), os(Errno::ISDIR));
    put(storage, "f", b"");
    assert_eq!(error(storage.open_dir(&path("f"))), os(Errno::NOTDIR));
    assert_eq!(error(storage.open_dir(&path("no"))), os(Errno::NOENT));
}

fn a_listing_has_everything_once(storage: &dyn Storage) {
    storage.mkdir(&path("d"), 0o755).unwrap();
    storage.mkdir(&path("d/sub"), 0o755).unwrap();
    // More than one batch of names.
    let long = "n".repeat(200);
    for i in 0..400 {
        storage.open(&path(&format!("d/{long}{i}")), how("wc")).unwrap();
    }
    put(storage, "d/full", b"12345");
    storage.symlink(b"full", &path("d/link")).unwrap();
    storage
        .open(&VirtualPath::parse(b"d/caf\xe9").unwrap(), how("wc"))
        .unwrap();
    let mut stream = storage.open_dir(&path("d")).unwrap();
    let mut entries = BTreeMap::new();
    while let Some(entry) = stream.next().unwrap() {
        assert_eq!(entries.insert(entry.name.clone(), entry.meta), None, "{entry:?}");
    }
    assert_eq!(stream.next().unwrap(), None);
    assert_eq!(entries.len(), 406);
    assert_eq!(entries[b"full".as_slice()].size, 5);
    assert_eq!(entries[b"link".as_slice()].kind, FileKind::Symlink);
    assert_eq!(entries[b"sub".as_slice()].kind, FileKind::Directory);
    assert!(entries.contains_key(b"caf\xe9".as_slice()));
    let of = |at| storage.stat(&path(at), Links::NoFollow).unwrap();
    assert_eq!(entries[b".".as_slice()].mtime, of("d").mtime);
    assert_eq!(entries[b"..".as_slice()].links, of("/").links);
    assert_eq!(stream.stat().unwrap().kind, FileKind::Directory);
    stream.sync().unwrap();
    assert!(stream.space().unwrap().blocks > 0);
}

fn the_home_is_the_root(storage: &dyn Storage) {
    storage.mkdir(&path("a"), 0o755).unwrap();
    // The home is known by its time: what is above it has another.
    let times = SetAttrs {
        times: Some((11, 22)),
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
    assert_eq!(error(storage.real_path(&path("b/c"))), os(Errno::NOENT));
}

fn attributes_are_set_and_kept_in_bounds(storage: &dyn Storage) {
    put(storage, "f", b"content");
    storage.mkdir(&path("d"), 0o700).unwrap();
    let chmod = |mode| SetAttrs {
        permissions: Some(mode),
        ..SetAttrs::default()
    };
    for (at, wish, given) in [
        ("f", 0o640, 0o640),
        ("f", 0o7777, 0o777),
        ("f", 0, 0o400),
        ("d", 0o1755, 0o755),
        ("d", 0, 0o700),
    ] {
        storage.set_attrs(&path(at), &chmod(wish), Links::Follow).unwrap();
        assert_eq!(mode(storage, at), given, "{at} {wish:o}");
    }
    let dir = storage.open_dir(&path("d")).unwrap();
    dir.set_attrs(&chmod(0o4050)).unwrap();
    assert_eq!(mode(storage, "d"), 0o750);
    storage
        .set_attrs(&path("f"), &chmod(0o600), Links::NoFollow)
        .unwrap();
    let file = storage.open(&path("f"), how("rw")).unwrap();
    let meta = file.stat().unwrap();
    let all = SetAttrs {
        size: Some(3),
        permissions: Some(0o600),
        owner: Some((meta.uid, meta.gid)),
        times: Some((1, u32::MAX)),
    };
    file.set_attrs(&all).unwrap();
    let meta = file.stat().unwrap();
    assert_eq!((meta.size, meta.atime, meta.mtime), (3, 1, i64::from(u32::MAX)));
    let longer = SetAttrs {
        size: Some(5),
        owner: Some((meta.uid + 1, meta.gid)),
        times: Some((3, 4)),
        ..SetAttrs::default()
    };
    // All is tried, and the last error told.
    let outcome = storage.set_attrs(&path("f"), &longer, Links::Follow);
    assert_eq!(error(outcome), os(Errno::PERM));
    let meta = storage.stat(&path("f"), Links::Follow).unwrap();
    assert_eq!((meta.size, meta.mtime), (5, 4));
    assert_eq!(get(storage, "f").unwrap(), b"con\0\0");
    let outcome = storage.set_attrs(
        &path("d"),
        &SetAttrs {
            owner: None,
            ..longer
        },
        Links::Follow,
    );
    assert_eq!(error(outcome), os(Errno::ISDIR));
    assert_eq!(storage.stat(&path("d"), Links::Follow).unwrap().mtime, 4);
    let missing = storage.set_attrs(&path("no"), &chmod(0o600), Links::Follow);
    assert_eq!(error(missing), os(Errno::NOENT));
    // A request that asks for nothing.
    storage
        .set_attrs(&path("no"), &SetAttrs::default(), Links::Follow)
        .unwrap();
}

fn links_have_attributes_of_their_own(storage: &dyn Storage) {
    put(storage, "f", b"content");
    storage.symlink(b"f", &path("l")).unwrap();
    let before = storage.stat(&path("f"), Links::Follow).unwrap();
    let times = SetAttrs {
        times: Some((1, 2)),
        ..SetAttrs::default()
    };
    storage.set_attrs(&path("l"), &times, Links::NoFollow).unwrap();
    assert_eq!(storage.stat(&path("l"), Links::NoFollow).unwrap().mtime, 2);
    assert_eq!(
        storage.stat(&path("f"), Links::Follow).unwrap().mtime,
        before.mtime
    );
    let both = SetAttrs {
        permissions: Some(0o600),
        times: Some((3, 4)),
        ..SetAttrs::default()
    };
    let outcome = storage.set_attrs(&path("l"), &both, Links::NoFollow);
    assert_eq!(error(outcome), os(Errno::OPNOTSUPP));
    assert_eq!(storage.stat(&path("l"), Links::NoFollow).unwrap().mtime, 4);
    assert_eq!(storage.stat(&path("f"), Links::Follow).unwrap().mode, before.mode);
    let size = SetAttrs {
        size: Some(0),
        ..SetAttrs::default()
    };
    let outcome = storage.set_attrs(&path("l"), &size, Links::NoFollow);
    assert_eq!(error(outcome), os(Errno::INVAL));
    storage.set_attrs(&path("l"), &times, Links::Follow).unwrap();
    assert_eq!(storage.stat(&path("f"), Links::Follow).unwrap().mtime, 2);
    assert_eq!(get(storage, "f").unwrap(), b"content");
}

fn names_are_made_and_removed(storage: &dyn Storage) {
    storage.mkdir(&path("d/"), 0o4000).unwrap();
    assert_eq!(mode(storage, "d"), 0o700);
    assert_eq!(error(storage.mkdir(&path("d"), 0o755)), os(Errno::EXIST));
    assert_eq!(error(storage.mkdir(&path("no/d"), 0o755)), os(Errno::NOENT));
    assert_eq!(error(storage.mkdir(&path("/"), 0o755)), os(Errno::EXIST));
    put(storage, "d/f", b"");
    assert_eq!(error(storage.rmdir(&path("d"))), os(Errno::NOTEMPTY));
    assert_eq!(error(storage.rmdir(&path("d/f"))), os(Errno::NOTDIR));
    assert_eq!(error(storage.remove(&path("d"))), os(Errno::ISDIR));
    assert_eq!(error(storage.remove(&path("d/f/"))), os(Errno::NOTDIR));
    storage.remove(&path("d/f")).unwrap();
    assert_eq!(error(storage.remove(&path("d/f"))), os(Errno::NOENT));
    assert_eq!(error(storage.rmdir(&path("/"))), os(Errno::BUSY));
    assert_eq!(error(storage.rmdir(&path("d/.."))), os(Errno::NOTEMPTY));
    storage.rmdir(&path("d/")).unwrap();
    assert_eq!(list(storage, "/").unwrap(), BTreeMap::new());
}

fn renames_refuse_or_replace(storage: &dyn Storage) {
    put(storage, "a", b"a");
    put(storage, "b", b"b");
    storage.mkdir(&path("d"), 0o755).unwrap();
    storage.mkdir(&path("empty"), 0o755).unwrap();
    for (from, to) in [("a", "b"), ("a", "a"), ("a", "d"), ("d", "empty")] {
        let outcome = storage.rename(&path(from), &path(to), Over::Refuse);
        assert_eq!(error(outcome), os(Errno::EXIST), "{from} {to}");
    }
    storage.rename(&path("a"), &path("d/c"), Over::Refuse).unwrap();
    assert_eq!(get(storage, "d/c").unwrap(), b"a");
    assert_eq!(error(get(storage, "a")), os(Errno::NOENT));
    storage.rename(&path("b"), &path("d/c"), Over::Replace).unwrap();
    assert_eq!(get(storage, "d/c").unwrap(), b"b");
    storage.rename(&path("d"), &path("empty"), Over::Replace).unwrap();
    assert_eq!(get(storage, "empty/c").unwrap(), b"b");
    let inside = storage.rename(&path("empty"), &path("empty/x"), Over::Refuse);
    assert_eq!(error(inside), os(Errno::INVAL));
    let missing = storage.rename(&path("no"), &path("x"), Over::Replace);
    assert_eq!(error(missing), os(Errno::NOENT));
    storage
        .rename(&path("empty/"), &path("new/"), Over::Refuse)
        .unwrap();
    assert_eq!(list(storage, "/").unwrap().len(), 1);
}

fn links_are_made_and_followed(storage: &dyn Storage) {
    put(storage, "f", b"content");
    storage.mkdir(&path("d"), 0o755).unwrap();
    storage.symlink(b"/f", &path("d/absolute")).unwrap();
    storage.symlink(b"../../../f", &path("d/up")).unwrap();
    storage.symlink(b"caf\xe9", &path("odd")).unwrap();
    assert_eq!(get(storage, "d/absolute").unwrap(), b"content");
    assert_eq!(get(storage, "d/up").unwrap(), b"content");
    assert_eq!(storage.read_link(&path("d/absolute")).unwrap(), b"/f");
    assert_eq!(storage.read_link(&path("odd")).unwrap(), b"caf\xe9");
    assert_eq!(error(storage.read_link(&path("f"))), os(Errno::INVAL));
    assert_eq!(error(storage.symlink(b"x", &path("f"))), os(Errno::EXIST));
    assert_eq!(storage.real_path(&path("d/up")).unwrap(), path("/f"));
    storage.hard_link(&path("f"), &path("d/hard")).unwrap();
    assert_eq!(storage.stat(&path("f"), Links::Follow).unwrap().links, 2);
    assert_eq!(error(storage.hard_link(&path("f"), &path("d"))), os(Errno::EXIST));
    assert_eq!(error(storage.hard_link(&path("d"), &path("e"))), os(Errno::PERM));
    storage.hard_link(&path("odd"), &path("odd2")).unwrap();
    assert_eq!(kind(storage, "odd2").unwrap(), FileKind::Symlink);
    storage.remove(&path("f")).unwrap();
    assert_eq!(get(storage, "d/hard").unwrap(), b"content");
    assert_eq!(kind(storage, "d/absolute").unwrap(), FileKind::Symlink);
    assert_eq!(error(get(storage, "d/absolute")), os(Errno::NOENT));
}

fn there_is_room(storage: &dyn Storage) {
    put(storage, "f", b"");
    let file = storage.open(&path("f"), how("r")).unwrap();
    for space in [storage.space(&path("/")).unwrap(), file.space().unwrap()] {
        assert!(space.fragment_size > 0 && space.blocks > 0, "{space:?}");
        assert!(space.blocks_free <= space.blocks, "{space:?}");
        assert!(space.name_max >= 255 && !space.read_only, "{space:?}");
    }
    assert_eq!(error(storage.space(&path("no"))), os(Errno::NOENT));
}
