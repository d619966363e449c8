//! The mode and the group of what users create: `[storage] file_mode`, `dir_mode` and `file_group`.
//!
//! This module decides; `storage/local/creation.rs` and `storage/local/attrs.rs` apply it, so that no protocol and no
//! client has a say in it.

use nix::unistd::{Gid, Group, getegid, getgroups};
use rustix::thread::CapabilitySet;

use super::FileKind;
use super::settings::StorageSettings;
use crate::domain::folder::CreationChoice;
use base::error::{Error, Result};

/// The modes that new files and directories have if only their group is configured. The set-group-id bit makes what other
/// programs create in such a directory belong to the group, too.
const WITH_A_GROUP: CreationModes = CreationModes {
    file: 0o640,
    directory: 0o2750,
};

/// The bit that makes what is created in a directory belong to the directory's group.
const SET_GROUP_ID: u32 = 0o2000;

/// A mode for files and one for directories.
struct CreationModes {
    file: u32,
    directory: u32,
}

/// The modes and the group of new files and directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CreationRules {
    /// The mode of new files, and the most that users can give them; `None`: what the client asks for, without the bits
    /// of the umask.
    pub file_mode: Option<u32>,
    /// The mode of all directories that users create or change, and of new homes; `None`, as for files. It may contain
    /// the set-group-id bit.
    pub dir_mode: Option<u32>,
    /// The numeric id of the group. Both modes are set then.
    pub group: Option<u32>,
}

impl CreationRules {
    /// Returns the rules of these settings.
    ///
    /// # Errors
    /// Returns an error if there is no such group.
    pub fn of(settings: &StorageSettings) -> Result<Self> {
        let group = settings.file_group.as_deref().map(group_id).transpose();
        let group = group.map_err(|error| Error::new("\"file_group\" in [storage]").because(error))?;
        let file_mode = settings.file_mode.map(|mode| mode.0);
        let dir_mode = settings.dir_mode.map(|mode| mode.0);
        Ok(Self {
            file_mode: file_mode.or(group.map(|_| WITH_A_GROUP.file)),
            dir_mode: dir_mode.or(group.map(|_| WITH_A_GROUP.directory)),
            group,
        })
    }

    /// Returns these rules for a tree with modes or a group of its own.
    ///
    /// # Errors
    /// Returns an error if there is no such group.
    pub fn with(self, choice: &CreationChoice) -> Result<Self> {
        let chosen = choice.file_group.as_deref().map(group_id).transpose()?;
        let group = chosen.or(self.group);
        let with_a_group = chosen.map(|_| WITH_A_GROUP);
        let usual = with_a_group.as_ref();
        Ok(Self {
            file_mode: choice
                .file_mode
                .or(self.file_mode)
                .or(usual.map(|modes| modes.file)),
            dir_mode: choice
                .dir_mode
                .or(self.dir_mode)
                .or(usual.map(|modes| modes.directory)),
            group,
        })
    }

    /// Returns the mode that a new file or directory gets; `None` if its client chooses it. `current` is the mode with which
    /// the kernel has created it: a directory that has inherited the set-group-id bit keeps that.
    pub fn mode_of_new(self, kind: FileKind, current: u32) -> Option<u32> {
        match kind {
            FileKind::File => self.file_mode,
            FileKind::Directory => self.dir_mode.map(|mode| mode | current & SET_GROUP_ID),
            FileKind::Symlink | FileKind::Special => None,
        }
    }

    /// Returns the mode that a file or directory with the mode `current` gets when its user wants to change it to `wish`.
    ///
    /// A user can take rights away from a file, but not from a directory: stock clients change the mode of each directory
    /// that they have created to that of the local one, and would so lock out the programs that read the files in it.
    pub fn mode_of_changed(self, kind: FileKind, wish: u32, current: u32) -> u32 {
        match (kind, self.mode_of_new(kind, current)) {
            (_, None) => wish,
            (FileKind::Directory, Some(mode)) => mode,
            (FileKind::File | FileKind::Symlink | FileKind::Special, Some(mode)) => wish & mode,
        }
    }

    /// Checks that this process may give its files to the group.
    ///
    /// # Errors
    /// Returns an error if the process is not a member of the group. It says what to do.
    pub fn check_membership(self) -> Result<()> {
        let Some(group) = self.group else {
            return Ok(());
        };
        let is_member = getegid().as_raw() == group
            || getgroups().is_ok_and(|all| all.iter().any(|gid| gid.as_raw() == group));
        let may_change_owners = || {
            let sets = rustix::thread::capabilities(None);
            sets.is_ok_and(|sets| sets.effective.contains(CapabilitySet::CHOWN))
        };
        if is_member || may_change_owners() {
            return Ok(());
        }
        let name = Group::from_gid(Gid::from_raw(group)).ok().flatten();
        let name = name.map_or_else(|| group.to_string(), |group| group.name);
        Err(Error::new(format!(
            "\"file_group\" in [storage]: the server's system user is not a member of the group \"{name}\", and cannot \
             give files to it"
        ))
        .hint(format!(
            "usermod --append --groups {name} USER, then restart the server"
        )))
    }
}

