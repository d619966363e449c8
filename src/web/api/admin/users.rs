//! `/users`: searching, showing, adding, changing and removing users.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::auth::password::generate;
use crate::domain::user::UserName;
use crate::ops::passwords::NewPassword;
use crate::ops::users::change::ConfirmedChange;
use crate::ops::users::page::{self, UserSearch};
use crate::ops::users::{self, NewUser};
use crate::shapes::json::{ChangeJson, UserJson};
use crate::shapes::settings::UserWords;
use crate::web::admins::WebAdmin;
use crate::web::api::input::{bad_request, key_lines, parsed, parsed_if_any, secret};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use crate::web::query::{AskedFor, asked};
use base::secret::Secret;

/// The number of users of a page, if none is asked for.
const PAGE: usize = 50;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/users", get(list).post(add))
        .route("/users/{name}", get(show).patch(set).delete(remove))
        .route("/users/{name}/enable", post(enable))
        .route("/users/{name}/disable", post(disable))
        .route("/users/{name}/rename", post(rename))
}

pub(super) type Answer = Result<Response, WebError>;

pub(super) fn user_name(text: &str) -> Result<UserName, WebError> {
    UserName::stored(text).map_err(bad_request)
}

/// Answers with a change that is in force.
pub(super) fn changed(change: &ConfirmedChange) -> Response {
    Versioned::new(ChangeJson::from(change)).into_response()
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct ListQuery {
    search: String,
    group: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct UserPageJson<'a> {
    users: Vec<UserJson<'a>>,
    /// The number of users on all pages.
    found: usize,
    /// What `after` is for the next page.
    next: Option<&'a str>,
}

async fn list(State(app): State<Arc<WebApp>>, admin: WebAdmin, query: AskedFor<ListQuery>) -> Answer {
    let query = asked(query)?;
    let search = UserSearch {
        group: parsed_if_any(query.group.as_deref())?,
        after: query
            .after
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(user_name)
            .transpose()?,
        text: query.search,
        limit: query.limit.unwrap_or(PAGE),
    };
    let found = admin
        .run(&app, async move |context| page::page(&search, context).await)
        .await?;
    let users = &found.list.users;
    let last = users.last().filter(|_| found.has_more);
    Ok(Versioned::new(UserPageJson {
        users: users.iter().map(Into::into).collect(),
        found: found.found,
        next: last.map(|user| user.name.as_str()),
    })
    .into_response())
}

async fn show(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name = user_name(&name)?;
    let list = admin
        .run(&app, async move |context| users::show(&name, context).await)
        .await?;
    match list.users.first() {
        Some(user) => Ok(Versioned::new(UserJson::from(user)).into_response()),
        None => Err(WebError::not_found()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUserBody {
    name: String,
    home: Option<PathBuf>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
    #[serde(default)]
    generate_password: bool,
    /// Lines of authorized_keys, or the text of a `.pub` file.
    #[serde(default)]
    keys: String,
    #[serde(default)]
    settings: UserWords,
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

/// Returns the password of a request: one that was chosen, a new one, or none.
pub(super) fn password_of(chosen: Option<Secret>, generated: bool) -> Result<Option<Secret>, WebError> {
    match (chosen, generated) {
        (Some(_), true) => Err(bad_request("a password is either chosen or generated")),
        (Some(chosen), false) => Ok(Some(chosen).filter(|secret| !secret.bytes().is_empty())),
        (None, false) => Ok(None),
        (None, true) => match generate::generate() {
            Ok(password) => Ok(Some(password)),
            Err(error) => Err(WebError::internal("cannot generate a password", &error)),
        },
    }
}

async fn add(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    JsonBody(body): JsonBody<NewUserBody>,
) -> Answer {
    let name: UserName = parsed(&body.name)?;
    let keys = key_lines(&body.keys)?;
    let is_generated = body.generate_password;
    let password = password_of(body.password, is_generated)?;
    let is_admin = body.settings.admin == Some(true);
    let settings = body.settings.changes().map_err(bad_request)?;
    if is_admin {
        admin.confirm(&app, body.current_password.as_ref()).await?;
    }
    let (home, chosen) = (body.home, password.clone());
    let change = admin
        .run(&app, async move |context| {
            let ask = |_: &UserName| match &chosen {
                Some(password) => Ok(NewPassword::Plain(password.clone())),
                None => Err(base::error::Error::new("there is no password")),
            };
            let new = NewUser {
                name,
                home,
                keys,
                password: chosen.is_some().then_some(&ask),
                settings,
            };
            users::add(new, context).await
        })
        .await?;
    let shown = password.as_ref().filter(|_| is_generated).map(Secret::reveal);
    let body = Versioned::new(ChangeJson::with_password(&change, shown));
    Ok((StatusCode::CREATED, body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserSettingsBody {
    #[serde(default)]
    settings: UserWords,
    home: Option<PathBuf>,
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

async fn set(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<UserSettingsBody>,
) -> Answer {
    let name = user_name(&name)?;
    let is_admin = body.settings.admin;
    if body.settings == UserWords::default() && body.home.is_none() {
        return Err(bad_request("there is nothing to set"));
    }
    let settings = body.settings.changes().map_err(bad_request)?;
    if is_admin.is_some() {
        admin.confirm(&app, body.current_password.as_ref()).await?;
    }
    let _kept = match is_admin {
        Some(false) => Some(WebAdmin::keep_one(&app, &name).await?),
        Some(true) | None => None,
    };
    let home = body.home;
    let change = admin
        .run(&app, async move |context| {
            users::set(&name, home.as_deref(), settings, context).await
        })
        .await?;
    Ok(changed(&change))
}

async fn enable(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name = user_name(&name)?;
    let change = admin
        .run(&app, async move |context| {
            users::enable(&name, true, context).await
        })
        .await?;
    Ok(changed(&change))
}

async fn disable(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name = user_name(&name)?;
    let _kept = WebAdmin::keep_one(&app, &name).await?;
    let change = admin
        .run(&app, async move |context| {
            users::enable(&name, false, context).await
        })
        .await?;
    Ok(changed(&change))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameBody {
    name: String,
}

async fn rename(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<RenameBody>,
) -> Answer {
    let (name, to) = (user_name(&name)?, parsed::<UserName>(&body.name)?);
    let change = admin
        .run(&app, async move |context| {
            users::rename(&name, &to, context).await
        })
        .await?;
    Ok(changed(&change))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RemoveQuery {
    /// Whether the home is deleted, too.
    delete_home: bool,
}

async fn remove(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    query: AskedFor<RemoveQuery>,
) -> Answer {
    let (name, delete_home) = (user_name(&name)?, asked(query)?.delete_home);
    let _kept = WebAdmin::keep_one(&app, &name).await?;
    let change = admin
        .run(&app, async move |context| {
            users::remove(&name, delete_home, context).await
        })
        .await?;
    Ok(changed(&change))
}
