//! Tests of the tree, and the tests of every storage in the home and in a folder of it.

mod below;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::call_io::{CallPath, SessionIo, SlowWay};
use super::folders::{FolderLooks, FolderMounter, Mounting, RETRY_AFTER};
use super::*;
use crate::domain::permission::Permissions;
use crate::storage::conformance::{self, REFUSE, REPLACE, error, get, how, list, path};
use crate::storage::guard::Guard;
use crate::storage::local::LocalStorage;
use crate::storage::zones::ZoneGuard;
use crate::storage::{FileKind, FileTimes, Owner};
use below::Below;

const LOOKS: FolderLooks = FolderLooks {
    owner: Owner { uid: 1, gid: 2 },
    time: 77,
};

/// Mounts a directory on the disk, with all permissions.
struct Directory {
    path: PathBuf,
    attempts: Arc<AtomicUsize>,
    /// The error of the next attempts.
    fails: Arc<Mutex<Option<Error>>>,
}

impl FolderMounter for Directory {
    fn mount(&self) -> Mounting {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let (path, failure) = (self.path.clone(), *self.fails.lock());
        Box::pin(async move {
            match failure {
                Some(error) => Err(error),
                None => {
                    let local = LocalStorage::open(&path).map_err(|_| Error::NotFound)?;
                    let folder: Arc<dyn Storage> = Arc::new(Guard::new(Arc::new(local), Permissions::all()));
                    Ok(folder)
                }
            }
        })
    }
}

/// A tree of a home and two folders, `in` and `out`.
struct Tree {
    dir: tempfile::TempDir,
    router: Router,
    folders: Arc<Folders>,
    attempts: Arc<AtomicUsize>,
    fails: Arc<Mutex<Option<Error>>>,
}

impl Tree {
    /// Makes a tree whose folders are not mounted. Each of the three directories has a file `f`, and directories `a/b`.
    fn unmounted() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (attempts, fails): (Arc<AtomicUsize>, Arc<Mutex<Option<Error>>>) = Default::default();
        for place in ["home", "in", "out"] {
            fs::create_dir_all(dir.path().join(place).join("a/b")).unwrap();
            fs::write(dir.path().join(place).join("f"), place).unwrap();
        }
        let mounter = |name: &str| {
            let mounter = Directory {
                path: dir.path().join(name),
                attempts: Arc::clone(&attempts),
                fails: Arc::clone(&fails),
            };
            let mounter: Box<dyn FolderMounter> = Box::new(mounter);
            (name.as_bytes().to_vec(), mounter)
        };
        let folders = Arc::new(Folders::new(vec![mounter("out"), mounter("in")], LOOKS));
        let home = LocalStorage::open(&dir.path().join("home")).unwrap();
        Self {
            router: Router::new(Arc::new(home), Arc::clone(&folders)),
            folders,
            attempts,
            fails,
            dir,
        }
    }

    fn mounted() -> Self {
        let tree = Self::unmounted();
        tree.enter("in/x");
        tree.enter("out/x");
        tree
    }

    /// Does what a session does before a call on a path.
    fn enter(&self, at: &str) {
        let io = SessionIo::new(&self.router, Some(&self.folders));
        let mut call = io.of_call(&[CallPath::Content(&path(at))]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        drop(runtime.block_on(SlowWay::wait(call.as_mut(), io.home())));
    }

    fn on_disk(&self, at: &str) -> PathBuf {
        self.dir.path().join(at)
    }
}

fn names(storage: &dyn Storage, at: &str) -> Vec<String> {
    list(storage, at).unwrap().into_keys().collect()
}

#[test]
fn a_home_behind_a_router_is_a_home() {
    conformance::run(|home| {
        let home = Arc::new(LocalStorage::open(home).unwrap());
        Arc::new(Router::new(home, Arc::default()))
    });
}

#[test]
fn a_folder_is_a_storage_like_any_other() {
    // What is above a folder is not its own.
    conformance::run_without(
        &["the_home_is_the_root", "names::names_are_made_and_removed"],
        |home| Arc::new(Below::folder(home)),
    );
}

