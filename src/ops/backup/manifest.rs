//! The manifest of a backup: the file that says what is in it. This module alone knows its format, and how the files
//! of a backup are named.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use base::advice;
use base::digest::Algorithm;
use base::error::{Error, Result};
use base::regular::{Links, open_regular, read_regular};
use base::visible::hex;

/// The version of the format.
const VERSION: u32 = 1;
/// The name of the manifest in a backup.
pub const FILE: &str = "manifest.json";
/// The name of the file with the manifest's own SHA-256, in the format of sha256sum.
pub const SUM_FILE: &str = "manifest.sha256";
/// What a root of homes is in [`Manifest::left_out`].
pub const ROOT: &str = "root";
/// The largest manifest that is read, in bytes: 250,000 files.
const LARGEST: u64 = 64 << 20;

/// What is in a backup, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub v: u32,
    /// The version of the program that made the backup.
    pub program: String,
    /// The time of the backup (RFC 3339, UTC).
    pub time: String,
    /// The version of the store's tables.
    pub store_version: i64,
    /// The number of users in the store.
    pub users: u64,
    /// The path of the configuration file.
    pub configuration: String,
    /// The files in the backup.
    pub files: Vec<BackupFile>,
    /// What the server uses but the backup does not have.
    pub left_out: Vec<LeftOut>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// The path of the file in the backup, which also says where it belongs: see [`Origin`].
    pub name: String,
    /// The permission bits of the original, in octal digits.
    pub mode: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
}

/// Something that a backup does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it is: `homes`, `root`, `audit log` or `other`.
    pub what: String,
    /// The absolute path.
    pub path: String,
}

/// What a file in a backup was in its installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file: `configuration/NAME`.
    Configuration,
    /// The store: `store/NAME`.
    Store,
    /// A file in the data directory, by its path there: `data/PATH`.
    Data(PathBuf),
    /// A file that the configuration names, or one in a directory that it names: `settings/SECTION.NAME` or
    /// `settings/SECTION.NAME/PATH`.
    Setting {
        /// The section and the name of the setting.
        setting: String,
        /// The path in the directory that the setting names; `None` if the setting names the file.
        inside: Option<PathBuf>,
    },
}

impl BackupFile {
    /// Returns where the file belongs.
    ///
    /// # Errors
    /// Returns an error if its name is none that a backup has. Such a name could lead out of the directories of the
    /// installation.
    pub fn origin(&self) -> Result<Origin> {
        let strange = || Error::new(format!("the manifest names a strange file {:?}", self.name));
        let path = Path::new(&self.name);
        let plain = path
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        if !plain || self.name.contains("//") || self.name.ends_with('/') {
            return Err(strange());
        }
        let (kind, rest) = self.name.split_once('/').ok_or_else(strange)?;
        match (kind, rest.split_once('/')) {
            ("configuration", None) => Ok(Origin::Configuration),
            ("store", None) => Ok(Origin::Store),
            ("data", _) => Ok(Origin::Data(rest.into())),
            ("settings", None) => Ok(Origin::Setting {
                setting: rest.to_owned(),
                inside: None,
            }),
            ("settings", Some((setting, inside))) => Ok(Origin::Setting {
                setting: setting.to_owned(),
                inside: Some(inside.into()),
            }),
            _ => Err(strange()),
        }
    }

    /// Returns the permission bits of the original.
    ///
    /// # Errors
    /// Returns an error if they are not octal digits.
    pub fn permission_bits(&self) -> Result<u32> {
        match u32::from_str_radix(&self.mode, 8) {
            Ok(mode) if mode <= 0o777 => Ok(mode),
            _ => Err(Error::new(format!(
                "the manifest names a strange mode {:?} of {:?}",
                self.mode, self.name
            ))),
        }
    }
}

impl Manifest {
    /// Creates a manifest without files.
    pub fn new(time: jiff::Timestamp, configuration: &Path) -> Self {
        Self {
            v: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            time: format!("{time:.0}"),
            store_version: 0,
            users: 0,
            configuration: configuration.display().to_string(),
            files: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Returns the number of bytes of all files.
    pub fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.bytes);
        // A manifest that somebody has changed may have any sizes.
        sizes.fold(0, u64::saturating_add)
    }

