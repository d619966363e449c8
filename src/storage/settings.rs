//! The settings for where homes lie: the section `[storage]` of the configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::durable::Fsync;

/// The settings of the section `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageSettings {
    /// The directory in which homes are made.
    pub homes: PathBuf,
    /// Other directories beneath which a home may lie.
    pub roots: Vec<PathBuf>,
    /// When written data is flushed to the disk.
    pub fsync: Fsync,
    /// The mode of new files.
    pub file_mode: Option<FileMode>,
    /// The mode of new directories.
    pub dir_mode: Option<DirectoryMode>,
    /// The group of new files and directories: its name or its number.
    pub file_group: Option<String>,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            homes: "data/homes".into(),
            roots: Vec::new(),
            fsync: Fsync::default(),
            file_mode: None,
            dir_mode: None,
            file_group: None,
        }
    }
}

impl StorageSettings {
    /// Returns the places where homes may lie: `homes`, then each root.
    pub fn places(&self) -> impl Iterator<Item = &Path> + Clone {
        let roots = self.roots.iter().map(PathBuf::as_path);
        std::iter::once(self.homes.as_path()).chain(roots)
    }
}

/// The permission bits of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileMode(pub u32);

impl TryFrom<String> for FileMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mode = octal(&text, "0640")?;
        if mode & !0o777 != 0 {
            return Err(format!(
                "\"{text}\" has bits beyond 0777, which act for the server's own user (hint: for example \"0640\")"
            ));
        }
        match mode & 0o600 {
            0o600 => Ok(Self(mode)),
            _ => Err(format!(
                "with \"{text}\" the server could not read and write such files (hint: \"{:04o}\")",
                mode | 0o600
            )),
        }
    }
}

/// The permission bits of a directory, and its set-group-id bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DirectoryMode(pub u32);

impl TryFrom<String> for DirectoryMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mode = octal(&text, "0750")?;
        if mode & !0o2777 != 0 {
            return Err(format!(
                "\"{text}\" has bits beyond 2777 (hint: for example \"0750\" or \"2750\")"
            ));
        }
        match mode & 0o700 {
            0o700 => Ok(Self(mode)),
            _ => Err(format!(
                "with \"{text}\" the server could not use such directories (hint: \"{:04o}\")",
                mode | 0o700
            )),
        }
    }
}

/// Parses a mode as chmod(1) takes it: three or four octal digits.
fn octal(text: &str, example: &str) -> Result<u32, String> {
    let is_mode = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = is_mode.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.ok_or_else(|| {
        format!(
            "\"{}\" is not a mode (hint: octal digits: \"{example}\")",
            text.escape_debug()
        )
    })
}
