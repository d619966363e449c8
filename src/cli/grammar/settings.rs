//! The settings of users and groups on the command line.

use clap::Args;

use crate::domain::folder::FolderName;
use crate::domain::permission::change::{FolderEntry, FoldersChange, RuleEntry, RulesChange};
use crate::domain::rate::RateRule;
use crate::domain::texts;
use crate::domain::user::{Limit, Permission, Permissions};
use crate::ops::users::settings::{CreationChanges, MemberChanges, SettingChange, SettingChanges};
use crate::shapes::values::{
    Expiry, Factors, GroupChoice, Networks, OrInherit, Principal, SessionCap, bytes, change, dir_mode,
    file_mode,
};
use base::error::Result;
use base::size::Size;

/// The options of `user add` and `user set`. A setting that is `None` is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Settings {
    #[command(flatten)]
    pub member: MemberArgs,
    /// The group that the user inherits settings from, or none
    #[arg(long, value_name = "NAME")]
    pub group: Option<GroupChoice>,
    /// A remark for operators
    #[arg(long, value_name = "TEXT", value_parser = texts::comment)]
    pub comment: Option<String>,
    /// The time from which the user cannot sign in: 2030-01-01 (0:00 UTC), 2030-01-01T12:00:00Z, or never
    #[arg(long, value_name = "DATE")]
    pub expires: Option<Expiry>,
    /// A principal besides the name that certificates may have; can be repeated; none removes those that were set
    #[arg(long = "principal", value_name = "NAME")]
    pub principals: Vec<Principal>,
    /// Make the user an administrator, who may do in the web page and by API what homeportd does
    #[arg(long, conflicts_with = "no_admin")]
    pub admin: bool,
    /// The user is not an administrator any more
    #[arg(long)]
    pub no_admin: bool,
}

impl Settings {
    /// Returns the changes that the options ask for.
    ///
    /// # Errors
    /// Returns an error if options contradict each other.
    pub fn changes(self) -> Result<SettingChanges> {
        let principals = match self.principals.is_empty() {
            true => SettingChange::Keep,
            false => SettingChange::To(
                self.principals
                    .into_iter()
                    .filter_map(|Principal(name)| name)
                    .collect(),
            ),
        };
        let is_admin = match (self.admin, self.no_admin) {
            (true, _) => SettingChange::To(true),
            (false, true) => SettingChange::To(false),
            (false, false) => SettingChange::Keep,
        };
        Ok(SettingChanges {
            principals,
            is_admin,
            member: self.member.changes()?,
            group: self.group.map(|GroupChoice(group)| group).into(),
            comment: self.comment.into(),
            expires_at: self.expires.map(|Expiry(at)| at).into(),
        })
    }
}

/// The options of settings that users and groups have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct MemberArgs {
    /// The limit on the sum of file sizes in a home: 512, 10MiB, 1GiB, 1G, or unlimited
    ///
    /// For this option and the others of a user, inherit stands for the group's value, or the server's without a group.
    #[arg(long, value_name = "SIZE")]
    pub quota: Option<OrInherit<Limit<Size>>>,
    /// The limit on the number of files, directories and links in a home, or unlimited
    #[arg(long, value_name = "N")]
    pub max_files: Option<OrInherit<Limit<u64>>>,
    /// The same as --permissions read-only
    #[arg(long, conflicts_with = "permissions")]
    pub read_only: bool,
    /// The permissions, by their names, or all; can be repeated
    #[arg(
        long,
        value_name = "LIST",
        help = format!(
            "A list of {}; or all, read-only or none; /DIR=LIST for a directory and all beneath it; can be repeated",
            Permission::all_names()
        ),
        long_help = format!(
            "A list of {}; or all, read-only (list,read), none or inherit\n\n/DIR=LIST gives a directory and what is \
             beneath it permissions of its own; the longest DIR decides. The option can be repeated. A LIST alone \
             replaces all permissions, those of directories too; without one, the others stay as they are, and \
             /DIR=inherit removes those of one directory.",
            Permission::all_names()
        )
    )]
    pub permissions: Vec<RuleEntry>,
    /// The most sessions at once: a number, default for the server's limit, or inherit for that of the group
    #[arg(long, value_name = "N")]
    pub max_sessions: Option<SessionCap>,
    /// The bytes per second that all sessions of a user together upload: 10MiB, unlimited, default for the server's rate,
    /// or inherit for that of the group
    #[arg(long, value_name = "SIZE")]
    pub rate_up: Option<OrInherit<RateRule>>,
    /// The bytes per second that all sessions of a user together download: 10MiB, unlimited, default, or
    /// inherit
    #[arg(long, value_name = "SIZE")]
    pub rate_down: Option<OrInherit<RateRule>>,
    /// The addresses or networks from which a user may connect: 10.0.0.0/8,192.0.2.7; or any
    #[arg(long, value_name = "CIDR,…")]
    pub allow_from: Option<OrInherit<Networks>>,
    /// The factors that are all required to sign in: a list of publickey, password, totp; or any, for a key or the
    /// password
    #[arg(long, value_name = "LIST")]
    pub require: Option<OrInherit<Factors>>,
    /// A folder, with the permissions in it: team=list,read; team/in=create for a directory in it; can be repeated
    #[arg(long = "folder", value_name = "NAME=LIST")]
    pub folders: Vec<FolderEntry>,
    /// A folder that is not given any more; can be repeated
    #[arg(long = "no-folder", value_name = "NAME")]
    pub no_folders: Vec<FolderName>,
    #[command(flatten)]
    pub creation: CreationArgs,
}

impl MemberArgs {
    /// Returns the changes that the options ask for.
    ///
    /// # Errors
    /// Returns an error if options contradict each other.
    pub fn changes(self) -> Result<MemberChanges> {
        let permissions = match self.read_only {
            true => RulesChange::to(Permissions::read_only()),
            false => RulesChange::new(self.permissions)?,
        };
        let cap = |SessionCap(cap)| cap.map_or(SettingChange::Unset, SettingChange::To);
        Ok(MemberChanges {
            quota_bytes: change(self.quota, bytes),
            quota_files: change(self.max_files, |limit| limit),
            permissions,
            max_sessions: self.max_sessions.map_or(SettingChange::Keep, cap),
            rate_up: change(self.rate_up, |rate| rate),
            rate_down: change(self.rate_down, |rate| rate),
            allowed_from: change(self.allow_from, |Networks(networks)| networks),
            require: change(self.require, |Factors(factors)| factors),
            folders: FoldersChange::new(self.folders, self.no_folders)?,
            creation: self.creation.changes(),
        })
    }
}

/// The options for the modes and the group of what is created in a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct CreationArgs {
    /// The mode of new files, such as 0640, or inherit for that of the server
    #[arg(long, value_name = "MODE", value_parser = file_mode)]
    pub file_mode: Option<OrInherit<u32>>,
    /// The mode of new directories, such as 2750, or inherit for that of the server
    #[arg(long, value_name = "MODE", value_parser = dir_mode)]
    pub dir_mode: Option<OrInherit<u32>>,
    /// The system's group of new files and directories, or inherit for that of the server
    #[arg(long, value_name = "GROUP")]
    pub file_group: Option<OrInherit<String>>,
}

impl CreationArgs {
    /// Returns the changes that the options ask for.
    pub fn changes(self) -> CreationChanges {
        CreationChanges {
            file_mode: change(self.file_mode, |mode| mode),
            dir_mode: change(self.dir_mode, |mode| mode),
            file_group: change(self.file_group, |group| group),
        }
    }
}
