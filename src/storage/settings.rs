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
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            homes: "data/homes".into(),
            roots: Vec::new(),
            fsync: Fsync::default(),
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
