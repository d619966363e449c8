//! Tests of each permission with the calls that need it.

use super::*;
use crate::storage::conformance::{self, REFUSE, REPLACE, error, get, how, list, path, put};
use crate::storage::local::LocalStorage;
use crate::storage::{FileKind, FileTimes};

/// A home with a file `f`, an empty directory `d` and a link `l` to `f`, and a guard in front of it.
struct GuardedHome {
    _dir: tempfile::TempDir,
    open: Arc<dyn Storage>,
    guard: Guard,
}

/// Makes a guarded home; `permissions` are names.
fn home(permissions: &str) -> GuardedHome {
    let dir = tempfile::tempdir().unwrap();
    let open: Arc<dyn Storage> = Arc::new(LocalStorage::open(dir.path()).unwrap());
    put(&*open, "f", b"content");
    open.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    open.symlink(b"f", &path("l"), Wait::Allowed).unwrap();
    open.symlink(b"gone", &path("dangling"), Wait::Allowed).unwrap();
    let permissions = permissions.split_whitespace().map(|name| name.parse().unwrap());
    GuardedHome {
        guard: Guard::new(open.clone(), permissions.collect()),
        open,
        _dir: dir,
    }
}

const ALL: &str = "list read create overwrite delete rename mkdir attributes link";

fn times() -> SetAttrs {
    SetAttrs {
        times: Some(FileTimes {
            accessed: 1,
            modified: 2,
        }),
        ..SetAttrs::default()
    }
}

fn size(size: u64) -> SetAttrs {
    SetAttrs {
        size: Some(size),
        ..SetAttrs::default()
    }
}

#[test]
fn with_everything_allowed_it_is_not_there() {
    conformance::run(|home| {
        let storage = Arc::new(LocalStorage::open(home).unwrap());
        Arc::new(Guard::new(storage, Permissions::all()))
    });
}

/// Each call works with exactly these permissions. When one of them is taken away, the call is refused with its name,
/// and has no effect.
#[test]
fn every_call_needs_its_permissions() {
    type Call = fn(&Guard) -> Result<()>;
    let check = |needed: &str, call: Call| {
        assert_eq!(call(&home(needed).guard), Ok(()), "{needed}");
        for missing in needed.split_whitespace() {
            let rest: Vec<&str> = ALL.split(' ').filter(|name| *name != missing).collect();
            let home = home(&rest.join(" "));
            let before = list(&*home.open, "/");
            let outcome = call(&home.guard);
            let Err(Error::Forbidden(verb)) = outcome else {
                panic!("without {missing}: {outcome:?}");
            };
            assert_eq!(verb, missing);
            assert_eq!(list(&*home.open, "/"), before);
            assert_eq!(get(&*home.open, "f").unwrap(), b"content");
            let meta = home.open.stat(&path("f"), Links::Follow).unwrap();
            assert_ne!(meta.mtime, 2);
        }
    };
    check("list", |g| g.open_dir(&path("/")).map(drop));
    check("list", |g| g.read_link(&path("l")).map(drop));
    check("read", |g| g.open(&path("f"), how("r"), Wait::Allowed).map(drop));
    check("read", |g| g.open(&path("f"), how(""), Wait::Allowed).map(drop));
    check("read", |g| g.open(&path("d"), how("r"), Wait::Allowed).map(drop));
    check("read overwrite", |g| {
        g.open(&path("f"), how("rw"), Wait::Allowed).map(drop)
    });
    check("overwrite", |g| {
        g.open(&path("f"), how("w"), Wait::Allowed).map(drop)
    });
    check("overwrite", |g| {
        g.open(&path("f"), how("wa"), Wait::Allowed).map(drop)
    });
    check("overwrite", |g| {
        g.open(&path("f"), how("wt"), Wait::Allowed).map(drop)
    });
    check("overwrite", |g| {
        g.open(&path("l"), how("wc"), Wait::Allowed).map(drop)
    });
    check("overwrite", |g| {
        g.open(&path("f"), how("wct"), Wait::Allowed).map(drop)
    });
    check("read overwrite", |g| {
        g.open(&path("f"), how("rt"), Wait::Allowed).map(drop)
    });
    check("read overwrite", |g| {
        g.open(&path("f"), how("t"), Wait::Allowed).map(drop)
    });
    check("create", |g| {
        g.open(&path("new"), how("wc"), Wait::Allowed).map(drop)
    });
    check("create", |g| {
        g.open(&path("new"), how("wct"), Wait::Allowed).map(drop)
    });
    check("create", |g| {
        g.open(&path("new"), how("wcx"), Wait::Allowed).map(drop)
    });
    check("create read", |g| {
        g.open(&path("new"), how("rc"), Wait::Allowed).map(drop)
    });
    check("create read", |g| {
        g.open(&path("new"), how("rwcx"), Wait::Allowed).map(drop)
    });
    check("create", |g| {
        let file = g.open(&path("new"), how("wc"), Wait::Allowed)?;
        file.write_at(b"new", 0, Wait::Allowed)?;
        file.set_attrs(&size(2))
    });
    check("overwrite", |g| g.set_attrs(&path("f"), &size(0), Links::Follow));
    check("attributes", |g| g.set_attrs(&path("f"), &times(), Links::Follow));
    check("attributes", |g| {
        g.set_attrs(&path("l"), &times(), Links::NoFollow)
    });
    check("attributes overwrite", |g| {
        let both = SetAttrs { ..times() };
        let both = SetAttrs {
            size: Some(0),
            ..both
        };
        g.set_attrs(&path("f"), &both, Links::Follow)
    });
    check("read attributes", |g| {
        g.open(&path("f"), how("r"), Wait::Allowed)?.set_attrs(&times())
    });
    check("read attributes", |g| {
        g.open(&path("d"), how("r"), Wait::Allowed)?.set_attrs(&times())
    });
    check("delete", |g| g.remove(&path("f"), Wait::Allowed));
    check("delete", |g| g.rmdir(&path("d"), Wait::Allowed));
    check("mkdir", |g| g.mkdir(&path("new"), 0o755, Wait::Allowed));
    check("rename", |g| g.rename(&path("f"), &path("new"), REFUSE));
    check("rename", |g| g.rename(&path("f"), &path("new"), REPLACE));
    check("rename overwrite", |g| g.rename(&path("f"), &path("l"), REPLACE));
    check("link", |g| g.symlink(b"f", &path("new"), Wait::Allowed));
    check("link", |g| g.hard_link(&path("f"), &path("new"), Wait::Allowed));
}

