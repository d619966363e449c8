//! Tests about names and attributes.

use super::*;

pub(super) fn attributes_are_set_and_kept_in_bounds(storage: &dyn Storage) {
    put(storage, "f", b"content");
    storage.mkdir(&path("d"), 0o700, Wait::Allowed).unwrap();
    let chmod = |mode| SetAttrs {
        permissions: Some(mode),
        ..SetAttrs::default()
    };
    for (at, wish, given) in [
        ("f", 0o640, 0o640),
        ("f", 0o7777, 0o777),
        ("f", 0, 0o400),
        ("d", 0o1755, 0o755),
        ("d", 0, 0o500),
        ("d", 0o777, 0o777),
    ] {
        storage.set_attrs(&path(at), &chmod(wish), Links::Follow).unwrap();
        assert_eq!(mode(storage, at), given, "{at} {wish:o}");
    }
    let dir = storage.open(&path("d"), how("r"), Wait::Allowed).unwrap();
    dir.set_attrs(&chmod(0o4050)).unwrap();
    assert_eq!(mode(storage, "d"), 0o550);
    storage
        .set_attrs(&path("f"), &chmod(0o600), Links::NoFollow)
        .unwrap();
    let file = storage.open(&path("f"), how("rw"), Wait::Allowed).unwrap();
    let meta = file.stat().unwrap();
    let all = SetAttrs {
        size: Some(3),
        permissions: Some(0o600),
        owner: Some(Owner {
            uid: meta.uid,
            gid: meta.gid,
        }),
        times: Some(FileTimes {
            accessed: 1,
            modified: u32::MAX,
        }),
    };
    file.set_attrs(&all).unwrap();
    let meta = file.stat().unwrap();
    assert_eq!((meta.size, meta.atime, meta.mtime), (3, 1, i64::from(u32::MAX)));
    let longer = SetAttrs {
        size: Some(5),
        owner: Some(Owner {
            uid: meta.uid + 1,
            gid: meta.gid,
        }),
        times: Some(FileTimes {
            accessed: 3,
            modified: 4,
        }),
        ..SetAttrs::default()
    };
    // Every attribute is tried, and the last error is returned.
    let outcome = storage.set_attrs(&path("f"), &longer, Links::Follow);
    assert_eq!(error(outcome), Error::NotPermitted);
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
    assert_eq!(error(outcome), Error::IsADirectory);
    assert_eq!(storage.stat(&path("d"), Links::Follow).unwrap().mtime, 4);
    let missing = storage.set_attrs(&path("no"), &chmod(0o600), Links::Follow);
    assert_eq!(error(missing), Error::NotFound);
    // An empty request succeeds even if the name does not exist.
    storage
        .set_attrs(&path("no"), &SetAttrs::default(), Links::Follow)
        .unwrap();
}

pub(super) fn links_have_attributes_of_their_own(storage: &dyn Storage) {
    if !storage.capabilities().links {
        return;
    }
    put(storage, "f", b"content");
    storage.symlink(b"f", &path("l"), Wait::Allowed).unwrap();
    let before = storage.stat(&path("f"), Links::Follow).unwrap();
    let times = SetAttrs {
        times: Some(FileTimes {
            accessed: 1,
            modified: 2,
        }),
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
        times: Some(FileTimes {
            accessed: 3,
            modified: 4,
        }),
        ..SetAttrs::default()
    };
    let outcome = storage.set_attrs(&path("l"), &both, Links::NoFollow);
    assert_eq!(error(outcome), Error::NotSupported);
    assert_eq!(storage.stat(&path("l"), Links::NoFollow).unwrap().mtime, 4);
    assert_eq!(storage.stat(&path("f"), Links::Follow).unwrap().mode, before.mode);
    let size = SetAttrs {
        size: Some(0),
        ..SetAttrs::default()
    };
    let outcome = storage.set_attrs(&path("l"), &size, Links::NoFollow);
    assert_eq!(error(outcome), Error::Invalid);
    storage.set_attrs(&path("l"), &times, Links::Follow).unwrap();
    assert_eq!(storage.stat(&path("f"), Links::Follow).unwrap().mtime, 2);
    assert_eq!(get(storage, "f").unwrap(), b"content");
}

pub(super) fn names_are_made_and_removed(storage: &dyn Storage) {
    storage.mkdir(&path("d/"), 0o4000, Wait::Allowed).unwrap();
    assert_eq!(mode(storage, "d"), 0o500);
    assert_eq!(
        error(storage.mkdir(&path("d"), 0o755, Wait::Allowed)),
        Error::AlreadyExists
    );
    assert_eq!(
        error(storage.mkdir(&path("no/d"), 0o755, Wait::Allowed)),
        Error::NotFound
    );
    assert_eq!(
        error(storage.mkdir(&path("/"), 0o755, Wait::Allowed)),
        Error::AlreadyExists
    );
    // The mode has to change first: even the owner cannot write into this directory yet.
    let writable = SetAttrs {
        permissions: Some(0o755),
        ..SetAttrs::default()
    };
    storage.set_attrs(&path("d"), &writable, Links::Follow).unwrap();
    put(storage, "d/f", b"");
    assert_eq!(error(storage.rmdir(&path("d"), Wait::Allowed)), Error::NotEmpty);
    assert_eq!(
        error(storage.rmdir(&path("d/f"), Wait::Allowed)),
        Error::NotADirectory
    );
    assert_eq!(
        error(storage.remove(&path("d"), Wait::Allowed)),
        Error::IsADirectory
    );
    assert_eq!(
        error(storage.remove(&path("d/f/"), Wait::Allowed)),
        Error::NotADirectory
    );
    storage.remove(&path("d/f"), Wait::Allowed).unwrap();
    assert_eq!(
        error(storage.remove(&path("d/f"), Wait::Allowed)),
        Error::NotFound
    );
    assert_eq!(error(storage.rmdir(&path("/"), Wait::Allowed)), Error::Busy);
    assert_eq!(
        error(storage.rmdir(&path("d/.."), Wait::Allowed)),
        Error::NotEmpty
    );
    storage.rmdir(&path("d/"), Wait::Allowed).unwrap();
    assert_eq!(list(storage, "/").unwrap(), BTreeMap::new());
}

