//! Folders: directories outside all homes that several users see in theirs.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::name::{is_plain, not_a_name};
use super::quota::Quota;
use base::error::Error;

/// A folder's name: a plain name of letters, digits, `.`, `_`, `-`, `@` and `+`, at most 128 bytes, case-sensitive. The
/// folder's members see it at `/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderName(String);

impl FolderName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FolderName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match is_plain(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(not_a_name("folder", text)),
        }
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The modes and the group of what is created in a tree, where they differ from the server's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreationChoice {
    /// The mode of new files.
    pub file_mode: Option<u32>,
    /// The mode of new directories.
    pub dir_mode: Option<u32>,
    /// The group of new files and directories: its name or its number.
    pub file_group: Option<String>,
}

impl CreationChoice {
    /// Returns this choice, completed by `base`.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        Self {
            file_mode: self.file_mode.or(base.file_mode),
            dir_mode: self.dir_mode.or(base.dir_mode),
            file_group: self.file_group.clone().or_else(|| base.file_group.clone()),
        }
    }
}

/// A directory outside all homes, with an account of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The name of the folder, which is unique.
    pub name: FolderName,
    /// The absolute path of the directory on disk.
    pub path: PathBuf,
    /// A remark for operators.
    pub comment: String,
    /// The quota of everything in the folder, whoever has written it.
    pub quota: Quota,
    /// The modes and the group of what is created in the folder.
    pub creation: CreationChoice,
}
