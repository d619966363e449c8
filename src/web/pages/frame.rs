//! The frame of every page: the name of the site, the menu, and the user with the use of the home.

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
    /// Whether this is the page of the menu with this word.
    pub fn is_at(&self, word: &str) -> bool {
        self.page.word() == word
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