pub(super) fn renames_refuse_or_replace(storage: &dyn Storage) {
    if !storage.capabilities().directory_renames {
        return;
    }
    put(storage, "a", b"a");
    put(storage, "b", b"b");
    storage.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    storage.mkdir(&path("empty"), 0o755, Wait::Allowed).unwrap();
    for (from, to) in [("a", "b"), ("a", "a"), ("a", "d"), ("d", "empty")] {
        let outcome = storage.rename(&path(from), &path(to), REFUSE);
        assert_eq!(error(outcome), Error::AlreadyExists, "{from} {to}");
    }
    storage.rename(&path("a"), &path("d/c"), REFUSE).unwrap();
    assert_eq!(get(storage, "d/c").unwrap(), b"a");
    assert_eq!(error(get(storage, "a")), Error::NotFound);
    storage.rename(&path("b"), &path("d/c"), REPLACE).unwrap();
    assert_eq!(get(storage, "d/c").unwrap(), b"b");
    storage.rename(&path("d"), &path("empty"), REPLACE).unwrap();
    assert_eq!(get(storage, "empty/c").unwrap(), b"b");
    let inside = storage.rename(&path("empty"), &path("empty/x"), REFUSE);
    assert_eq!(error(inside), Error::Invalid);
    let missing = storage.rename(&path("no"), &path("x"), REPLACE);
    assert_eq!(error(missing), Error::NotFound);
    storage.rename(&path("empty/"), &path("new/"), REFUSE).unwrap();
    assert_eq!(list(storage, "/").unwrap().len(), 1);
}

pub(super) fn links_are_made_and_followed(storage: &dyn Storage) {
    if !storage.capabilities().links {
        return;
    }
    put(storage, "f", b"content");
    storage.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    storage
        .symlink(b"/f", &path("d/absolute"), Wait::Allowed)
        .unwrap();
    storage
        .symlink(b"../../../f", &path("d/up"), Wait::Allowed)
        .unwrap();
    storage.symlink(b"caf\xe9", &path("odd"), Wait::Allowed).unwrap();
    assert_eq!(get(storage, "d/absolute").unwrap(), b"content");
    assert_eq!(get(storage, "d/up").unwrap(), b"content");
    assert_eq!(storage.read_link(&path("d/absolute")).unwrap(), b"/f");
    assert_eq!(storage.read_link(&path("odd")).unwrap(), b"caf\xe9");
    assert_eq!(error(storage.read_link(&path("f"))), Error::Invalid);
    assert_eq!(
        error(storage.symlink(b"x", &path("f"), Wait::Allowed)),
        Error::AlreadyExists
    );
    assert_eq!(storage.real_path(&path("d/up")).unwrap(), path("/f"));
    storage
        .hard_link(&path("f"), &path("d/hard"), Wait::Allowed)
        .unwrap();
    assert_eq!(storage.stat(&path("f"), Links::Follow).unwrap().links, 2);
    assert_eq!(
        error(storage.hard_link(&path("f"), &path("d"), Wait::Allowed)),
        Error::AlreadyExists
    );
    assert_eq!(
        error(storage.hard_link(&path("d"), &path("e"), Wait::Allowed)),
        Error::NotPermitted
    );
    storage
        .hard_link(&path("odd"), &path("odd2"), Wait::Allowed)
        .unwrap();
    assert_eq!(kind(storage, "odd2").unwrap(), FileKind::Symlink);
    storage.remove(&path("f"), Wait::Allowed).unwrap();
    assert_eq!(get(storage, "d/hard").unwrap(), b"content");
    assert_eq!(kind(storage, "d/absolute").unwrap(), FileKind::Symlink);
    assert_eq!(error(get(storage, "d/absolute")), Error::NotFound);
}

pub(super) fn there_is_room(storage: &dyn Storage) {
    put(storage, "f", b"");
    let file = storage.open(&path("f"), how("r"), Wait::Allowed).unwrap();
    for space in [
        storage.space(&path("/"), Wait::Allowed).unwrap(),
        file.space(Wait::Allowed).unwrap(),
    ] {
        assert!(space.fragment_size > 0 && space.blocks > 0, "{space:?}");
        assert!(space.blocks_free <= space.blocks, "{space:?}");
        assert!(space.name_max >= 255 && !space.read_only, "{space:?}");
    }
    assert_eq!(error(storage.space(&path("no"), Wait::Allowed)), Error::NotFound);
}
