//! Runs the same calls in a plain directory and in a jail with the same content. The results and the files must be
//! the same.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, RenameFlags};

use super::*;

/// Returns everything below a directory: path, mode, and content or target.
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

/// Runs a call both ways for each row. The results must be equal, and so must the files afterwards.
fn compare<R>(rows: &[R], raw: impl Fn(BorrowedFd<'_>, &R) -> Answer, ours: impl Fn(&Jail, &R) -> Answer)
where
    R: std::fmt::Debug,
{
    let mut twins = Twins::new();
    let untouched = snapshot(twins.plain.path());
    for row in rows {
        let expected = raw(twins.dir.as_fd(), row);
        let got = ours(&twins.jail, row);
        assert_eq!(got, expected, "{row:?} (left: the jail, right: the kernel)");
        if expected.is_ok() {
            let after = snapshot(twins.plain.path());
            assert_eq!(snapshot(twins.jailed.path()), after, "{row:?}");
            if after != untouched {
                twins = Twins::new();
            }
        }
    }
    assert_eq!(snapshot(twins.jailed.path()), snapshot(twins.plain.path()));
}

type Answer = SysResult<Option<FileType>>;

fn done(result: SysResult<()>) -> Answer {
    result.map(|()| None)
}

fn kind_of(meta: SysResult<Metadata>) -> Answer {
    meta.map(|meta| Some(FileType::from_raw_mode(meta.mode)))
}

/// Returns every sort of name with everything that may follow it.
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
            // Two levels up is above the scratch directory, where only the kernel would go on.
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
        |jail, p| done(names::mkdir(jail, &path(p), 0o755)),
    );
    compare(
        &rows,
        |dir, p| done(rustix::fs::unlinkat(dir, p, AtFlags::REMOVEDIR)),
        |jail, p| done(names::rmdir(jail, &path(p))),
    );
    compare(
        &rows,
        |dir, p| done(rustix::fs::unlinkat(dir, p, AtFlags::empty())),
        |jail, p| done(names::remove(jail, &path(p))),
    );
    for target in ["file", "", &"t".repeat(4095), &"t".repeat(4096)] {
        compare(
            &rows,
            |dir, p| done(rustix::fs::symlinkat(target, dir, p)),
            |jail, p| done(names::symlink(jail, target.as_bytes(), &path(p))),
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
        // A FIFO is the only thing that the jail refuses and the kernel opens.
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

/// Returns the kernel's result, except where OpenSSH checks first and so gets a different one.
fn rename_as_openssh(dir: BorrowedFd<'_>, from: &str, to: &str) -> SysResult<()> {
    let source = rustix::fs::statat(dir, from, AtFlags::SYMLINK_NOFOLLOW);
    if from.ends_with('/') {
        source?;
    }
    let renamed = rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE);
    let kind = source.map(|stat| FileType::from_raw_mode(stat.st_mode));
    let directory_wanted = match kind {
        Ok(FileType::Directory) => !from.ends_with('.'),
        Ok(FileType::RegularFile) | Err(_) => false,
        Ok(_) => to.ends_with('/'),
    };
    match renamed {
        Err(Errno::EXIST) if directory_wanted && rustix::fs::statat(dir, to, AtFlags::empty()).is_err() => {
            Err(Errno::NOTDIR)
        }
        renamed => renamed,
    }
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
        |jail, (from, to)| done(names::rename(jail, &path(from), &path(to), REPLACE)),
    );
    compare(
        &rows,
        |dir, (from, to)| done(rename_as_openssh(dir, from, to)),
        |jail, (from, to)| done(names::rename(jail, &path(from), &path(to), REFUSE)),
    );
    compare(
        &rows,
        |dir, (from, to)| done(rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())),
        |jail, (from, to)| done(names::hard_link(jail, &path(from), &path(to))),
    );
}