#[test]
fn permissions_by_directory_change_nothing_where_all_are_granted() {
    let links = [
        "links_have_attributes_of_their_own",
        "links_are_made_and_followed",
    ];
    conformance::run_without(&links, |home| {
        let local = LocalStorage::open(home).unwrap().without_links();
        let rules = ["/", "/no such directory"].map(|rule| (rule.parse().unwrap(), Permissions::all()));
        let zones = ZoneGuard::new(Arc::new(local), rules.into_iter().collect());
        Arc::new(Router::new(Arc::new(zones), Arc::default()))
    });
}

#[test]
fn the_root_lists_each_folder_once_and_hides_what_has_its_name() {
    let tree = Tree::mounted();
    fs::create_dir(tree.on_disk("home/in")).unwrap();
    fs::write(tree.on_disk("home/in/hidden"), "").unwrap();
    fs::write(tree.on_disk("home/out"), "").unwrap();
    for root in ["/", ".", "a/..", "in/..", "out/a/../../in/.."] {
        assert_eq!(names(&tree.router, root), ["a", "f", "in", "out"], "{root}");
    }
    assert_eq!(names(&tree.router, "in"), ["a", "f"]);
    assert_eq!(
        error(tree.router.stat(&path("in/hidden"), Links::NoFollow)),
        Error::NotFound
    );
    let mut listing = tree.router.open_dir(&path("/")).unwrap();
    let mut seen = Vec::new();
    while let Some(entry) = listing.next().unwrap() {
        if entry.name == b"in" {
            assert_eq!((entry.meta.kind, entry.meta.mtime), (FileKind::Directory, 77));
            assert_eq!(entry.meta, tree.router.stat(&path("/in"), Links::Follow).unwrap());
        }
        seen.push(entry.name);
    }
    assert_eq!(seen.iter().filter(|name| *name == b"in").count(), 1);
    assert_eq!(listing.next().unwrap(), None);
}

#[test]
fn a_folder_is_mounted_when_it_is_entered() {
    let tree = Tree::unmounted();
    assert_eq!(names(&tree.router, "/"), ["a", "f", "in", "out"]);
    for name in ["in", "/in/", "in/.", "a/../in", "out"] {
        tree.router.stat(&path(name), Links::Follow).unwrap();
        tree.router.real_path(&path(name)).unwrap();
    }
    assert_eq!(tree.router.real_path(&path("in/../out/..")).unwrap(), path("/"));
    assert_eq!(tree.attempts.load(Ordering::Relaxed), 0);
    tree.enter("in/f");
    tree.enter("in/f");
    assert_eq!(get(&tree.router, "in/f").unwrap(), b"in");
    assert_eq!(tree.attempts.load(Ordering::Relaxed), 1);
    // Nobody has mounted this one.
    assert_eq!(error(get(&tree.router, "out/f")), Error::FolderUnavailable);
}

#[test]
fn a_folder_that_was_removed_says_so() {
    let tree = Tree::mounted();
    assert_eq!(get(&tree.router, "in/f").unwrap(), b"in");
    fs::remove_dir_all(tree.on_disk("in")).unwrap();
    assert_eq!(error(get(&tree.router, "in/f")), Error::FolderMissing);
    assert_eq!(error(list(&tree.router, "in")), Error::FolderMissing);
    assert_eq!(
        error(tree.router.stat(&path("in/f"), Links::Follow)),
        Error::FolderMissing
    );
    assert_eq!(
        error(
            tree.router
                .mkdir(&path("in/d"), 0o755, crate::storage::Wait::Allowed)
        ),
        Error::FolderMissing
    );
    // Others are what they were.
    assert_eq!(error(get(&tree.router, "out/x")), Error::NotFound);
    assert_eq!(get(&tree.router, "out/f").unwrap(), b"out");
    assert_eq!(names(&tree.router, "/"), ["a", "f", "in", "out"]);
}

