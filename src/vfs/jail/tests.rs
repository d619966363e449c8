//! The jail beside the kernel, and hostile paths.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, RenameFlags};
use tempfile::TempDir;

use super::*;
use crate::vfs::Over;

fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text.as_bytes()).unwrap()
}

/// A directory with one of everything.
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

/// Everything below a directory: path, mode, and content or target.
fn snapshot(dir: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut seen = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let entry = entry.unwrap().path();
            let meta = fs::symlink_metadata(&entry).unwrap();
            let content = match meta.file_type() {
                kind if kind.is_dir() => {
                    todo.push(entry.clone());
                    Vec::new()
                }
                kind if kind.is_symlink() => fs::read_link(&entry)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
                kind if kind.is_file() => fs::read(&entry).unwrap(),
                _ => Vec::new(),
            };
            let name = entry.strip_prefix(dir).unwrap().to_owned();
            seen.push((name, meta.permissions().mode(), content));
        }
    }
    seen.sort();
    seen
}

/// Two furnished directories: one for the kernel, one behind a jail.
struct Twins {
    plain: TempDir,
    jailed: TempDir,
    dir: OwnedFd,
    jail: Jail,
}

impl Twins {
    fn new() -> Self {
        let (plain, jailed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
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

/// Runs a call both ways for each row; the answers must be equal, and what is on disk afterwards.
fn compare<R>(rows: &[R], raw: impl Fn(BorrowedFd<'_>, &R) -> Answer, ours: impl Fn(&Jail, &R) -> Answer)
where
    R: std::fmt::Debug,
{
    let mut twins = Twins::new();
    for row in rows {
        let expected = raw(twins.dir.as_fd(), row);
        let got = ours(&twins.jail, row);
        assert_eq!(got, expected, "{row:?} (left: the jail, right: the kernel)");
        if expected.is_ok() {
            assert_eq!(
                snapshot(twins.jailed.path()),
                snapshot(twins.plain.path()),
                "{row:?}"
            );
            twins = Twins::new();
        }
    }
    assert_eq!(snapshot(twins.jailed.path()), snapshot(twins.plain.path()));
}

type Answer = Result<Option<FileType>>;

fn done(result: Result<()>) -> Answer {
    result.map(|()| None)
}

fn kind_of(meta: Result<Metadata>) -> Answer {
    meta.map(|meta| Some(FileType::from_raw_mode(meta.mode)))
}

/// Every sort of name, with everything that may come behind it.
fn all_paths() -> Vec<String> {
    let names = [
        "file",
        "dir",
        "empty",
        "to_dir",
        "to_file",
        "dangling",
        "loop",
        "fifo",
        "new",
        "dir/x",
        "dir/new",
        "dir/sub",
        "to_dir/x",
        "to_dir/new",
        "missing/x",
        "file/x",
        "loop/x",
        "fifo/x",
    ];
    let long = "n".repeat(300);
    let mut paths: Vec<String> = Vec::new();
    for name in names.into_iter().chain([long.as_str()]) {
        for end in ["", "/", "/..", "/../", "/../new"] {
            // Two levels up is above the scratch directory, where the kernel alone would go on.
            paths.push(format!("{name}{end}"));
        }
    }
    paths
}

#[test]
fn names_are_made_and_removed_as_by_the_kernel() {
    let rows = all_paths();
    assert!(rows.len() > 90);
    compare(
        &rows,
        |dir, p| done(rustix::fs::mkdirat(dir, p, Mode::from_raw_mode(0o755))),
        |jail, p| done(jail.mkdir(&path(p), 0o755)),
    );
    compare(
        &rows,
        |dir, p| done(rustix::fs::unlinkat(dir, p, AtFlags::REMOVEDIR)),
        |jail, p| done(jail.rmdir(&path(p))),
    );
    compare(
        &rows,
        |dir, p| done(rustix::fs::unlinkat(dir, p, AtFlags::empty())),
        |jail, p| done(jail.remove(&path(p))),
    );
    for target in ["file", "", &"t".repeat(4095), &"t".repeat(4096)] {
        compare(
            &rows,
            |dir, p| done(rustix::fs::symlinkat(target, dir, p)),
            |jail, p| done(jail.symlink(target.as_bytes(), &path(p))),
        );
    }
}

#[test]
fn names_are_looked_at_as_by_the_kernel() {
    let rows = all_paths();
    let stat = |dir: BorrowedFd<'_>, p: &String, flags| {
        rustix::fs::statat(dir, p, flags).map(|stat| Some(FileType::from_raw_mode(stat.st_mode)))
    };
    compare(
        &rows,
        |dir, p| stat(dir, p, AtFlags::empty()),
        |jail, p| kind_of(jail.stat(&path(p), Links::Follow)),
    );
    compare(
        &rows,
        |dir, p| stat(dir, p, AtFlags::SYMLINK_NOFOLLOW),
        |jail, p| kind_of(jail.stat(&path(p), Links::NoFollow)),
    );
    let check = |p: &String| {
        let twins = Twins::new();
        let expected = rustix::fs::readlinkat(&twins.dir, p, Vec::new()).map(|t| t.into_bytes());
        assert_eq!(twins.jail.read_link(&path(p)), expected, "{p}");
    };
    rows.iter().for_each(check);
}

#[test]
fn files_are_opened_as_by_the_kernel() {
    let mut rows = Vec::new();
    for name in all_paths() {
        // A FIFO is the one thing that we refuse and the kernel opens.
        if name.starts_with("fifo") && !name.starts_with("fifo/") {
            continue;
        }
        for bits in 0..64_u8 {
            let bit = |n: u8| bits >> n & 1 == 1;
            let how = OpenHow {
                read: bit(0),
                write: bit(1),
                append: bit(2),
                create: bit(3),
                truncate: bit(4),
                exclusive: bit(5),
                mode: None,
            };
            rows.push((name.clone(), how));
        }
    }
    compare(
        &rows,
        |dir, (p, how)| {
            let mode = Mode::from_raw_mode(0o666);
            let flags = open_flags(*how);
            rustix::fs::openat(dir, p, flags, mode).map(|fd| {
                let stat = fstat(fd).unwrap();
                Some(FileType::from_raw_mode(stat.st_mode))
            })
        },
        |jail, (p, how)| {
            jail.open_file(&path(p), *how)
                .map(|opened| match opened.directory {
                    true => Some(FileType::Directory),
                    false => Some(FileType::RegularFile),
                })
        },
    );
}

#[test]
fn names_are_moved_as_by_the_kernel() {
    let names = all_paths();
    let rows: Vec<(String, String)> = names
        .iter()
        .flat_map(|from| names.iter().map(move |to| (from.clone(), to.clone())))
        .collect();
    compare(
        &rows,
        |dir, (from, to)| done(rustix::fs::renameat(dir, from, dir, to)),
        |jail, (from, to)| done(jail.rename(&path(from), &path(to), Over::Replace)),
    );
    compare(
        &rows,
        |dir, (from, to)| {
            done(rustix::fs::renameat_with(
                dir,
                from,
                dir,
                to,
                RenameFlags::NOREPLACE,
            ))
        },
        |jail, (from, to)| done(jail.rename(&path(from), &path(to), Over::Refuse)),
    );
    compare(
        &rows,
        |dir, (from, to)| done(rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())),
        |jail, (from, to)| done(jail.hard_link(&path(from), &path(to))),
    );
}

/// The home itself is what `/` is to a process: these rows are what Linux says of `/`.
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
        let removal = if root.is_root() {
            Errno::BUSY
        } else {
            Errno::NOTEMPTY
        };
        assert_eq!(jail.rmdir(&root), Err(removal), "{root}");
        assert_eq!(jail.remove(&root), Err(Errno::ISDIR), "{root}");
        assert_eq!(jail.mkdir(&root, 0o755), Err(Errno::EXIST), "{root}");
        assert_eq!(jail.symlink(b"x", &root), Err(Errno::EXIST), "{root}");
        assert_eq!(jail.hard_link(&root, &path("new")), Err(Errno::PERM), "{root}");
        assert_eq!(jail.hard_link(&path("file"), &root), Err(Errno::EXIST), "{root}");
        for over in [Over::Refuse, Over::Replace] {
            assert_eq!(jail.rename(&root, &path("new"), over), Err(Errno::BUSY), "{root}");
        }
        assert_eq!(jail.rename(&path("file"), &root, Over::Refuse), Err(Errno::EXIST));
        assert_eq!(jail.rename(&path("file"), &root, Over::Replace), Err(Errno::BUSY));
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
    let check = |text: &str, expected: Result<u64>| {
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
    // Made where the name says, seen from inside: through the link, in the home.
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
    // A home that holds /proc/self: `root`, `cwd` and `fd/N` jump anywhere.
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
    assert_eq!(jail.real_path(&path("to_dir/x")), Ok(path("/dir/x")));
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
    let check = |text: &str, expected: Result<&str>| {
        let got = jail.real_path(&path(text));
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
    assert_eq!(jail.real_path(&odd), Ok(VirtualPath::parse(name).unwrap()));
}
