//! The frame of every page: the name of the site, the menu, and the user with the use of the home.

use base::size::Size;

use crate::accounts::id::AccountId;
use crate::web::app::WebApp;
use crate::web::users::WebUser;

/// What every page has: see `layout.html`.
pub struct PageFrame {
    /// The name of the site.
    pub site: String,
    /// The path below which the assets are.
    pub assets: String,
    /// The page in the menu.
    pub page: MenuPage,
    /// The user; none on pages that need no sign-in.
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
    /// Everything that the command line does, too.
    Administration,
    /// A page that the menu does not have.
    Elsewhere,
}

/// The user of a page.
pub struct SignedInUser {
    /// The name of the user.
    pub name: String,
    /// Whether the user is an administrator.
    pub is_admin: bool,
    /// The use of the home.
    pub usage: UsageBar,
}

/// How full a home is.
pub struct UsageBar {
    /// What is used, for people.
    pub used: String,
    /// The quota, for people.
    pub quota: Option<String>,
    /// The used part of the quota in thousandths.
    pub fullness: Option<u64>,
}

impl PageFrame {
    /// Returns the frame of a page that needs no sign-in.
    pub fn without_user(_app: &WebApp) -> Self {
        Self {
            site: "Homeport".to_owned(),
            assets: "/assets".to_owned(),
            page: MenuPage::Elsewhere,
            user: None,
        }
    }

    /// Returns the frame of a user's page.
    pub fn of_user(app: &WebApp, user: &WebUser, page: MenuPage) -> Self {
        let home = AccountId::of_home(user.login().home());
        let usage = app.service.accounts.usage_in_memory(&home);
        let quota = usage.as_ref().and_then(|usage| usage.quota.bytes);
        let used = usage.as_ref().map_or(0, |usage| usage.bytes);
        Self {
            page,
            user: Some(SignedInUser {
                name: user.login().user().to_string(),
                is_admin: false,
                usage: UsageBar {
                    used: Size(used).to_string(),
                    quota: quota.map(|quota| Size(quota).to_string()),
                    fullness: quota.map(|quota| {
                        let thousandths = used.saturating_mul(1000).checked_div(quota);
                        thousandths.unwrap_or(1000).min(1000)
                    }),
                },
            }),
            ..Self::without_user(app)
        }
    }

    /// Whether this is the page of the menu with this name.
    pub fn is_at(&self, name: &str) -> bool {
        self.page.name() == name
    }
}

impl MenuPage {
    /// Returns the name of the page, as the layout knows it.
    fn name(self) -> &'static str {
        match self {
            MenuPage::Files => "files",
            MenuPage::Shares => "shares",
            MenuPage::Account => "account",
            MenuPage::Administration => "admin",
            MenuPage::Elsewhere => "",
        }
    }
}
