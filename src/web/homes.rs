//! The homes and folders of a server, the fullest first.

use std::cmp::Reverse;
use std::sync::Arc;

use super::admins::WebAdmin;
use super::app::WebApp;
use super::error::WebError;
use crate::ops::quota;
use crate::ops::usage::HomeUsage;

/// The number of homes of a page, if none is asked for.
pub const PAGE: usize = 50;
/// The most homes of a page.
const MOST: usize = 500;

/// Some of the homes and folders.
pub struct HomePage {
    /// The homes and folders, the fullest first.
    pub homes: Vec<HomeUsage>,
    /// How many there are in all.
    pub all: usize,
    /// How many are left out for the next page, if there is one.
    pub next: Option<usize>,
}

/// Returns the fullest homes and folders, without the first `skip` of them.
///
/// # Errors
/// Returns an error if the store cannot be read.
pub async fn fullest(
    app: &Arc<WebApp>,
    admin: &WebAdmin,
    skip: usize,
    limit: usize,
) -> Result<HomePage, WebError> {
    let mut homes = admin
        .run(app, async |context| quota::usage_of_all(context).await)
        .await?;
    let limit = limit.clamp(1, MOST);
    sort(&mut homes);
    let all = homes.len();
    let homes: Vec<HomeUsage> = homes.into_iter().skip(skip).take(limit).collect();
    let end = skip.saturating_add(homes.len());
    Ok(HomePage {
        homes,
        all,
        next: (end < all).then_some(end),
    })
}

/// Sorts by the part of the quota that is used, and those without a quota behind them, by their use.
fn sort(homes: &mut [HomeUsage]) {
    homes.sort_by_cached_key(|home| {
        (
            Reverse(fullness(home)),
            Reverse(home.used_bytes),
            home.holder.clone(),
        )
    });
}

/// Returns the used part of the quota in thousandths, of bytes or of files, whichever is fuller; `None` without a quota.
pub fn fullness(home: &HomeUsage) -> Option<u64> {
    let part = |used: Option<u64>, quota: Option<u64>| {
        let thousandths = u128::from(used?) * 1000 / u128::from(quota?.max(1));
        Some(u64::try_from(thousandths).unwrap_or(u64::MAX))
    };
    part(home.used_bytes, home.quota.bytes).max(part(home.used_files, home.quota.files))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::measure::Sum;
    use crate::domain::user::{Limit, User};

    fn home(name: &str, bytes: u64, quota: Option<u64>) -> HomeUsage {
        let mut user = User::blank(name.parse().unwrap());
        user.settings.quota_bytes = Some(Limit(quota));
        user.settings.quota_files = Some(Limit(None));
        let sum = Sum {
            bytes,
            files: 1,
            ..Sum::default()
        };
        HomeUsage::measured(&user, &sum)
    }

    #[test]
    fn the_fullest_come_first_and_those_without_a_quota_last() {
        let mut homes = vec![
            home("without", 1000, None),
            home("half", 50, Some(100)),
            home("empty", 0, Some(100)),
            home("over", 150, Some(100)),
            home("small", 10, None),
        ];
        sort(&mut homes);
        let names: Vec<String> = homes.iter().map(|home| home.holder.to_string()).collect();
        assert_eq!(names, ["over", "half", "empty", "without", "small"]);
        assert_eq!(fullness(&home("x", 1, Some(0))), Some(1000));
    }
}
