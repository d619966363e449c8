//! Pages of the list of users: some of those that a search is about, in the order of their names.

use super::view::UserList;
use crate::domain::group::GroupName;
use crate::domain::user::{User, UserName};
use crate::ops::context::OpsContext;
use base::error::Result;

/// The most users of one page: each is asked about on its own.
pub const MOST_USERS: usize = 200;

/// A search for users.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserSearch {
    /// A part of the name, or of the remark for operators; letter case does not matter. Empty for all users.
    pub text: String,
    /// Only the members of this group.
    pub group: Option<GroupName>,
    /// The last name of the page before.
    pub after: Option<UserName>,
    /// The number of users of a page, at most [`MOST_USERS`].
    pub limit: usize,
}

/// A page of users.
#[derive(Debug)]
pub struct UserPage {
    /// The users.
    pub list: UserList,
    /// The number of users that the search is about, on all pages.
    pub found: usize,
    /// Whether there is another page.
    pub has_more: bool,
}

impl UserSearch {
    fn is_about(&self, user: &User, text: &str) -> bool {
        let is_in_group = self.group.is_none() || user.group == self.group;
        let contains = |field: &str| field.to_lowercase().contains(text);
        is_in_group && (text.is_empty() || contains(user.name.as_str()) || contains(&user.comment))
    }
}

/// Returns a page of users.
///
/// # Errors
/// Returns an error if the store cannot be read.
pub async fn page(search: &UserSearch, context: &OpsContext<'_>) -> Result<UserPage> {
    let text = search.text.trim().to_lowercase();
    let mut users = context.store.users().await?;
    users.retain(|user| search.is_about(user, &text));
    let found = users.len();
    if let Some(after) = &search.after {
        users.retain(|user| user.name > *after);
    }
    let limit = search.limit.clamp(1, MOST_USERS);
    let has_more = users.len() > limit;
    users.truncate(limit);
    Ok(UserPage {
        list: UserList::of_few(users, context).await?,
        found,
        has_more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_remarks_are_searched() {
        let user = User {
            comment: "Accounting, 2nd floor".to_owned(),
            group: Some("staff".parse().unwrap()),
            ..User::blank("calvin".parse().unwrap())
        };
        let check = |text: &str, group: Option<&str>, expected: bool| {
            let search = UserSearch {
                group: group.map(|name| name.parse().unwrap()),
                ..UserSearch::default()
            };
            assert_eq!(search.is_about(&user, text), expected, "{text} {group:?}");
        };
        check("", None, true);
        check("alv", None, true);
        check("accounting", None, true);
        check("tom", None, false);
        check("calvin", Some("staff"), true);
        check("calvin", Some("others"), false);
    }
}
