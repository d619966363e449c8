//! Tests of the rules between zones, beside the files on the disk.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::storage::FileTimes;
use crate::storage::conformance::{REFUSE, REPLACE, error, get, how, list, path, put};
use crate::storage::local::LocalStorage;

/// A home with a tree, behind rules.
struct Zones {
    dir: tempfile::TempDir,
    guard: ZoneGuard,
}

fn rules(list: &[(&str, &str)]) -> PermissionRules {
    let rule = |(path, set): &(&str, &str)| (path.parse().unwrap(), set.parse().unwrap());
    list.iter().map(rule).collect()
}

fn guard(home: &Path, list: &[(&str, &str)]) -> ZoneGuard {
    let local = LocalStorage::open(home).unwrap().without_links();
    ZoneGuard::new(Arc::new(local), rules(list))
}

/// Makes a home with the directories `a` and `b`, each with a file `f`, a directory `d` with a file, and a link `l` to the
/// directory `d` of the other one.
fn zones(list: &[(&str, &str)]) -> Zones {
    let dir = tempfile::tempdir().unwrap();
    for (one, other) in [("a", "b"), ("b", "a")] {
        let one = dir.path().join(one);
        fs::create_dir_all(one.join("d")).unwrap();
        fs::write(one.join("f"), "content").unwrap();
        fs::write(one.join("d/f"), "deep").unwrap();
        symlink(format!("../{other}/d"), one.join("l")).unwrap();
    }
    Zones {
        guard: guard(dir.path(), list),
        dir,
    }
}

impl Zones {
    fn exists(&self, at: &str) -> bool {
        self.dir.path().join(at).symlink_metadata().is_ok()
    }
}

#[test]
fn the_longest_rule_decides() {
    let home = zones(&[("/", "list,read"), ("/a", "create,list"), ("/a/d", "all")]);
    let denied = |permission| Err(Error::Forbidden(permission));
    let guard = &home.guard;
    assert_eq!(get(guard, "b/f").unwrap(), b"content");
    assert_eq!(error(get(guard, "a/f")), Error::Forbidden("read"));
    assert_eq!(get(guard, "a/d/f").unwrap(), b"deep");
    put(guard, "a/new", b"1");
    assert_eq!(guard.mkdir(&path("b/new"), 0o755, Wait::Allowed), denied("mkdir"));
    assert_eq!(
        guard.mkdir(&path("a/new2"), 0o755, Wait::Allowed),
        denied("mkdir")
    );
    guard.mkdir(&path("a/d/new"), 0o755, Wait::Allowed).unwrap();
    assert_eq!(guard.remove(&path("a/f"), Wait::Allowed), denied("delete"));
    guard.remove(&path("a/d/f"), Wait::Allowed).unwrap();
    // A name that only begins as a rule's is another one.
    fs::create_dir(home.dir.path().join("ab")).unwrap();
    assert_eq!(guard.mkdir(&path("ab/x"), 0o755, Wait::Allowed), denied("mkdir"));
}

#[test]
fn directories_of_rules_stay() {
    let home = zones(&[("/", "all"), ("/a/d", "list,read")]);
    let guard = &home.guard;
    for fixed in ["a", "a/d", "a/d/"] {
        let fixed = path(fixed);
        let results = [
            guard.rename(&fixed, &path("x"), REFUSE),
            guard.rename(&path("b"), &fixed, REPLACE),
            guard.rename(&path("b/f"), &fixed, REPLACE),
            guard.rmdir(&fixed, Wait::Allowed),
            guard.remove(&fixed, Wait::Allowed),
            guard.symlink(b"x", &fixed, Wait::Allowed),
            guard.hard_link(&path("b/f"), &fixed, Wait::Allowed),
        ];
        for (call, result) in results.into_iter().enumerate() {
            assert_eq!(result, Err(Error::FixedDirectory), "{fixed} {call}");
        }
        assert_eq!(
            error(guard.open(&fixed, how("wc"), Wait::Allowed)),
            Error::FixedDirectory
        );
    }
    // Neither can something else take the name of a rule's directory that is missing.
    let home = zones(&[("/", "all"), ("/missing", "list,read")]);
    let taken = home.guard.rename(&path("a"), &path("missing"), REFUSE);
    assert_eq!(taken, Err(Error::FixedDirectory));
    assert_eq!(home.guard.rename(&path("a/d"), &path("b/e"), REFUSE), Ok(()));
    assert_eq!(home.guard.rmdir(&path("/"), Wait::Allowed), Err(Error::Busy));
}

