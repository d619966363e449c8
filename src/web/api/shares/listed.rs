//! The shares of a user, as the user sees them, and as the audit log names them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::event::{AdminAct, AdminRecord, Event, Setting, SettingValue};
use crate::domain::path::VirtualPath;
use crate::ops::running::RunningServer as _;
use crate::store::web::ShareRecord;
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::operator::WebOperator;
use crate::web::url_path::JsonPath;
use crate::web::users::WebUser;

/// A share, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedShare {
    /// The number of the share.
    pub id: i64,
    /// What visitors read at the top of its page.
    pub title: String,
    /// The path of what is shared.
    #[serde(flatten)]
    pub path: JsonPath,
    /// Whether that is a directory.
    pub is_directory: bool,
    /// Whether visitors may fetch it.
    pub download: bool,
    /// Whether visitors may send files to it.
    pub upload: bool,
    /// Whether visitors are asked for a password.
    pub has_password: bool,
    /// When the share ends, as RFC 3339 says; `null` if never.
    pub expires_at: Option<String>,
    /// Whether that is past.
    pub has_expired: bool,
    /// How many further visits there may be; `null` if any number.
    pub uses_left: Option<u64>,
    /// How many further bytes may be sent and fetched; `null` if any number.
    pub bytes_left: Option<u64>,
    /// The number of visits so far.
    pub used: u64,
    /// When it was made.
    pub created_at: String,
}

impl ListedShare {
    /// Returns a share as its owner sees it.
    pub(super) fn of(share: &ShareRecord) -> Self {
        let path = VirtualPath::parse(&share.path).unwrap_or_else(|_| VirtualPath::root());
        Self {
            id: share.id,
            title: share.title.clone(),
            path: JsonPath::of(&path),
            is_directory: share.is_directory,
            download: share.allows_download,
            upload: share.allows_upload,
            has_password: share.password_hash.is_some(),
            expires_at: share.expires_at.map(|end| end.to_string()),
            has_expired: share.expires_at.is_some_and(|end| Timestamp::now() >= end),
            uses_left: share.uses_left,
            bytes_left: share.bytes_left,
            used: share.used,
            created_at: share.created_at.to_string(),
        }
    }
}

/// Returns the shares of a user, the latest first. Those that have expired are among them for a while.
///
/// # Errors
/// Returns an error if the store cannot answer.
pub async fn shares_of(app: &WebApp, user: &WebUser) -> Result<Vec<ListedShare>, WebError> {
    let mut shares = records_of(app, user).await?;
    shares.sort_by_key(|share| std::cmp::Reverse(share.created_at));
    Ok(shares.iter().map(ListedShare::of).collect())
}

/// Returns the records of a user's shares, without those of an earlier user of the name.
pub(super) async fn records_of(app: &WebApp, user: &WebUser) -> Result<Vec<ShareRecord>, WebError> {
    let login = user.login();
    let shares = app.store.shares(Some(login.user())).await;
    let mut shares =
        shares.map_err(|error| WebError::internal("the shares of a user cannot be listed", &error))?;
    shares.retain(|share| share.incarnation == login.incarnation());
    Ok(shares)
}

/// Fails unless the user may work with shares: visitors may not share what is shared with them.
pub(super) fn may_share(user: &WebUser) -> Result<(), WebError> {
    match user.share {
        Some(_) => Err(WebError::not_found()),
        None => user.require_files(),
    }
}

/// What was done with a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShareAct {
    /// The share was made.
    Add,
    /// The share was removed.
    Remove,
}

/// Records in the audit log that a user has made or removed a share.
pub(super) fn emit(app: &WebApp, user: &WebUser, share: &ShareRecord, act: ShareAct) {
    let setting = |name: &str, value: SettingValue| Setting {
        name: name.to_owned(),
        value,
    };
    let shown = ListedShare::of(share);
    let settings = vec![
        setting("id", SettingValue::Text(share.id.to_string())),
        setting("path", SettingValue::Text(shown.path.path)),
        setting("download", SettingValue::Flag(share.allows_download)),
        setting("upload", SettingValue::Flag(share.allows_upload)),
        setting("has_password", SettingValue::Flag(share.password_hash.is_some())),
        setting(
            "expires_at",
            SettingValue::Text(shown.expires_at.unwrap_or_else(|| "never".to_owned())),
        ),
        setting("peer", SettingValue::Text(user.visitor.address.to_string())),
    ];
    let login = user.login();
    let (what, before, after) = match act {
        ShareAct::Add => ("share add", Vec::new(), settings),
        ShareAct::Remove => ("share remove", settings, Vec::new()),
    };
    app.service.events.emit(&Event::Admin(Box::new(AdminRecord {
        by: WebOperator::new(Arc::clone(&app.running), login.user().clone()).operator(),
        act: AdminAct {
            what: what.to_owned(),
            name: login.user().to_string(),
            before,
            after,
        },
    })));
}
