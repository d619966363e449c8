//! Tests of what only the local storage has: disks, caches, and files that other programs have made.

use std::fs;
use std::io::IoSliceMut;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, preadv2};

use super::attrs::{AttrRules, Target};
use super::*;
use crate::storage::FileTimes;
use crate::storage::conformance::{self, error, get, how, path};

fn storage() -> (tempfile::TempDir, LocalStorage) {
    let home = tempfile::tempdir().unwrap();
    let storage = LocalStorage::open(home.path()).unwrap();
    (home, storage)
}

#[test]
fn behaves_as_a_storage() {
    conformance::run(|home| Arc::new(LocalStorage::open(home).unwrap()));
}

#[test]
fn behaves_as_a_storage_in_memory() {
    // Without a writable tmpfs, the ordinary temporary directory is used.
    let base = [Path::new("/dev/shm"), &std::env::temp_dir()]
        .into_iter()
        .find_map(|dir| tempfile::tempdir_in(dir).ok())
        .unwrap();
    let count = std::sync::atomic::AtomicUsize::new(0);
    conformance::run(|_| {
        let home = base
            .path()
            .join(count.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&home).unwrap();
        Arc::new(LocalStorage::open(&home).unwrap())
    });
}

#[test]
fn a_home_must_be_a_directory_that_exists() {
    let dir = tempfile::tempdir().unwrap();
    let kind = |name: &str| LocalStorage::open(&dir.path().join(name)).unwrap_err().kind();
    assert_eq!(kind("missing"), std::io::ErrorKind::NotFound);
    fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(kind("file"), std::io::ErrorKind::NotADirectory);
}

/// Programs other than the server may leave such files in a home. `chmod` has to work on them, as it does with
/// OpenSSH.
#[test]
fn modes_and_times_of_unreadable_files_can_be_changed() {
    let (home, storage) = storage();
    for mode in [0o000, 0o200, 0o100] {
        let file = home.path().join("f");
        fs::write(&file, "content").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let attrs = SetAttrs {
            permissions: Some(0o640),
            times: Some(FileTimes {
                accessed: 5,
                modified: 6,
            }),
            ..SetAttrs::default()
        };
        storage.set_attrs(&path("f"), &attrs, Links::Follow).unwrap();
        let meta = storage.stat(&path("f"), Links::Follow).unwrap();
        assert_eq!((meta.mode & 0o7777, meta.mtime), (0o640, 6), "{mode:o}");
        fs::remove_file(&file).unwrap();
    }
}

/// Root can open every file, so the path for files that cannot be opened needs this test.
#[test]
fn attributes_can_be_changed_without_opening() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("f");
    fs::write(&file, "content").unwrap();
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let fd = rustix::fs::open(&file, flags, rustix::fs::Mode::empty()).unwrap();
    let attrs = SetAttrs {
        permissions: Some(0o7640),
        times: Some(FileTimes {
            accessed: 5,
            modified: 6,
        }),
        ..SetAttrs::default()
    };
    attrs::apply(Target::Located(fd.as_fd()), &attrs, AttrRules::default()).unwrap();
    let meta = attrs::metadata(&rustix::fs::fstat(&fd).unwrap());
    assert_eq!((meta.mode & 0o7777, meta.atime, meta.mtime), (0o640, 5, 6));
}

/// Neither a path, nor a link to it, nor a handle reaches it; what is in it can be changed.
#[test]
fn the_attributes_of_a_fixed_root_stay() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    std::os::unix::fs::symlink("/", home.path().join("l")).unwrap();
    let storage = LocalStorage::open(home.path())
        .unwrap()
        .with_fixed_root()
        .unwrap();
    let before = fs::metadata(home.path()).unwrap();
    let mode = SetAttrs {
        permissions: Some(0o500),
        ..SetAttrs::default()
    };
    let times = SetAttrs {
        times: Some(FileTimes {
            accessed: 1,
            modified: 2,
        }),
        ..SetAttrs::default()
    };
    for attrs in [mode, times] {
        for name in ["/", "l", "d/..", "l/."] {
            let refused = storage.set_attrs(&path(name), &attrs, Links::Follow);
            assert_eq!(refused, Err(Error::NotPermitted), "{name}");
            let opened = storage.open(&path(name), how("r"), Wait::Allowed).unwrap();
            assert_eq!(opened.set_attrs(&attrs), Err(Error::NotPermitted), "{name}");
        }
        storage.set_attrs(&path("d"), &attrs, Links::Follow).unwrap();
    }
    let after = fs::metadata(home.path()).unwrap();
    assert_eq!(
        (after.permissions(), after.modified().unwrap()),
        (before.permissions(), before.modified().unwrap())
    );
}