#[test]
fn only_files_move_between_zones() {
    let home = zones(&[("/", "all"), ("/b", "create,list")]);
    let guard = &home.guard;
    let moved = |from: &str, to: &str, how| guard.rename(&path(from), &path(to), how);
    for not_a_file in ["a/d", "a/l", "a/d/"] {
        assert_eq!(
            moved(not_a_file, "b/x", REFUSE),
            Err(Error::BetweenZones),
            "{not_a_file}"
        );
        assert!(!home.exists("b/x"));
    }
    assert_eq!(moved("a/f", "b/f", REPLACE), Err(Error::Forbidden("overwrite")));
    assert_eq!(moved("a/f", "b/f", REFUSE), Err(Error::AlreadyExists));
    assert_eq!(moved("a/f", "b/g", REFUSE), Ok(()));
    assert!(!home.exists("a/f") && home.exists("b/g"));
    assert_eq!(moved("b/g", "a/f", REFUSE), Err(Error::Forbidden("read")));
    for (source, target, lacking) in [
        ("read,rename,create", "all", Some("delete")),
        ("delete,rename,create", "all", Some("read")),
        ("read,delete", "all", None),
        ("all", "list,read,overwrite,rename", Some("create")),
        ("all", "create", None),
    ] {
        let home = zones(&[("/", "none"), ("/a", source), ("/b", target)]);
        let expected = lacking.map_or(Ok(()), |permission| Err(Error::Forbidden(permission)));
        let moved = home.guard.rename(&path("a/f"), &path("b/g"), REFUSE);
        assert_eq!(moved, expected, "{source} to {target}");
    }
    // Between rules that grant the same, a rename is a rename.
    let home = zones(&[("/", "all"), ("/b", "all")]);
    assert_eq!(home.guard.rename(&path("a/d"), &path("b/x"), REFUSE), Ok(()));
}

#[test]
fn what_replaces_a_file_in_another_zone_needs_overwrite() {
    let home = zones(&[("/", "all"), ("/b", "create,overwrite")]);
    assert_eq!(home.guard.rename(&path("a/f"), &path("b/f"), REPLACE), Ok(()));
    assert!(!home.exists("a/f"));
    let over_a_directory = home.guard.rename(&path("a/d/f"), &path("b/d"), REPLACE);
    assert_eq!(over_a_directory, Err(Error::IsADirectory));
}

#[test]
fn hard_links_stay_in_their_zone() {
    let home = zones(&[("/", "all"), ("/b", "all")]);
    let link = |from: &str, to: &str| home.guard.hard_link(&path(from), &path(to), Wait::Allowed);
    assert_eq!(link("a/f", "b/g"), Err(Error::LinkBetweenZones));
    assert_eq!(link("b/f", "a/g"), Err(Error::LinkBetweenZones));
    assert_eq!(link("a/f", "a/d/g"), Ok(()));
    // One of two names would remain in the old zone.
    let home = zones(&[("/", "all"), ("/b", "create,list")]);
    let wait = Wait::Allowed;
    home.guard.hard_link(&path("a/f"), &path("a/g"), wait).unwrap();
    let moved = || home.guard.rename(&path("a/f"), &path("b/g"), REFUSE);
    assert_eq!(moved(), Err(Error::LinkBetweenZones));
    home.guard.remove(&path("a/g"), wait).unwrap();
    assert_eq!(moved(), Ok(()));
}

#[test]
fn no_link_is_followed() {
    let home = zones(&[("/", "all"), ("/b", "none"), ("/c", "list")]);
    let guard = &home.guard;
    // It leads to the zone without permissions.
    for through in ["a/l/f", "a/l/", "a/l/."] {
        assert_eq!(
            error(guard.stat(&path(through), Links::NoFollow)),
            Error::LinkLoop,
            "{through}"
        );
        assert_eq!(
            error(guard.open_dir(&path(through))),
            Error::LinkLoop,
            "{through}"
        );
    }
    let results = [
        guard.stat(&path("a/l"), Links::Follow).err(),
        guard.open(&path("a/l"), how("r"), Wait::Allowed).err(),
        guard.open(&path("a/l/new"), how("wc"), Wait::Allowed).err(),
        guard.mkdir(&path("a/l/new"), 0o755, Wait::Allowed).err(),
        guard.remove(&path("a/l/f"), Wait::Allowed).err(),
        guard.rename(&path("a/l/f"), &path("a/stolen"), REFUSE).err(),
        guard.rename(&path("a/f"), &path("a/l/f"), REPLACE).err(),
        guard
            .hard_link(&path("a/l/f"), &path("a/stolen"), Wait::Allowed)
            .err(),
        guard.real_path(&path("a/l/f")).err(),
        guard.space(&path("a/l"), Wait::Allowed).err(),
    ];
    for (call, result) in results.into_iter().enumerate() {
        assert_eq!(result, Some(Error::LinkLoop), "{call}");
    }
    // The link itself is a name like any other.
    assert_eq!(
        guard.stat(&path("a/l"), Links::NoFollow).unwrap().kind,
        crate::storage::FileKind::Symlink
    );
    assert_eq!(guard.read_link(&path("a/l")).unwrap(), b"../b/d");
    assert_eq!(guard.real_path(&path("a/l")).unwrap(), path("a/l"));
    let times = SetAttrs {
        times: Some(FileTimes {
            accessed: 1,
            modified: 2,
        }),
        ..SetAttrs::default()
    };
    guard.set_attrs(&path("a/l"), &times, Links::NoFollow).unwrap();
    guard.rename(&path("a/l"), &path("a/m"), REFUSE).unwrap();
    guard.remove(&path("a/m"), Wait::Allowed).unwrap();
    assert!(home.exists("b/d/f"));
}

