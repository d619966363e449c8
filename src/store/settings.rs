//! The settings for the store: the section `[store]` of the configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The settings of the section `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The path of the database file. Its directory is the data directory.
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
    /// Returns the data directory, which contains the store, the server's lock and its control socket.
    pub fn data_dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}