#[test]
fn a_folder_that_cannot_be_mounted_says_so_and_is_tried_again() {
    let tree = Tree::unmounted();
    *tree.fails.lock() = Some(Error::NotFound);
    let begun = std::time::Instant::now();
    tree.enter("in/f");
    assert_eq!(error(get(&tree.router, "in/f")), Error::NotFound);
    assert_eq!(get(&tree.router, "f").unwrap(), b"home");
    assert_eq!(names(&tree.router, "/"), ["a", "f", "in", "out"]);
    // Requests that follow at once get the same answer, unless the machine stands still meanwhile.
    tree.enter("in/f");
    let attempts = tree.attempts.load(Ordering::Relaxed);
    assert!(attempts == 1 || begun.elapsed() >= RETRY_AFTER, "{attempts}");
    *tree.fails.lock() = None;
    while tree.folders.named(b"in").unwrap().mounted().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
        tree.enter("in/f");
    }
    assert_eq!(get(&tree.router, "in/f").unwrap(), b"in");
    assert_eq!(tree.attempts.load(Ordering::Relaxed), attempts + 1);
}

#[test]
fn the_names_of_folders_cannot_be_changed() {
    let tree = Tree::mounted();
    let router = &tree.router;
    let attrs = SetAttrs {
        times: Some(FileTimes {
            accessed: 1,
            modified: 2,
        }),
        ..SetAttrs::default()
    };
    let wait = Wait::Allowed;
    for name in ["in", "/in/", "in/.", "a/../in", "in/a/.."] {
        let name = path(name);
        let results = [
            router.mkdir(&name, 0o755, wait),
            router.remove(&name, wait),
            router.set_attrs(&name, &attrs, Links::Follow),
            router.set_attrs(&name, &attrs, Links::NoFollow),
            router.symlink(b"x", &name, wait),
            router.rename(&name, &path("x"), REFUSE),
            router.rename(&name, &path("out"), REPLACE),
            router.rename(&path("f"), &name, REPLACE),
            router.hard_link(&path("f"), &name, wait),
            router.hard_link(&name, &path("g"), wait),
        ];
        for (call, result) in results.into_iter().enumerate() {
            assert_eq!(result, Err(Error::IsFolder), "{name} {call}");
        }
    }
    assert_eq!(router.rmdir(&path("in"), wait), Err(Error::IsFolder));
    assert_eq!(router.rmdir(&path("in/a/.."), wait), Err(Error::NotEmpty));
    assert_eq!(error(router.read_link(&path("in"))), Error::Invalid);
    assert!(router.open(&path("in"), how("wc"), wait).is_err());
}

#[test]
fn nothing_but_bytes_crosses_storages() {
    let tree = Tree::mounted();
    let router = &tree.router;
    for (from, to) in [
        ("f", "in/g"),
        ("in/f", "g"),
        ("in/f", "out/g"),
        ("in/a/../f", "a/g"),
        ("a", "in/c"),
    ] {
        let (from, to) = (path(from), path(to));
        for how in [REFUSE, REPLACE] {
            assert_eq!(
                router.rename(&from, &to, how),
                Err(Error::CrossesFolders),
                "{from} {to}"
            );
        }
        let linked = router.hard_link(&from, &to, Wait::Allowed);
        assert_eq!(linked, Err(Error::CrossesFolders), "{from} {to}");
    }
    // Within one storage, whatever the paths look like, everything works.
    router
        .rename(&path("in/f"), &path("out/../in/a/g"), REFUSE)
        .unwrap();
    router
        .hard_link(&path("in/a/g"), &path("a/../in/g"), Wait::Allowed)
        .unwrap();
    assert!(tree.on_disk("in/a/g").exists() && tree.on_disk("in/g").exists());
    router.rename(&path("in/../f"), &path("g"), REFUSE).unwrap();
}

#[test]
fn two_dots_need_a_directory_before_them() {
    let tree = Tree::mounted();
    let router = &tree.router;
    for (at, expected) in [
        ("in/../f", "home"),
        ("a/b/../../f", "home"),
        ("in/a/../f", "in"),
        ("in/a/b/../../../out/f", "out"),
        ("../in/f", "in"),
        ("a/../in/../out/./a/../f", "out"),
    ] {
        assert_eq!(get(router, at).unwrap(), expected.as_bytes(), "{at}");
    }
    for (at, expected) in [
        ("missing/../f", Error::NotFound),
        ("in/missing/../f", Error::NotFound),
        ("in/missing/../../f", Error::NotFound),
        ("f/../f", Error::NotADirectory),
        ("in/f/../f", Error::NotADirectory),
        ("missing/../in/f", Error::NotFound),
    ] {
        assert_eq!(error(get(router, at)), expected, "{at}");
        assert_eq!(error(router.stat(&path(at), Links::Follow)), expected, "{at}");
        assert!(router.real_path(&path(at)).is_err(), "{at}");
    }
    assert_eq!(router.real_path(&path("in/a/../a/b")).unwrap(), path("/in/a/b"));
    assert_eq!(router.real_path(&path("in/a/..")).unwrap(), path("/in"));
    let long = format!("{}f", "a/../".repeat(300));
    assert_eq!(error(get(router, &long)), Error::LinkLoop);
}

