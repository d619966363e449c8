//! Gives new files and directories the mode and the group of [`CreationRules`], and creates homes.
//!
//! Nobody but the server can open something new before it has its group: it is created with [`first_mode`], and then
//! [`give`] does the rest through its descriptor.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, Gid, Mode, OFlags, fchmod, fchown, fstat, openat};
use rustix::io::Errno;

use super::attrs;
use crate::storage::creation::CreationRules;
use base::report_interval::ReportInterval;

/// The shortest time between two warnings.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// The mode of a home that is not for other programs.
const PRIVATE: u32 = 0o700;

/// Creates a home, for its owner alone unless `dir_mode` says otherwise. The directory above it must exist.
///
/// # Errors
/// Returns the system's error, among them that it exists.
pub fn make_home(home: &Path, rules: CreationRules) -> std::io::Result<()> {
    DirBuilder::new().mode(PRIVATE).create(home)?;
    if rules.dir_mode.is_none() {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let given = openat(CWD, home, flags, Mode::empty()).and_then(|made| give(rules, made.as_fd()));
    given.map_err(|errno| {
        // It is empty, or it stays.
        let _ = std::fs::remove_dir(home);
        errno.into()
    })
}

/// Creates a directory above a home, and those above it, as far as they are missing: for the same programs as the home.
///
/// # Errors
/// Returns the system's error.
pub fn make_parents(directory: &Path, rules: CreationRules) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_parents(parent, rules)?;
    }
    match make_home(directory, rules) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

/// Returns the mode with which something is created that then gets `mode`.
pub(super) fn first_mode(rules: CreationRules, mode: u32) -> Mode {
    let rights = match rules.group {
        Some(_) => 0o700,
        None => 0o777,
    };
    Mode::from_raw_mode(mode & rights)
}

/// Gives something new its group and its mode, which the umask has no part in.
pub(super) fn give(rules: CreationRules, new: BorrowedFd<'_>) -> Result<(), Errno> {
    let stat = fstat(new)?;
    if let Some(group) = rules.group.filter(|group| *group != stat.st_gid) {
        fchown(new, None, Some(Gid::from_raw(group)))?;
    }
    match rules.mode_of_new(attrs::kind(&stat), stat.st_mode) {
        Some(mode) if mode != stat.st_mode & 0o7777 => fchmod(new, Mode::from_raw_mode(mode)),
        _ => Ok(()),
    }
}