#[test]
fn a_cold_read_is_not_waited_for() {
    let (_home, storage) = storage();
    let file = storage.open(&path("f"), how("rwc"), Wait::Allowed).unwrap();
    let content: Vec<u8> = (0..=255_u8).flat_map(|page| [page; 4096]).collect();
    file.write_at(&content, 0, Wait::Allowed).unwrap();
    file.sync().unwrap();
    let inner = storage.jail.open_file(&path("f"), how("r")).unwrap();
    let cold = |offset, length: u64| {
        let length = std::num::NonZeroU64::new(length);
        fadvise(&inner.fd, offset, length, Advice::DontNeed).unwrap();
    };
    // Every second half is not cached, so a read over the border has a short count that is not the end of the file.
    for (from, length) in [(0, 1 << 20), (512 << 10, 512 << 10), (256 << 10, 64 << 10)] {
        cold(from, length);
        let mut buffer = vec![0; 1 << 20];
        match file.read_at(&mut buffer, 0, Wait::Never) {
            Ok(count) => assert_eq!(count, content.len()),
            Err(error) => assert_eq!(error, Error::WouldBlock),
        }
        let count = file.read_at(&mut buffer, 0, Wait::Allowed).unwrap();
        assert!(count == content.len() && buffer == content);
    }
    // The file is cached again, so a read must not wait if the file system can tell.
    let mut buffer = vec![0; 1 << 20];
    let supported = preadv2(
        &inner.fd,
        &mut [IoSliceMut::new(&mut buffer)],
        0,
        ReadWriteFlags::NOWAIT,
    )
    .is_ok();
    let fresh = storage.open(&path("f"), how("r"), Wait::Allowed).unwrap();
    let outcome = fresh.read_at(&mut buffer, 0, Wait::Never);
    match supported || inner.in_memory {
        true => assert_eq!(outcome, Ok(content.len())),
        false => assert_eq!(outcome, Err(Error::WouldBlock)),
    }
}

#[test]
fn a_file_system_that_cannot_tell_is_never_waited_for() {
    // /proc does not support RWF_NOWAIT, and neither do FUSE and NFS.
    let storage = LocalStorage::open(Path::new("/proc/self")).unwrap();
    let file = storage.open(&path("status"), how("r"), Wait::Allowed).unwrap();
    for _ in 0..2 {
        let outcome = file.read_at(&mut [0; 64], 0, Wait::Never);
        assert_eq!(outcome, Err(Error::WouldBlock));
    }
    assert_eq!(file.read_at(&mut [0; 64], 0, Wait::Allowed), Ok(64));
}

#[test]
fn names_that_vanish_are_left_out() {
    let (home, storage) = storage();
    for name in ["a", "b", "c"] {
        fs::write(home.path().join(name), "").unwrap();
    }
    let mut stream = storage.open_dir(&path("/")).unwrap();
    stream.next().unwrap();
    for name in ["a", "b", "c"] {
        fs::remove_file(home.path().join(name)).unwrap();
    }
    let mut left = 1;
    while stream.next().unwrap().is_some() {
        left += 1;
    }
    assert!(left <= 3, "{left}");
    // The listing of a directory that was itself removed just ends.
    fs::create_dir(home.path().join("d")).unwrap();
    let mut stream = storage.open_dir(&path("d")).unwrap();
    fs::remove_dir(home.path().join("d")).unwrap();
    assert_eq!(stream.next(), Ok(None));
}

#[test]
fn two_homes_are_two_worlds() {
    let above = tempfile::tempdir().unwrap();
    for name in ["calvin", "tom"] {
        fs::create_dir(above.path().join(name)).unwrap();
        fs::write(above.path().join(name).join("f"), name).unwrap();
    }
    let calvin = LocalStorage::open(&above.path().join("calvin")).unwrap();
    calvin.symlink(b"../tom", &path("tom"), Wait::Allowed).unwrap();
    let absolute = above.path().join("tom/f").into_os_string().into_encoded_bytes();
    calvin
        .symlink(&absolute, &path("absolute"), Wait::Allowed)
        .unwrap();
    assert_eq!(get(&calvin, "f").unwrap(), b"calvin");
    for text in ["../tom/f", "tom/f", "absolute", "/../../tom/f"] {
        assert!(
            matches!(error(get(&calvin, text)), Error::NotFound | Error::LinkLoop),
            "{text}"
        );
    }
}
