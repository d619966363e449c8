//! The command line of `homeportd group`.

use clap::{Args, Subcommand};

use super::settings::MemberArgs;
use crate::domain::group::GroupName;
use crate::domain::texts;
use crate::ops::groups::GroupChanges;
use base::error::Result;

/// The commands of `homeportd group`.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Add a group
    #[command(after_help = "Examples:
  homeportd group add customers --quota 10GiB --permissions list,read --permissions /in=create,list
  homeportd user add calvin --group customers --key calvin.pub")]
    Add(GroupAddArgs),
    /// Change a group's settings; those that are not named stay the same
    ///
    /// inherit in place of a value unsets it: the server's applies to members who have none of their own.
    #[command(after_help = "Examples:
  homeportd group set customers --quota 20GiB
  homeportd group set customers --permissions /in=inherit --folder shared=list,read
  homeportd group set customers --rename clients")]
    Set(GroupSetArgs),
    /// Show a group
    ///
    /// With --json: v, name, comment, members, quota_bytes, quota_files, max_sessions, permissions, allowed_from,
    /// require, rate_up, rate_down, folders, file_mode, dir_mode, file_group; docs/json.md describes them.
    #[command(after_help = "Example:\n  homeportd group show customers --json | jq .members")]
    Show {
        /// The name of the group
        name: GroupName,
        /// Print a JSON object with stable names
        #[arg(long)]
        json: bool,
    },
    /// List all groups
    #[command(after_help = "Example:\n  homeportd group list")]
    List {
        /// Print a JSON array of objects like that of `group show`
        #[arg(long)]
        json: bool,
    },
    /// Remove a group that has no members
    #[command(after_help = "Example:\n  homeportd group remove customers")]
    Remove {
        /// The name of the group
        name: GroupName,
        #[command(flatten)]
        output: SharedOutputArgs,
    },
}

/// The command-line arguments of `homeportd group add`.
#[derive(Debug, Args)]
pub struct GroupAddArgs {
    /// A name of 1 to 128 characters of a-z A-Z 0-9 _ . - @ + (the last four not at the beginning)
    #[arg(value_parser = GroupName::new_name)]
    pub name: GroupName,
    #[command(flatten)]
    pub settings: GroupSettings,
    #[command(flatten)]
    pub output: SharedOutputArgs,
}

/// The command-line arguments of `homeportd group set`.
#[derive(Debug, Args)]
pub struct GroupSetArgs {
    /// The name of the group
    pub name: GroupName,
    #[command(flatten)]
    pub settings: GroupSettings,
    /// A new name for the group
    #[arg(long, value_name = "NEW", value_parser = GroupName::new_name)]
    pub rename: Option<GroupName>,
    #[command(flatten)]
    pub output: SharedOutputArgs,
}

impl GroupSetArgs {
    /// Returns whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.rename.is_none() && self.settings == GroupSettings::default()
    }
}

/// The options of `group add` and `group set`. A setting that is `None` is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct GroupSettings {
    #[command(flatten)]
    pub member: MemberArgs,
    /// A remark for operators
    #[arg(long, value_name = "TEXT", value_parser = texts::comment)]
    pub comment: Option<String>,
}

impl GroupSettings {
    /// Returns the changes that the options ask for, with a new name if there is one.
    ///
    /// # Errors
    /// Returns an error if options contradict each other.
    pub fn changes(self, name: Option<GroupName>) -> Result<GroupChanges> {
        Ok(GroupChanges {
            name,
            comment: self.comment.into(),
            member: self.member.changes()?,
        })
    }
}

/// The option for the format of the result, for groups and folders.
#[derive(Debug, Default, Args)]
pub struct SharedOutputArgs {
    /// Print a JSON object: v, group or folder (the name), changed, confirmed (by a running server), sessions_ended,
    /// still_busy
    #[arg(long)]
    pub json: bool,
}
