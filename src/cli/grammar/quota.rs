//! The command line of `homeportd quota`.

use clap::{Args, Subcommand};

use crate::domain::folder::FolderName;
use crate::domain::user::UserName;
use crate::ops::usage::AccountHolder;

/// The commands of `homeportd quota`.
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Show the use of homes and folders, as the running server knows it, or else as it was last recorded
    ///
    /// With --json: v, name, kind ("user" or "folder"), home, used_bytes, used_files, quota_bytes, quota_files,
    /// usage_exact, standing; one object for NAME or --folder, an array of objects without them. null means unlimited
    /// in a quota, and unknown in a use. If usage_exact is false, the use is at most the given number; standing is then
    /// "at_most" (the server was interrupted, and the home is being measured or will be), "unmeasurable" or "unknown".
    /// Otherwise standing is "exact".
    #[command(
        after_help = "Examples:\n  homeportd quota show\n  homeportd quota show calvin --json | jq .used_bytes\n  homeportd quota show --folder team"
    )]
    Show {
        #[command(flatten)]
        of: HolderArgs,
        /// Print JSON with stable names
        #[arg(long)]
        json: bool,
    },
    /// Measure homes and folders again, and correct their recorded use
    ///
    /// This is for files that other programs have put into a home or a folder or removed from it. The running server
    /// does it while transfers continue. If no server is running, this command does it, and no server can start until
    /// it is done. Users who share a home are listed together.
    #[command(
        after_help = "Examples:\n  homeportd quota scan calvin\n  homeportd quota scan --folder team\n  homeportd quota scan"
    )]
    Scan {
        #[command(flatten)]
        of: HolderArgs,
        /// Print a JSON array of objects with stable names, when all are measured
        #[arg(long)]
        json: bool,
    },
}

/// Which home or folder a command of `homeportd quota` is about.
#[derive(Debug, Args)]
pub struct HolderArgs {
    /// Only this user's home
    #[arg(value_parser = UserName::stored)]
    pub name: Option<UserName>,
    /// Only this folder
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    pub folder: Option<FolderName>,
}

impl HolderArgs {
    /// Returns the user or the folder; `None` stands for all.
    pub fn holder(self) -> Option<AccountHolder> {
        let user = self.name.map(AccountHolder::User);
        user.or(self.folder.map(AccountHolder::Folder))
    }
}