/// Returns the id of a group of the system, by its name or its number.
fn group_id(text: &str) -> Result<u32> {
    let cannot = || Error::new(format!("there is no group \"{}\"", text.escape_debug()));
    let found = Group::from_name(text).map_err(|error| cannot().because(std::io::Error::from(error)))?;
    let number = || text.parse().ok().filter(|number| *number != u32::MAX);
    found
        .map(|group| group.gid.as_raw())
        .or_else(number)
        .ok_or_else(|| cannot().hint(format!("groupadd --system {}", text.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::settings::{DirectoryMode, FileMode};

    fn rules(file_mode: Option<u32>, dir_mode: Option<u32>, group: Option<&str>) -> Result<CreationRules> {
        CreationRules::of(&StorageSettings {
            file_mode: file_mode.map(FileMode),
            dir_mode: dir_mode.map(DirectoryMode),
            file_group: group.map(str::to_owned),
            ..StorageSettings::default()
        })
    }

    #[test]
    fn a_group_comes_with_modes_that_let_it_read() {
        let all = |file_mode, dir_mode, group| CreationRules {
            file_mode,
            dir_mode,
            group,
        };
        assert_eq!(rules(None, None, None).unwrap(), CreationRules::default());
        assert_eq!(
            rules(None, None, Some("4242")).unwrap(),
            all(Some(0o640), Some(0o2750), Some(4242))
        );
        assert_eq!(
            rules(Some(0o660), None, Some("root")).unwrap(),
            all(Some(0o660), Some(0o2750), Some(0))
        );
        assert_eq!(
            rules(None, Some(0o711), None).unwrap(),
            all(None, Some(0o711), None)
        );
        for unknown in ["no-such-group", "4294967295", "-1", " 0"] {
            let error = rules(None, None, Some(unknown)).unwrap_err().to_string();
            assert!(error.contains("there is no group"), "{unknown}: {error}");
        }
    }

    #[test]
    fn a_tree_may_have_modes_and_a_group_of_its_own() {
        let server = rules(Some(0o660), None, None).unwrap();
        let choice = CreationChoice {
            dir_mode: Some(0o750),
            ..CreationChoice::default()
        };
        let with = server.with(&choice).unwrap();
        assert_eq!(
            (with.file_mode, with.dir_mode, with.group),
            (Some(0o660), Some(0o750), None)
        );
        let choice = CreationChoice {
            file_group: Some("4242".to_owned()),
            ..CreationChoice::default()
        };
        let with = server.with(&choice).unwrap();
        assert_eq!(
            (with.file_mode, with.dir_mode, with.group),
            (Some(0o660), Some(0o2750), Some(4242))
        );
        assert_eq!(server.with(&CreationChoice::default()).unwrap(), server);
    }

    #[test]
    fn users_narrow_files_and_never_directories() {
        let rules = rules(Some(0o640), Some(0o770), None).unwrap();
        let check = |kind, wish, current, expected| {
            let mode = rules.mode_of_changed(kind, wish, current);
            assert_eq!(mode, expected, "{wish:o} {current:o}");
        };
        check(FileKind::File, 0o777, 0o100_640, 0o640);
        check(FileKind::File, 0o600, 0o100_640, 0o600);
        check(FileKind::File, 0o444, 0o102_640, 0o440);
        check(FileKind::Directory, 0o777, 0o040_770, 0o770);
        check(FileKind::Directory, 0o500, 0o042_770, 0o2770);
        check(FileKind::Special, 0o666, 0o020_600, 0o666);
        let none = CreationRules::default();
        assert_eq!(none.mode_of_changed(FileKind::Directory, 0o500, 0o042_770), 0o500);
    }

    #[test]
    fn a_process_may_give_files_to_its_own_groups_only() {
        let group = |group| CreationRules {
            group: Some(group),
            ..CreationRules::default()
        };
        group(getegid().as_raw()).check_membership().unwrap();
        CreationRules::default().check_membership().unwrap();
        let is_free = rustix::thread::capabilities(None)
            .unwrap()
            .effective
            .contains(CapabilitySet::CHOWN);
        match group(4_000_000_000).check_membership() {
            Ok(()) => assert!(is_free),
            Err(error) => {
                assert!(!is_free);
                let text = error.to_string();
                assert!(
                    text.contains("not a member") && text.contains("usermod"),
                    "{text}"
                );
            }
        }
    }
}
