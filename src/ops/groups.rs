//! Groups: adding, changing, removing and showing them. A change concerns all members, whom the running server looks
//! at.

use super::admin;
use super::context::OpsContext;
use super::sharing::{ConfirmedSharing, SharedChange, SharedThing};
use super::users::settings::{MemberChanges, SettingChange};
use crate::domain::group::{Group, GroupName};
use crate::domain::settings::MemberSettings;
use crate::domain::user::{User, UserName};
use crate::store::{group_name_taken, no_such_group};
use base::error::Result;

/// The changes of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupChanges {
    /// A new name.
    pub name: Option<GroupName>,
    /// A remark for operators.
    pub comment: SettingChange<String>,
    /// The settings that members inherit.
    pub member: MemberChanges,
}

impl GroupChanges {
    fn apply(&self, group: &mut Group) -> Result<()> {
        if let Some(name) = &self.name {
            group.name = name.clone();
        }
        self.comment.apply(&mut group.comment);
        self.member.apply(&mut group.settings)
    }
}

/// A group, and who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The group.
    pub group: Group,
    /// The names of the members, in their order.
    pub members: Vec<UserName>,
}

/// Adds a group.
///
/// # Errors
/// Returns an error if the name is taken, if a folder does not exist, or if the store refuses.
pub async fn add(
    name: &GroupName,
    changes: &GroupChanges,
    context: &OpsContext<'_>,
) -> Result<ConfirmedSharing> {
    if context.store.group(name).await?.is_some() {
        return Err(group_name_taken(name));
    }
    let OpsContext {
        installation, store, ..
    } = *context;
    changes.member.check_references(installation, store).await?;
    let mut group = Group {
        name: name.clone(),
        comment: String::new(),
        settings: MemberSettings::default(),
    };
    changes.apply(&mut group)?;
    store.add_group(&group).await?;
    let act = admin::group_changed("group add", None, Some(&group));
    let thing = SharedThing::Group(group.name.to_string());
    ConfirmedSharing::of((thing, SharedChange::Added), Vec::new(), true, act, context).await
}

/// Changes a group: its settings, its name, or both.
///
/// # Errors
/// Returns an error if there is no such group, if a folder does not exist, if the new name is taken, or if the store
/// refuses.
pub async fn set(
    name: &GroupName,
    changes: GroupChanges,
    context: &OpsContext<'_>,
) -> Result<ConfirmedSharing> {
    let OpsContext {
        installation, store, ..
    } = *context;
    find(name, context).await?;
    changes.member.check_references(installation, store).await?;
    let change = move |group: &mut Group| changes.apply(group);
    let changed = store.change_group(name, Box::new(change)).await?;
    let is_change = changed.is_change();
    let act = admin::group_changed("group set", Some(&changed.before), Some(&changed.after));
    let now = changed.after.name;
    let what = SharedChange::Set {
        old_name: (now != *name).then(|| name.to_string()),
        left: None,
    };
    let members = names(members_of(&now, context).await?);
    let thing = SharedThing::Group(now.to_string());
    ConfirmedSharing::of((thing, what), members, is_change, act, context).await
}

/// Removes a group that has no members.
///
/// # Errors
/// Returns an error if there is no such group, if it has members, or if the store refuses.
pub async fn remove(name: &GroupName, context: &OpsContext<'_>) -> Result<ConfirmedSharing> {
    let before = find(name, context).await?;
    context.store.remove_group(name).await?;
    let act = admin::group_changed("group remove", Some(&before), None);
    let what = SharedChange::Removed { left: None };
    let thing = SharedThing::Group(name.to_string());
    ConfirmedSharing::of((thing, what), Vec::new(), true, act, context).await
}

/// Returns the view of a group.
///
/// # Errors
/// Returns an error if there is no such group, or if the store cannot be read.
pub async fn show(name: &GroupName, context: &OpsContext<'_>) -> Result<GroupView> {
    Ok(GroupView {
        group: find(name, context).await?,
        members: names(members_of(name, context).await?),
    })
}

/// Returns the views of all groups, in the order of their names.
///
/// # Errors
/// Returns an error if the store cannot be read.
pub async fn list(context: &OpsContext<'_>) -> Result<Vec<GroupView>> {
    let groups = context.store.groups().await?;
    let users = context.store.users().await?;
    let view = |group: Group| {
        let members = users
            .iter()
            .filter(|user| user.group.as_ref() == Some(&group.name));
        GroupView {
            members: members.map(|user| user.name.clone()).collect(),
            group,
        }
    };
    Ok(groups.into_iter().map(view).collect())
}

/// Returns the members of a group, in the order of their names.
///
/// # Errors
/// Returns an error if there is no such group, or if the store cannot be read.
pub async fn members_of(name: &GroupName, context: &OpsContext<'_>) -> Result<Vec<User>> {
    find(name, context).await?;
    let mut users = context.store.users().await?;
    users.retain(|user| user.group.as_ref() == Some(name));
    Ok(users)
}

async fn find(name: &GroupName, context: &OpsContext<'_>) -> Result<Group> {
    let found = context.store.group(name).await?;
    found.ok_or_else(|| no_such_group(name))
}

/// Returns the names of users.
pub(super) fn names(users: Vec<User>) -> Vec<UserName> {
    users.into_iter().map(|user| user.name).collect()
}