#[test]
fn a_link_stays_in_its_storage() {
    let tree = Tree::mounted();
    let router = &tree.router;
    symlink("/in/f", tree.on_disk("home/to_in")).unwrap();
    symlink("/f", tree.on_disk("in/absolute")).unwrap();
    symlink("../../../f", tree.on_disk("in/a/climbing")).unwrap();
    symlink("/a/b", tree.on_disk("home/dir")).unwrap();
    symlink("/a/b", tree.on_disk("in/dir")).unwrap();
    assert_eq!(error(get(router, "to_in")), Error::NotFound);
    assert_eq!(get(router, "in/absolute").unwrap(), b"in");
    assert_eq!(get(router, "in/a/climbing").unwrap(), b"in");
    assert_eq!(router.real_path(&path("in/absolute")).unwrap(), path("/in/f"));
    assert_eq!(router.real_path(&path("in/dir")).unwrap(), path("/in/a/b"));
    assert_eq!(router.read_link(&path("in/absolute")).unwrap(), b"/f");
    // `..` behind a link is the directory above its target, as the kernel has it.
    fs::write(tree.on_disk("home/a/g"), "above").unwrap();
    fs::write(tree.on_disk("in/a/g"), "above").unwrap();
    assert_eq!(get(router, "dir/../g").unwrap(), b"above");
    assert_eq!(get(router, "in/dir/../g").unwrap(), b"above");
    assert_eq!(router.real_path(&path("in/dir/..")).unwrap(), path("/in/a"));
    // It does not lead out of the link's storage.
    assert_eq!(error(get(router, "dir/../../in/f")), Error::NotFound);
    assert_eq!(error(get(router, "in/dir/../../../f")), Error::NotFound);
    // What a folder hides has no name but the link's.
    fs::create_dir(tree.on_disk("home/out")).unwrap();
    fs::write(tree.on_disk("home/out/f"), "hidden").unwrap();
    symlink("/out/f", tree.on_disk("home/to_hidden")).unwrap();
    assert_eq!(router.real_path(&path("to_hidden")).unwrap(), path("/to_hidden"));
    assert_eq!(get(router, "out/f").unwrap(), b"out");
}

#[test]
fn each_call_takes_the_file_system_that_it_works_on() {
    let tree = Tree::mounted();
    let io = SessionIo::new(&tree.router, Some(&tree.folders));
    let folder = tree
        .folders
        .named(b"in")
        .unwrap()
        .mounted()
        .unwrap()
        .scheduler()
        .clone();
    let is_folders = |at: CallPath<'_>| io.of_call(&[at]).is_some_and(|call| call.is_for(&folder));
    assert!(is_folders(CallPath::Content(&path("in/f"))));
    assert!(is_folders(CallPath::Name(&path("in/f"))));
    assert!(is_folders(CallPath::Content(&path("in"))));
    assert!(is_folders(CallPath::Content(&path("out/../in"))));
    for home in ["f", "/", "in/..", "a/../f", "inside"] {
        assert!(io.of_call(&[CallPath::Content(&path(home))]).is_none(), "{home}");
    }
    // The router itself answers for the name of a folder.
    assert!(io.of_call(&[CallPath::Name(&path("in"))]).is_none());
    // A directory is looked up in the home on the way.
    let both = io.of_call(&[CallPath::Content(&path("a/../in/f"))]).unwrap();
    assert!(both.enter().is_none());
    assert!(io.of_handle(&folder).is_some() && io.of_handle(io.home()).is_none());
}