#[test]
fn looking_at_one_name_is_always_allowed() {
    let home = home("");
    let guard = &home.guard;
    assert_eq!(
        guard.stat(&path("f"), Links::Follow).unwrap().kind,
        FileKind::File
    );
    assert_eq!(
        guard.stat(&path("l"), Links::NoFollow).unwrap().kind,
        FileKind::Symlink
    );
    // The target of a link is shown only with the permission `list`.
    for (asked, told) in [
        ("l", "/l"),
        ("l/", "/l"),
        ("./l/.", "/l"),
        ("/f", "/f"),
        ("./f", "/f"),
        ("d/..", "/"),
        (".", "/"),
        ("", "/"),
        ("missing", "/missing"),
    ] {
        assert_eq!(guard.real_path(&path(asked)).unwrap(), path(told), "{asked}");
    }
    let lister = self::home("list");
    assert_eq!(lister.guard.real_path(&path("l")).unwrap(), path("/f"));
    assert!(guard.space(&path("/"), Wait::Allowed).is_ok());
}

#[test]
fn a_drop_box_takes_new_files_only() {
    let home = home("create");
    let guard = &home.guard;
    // These are the steps of stock `put` and `scp`.
    assert_eq!(error(guard.stat(&path("new"), Links::Follow)), Error::NotFound);
    let file = guard.open(&path("new"), how("wct"), Wait::Allowed).unwrap();
    file.write_at(b"1234", 0, Wait::Allowed).unwrap();
    file.set_attrs(&size(4)).unwrap();
    assert_eq!(file.stat().unwrap().size, 4);
    file.sync().unwrap();
    assert_eq!(error(file.set_attrs(&times())), Error::Forbidden("attributes"));
    assert_eq!(
        error(file.read_at(&mut [0; 4], 0, Wait::Allowed)),
        Error::Forbidden("read")
    );
    for at in ["new", "f", "l", "dangling"] {
        for flags in ["wc", "wct", "wca"] {
            let outcome = guard.open(&path(at), how(flags), Wait::Allowed);
            assert_eq!(error(outcome), Error::Forbidden("overwrite"), "{at} {flags}");
        }
    }
    assert_eq!(get(&*home.open, "f").unwrap(), b"content");
    assert_eq!(get(&*home.open, "new").unwrap(), b"1234");
}