#[test]
fn a_zone_without_permissions_does_not_exist() {
    let home = zones(&[("/", "all"), ("/a", "none"), ("/b/d", "none")]);
    let guard = &home.guard;
    let wait = Wait::Allowed;
    for hidden in ["a", "a/f", "a/d/f", "a/missing", "b/d/f"] {
        let name = path(hidden);
        let results = [
            guard.stat(&name, Links::NoFollow).err(),
            guard.open(&name, how("r"), wait).err(),
            guard.open(&name, how("wc"), wait).err(),
            guard.open_dir(&name).err(),
            guard.mkdir(&name, 0o755, wait).err(),
            guard.rmdir(&name, wait).err(),
            guard.remove(&name, wait).err(),
            guard.rename(&name, &path("x"), REFUSE).err(),
            guard.rename(&path("b/f"), &name, REPLACE).err(),
            guard.symlink(b"x", &name, wait).err(),
            guard.hard_link(&name, &path("x"), wait).err(),
            guard.hard_link(&path("b/f"), &name, wait).err(),
            guard.read_link(&name).err(),
            guard.set_attrs(&name, &SetAttrs::default(), Links::Follow).err(),
            guard.pin(&name, Links::NoFollow).err(),
            guard.space(&name, wait).err(),
            guard.prove_directory(&name).err(),
        ];
        for (call, result) in results.into_iter().enumerate() {
            assert_eq!(result, Some(Error::NotFound), "{hidden} {call}");
        }
    }
    assert_eq!(list(guard, "/").unwrap().into_keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(
        list(guard, "b").unwrap().into_keys().collect::<Vec<_>>(),
        ["f", "l"]
    );
    // These are the answers to names that do not exist.
    assert_eq!(guard.real_path(&path("a")).unwrap(), path("a"));
    assert_eq!(guard.real_path(&path("b/missing")).unwrap(), path("b/missing"));
    for missing in ["a/f", "b/missing/f", "missing/f"] {
        assert_eq!(
            error(guard.real_path(&path(missing))),
            Error::NotFound,
            "{missing}"
        );
    }
    assert!(home.exists("a/f"));
}

#[test]
fn the_way_to_a_zone_is_seen_and_not_listed() {
    let home = zones(&[("/", "none"), ("/a/d", "list,read")]);
    let guard = &home.guard;
    for seen in ["/", "a", "a/d", "a/d/f"] {
        guard.stat(&path(seen), Links::NoFollow).unwrap();
        assert_eq!(guard.real_path(&path(seen)).unwrap(), path(seen));
    }
    assert_eq!(error(guard.open_dir(&path("a"))), Error::Forbidden("list"));
    assert_eq!(error(guard.stat(&path("a/f"), Links::NoFollow)), Error::NotFound);
    assert_eq!(list(guard, "a/d").unwrap().len(), 1);
    assert_eq!(get(guard, "a/d/f").unwrap(), b"deep");
}

#[test]
fn a_path_with_two_dots_is_not_judged() {
    let home = zones(&[("/", "all"), ("/b", "none")]);
    let up = path("a/../b/f");
    assert_eq!(error(home.guard.stat(&up, Links::NoFollow)), Error::Invalid);
    assert_eq!(
        error(home.guard.open(&up, how("r"), Wait::Allowed)),
        Error::Invalid
    );
}

/// A rename of a file leaves alone what is not one, whatever it replaces.
#[test]
fn the_kind_is_decided_within_the_rename() {
    let dir = tempfile::tempdir().unwrap();
    let local = LocalStorage::open(dir.path()).unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    symlink("d", dir.path().join("l")).unwrap();
    put(&local, "f", b"content");
    for if_exists in [IfExists::Refuse, IfExists::Replace] {
        let how = Renaming {
            if_exists,
            only_files: true,
            wait: Wait::Allowed,
        };
        for (name, expected) in [
            ("d", Err(Error::NotAFile)),
            ("l", Err(Error::NotAFile)),
            ("f", Ok(())),
        ] {
            assert_eq!(local.rename(&path(name), &path("new"), how), expected, "{name}");
        }
        assert_eq!(
            local.rename(&path("d"), &path("empty"), how),
            Err(Error::NotAFile)
        );
        local.rename(&path("new"), &path("f"), how).unwrap();
    }
}
