//! The frame of every page: the name of the site, the menu, and the user with the use of the home.

use base::size::Size;

use crate::domain::path::VirtualPath;
use crate::web::api::usage::{self, JsonUsage};
use crate::web::app::WebApp;
use crate::web::assets;
use crate::web::error::WebError;
use crate::web::users::WebUser;

/// The name of the site.
const SITE: &str = "Homeport";

/// What every page has: see `layout.html`.
#[derive(Debug, Clone)]
pub struct PageFrame {
    /// The name of the site.
    pub site: String,
    /// The path below which the assets are, without a slash at the end: `/assets/VERSION`. The version belongs to the
    /// path, because modules import each other by relative addresses, and so find files of the same version.
    pub assets: String,
    /// The page in the menu.
    pub page: MenuPage,
    /// The user; `None` on pages that need no sign-in.
    pub user: Option<SignedInUser>,
}

/// A page that the menu has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuPage {
    /// The user's files.
    Files,
    /// The user's shares.
    Shares,
    /// The user's account.
    Account,
    /// What administrators see and change.
    Administration,
    /// A page that the menu does not have: signing in, and errors.
    Elsewhere,
}

/// The user of a page.
#[derive(Debug, Clone)]
pub struct SignedInUser {
    /// The user name.
    pub name: String,
    /// Whether the menu has the pages of administrators.
    pub is_admin: bool,
    /// The use of the home.
    pub usage: UsageBar,
}

/// How full a home is.
#[derive(Debug, Clone)]
pub struct UsageBar {
    /// The used bytes: "1.2 GiB".
    pub used: String,
    /// The quota: "10.0 GiB"; `None` if there is none.
    pub quota: Option<String>,
    /// The used part of the quota in thousandths, at most 1000; `None` if there is no quota.
    pub fullness: Option<u64>,
}

impl PageFrame {
    /// Returns the frame of a page that needs no sign-in.
    pub fn for_anybody() -> Self {
        Self {
            site: SITE.to_owned(),
            assets: assets::base().to_owned(),
            page: MenuPage::Elsewhere,
            user: None,
        }
    }

    /// Returns the frame of a user's page, as things are now.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn of_user(app: &WebApp, user: &WebUser, page: MenuPage) -> Result<Self, WebError> {
        let login = user.login();
        let record = app.store.user(login.user()).await;
        let record = record.map_err(|error| WebError::internal("cannot look a user up", &error))?;
        let usage = usage::at(app, login, &VirtualPath::root()).await?;
        Ok(Self {
            page,
            user: Some(SignedInUser {
                name: login.user().to_string(),
                is_admin: record.is_some_and(|record| record.is_admin),
                usage: UsageBar::of(usage),
            }),
            ..Self::for_anybody()
        })
    }

    /// Whether this is the page of the menu with this word.
    pub fn is_at(&self, word: &str) -> bool {
        self.page.word() == word
    }
}

impl UsageBar {
    /// Returns the bar of a home; of one that nobody has looked at yet, it is empty.
    fn of(usage: Option<JsonUsage>) -> Self {
        let used = usage.map_or(0, |usage| usage.used_bytes);
        let quota = usage.and_then(|usage| usage.quota_bytes);
        Self {
            used: Size(used).to_string(),
            quota: quota.map(|quota| Size(quota).to_string()),
            fullness: quota.map(|quota| thousandths(used, quota)),
        }
    }
}

/// Returns the used part of a quota in thousandths. A quota of nothing is full.
fn thousandths(used: u64, quota: u64) -> u64 {
    match u128::from(used)
        .saturating_mul(1000)
        .checked_div(u128::from(quota))
    {
        Some(part) => u64::try_from(part).unwrap_or(u64::MAX).min(1000),
        None => 1000,
    }
}

impl MenuPage {
    /// Returns the word by which `layout.html` asks for the page.
    fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Shares => "shares",
            Self::Account => "account",
            Self::Administration => "admin",
            Self::Elsewhere => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_never_fuller_than_full() {
        let check = |used_bytes, quota_bytes, expected| {
            let bar = UsageBar::of(Some(JsonUsage {
                used_bytes,
                quota_bytes,
                used_files: 0,
                quota_files: None,
            }));
            assert_eq!(bar.fullness, expected);
            assert_eq!(bar.quota.is_some(), expected.is_some());
        };
        check(0, None, None);
        check(0, Some(100), Some(0));
        check(25, Some(100), Some(250));
        check(500, Some(100), Some(1000));
        check(0, Some(0), Some(1000));
        check(u64::MAX, Some(u64::MAX), Some(1000));
        assert_eq!(UsageBar::of(None).fullness, None);
    }

    #[test]
    fn strangers_have_no_menu() {
        let frame = PageFrame::for_anybody();
        assert!(frame.user.is_none());
        assert!(frame.assets.starts_with("/assets/"), "{}", frame.assets);
    }
}