/// What happens to the part of an upload is part of creating a file, and replacing another file is not.
#[test]
fn the_part_of_an_upload_needs_create_alone() {
    let part = path(&format!(".homeport-upload-{}", "0".repeat(32)));
    let write = OpenHow {
        write: true,
        ..OpenHow::default()
    };
    let create = OpenHow {
        create: true,
        exclusive: true,
        ..write
    };
    let rename = |guard: &Guard, to: &str, how| guard.rename(&part, &path(to), how);
    let drop_box = home("create");
    let guard = &drop_box.guard;
    guard.open(&part, create, Wait::Allowed).unwrap();
    let file = guard.open(&part, write, Wait::Allowed).unwrap();
    file.write_at(b"content", 0, Wait::Allowed).unwrap();
    file.set_attrs(&size(4)).unwrap();
    let read = OpenHow {
        read: true,
        ..OpenHow::default()
    };
    let file = guard.open(&part, read, Wait::Allowed).unwrap();
    assert_eq!(file.read_at(&mut [0; 4], 0, Wait::Allowed), Ok(4));
    assert_eq!(
        guard.set_attrs(&part, &times(), Links::NoFollow),
        Err(Error::Forbidden("attributes"))
    );
    assert_eq!(rename(guard, "f", REFUSE), Err(Error::AlreadyExists));
    assert_eq!(rename(guard, "f", REPLACE), Err(Error::Forbidden("overwrite")));
    assert_eq!(rename(guard, "new", REFUSE), Ok(()));
    assert_eq!(get(&*drop_box.open, "new").unwrap(), b"cont");
    guard.open(&part, create, Wait::Allowed).unwrap();
    assert_eq!(guard.remove(&part, Wait::Allowed), Ok(()));

    let others = home("list read overwrite delete rename mkdir attributes link");
    others.open.open(&part, create, Wait::Allowed).unwrap();
    let guard = &others.guard;
    let opened = guard.open(&part, write, Wait::Allowed).map(drop);
    for refused in [opened, rename(guard, "new", REFUSE)] {
        assert_eq!(refused, Err(Error::Forbidden("create")));
    }
    // It goes with its directory.
    assert_eq!(guard.remove(&part, Wait::Allowed), Ok(()));
    others.open.open(&part, create, Wait::Allowed).unwrap();
    let neither = Guard::new(others.open.clone(), "list,read".parse().unwrap());
    let removed = neither.remove(&part, Wait::Allowed);
    assert_eq!(removed, Err(Error::Forbidden("create")));
}

#[test]
fn without_create_nothing_new_appears() {
    let home = home("overwrite read");
    for flags in ["wc", "wcx", "rwct", "rc"] {
        let outcome = home.guard.open(&path("new"), how(flags), Wait::Allowed);
        assert_eq!(error(outcome), Error::Forbidden("create"), "{flags}");
        let outcome = home.guard.open(&path("dangling"), how(flags), Wait::Allowed);
        assert_eq!(error(outcome), Error::Forbidden("create"), "{flags}");
    }
    assert_eq!(list(&*home.open, "/").unwrap().len(), 4, "f, d, l and dangling");
    let file = home.guard.open(&path("f"), how("wct"), Wait::Allowed).unwrap();
    file.write_at(b"new", 0, Wait::Allowed).unwrap();
    file.set_attrs(&size(1)).unwrap();
    assert_eq!(get(&*home.open, "f").unwrap(), b"n");
}

#[test]
fn read_only_is_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let open: Arc<dyn Storage> = Arc::new(LocalStorage::open(dir.path()).unwrap());
    put(&*open, "f", b"content");
    let guard = Guard::new(open, Permissions::read_only());
    assert_eq!(get(&guard, "f").unwrap(), b"content");
    assert_eq!(list(&guard, "/").unwrap().len(), 1);
    for flags in ["w", "rw", "wc", "rc", "rt", "t", "c", "wa", "rwctx"] {
        for at in ["f", "new"] {
            let outcome = error(guard.open(&path(at), how(flags), Wait::Allowed));
            assert!(matches!(outcome, Error::Forbidden(_)), "{flags}: {outcome}");
        }
    }
    let file = guard.open(&path("f"), how("r"), Wait::Allowed).unwrap();
    assert_eq!(error(file.write_at(b"x", 0, Wait::Allowed)), Error::BadHandle);
    assert_eq!(error(file.set_attrs(&size(0))), Error::Forbidden("overwrite"));
    assert_eq!(get(&guard, "f").unwrap(), b"content");
}

#[test]
fn renaming_over_needs_overwrite_even_in_a_race() {
    let home = home("rename");
    put(&*home.open, "g", b"g");
    let outcome = home.guard.rename(&path("g"), &path("f"), REPLACE);
    assert_eq!(error(outcome), Error::Forbidden("overwrite"));
    let outcome = home.guard.rename(&path("g"), &path("f"), REFUSE);
    assert_eq!(error(outcome), Error::AlreadyExists);
    assert_eq!(get(&*home.open, "f").unwrap(), b"content");
    home.guard.rename(&path("g"), &path("h"), REPLACE).unwrap();
}
