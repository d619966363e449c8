//! What a sync is asked to do.

use std::path::PathBuf;

use super::compare::Rules;
use super::filter::Filter;
use crate::transfer::{Direction, Settings};

/// The two trees of a sync or a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trees {
    /// Which of the two is the source.
    pub direction: Direction,
    /// The directory of this machine.
    pub local: PathBuf,
    /// The directory of the server, an absolute path.
    pub remote: Vec<u8>,
}

/// The options of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncOptions {
    /// What counts as different, and whether something may be deleted.
    pub rules: Rules,
    /// Which names take part, and what links stand for.
    pub filter: Filter,
    /// Whether the changes are only shown.
    pub dry_run: bool,
    /// Whether nobody is asked before something is deleted.
    pub yes: bool,
    /// The most names that may be deleted.
    pub max_delete: Option<u64>,
    /// Where names go that would be replaced or deleted: relative to the target, or absolute.
    pub backup_dir: Option<Vec<u8>>,
    /// The settings of the transfers.
    pub settings: Settings,
}
