//! The command line of `homeportd folder`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::group::SharedOutputArgs;
use super::settings::CreationArgs;
use crate::domain::folder::FolderName;
use crate::domain::texts;
use crate::domain::user::Limit;
use crate::ops::folders::FolderChanges;
use crate::shapes::values::{OrInherit, bytes, change};
use base::size::Size;

/// The commands of `homeportd folder`.
#[derive(Debug, Subcommand)]
pub enum FolderCommand {
    /// Add a folder, and create its directory
    ///
    /// Nobody sees it until it is given to users or groups, by --folder of `user set` and `group set`. Without --quota and
    /// --max-files it has no limits.
    #[command(after_help = "Examples:
  homeportd folder add team /srv/homeport/folders/team --quota 100GiB
  homeportd user set calvin --folder team=all
  homeportd user set tom --folder team=list,read")]
    Add(FolderAddArgs),
    /// Change a folder's settings; those that are not named stay the same
    ///
    /// With --path, the files stay where they are, and sessions of users who have the folder are ended.
    #[command(after_help = "Examples:
  homeportd folder set team --quota 200GiB
  homeportd folder set team --rename staff")]
    Set(FolderSetArgs),
    /// Show a folder
    ///
    /// With --json: v, name, path, comment, users, quota_bytes, quota_files, used_bytes, used_files, usage_exact,
    /// file_mode, dir_mode, file_group; docs/json.md describes them.
    #[command(after_help = "Example:\n  homeportd folder show team --json | jq .used_bytes")]
    Show {
        /// The name of the folder
        name: FolderName,
        /// Print a JSON object with stable names
        #[arg(long)]
        json: bool,
    },
    /// List all folders, with their use and quota
    #[command(after_help = "Example:\n  homeportd folder list")]
    List {
        /// Print a JSON array of objects like that of `folder show`
        #[arg(long)]
        json: bool,
    },
    /// Remove a folder that no user and no group has; its directory stays
    #[command(after_help = "Example:\n  homeportd folder remove team")]
    Remove {
        /// The name of the folder
        name: FolderName,
        #[command(flatten)]
        output: SharedOutputArgs,
    },
}

/// The command-line arguments of `homeportd folder add`.
#[derive(Debug, Args)]
pub struct FolderAddArgs {
    /// The name that users see it by, of 1 to 128 characters of a-z A-Z 0-9 _ . - @ + (the last four not at the
    /// beginning)
    pub name: FolderName,
    /// The directory, beneath [storage] homes or one of its roots, and outside all homes
    pub dir: PathBuf,
    #[command(flatten)]
    pub settings: FolderSettings,
    #[command(flatten)]
    pub output: SharedOutputArgs,
}

/// The command-line arguments of `homeportd folder set`.
#[derive(Debug, Args)]
pub struct FolderSetArgs {
    /// The name of the folder
    pub name: FolderName,
    #[command(flatten)]
    pub settings: FolderSettings,
    /// Another directory, which is created if it is missing
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// A new name for the folder
    #[arg(long, value_name = "NEW")]
    pub rename: Option<FolderName>,
    #[command(flatten)]
    pub output: SharedOutputArgs,
}

impl FolderSetArgs {
    /// Returns whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.rename.is_none() && self.path.is_none() && self.settings == FolderSettings::default()
    }

    /// Returns the changes that the options ask for.
    pub fn changes(self) -> (FolderName, FolderChanges) {
        let changes = FolderChanges {
            name: self.rename,
            path: self.path,
            ..self.settings.changes()
        };
        (self.name, changes)
    }
}

/// The options of `folder add` and `folder set`. A setting that is `None` is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct FolderSettings {
    /// The limit on the sum of file sizes: 512, 10MiB, 1GiB, 1G, or unlimited
    #[arg(long, value_name = "SIZE")]
    pub quota: Option<Limit<Size>>,
    /// The limit on the number of files, directories and links, or unlimited
    #[arg(long, value_name = "N")]
    pub max_files: Option<Limit<u64>>,
    /// A remark for operators
    #[arg(long, value_name = "TEXT", value_parser = texts::comment)]
    pub comment: Option<String>,
    #[command(flatten)]
    pub creation: CreationArgs,
}

impl FolderSettings {
    /// Returns the changes that the options ask for.
    pub fn changes(self) -> FolderChanges {
        FolderChanges {
            name: None,
            path: None,
            comment: self.comment.into(),
            quota_bytes: change(self.quota.map(OrInherit::To), bytes),
            quota_files: self.max_files.into(),
            creation: self.creation.changes(),
        }
    }
}
