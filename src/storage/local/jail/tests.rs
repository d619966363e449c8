//! Tests hostile paths. In [`beside_kernel`], every sort of path is compared with what the kernel does outside a
//! jail.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::FileType;
use tempfile::TempDir;

use super::*;
use crate::storage::conformance::{REFUSE, REPLACE};

mod beside_kernel;

fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

/// Fills a directory with one object of each kind.
fn furnish(dir: &Path) {
    fs::create_dir_all(dir.join("dir/sub")).unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    fs::write(dir.join("file"), "file").unwrap();
    fs::write(dir.join("dir/x"), "x").unwrap();
    symlink("dir", dir.join("to_dir")).unwrap();
    symlink("file", dir.join("to_file")).unwrap();
    symlink("gone", dir.join("dangling")).unwrap();
    symlink("loop", dir.join("loop")).unwrap();
    rustix::fs::mkfifoat(CWD, dir.join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
}

/// Makes a temporary directory, in memory if possible, because the tests make and remove thousands of directories.
fn scratch() -> TempDir {
    let memory = tempfile::tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// Two directories with the same content: one for the kernel, one behind a jail.
struct Twins {
    plain: TempDir,
    jailed: TempDir,
    dir: OwnedFd,
    jail: Jail,
}

impl Twins {
    fn new() -> Self {
        let (plain, jailed) = (scratch(), scratch());
        furnish(plain.path());
        furnish(jailed.path());
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(CWD, plain.path(), flags, Mode::empty()).unwrap();
        let jail = Jail::open(jailed.path()).unwrap();
        Self {
            plain,
            jailed,
            dir,
            jail,
        }
    }
}

/// The home itself is what `/` is to a process: these rows are the results of Linux for `/`.
#[test]
fn the_home_is_the_root() {
    let twins = Twins::new();
    let jail = &twins.jail;
    let home = fs::metadata(twins.jailed.path()).unwrap();
    for root in ["/", ".", "..", "../..", "dir/../..", "/to_dir/../../../"] {
        use std::os::unix::fs::MetadataExt;
        let root = path(root);
        for links in [Links::Follow, Links::NoFollow] {
            let stat = fstat(jail.locate(root.relative(), nofollow(links)).unwrap()).unwrap();
            assert_eq!((stat.st_dev, stat.st_ino), (home.dev(), home.ino()), "{root}");
        }
        let removal = if root.ends_in_dot() {
            Errno::INVAL
        } else if root.is_root() {
            Errno::BUSY
        } else {
            Errno::NOTEMPTY
        };
        assert_eq!(names::rmdir(jail, &root), Err(removal), "{root}");
        assert_eq!(names::remove(jail, &root), Err(Errno::ISDIR), "{root}");
        assert_eq!(names::mkdir(jail, &root, 0o755), Err(Errno::EXIST), "{root}");
        assert_eq!(names::symlink(jail, b"x", &root), Err(Errno::EXIST), "{root}");
        assert_eq!(
            names::hard_link(jail, &root, &path("new")),
            Err(Errno::PERM),
            "{root}"
        );
        assert_eq!(
            names::hard_link(jail, &path("file"), &root),
            Err(Errno::EXIST),
            "{root}"
        );
        for over in [REFUSE, REPLACE] {
            assert_eq!(
                names::rename(jail, &root, &path("new"), over),
                Err(Errno::BUSY),
                "{root}"
            );
        }
        assert_eq!(
            names::rename(jail, &path("file"), &root, REFUSE),
            Err(Errno::EXIST)
        );
        assert_eq!(
            names::rename(jail, &path("file"), &root, REPLACE),
            Err(Errno::BUSY)
        );
        assert_eq!(jail.read_link(&root), Err(Errno::INVAL), "{root}");
    }
}

#[test]
fn no_path_leads_out() {
    let twins = Twins::new();
    let (home, jail) = (twins.jailed.path(), &twins.jail);
    fs::create_dir(home.join("etc")).unwrap();
    fs::write(home.join("etc/passwd"), "mine").unwrap();
    symlink("/etc/passwd", home.join("absolute")).unwrap();
    symlink("/etc/shadow", home.join("absent")).unwrap();
    symlink("../../../../etc/passwd", home.join("dir/climbing")).unwrap();
    symlink("/", home.join("slash")).unwrap();
    symlink(home, home.join("by_host_path")).unwrap();
    let check = |text: &str, expected: SysResult<u64>| {
        let size = jail.stat(&path(text), Links::Follow).map(|meta| meta.size);
        assert_eq!(size, expected, "{text}");
    };
    check("../../etc/passwd", Ok(4));
    check("/etc/passwd", Ok(4));
    check("absolute", Ok(4));
    check("dir/climbing", Ok(4));
    check("slash/etc/passwd", Ok(4));
    check("slash/../../etc/passwd", Ok(4));
    check("absent", Err(Errno::NOENT));
    check("by_host_path/file", Err(Errno::NOENT));
    check("loop", Err(Errno::LOOP));
    check("loop/x", Err(Errno::LOOP));
    check(&"n".repeat(300), Err(Errno::NAMETOOLONG));
    check(&"n/".repeat(2047), Err(Errno::NOENT));
    // The file is made where the link points as seen from inside, which is in the home.
    let how = OpenHow {
        write: true,
        create: true,
        ..OpenHow::default()
    };
    jail.open_file(&path("absent"), how).unwrap();
    assert!(home.join("etc/shadow").exists());
}

#[test]
fn magic_links_are_no_way_out() {
    // This home contains /proc/self, where `root`, `cwd` and `fd/N` lead anywhere.
    let jail = Jail::open(Path::new("/proc/self")).unwrap();
    for text in ["exe", "root", "cwd/", "root/etc/passwd", "cwd/Cargo.toml", "fd/0"] {
        let opened = jail.open_file(&path(text), OpenHow::default());
        assert_eq!(opened.map(|o| o.directory), Err(Errno::LOOP), "{text}");
        let stat = jail.stat(&path(text), Links::Follow);
        assert_eq!(stat, Err(Errno::LOOP), "{text}");
    }
    assert!(jail.stat(&path("exe"), Links::NoFollow).is_ok());
    assert!(jail.open_file(&path("status"), OpenHow::default()).is_ok());
}

#[test]
fn only_files_and_directories_open() {
    let twins = Twins::new();
    let (home, jail) = (twins.jailed.path(), &twins.jail);
    let _socket = std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
    let mut special = vec!["fifo", "socket"];
    let device = rustix::fs::makedev(1, 3);
    let mode = Mode::from_raw_mode(0o666);
    if rustix::fs::mknodat(CWD, home.join("null"), FileType::CharacterDevice, mode, device).is_ok() {
        special.push("null");
    }
    for name in special {
        for (read, write) in [(true, false), (false, true), (true, true), (false, false)] {
            let how = OpenHow {
                read,
                write,
                ..OpenHow::default()
            };
            let opened = jail.open_file(&path(name), how).map(|o| o.directory);
            assert_eq!(opened, Err(Errno::NXIO), "{name} {how:?}");
        }
        assert_eq!(
            jail.stat(&path(name), Links::Follow).unwrap().kind,
            FileKind::Special
        );
        let size = SetAttrs {
            size: Some(0),
            ..SetAttrs::default()
        };
        assert_eq!(
            jail.set_attrs(&path(name), &size, Links::Follow),
            Err(Errno::INVAL),
            "{name}"
        );
        let mode = SetAttrs {
            permissions: Some(0o600),
            ..SetAttrs::default()
        };
        assert_eq!(
            jail.set_attrs(&path(name), &mode, Links::Follow),
            Ok(()),
            "{name}"
        );
    }
}

#[test]
fn descriptors_are_not_inherited() {
    let twins = Twins::new();
    let opened = twins.jail.open_file(&path("file"), OpenHow::default()).unwrap();
    let listed = twins.jail.open_dir(&path("dir")).unwrap();
    for fd in [&twins.jail.home, &opened.fd, &listed.fd] {
        let flags = rustix::io::fcntl_getfd(fd).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}

#[test]
fn the_home_may_be_renamed_while_in_use() {
    let above = tempfile::tempdir().unwrap();
    let home = above.path().join("home");
    fs::create_dir(&home).unwrap();
    furnish(&home);
    let jail = Jail::open(&home).unwrap();
    fs::rename(&home, above.path().join("moved")).unwrap();
    assert_eq!(realpath::real_path(&jail, &path("to_dir/x")), Ok(path("/dir/x")));
    assert!(jail.stat(&path("file"), Links::Follow).is_ok());
}

#[test]
fn real_paths_have_no_links() {
    let twins = Twins::new();
    let (home, jail) = (twins.jailed.path(), &twins.jail);
    symlink("/dir/sub", home.join("dir/absolute")).unwrap();
    symlink("../to_dir", home.join("dir/back")).unwrap();
    symlink("../../..", home.join("dir/out")).unwrap();
    symlink("sub/", home.join("dir/slash")).unwrap();
    symlink("gone/x", home.join("two_gone")).unwrap();
    fs::write(home.join("a (deleted)"), "").unwrap();
    let check = |text: &str, expected: SysResult<&str>| {
        let got = realpath::real_path(jail, &path(text));
        assert_eq!(got, expected.map(path), "{text}");
    };
    check("/", Ok("/"));
    check(".", Ok("/"));
    check("..", Ok("/"));
    check("dir", Ok("/dir"));
    check("dir/", Ok("/dir"));
    check("to_dir", Ok("/dir"));
    check("to_dir/", Ok("/dir"));
    check("to_dir/x", Ok("/dir/x"));
    check("to_dir/..", Ok("/"));
    check("to_dir/sub/..", Ok("/dir"));
    check("to_file", Ok("/file"));
    check("dir/absolute", Ok("/dir/sub"));
    check("dir/absolute/..", Ok("/dir"));
    check("dir/back/sub", Ok("/dir/sub"));
    check("dir/out", Ok("/"));
    check("dir/out/to_dir/sub", Ok("/dir/sub"));
    check("dir/slash", Ok("/dir/sub"));
    check("a (deleted)", Ok("/a (deleted)"));
    check("new", Ok("/new"));
    check("to_dir/new", Ok("/dir/new"));
    check("dir/absolute/new", Ok("/dir/sub/new"));
    check("dangling", Ok("/gone"));
    check("file/", Ok("/file"));
    check("file/..", Ok("/"));
    check("new/", Err(Errno::NOENT));
    check("new/..", Err(Errno::NOENT));
    check("dangling/", Err(Errno::NOENT));
    check("dangling/x", Err(Errno::NOENT));
    check("two_gone", Err(Errno::NOENT));
    check("file/x", Err(Errno::NOTDIR));
    check("loop", Err(Errno::LOOP));
    check(&"n".repeat(300), Err(Errno::NAMETOOLONG));
    let name = b"caf\xe9".as_slice();
    fs::write(
        home.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(
            name,
        )),
        "",
    )
    .unwrap();
    let odd = VirtualPath::parse(b"to_dir/../caf\xe9").unwrap();
    assert_eq!(
        realpath::real_path(jail, &odd),
        Ok(VirtualPath::parse(name).unwrap())
    );
}
