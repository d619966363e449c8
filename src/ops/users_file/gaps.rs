//! What the format of a file cannot say of a record. For records that exist, it stays as it is.

use crate::domain::folder::Folder;
use crate::domain::group::Group;
use crate::domain::user::User;

/// Something that a record has and a format, or the files that were given, cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatGap {
    /// The remark for operators.
    Comment,
    /// The group of a user.
    Group,
    /// The keys of a user.
    Keys,
    /// The principals of a user.
    Principals,
    /// The time from which a user cannot sign in.
    Expiry,
    /// All settings of a user: quotas, permissions, folders and the others.
    Settings,
    /// The modes and the group of what is created.
    Creation,
}

/// All gaps of a file. A file of users in the format of this program has none.
#[derive(Debug, Clone, Default)]
pub struct FormatGaps(pub Vec<FormatGap>);

impl FormatGaps {
    /// Returns the record of a declared user, with what the file cannot say, or does not say of this user (`unsaid`), taken
    /// from the stored record.
    pub(super) fn user(&self, record: User, unsaid: &[FormatGap], stored: Option<&User>) -> User {
        let Some(stored) = stored else { return record };
        let mut user = record;
        for gap in self.0.iter().chain(unsaid) {
            match gap {
                FormatGap::Comment => user.comment.clone_from(&stored.comment),
                FormatGap::Group => user.group.clone_from(&stored.group),
                FormatGap::Keys => user.keys.clone_from(&stored.keys),
                FormatGap::Principals => user.principals.clone_from(&stored.principals),
                FormatGap::Expiry => user.expires_at = stored.expires_at,
                FormatGap::Settings => user.settings.clone_from(&stored.settings),
                FormatGap::Creation => user.settings.creation.clone_from(&stored.settings.creation),
            }
        }
        user
    }

    /// Returns the group in the same way. Formats that have groups can say everything else of them.
    pub(super) fn group(&self, declared: &Group, stored: Option<&Group>) -> Group {
        let mut group = declared.clone();
        if let Some(stored) = stored.filter(|_| self.0.contains(&FormatGap::Creation)) {
            group.settings.creation.clone_from(&stored.settings.creation);
        }
        group
    }

    /// Returns the folder in the same way.
    pub(super) fn folder(&self, declared: &Folder, stored: Option<&Folder>) -> Folder {
        let mut folder = declared.clone();
        if let Some(stored) = stored.filter(|_| self.0.contains(&FormatGap::Creation)) {
            folder.creation.clone_from(&stored.creation);
        }
        folder
    }
}
