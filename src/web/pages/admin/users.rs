//! `/admin/users` and `/admin/users/NAME`: searching users, and the form for one.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use serde::Deserialize;

use super::frame::{AdminMenu, Page, frame_of, size_or, time};
use crate::domain::user::{UserName, UserSource};
use crate::ops::users;
use crate::ops::users::page::{self, UserSearch};
use crate::ops::users::view::UserView;
use crate::shapes::settings::UserWords;
use crate::web::admins::AdminReader;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::homes::fullness;
use crate::web::pages::frame::PageFrame;
use crate::web::pages::rendering::rendered;
use crate::web::query::{AskedFor, asked};
use crate::web::url_path::href_name;

/// The number of users of a page.
const PAGE: usize = 50;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/admin/users", get(list))
        .route("/admin/users/{name}", get(show))
}

/// A row of the list of users.
struct ListedUser {
    name: String,
    href: String,
    /// The name in an address.
    encoded: String,
    comment: String,
    enabled: bool,
    is_admin: bool,
    group: String,
    used: String,
    quota: String,
    /// The used part of the quota in thousandths, if there is one.
    fullness: Option<u64>,
    sessions: usize,
    last_sign_in: String,
}

impl ListedUser {
    fn of(view: &UserView) -> Self {
        Self {
            name: view.name.to_string(),
            href: format!("/admin/users/{}", href_name(view.name.as_str().as_bytes())),
            encoded: href_name(view.name.as_str().as_bytes()),
            comment: view.comment.clone(),
            enabled: view.enabled,
            is_admin: view.is_admin,
            group: view.group.as_ref().map(ToString::to_string).unwrap_or_default(),
            used: size_or(view.usage.used_bytes, "-"),
            quota: size_or(view.quota.bytes, "unlimited"),
            fullness: fullness(&view.usage).map(|part| part.min(1000)),
            sessions: view.sessions.unwrap_or_default(),
            last_sign_in: view.last_sign_in.map(time).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "admin_users.html")]
struct UsersPage {
    frame: PageFrame,
    menu: AdminMenu,
    search: String,
    group: String,
    users: Vec<ListedUser>,
    found: usize,
    /// The address of the next page; empty if there is none.
    next: String,
    is_first: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UsersPageQuery {
    search: String,
    group: String,
    after: String,
}

async fn list(State(app): State<Arc<WebApp>>, reader: AdminReader, query: AskedFor<UsersPageQuery>) -> Page {
    let query = asked(query)?;
    let bad = |error: base::error::Error| WebError::new(WebErrorKind::BadRequest, error.to_string());
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let search = UserSearch {
        text: query.search.clone(),
        group: some(&query.group)
            .map(|name| name.parse())
            .transpose()
            .map_err(bad)?,
        after: some(&query.after)
            .map(|name| UserName::stored(&name))
            .transpose()
            .map_err(bad)?,
        limit: PAGE,
    };
    let is_first = search.after.is_none();
    let found = reader
        .0
        .run(&app, async move |context| page::page(&search, context).await)
        .await?;
    let last = found.list.users.last().filter(|_| found.has_more);
    let encoded = |text: &str| href_name(text.as_bytes());
    let next = last.map(|user| {
        format!(
            "/admin/users?search={}&group={}&after={}",
            encoded(&query.search),
            encoded(&query.group),
            encoded(user.name.as_str())
        )
    });
    rendered(&UsersPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/users"),
        users: found.list.users.iter().map(ListedUser::of).collect(),
        found: found.found,
        next: next.unwrap_or_default(),
        search: query.search,
        group: query.group,
        is_first,
    })
}

/// A public key of the user.
struct ListedKey {
    fingerprint: String,
    href: String,
    comment: String,
}

/// A field of a form: its name in the API, its label, what is set, and what an empty field stands for.
pub(super) struct FormField {
    pub name: &'static str,
    pub label: &'static str,
    pub value: String,
    pub placeholder: String,
    /// Whether the value has a line for each entry.
    pub has_lines: bool,
}

/// Returns the fields of settings that users and groups have, except for the quota.
pub(super) fn member_fields(words: &UserWords) -> Vec<FormField> {
    let lines = |words: &Option<Vec<String>>| words.as_ref().map(|words| words.join("\n"));
    let field = |name, label, value: Option<String>, has_lines| FormField {
        name,
        label,
        value: value.unwrap_or_default(),
        placeholder: "inherited".to_owned(),
        has_lines,
    };
    vec![
        field("max_files", "Most files", words.max_files.clone(), false),
        field("permissions", "Permissions", lines(&words.permissions), true),
        field("folders", "Folders", lines(&words.folders), true),
        field("max_sessions", "Most sessions", words.max_sessions.clone(), false),
        field("rate_up", "Upload rate", words.rate_up.clone(), false),
        field("rate_down", "Download rate", words.rate_down.clone(), false),
        field("allow_from", "Allowed from", words.allow_from.clone(), false),
        field("require", "Sign-in needs", words.require.clone(), false),
        field("file_mode", "Mode of new files", words.file_mode.clone(), false),
        field(
            "dir_mode",
            "Mode of new directories",
            words.dir_mode.clone(),
            false,
        ),
        field(
            "file_group",
            "Group of new files",
            words.file_group.clone(),
            false,
        ),
    ]
}

#[derive(Template)]
#[template(path = "admin_user.html")]
struct UserPageView {
    frame: PageFrame,
    menu: AdminMenu,
    row: ListedUser,
    api: String,
    home: String,
    quota_word: String,
    quota_now: String,
    expires: String,
    principals: String,
    is_external: bool,
    is_self: bool,
    has_password: bool,
    totp: String,
    has_totp: bool,
    usage: String,
    fields: Vec<FormField>,
    keys: Vec<ListedKey>,
}

async fn show(State(app): State<Arc<WebApp>>, reader: AdminReader, Path(name): Path<String>) -> Page {
    let Ok(name) = UserName::stored(&name) else {
        return Err(WebError::not_found());
    };
    let found = reader
        .0
        .run(&app, async move |context| users::show(&name, context).await)
        .await?;
    let user = found.users.first().ok_or_else(WebError::not_found)?;
    let api = format!("/api/v1/users/{}", href_name(user.name.as_str().as_bytes()));
    let words = UserWords::of_member(&user.own);
    let key = |key: &crate::ops::keys::KeyView| ListedKey {
        href: format!("{api}/keys/{}", href_name(key.fingerprint.as_bytes())),
        fingerprint: key.fingerprint.clone(),
        comment: key.comment.clone(),
    };
    rendered(&UserPageView {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/users"),
        row: ListedUser::of(user),
        home: user.home.display().to_string(),
        quota_now: size_or(user.quota.bytes, "unlimited"),
        expires: user
            .expires_at
            .map_or_else(|| "never".to_owned(), |at| at.to_string()),
        principals: user.principals.join("\n"),
        is_external: user.source == UserSource::External,
        is_self: user.name == *reader.0.name(),
        has_password: user.has_password,
        totp: match user.totp {
            None => "none".to_owned(),
            Some(totp) => format!("one-time codes, {} recovery codes left", totp.recovery_codes_left),
        },
        has_totp: user.totp.is_some(),
        usage: user.usage.used(),
        fields: member_fields(&words),
        quota_word: words.quota.unwrap_or_default(),
        keys: user.keys.iter().map(key).collect(),
        api,
    })
}