/// Logs why a file or directory could not be created as configured, at most once a minute: clients try again.
pub(super) fn report(rules: CreationRules, errno: Errno) {
    static REPORTS: ReportInterval = ReportInterval::new(REPORT_EVERY);
    if !REPORTS.is_due() {
        return;
    }
    let cause = std::io::Error::from(errno);
    tracing::warn!(
        group = rules.group,
        %cause,
        "what a user wanted to create was refused, because it could not get the mode and group of [storage] (hint: does the \
         file system have modes and groups? homeportd check says whether the server's user is a member of the group)"
    );
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    use super::*;
    use crate::domain::path::VirtualPath;
    use crate::storage::local::LocalStorage;
    use crate::storage::{Error, Links, OpenHow, SetAttrs, Storage as _, Wait};

    /// Returns a group, other than the usual one if possible, that this process may give its files to.
    fn some_group() -> u32 {
        let usual = rustix::process::getegid().as_raw();
        if capabilities(None)
            .unwrap()
            .effective
            .contains(CapabilitySet::CHOWN)
        {
            return 4242;
        }
        let groups = rustix::process::getgroups().unwrap();
        let other = groups.iter().map(|gid| gid.as_raw()).find(|gid| *gid != usual);
        other.unwrap_or(usual)
    }

    fn rules() -> CreationRules {
        CreationRules {
            // Wider than every usual umask allows.
            file_mode: Some(0o664),
            dir_mode: Some(0o2773),
            group: Some(some_group()),
        }
    }

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    fn creating(mode: u32, exclusive: bool) -> OpenHow {
        OpenHow {
            write: true,
            create: true,
            exclusive,
            mode: Some(mode),
            ..OpenHow::default()
        }
    }

    /// The mode and group of a name in a home.
    fn given(home: &Path, name: &str) -> (u32, u32) {
        let meta = home.join(name).symlink_metadata().unwrap();
        (meta.mode() & 0o7777, meta.gid())
    }

    #[test]
    fn new_files_have_the_mode_and_the_group_whatever_is_asked() {
        let home = tempfile::tempdir().unwrap();
        let storage = LocalStorage::open(home.path()).unwrap().creating(rules());
        fs::write(home.path().join("old"), "old").unwrap();
        fs::create_dir(home.path().join("dir")).unwrap();
        symlink("target", home.path().join("dangling")).unwrap();
        symlink("no/target", home.path().join("nowhere")).unwrap();
        let old = given(home.path(), "old");
        let open = |name: &str, mode, exclusive| {
            let opened = storage.open(&path(name), creating(mode, exclusive), Wait::Allowed);
            opened.map(|file| file.write_at(b"new", 0, Wait::Allowed).unwrap())
        };
        for (name, mode, exclusive) in [
            ("wide", 0o777, false),
            ("narrow", 0o400, false),
            ("exclusive", 0o666, true),
            ("dir/inside", 0, false),
        ] {
            open(name, mode, exclusive).unwrap();
            assert_eq!(given(home.path(), name), (0o664, some_group()), "{name}");
        }
        open("dangling", 0o600, false).unwrap();
        assert_eq!(given(home.path(), "target"), (0o664, some_group()));
        // What exists stays as it is.
        open("old", 0o777, false).unwrap();
        assert_eq!(given(home.path(), "old"), old);
        assert_eq!(fs::read(home.path().join("old")).unwrap(), b"new");
        // The errors are those of open(2).
        assert_eq!(open("old", 0, true), Err(Error::AlreadyExists));
        assert_eq!(open("dangling", 0, true), Err(Error::AlreadyExists));
        assert_eq!(open("dir", 0, false), Err(Error::IsADirectory));
        assert_eq!(open("no/file", 0, false), Err(Error::NotFound));
        assert_eq!(open("nowhere", 0, false), Err(Error::NotFound));
        assert_eq!(open("old/file", 0, false), Err(Error::NotADirectory));
    }

    #[test]
    fn directories_have_the_mode_and_keep_the_inherited_bit() {
        let home = tempfile::tempdir().unwrap();
        let rules = CreationRules {
            dir_mode: Some(0o750),
            ..rules()
        };
        let storage = LocalStorage::open(home.path()).unwrap().creating(rules);
        let make = |name: &str, mode| storage.mkdir(&path(name), mode, Wait::Allowed).unwrap();
        make("dir", 0o777);
        assert_eq!(given(home.path(), "dir"), (0o750, some_group()));
        let inherit = fs::Permissions::from_mode(0o2750);
        fs::set_permissions(home.path().join("dir"), inherit).unwrap();
        make("dir/inside", 0);
        assert_eq!(given(home.path(), "dir/inside"), (0o2750, some_group()));
        for wish in [0o777, 0o500, 0o7000] {
            let attrs = SetAttrs {
                permissions: Some(wish),
                ..SetAttrs::default()
            };
            storage
                .set_attrs(&path("dir/inside"), &attrs, Links::Follow)
                .unwrap();
            assert_eq!(
                given(home.path(), "dir/inside"),
                (0o2750, some_group()),
                "{wish:o}"
            );
        }
        let made = home.path().join("home");
        make_home(&made, rules).unwrap();
        assert_eq!(given(home.path(), "home"), (0o750, some_group()));
        let again = make_home(&made, rules).unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        make_home(&home.path().join("private"), CreationRules::default()).unwrap();
        assert_eq!(given(home.path(), "private").0, 0o700);
    }

    #[test]
    fn nothing_new_is_open_to_a_group_that_it_does_not_stay_with() {
        let first = |rules, mode| first_mode(rules, mode).as_raw_mode();
        assert_eq!(first(rules(), 0o664), 0o600);
        assert_eq!(first(rules(), 0o2773), 0o700);
        let without_group = CreationRules {
            group: None,
            ..rules()
        };
        assert_eq!(first(without_group, 0o664), 0o664);
        assert_eq!(first(without_group, 0o2773), 0o773);
    }

    #[test]
    fn what_cannot_get_its_group_is_not_created() {
        // The capabilities belong to the thread.
        let refused = std::thread::spawn(|| {
            let mut sets = capabilities(None).unwrap();
            sets.effective.remove(CapabilitySet::CHOWN);
            set_capabilities(None, sets).unwrap();
            let rules = CreationRules {
                group: Some(4_000_000_000),
                ..rules()
            };
            assert!(rules.check_membership().is_err());
            let home = tempfile::tempdir().unwrap();
            let storage = LocalStorage::open(home.path()).unwrap().creating(rules);
            let file = storage.open(&path("file"), creating(0o644, false), Wait::Allowed);
            assert!(file.is_err());
            assert!(storage.mkdir(&path("dir"), 0o755, Wait::Allowed).is_err());
            make_home(&home.path().join("home"), rules).unwrap_err();
            fs::read_dir(home.path()).unwrap().count()
        });
        assert_eq!(refused.join().unwrap(), 0);
    }
}
