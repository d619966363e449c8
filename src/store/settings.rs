//! What an operator may set about the store: the section `[store]` of the configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The settings of `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The database file. Its directory is the data directory.
    pub path: PathBuf,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            path: "data/homeport.db".into(),
        }
    }
}

impl StoreSettings {
    /// The data directory: the store lies in it, and the server's lock and control socket beside the store.
    pub fn data_dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}