    /// Returns the text of the manifest's file.
    ///
    /// # Errors
    /// Returns an error if it has no JSON.
    pub fn text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        Ok(text.map_err(|e| Error::new("cannot write the manifest").because(e))? + "\n")
    }

    /// Reads the manifest of a backup, and compares it with its own SHA-256.
    ///
    /// # Errors
    /// Returns an error if there is none, if it is damaged, or if it is of a later version.
    pub fn read(backup: &Path) -> Result<Self> {
        let file = backup.join(FILE);
        let no_backup = |cause: io::Error| {
            if cause.kind() == io::ErrorKind::PermissionDenied {
                let error = Error::new(format!("cannot read the backup \"{}\"", backup.display()));
                return advice::because(error, cause, &file, "u+r");
            }
            Error::new(format!("\"{}\" is not a backup", backup.display()))
                .because(Error::new(format!("cannot read \"{}\"", file.display())).because(cause))
                .hint("name the directory that homeportd backup has made")
        };
        let text = read_regular(&file, LARGEST).map_err(no_backup)?;
        let sum_file = backup.join(SUM_FILE);
        let sum = read_regular(&sum_file, 1024)
            .map_err(|e| damaged(backup, format!("cannot read \"{}\": {e}", sum_file.display())))?;
        if sum != sum_line(&text).as_bytes() {
            return Err(damaged(
                backup,
                format!("the SHA-256 of {FILE} is not that in {SUM_FILE}"),
            ));
        }
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|e| damaged(backup, format!("{FILE}: {e}")))?;
        if manifest.v != VERSION {
            return Err(Error::new(format!("cannot restore \"{}\"", backup.display()))
                .because(format!(
                    "its format has the version {}, and this program knows {VERSION}",
                    manifest.v
                ))
                .hint(format!("use homeportd {} or later", manifest.program)));
        }
        Ok(manifest)
    }
}

/// Returns the line that sha256sum prints for this manifest.
pub fn sum_line(manifest: &[u8]) -> String {
    let mut hasher = Algorithm::Sha256.hasher();
    hasher.update(manifest);
    format!("{}  {FILE}\n", hex(&hasher.finalize()))
}

/// Returns the error for a backup that is not as it was made.
pub fn damaged(backup: &Path, why: String) -> Error {
    Error::new(format!("the backup \"{}\" is damaged", backup.display()))
        .because(why)
        .hint("nothing was restored; use another backup")
}

/// The size and the SHA-256 of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Copies everything from `from` to `to`.
///
/// # Errors
/// Returns an error if `from` cannot be read or `to` not be written.
pub fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<Fingerprint> {
    let mut hasher = Algorithm::Sha256.hasher();
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = buffer.get(..length).unwrap_or_default();
        hasher.update(piece);
        to.write_all(piece)?;
        bytes += length as u64;
    }
    Ok(Fingerprint {
        bytes,
        sha256: hex(&hasher.finalize()),
    })
}

/// Opens a file of a backup.
///
/// # Errors
/// Returns an error if it is missing or is not a regular file.
pub fn open(backup: &Path, file: &BackupFile) -> Result<std::fs::File> {
    let path = backup.join(&file.name);
    open_regular(&path, OpenOptions::new().read(true), Links::Refuse)
        .map_err(|e| damaged(backup, format!("cannot read \"{}\": {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, mode: &str) -> BackupFile {
        BackupFile {
            name: name.to_owned(),
            mode: mode.to_owned(),
            bytes: 0,
            sha256: String::new(),
        }
    }

    #[test]
    fn no_name_leads_out_of_the_installation() {
        let check = |name: &str, expected: Option<Origin>| {
            assert_eq!(file(name, "600").origin().ok(), expected, "{name}");
        };
        let setting = |setting: &str, inside: Option<&str>| {
            Some(Origin::Setting {
                setting: setting.to_owned(),
                inside: inside.map(PathBuf::from),
            })
        };
        check("configuration/homeportd.toml", Some(Origin::Configuration));
        check("store/homeport.db", Some(Origin::Store));
        check("data/hooks/1", Some(Origin::Data("hooks/1".into())));
        check("settings/auth.x", setting("auth.x", None));
        check(
            "settings/server.host_keys/k",
            setting("server.host_keys", Some("k")),
        );
        for name in [
            "",
            "/etc/passwd",
            "data",
            "data/",
            "data/../x",
            "data//x",
            "./data/x",
            "data/./../../x",
            "configuration/a/b",
            "store/a/b",
            "settings/server.host_keys/../../x",
            "other/x",
        ] {
            check(name, None);
        }
    }

    #[test]
    fn a_mode_is_octal_and_has_no_more_than_permissions() {
        let check = |mode: &str, expected: Option<u32>| {
            assert_eq!(file("x", mode).permission_bits().ok(), expected, "{mode}");
        };
        check("0600", Some(0o600));
        check("644", Some(0o644));
        check("4755", None);
        check("-1", None);
        check("9", None);
    }
}
