//! Finds out whether a file system ignores the case of names where permissions by directory begin: there, a rule for
//! `/In` would be avoided by the name `/IN`.
//!
//! There is no call that says so. FAT, exFAT, NTFS, HFS and SMB are known by their type, a case-insensitive directory
//! of ext4 and f2fs by its flag, and all others, such as NFS from a server that ignores case, by looking up the names
//! of rules in other letters. Names that no directory has yet cannot be looked up.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, fstatfs, ioctl_getflags, openat, statat};
use rustix::io::Errno;

use crate::domain::permission::PermissionRules;

/// The flag of a directory of ext4 or f2fs that ignores case (`FS_CASEFOLD_FL`).
const CASEFOLD: u32 = 0x4000_0000;

/// The values of `statfs.f_type` of file systems that ignore case, or have other names for files: as Linux mounts them,
/// unless an option says otherwise.
const KINDS: [u32; 12] = [
    0x4d44,      // FAT
    0x2011_bab0, // exFAT
    0x5346_544e, // NTFS, the former driver
    0x7366_746e, // NTFS
    0x4244,      // HFS
    0x482b,      // HFS+
    0xf995_e849, // HPFS
    0xadff,      // AFFS
    0x517b,      // SMB, the former driver
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB 2 and 3
    0x564c,      // NCP
];

/// What an operator can do about permissions by directory where case is ignored.
pub const IGNORES_CASE: &str = "move the files to a file system that respects case, or set the same permissions for all \
                                directories; homeportd check names the directory";

/// Returns whether a directory ignores the case of the names in it. Tests have others than [`ignores_case`].
pub type CaseProbe = fn(BorrowedFd<'_>) -> bool;

/// Returns whether a directory is known to ignore the case of the names in it, by its file system or its flags.
pub fn ignores_case(directory: BorrowedFd<'_>) -> bool {
    let kind = fstatfs(directory).map(|found| found.f_type & 0xffff_ffff);
    let is_known = kind.is_ok_and(|kind| KINDS.iter().any(|known| i64::from(*known) == kind));
    is_known || ioctl_getflags(directory).is_ok_and(|flags| flags.bits() & CASEFOLD != 0)
}

/// Returns the first directory in a tree in which the name of a rule's directory would be found in other letters,
/// too, as a path in the tree; `None` if all rules hold. It may block on the disk.
pub fn directory_without_case(
    root: BorrowedFd<'_>,
    rules: &PermissionRules,
    probe: CaseProbe,
) -> Option<String> {
    rules.iter().find_map(|(rule, _)| {
        let mut directory: Option<OwnedFd> = None;
        let mut path = String::new();
        for name in rule.names() {
            let here = directory.as_ref().map_or(root, |directory| directory.as_fd());
            if probe(here) || has_other_letters(here, name) {
                return Some(if path.is_empty() { "/".to_owned() } else { path });
            }
            path = format!("{path}/{}", String::from_utf8_lossy(name));
            // What does not exist will be made in a directory that was just looked at.
            let Ok(next) = open_below(here, name) else {
                break;
            };
            directory = Some(next);
        }
        None
    })
}

/// Opens a directory by a plain name.
fn open_below(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(directory, name, flags | OFlags::RDONLY, Mode::empty()) {
        Err(Errno::ACCESS) => openat(directory, name, flags | OFlags::PATH, Mode::empty()),
        opened => opened,
    }
}

/// Returns whether the name stands for the same directory when it is written in other letters.
fn has_other_letters(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else {
        return false;
    };
    let other: String = text.chars().flat_map(other_letter).collect();
    if other == text {
        return false;
    }
    let inode = |name: &[u8]| {
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT);
        stat.ok().map(|stat| (stat.st_dev, stat.st_ino))
    };
    let found = inode(name);
    found.is_some() && found == inode(other.as_bytes())
}

/// Returns the upper-case form of a lower-case letter, and the lower-case form of any other.
fn other_letter(letter: char) -> Vec<char> {
    match letter.is_lowercase() {
        true => letter.to_uppercase().collect(),
        false => letter.to_lowercase().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn rules(list: &[(&str, &str)]) -> PermissionRules {
        let rule = |(path, set): &(&str, &str)| (path.parse().unwrap(), set.parse().unwrap());
        list.iter().map(rule).collect()
    }

    #[test]
    fn every_directory_in_which_a_rule_is_looked_up_is_probed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("a/In/deep")).unwrap();
        let root = File::open(home.path()).unwrap();
        let found = |list: &[(&str, &str)], probe: CaseProbe| {
            directory_without_case(root.as_fd(), &rules(list), probe)
        };
        let all = &[("/", "list"), ("/a/In/deep/er", "none")];
        assert_eq!(found(all, |_| false), None);
        assert_eq!(found(all, |_| true).as_deref(), Some("/"));
        // A directory is probed once for each name in it: the directory "deep" is the last one that exists.
        let is_deep: CaseProbe = |directory| {
            let parent = openat(directory, "..", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
            let deep = statat(parent, "deep", AtFlags::empty());
            let this = rustix::fs::fstat(directory).unwrap();
            deep.is_ok_and(|deep| deep.st_ino == this.st_ino)
        };
        assert_eq!(found(all, is_deep).as_deref(), Some("/a/In/deep"));
        // The permissions in a directory do not depend on the names below it.
        assert_eq!(found(&[("/", "list"), ("/a/In/deep", "none")], is_deep), None);
        assert_eq!(found(&[("/", "list")], |_| true), None);
    }

    #[test]
    fn a_name_that_is_found_in_other_letters_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("In")).unwrap();
        let root = File::open(home.path()).unwrap();
        assert!(!has_other_letters(root.as_fd(), b"In") && !has_other_letters(root.as_fd(), b"missing"));
        // As on a file system that ignores case, both names have the same inode.
        std::fs::write(home.path().join("file"), "").unwrap();
        std::fs::hard_link(home.path().join("file"), home.path().join("FILE")).unwrap();
        assert!(has_other_letters(root.as_fd(), b"file"));
        assert!(!has_other_letters(root.as_fd(), b"123"));
    }

    #[test]
    fn the_usual_file_systems_respect_case() {
        let home = tempfile::tempdir().unwrap();
        assert!(!ignores_case(File::open(home.path()).unwrap().as_fd()));
        assert!(!ignores_case(File::open("/proc").unwrap().as_fd()));
    }
}
