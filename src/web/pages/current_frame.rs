//! Fills the frame of a page, as things are now.

use base::size::Size;

use super::frame::{MenuPage, PageFrame, SignedInUser, UsageBar};
use crate::accounts::id::AccountId;
use crate::web::app::WebApp;
use crate::web::users::WebUser;

/// Returns the frame of a page that needs no sign-in.
pub fn frame_for_anybody() -> PageFrame {
    PageFrame {
        site: "Homeport".to_owned(),
        assets: "/assets".to_owned(),
        page: MenuPage::Elsewhere,
        user: None,
    }
}

/// Returns the frame of a user's page.
pub fn frame_for(app: &WebApp, user: &WebUser, page: MenuPage) -> PageFrame {
    let home = AccountId::of_home(user.login().home());
    let usage = app.service.accounts.usage_in_memory(&home);
    let quota = usage.as_ref().and_then(|usage| usage.quota.bytes);
    let used = usage.as_ref().map_or(0, |usage| usage.bytes);
    let thousandths = |quota| {
        used.saturating_mul(1000)
            .checked_div(quota)
            .unwrap_or(1000)
            .min(1000)
    };
    PageFrame {
        page,
        user: Some(SignedInUser {
            name: user.login().user().to_string(),
            is_admin: user.share.is_none() && user.login().is_admin(),
            usage: UsageBar {
                used: Size(used).to_string(),
                quota: quota.map(|quota| Size(quota).to_string()),
                fullness: quota.map(thousandths),
            },
        }),
        ..frame_for_anybody()
    }
}
