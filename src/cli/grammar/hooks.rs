//! The arguments of `homeportd hooks`.

use clap::{Args, Subcommand};

/// The commands of `homeportd hooks`.
#[derive(Debug, Subcommand)]
pub enum HooksCommand {
    /// List the events that wait for hooks, in their order
    ///
    /// With --json: v, id, hook, event, time, user, path, state, attempts, error. The state is "waiting", "running" or
    /// "set_aside".
    #[command(after_help = "Example:\n  homeportd hooks list")]
    List {
        /// Print a JSON array of objects with stable names
        #[arg(long)]
        json: bool,
    },
    /// Try events again at once, as if they were new
    #[command(after_help = "Examples:\n  homeportd hooks retry 17\n  homeportd hooks retry --all")]
    Retry(HookSelectionArgs),
    /// Remove events from the queue, so that their hooks never learn of them
    #[command(after_help = "Examples:\n  homeportd hooks drop 17\n  homeportd hooks drop --all")]
    Drop(HookSelectionArgs),
}

/// The command-line arguments of `homeportd hooks retry` and `drop`.
#[derive(Debug, Args)]
pub struct HookSelectionArgs {
    /// The ids that `hooks list` shows
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "ID")]
    pub ids: Vec<u64>,
    /// All events that were set aside
    #[arg(long)]
    pub all: bool,
    /// Print a JSON object: changed, the number of events
    #[arg(long)]
    pub json: bool,
}
