//! The command line of `homeportd backup` and `homeportd restore`.

use std::path::PathBuf;

use clap::Args;

use crate::ops::restore::PlaceMapping;

/// The command-line arguments of `homeportd backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The directory to create, which must not exist
    pub dir: PathBuf,
    /// Print a JSON object: v, directory, time, files, bytes, users, left_out
    #[arg(long)]
    pub json: bool,
    /// Fill the current directory, for a process of root that will name it
    #[arg(long, hide = true)]
    pub fill: bool,
}

/// The command-line arguments of `homeportd restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The directory that `backup` has created
    pub dir: PathBuf,
    /// Take the homes over from the server that was backed up: that server lets nothing grow in them from then on
    #[arg(long)]
    pub take_over: bool,
    /// Keep the configuration file that is there, and put everything else where it says
    #[arg(long)]
    pub keep_config: bool,
    /// Look for homes and folders that lay in the directory OLD in NEW; can be repeated
    ///
    /// Those beneath [storage] homes need no mapping, and neither do those beneath a root whose path is relative to the
    /// configuration. NEW must be one of the directories of homes, or lie in one. Nothing is copied or moved.
    #[arg(long = "map", value_name = "OLD=NEW")]
    pub maps: Vec<PlaceMapping>,
    /// Print a JSON object: v, directory, time, configuration, files, users, places, not_adopted, mapped, missing
    #[arg(long)]
    pub json: bool,
}
