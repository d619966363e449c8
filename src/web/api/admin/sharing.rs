//! `/groups` and `/folders`: listing, showing, adding, changing and removing them.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::domain::folder::FolderName;
use crate::domain::group::GroupName;
use crate::ops::sharing::ConfirmedSharing;
use crate::ops::{folders, groups};
use crate::shapes::json::{FolderJson, GroupJson, SharedChangeJson};
use crate::shapes::settings::{FolderWords, UserWords};
use crate::web::admins::WebAdmin;
use crate::web::api::input::{bad_request, parsed, parsed_if_any};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/groups", get(list_groups).post(add_group))
        .route(
            "/groups/{name}",
            get(show_group).patch(set_group).delete(remove_group),
        )
        .route("/folders", get(list_folders).post(add_folder))
        .route(
            "/folders/{name}",
            get(show_folder).patch(set_folder).delete(remove_folder),
        )
}

type Answer = Result<Response, WebError>;

fn changed(change: &ConfirmedSharing) -> Response {
    Versioned::new(SharedChangeJson::from(change)).into_response()
}

#[derive(Serialize)]
struct GroupsJson<'a> {
    groups: Vec<GroupJson<'a>>,
}

async fn list_groups(State(app): State<Arc<WebApp>>, admin: WebAdmin) -> Answer {
    let found = admin
        .run(&app, async |context| groups::list(context).await)
        .await?;
    let groups = found.iter().map(Into::into).collect();
    Ok(Versioned::new(GroupsJson { groups }).into_response())
}

async fn show_group(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name: GroupName = parsed(&name)?;
    let group = admin
        .run(&app, async move |context| groups::show(&name, context).await)
        .await?;
    Ok(Versioned::new(GroupJson::from(&group)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupBody {
    /// The name of a new group, or another name for one.
    name: Option<String>,
    #[serde(default)]
    settings: UserWords,
}

async fn add_group(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    JsonBody(body): JsonBody<GroupBody>,
) -> Answer {
    let name: GroupName = parsed(&body.name.unwrap_or_default())?;
    let changes = body.settings.group_changes(None).map_err(bad_request)?;
    let change = admin
        .run(&app, async move |context| {
            groups::add(&name, &changes, context).await
        })
        .await?;
    Ok((StatusCode::CREATED, changed(&change)).into_response())
}

async fn set_group(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<GroupBody>,
) -> Answer {
    let name: GroupName = parsed(&name)?;
    let to = parsed_if_any(body.name.as_deref())?;
    let changes = body.settings.group_changes(to).map_err(bad_request)?;
    let change = admin
        .run(&app, async move |context| {
            groups::set(&name, changes, context).await
        })
        .await?;
    Ok(changed(&change))
}

async fn remove_group(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name: GroupName = parsed(&name)?;
    let change = admin
        .run(&app, async move |context| groups::remove(&name, context).await)
        .await?;
    Ok(changed(&change))
}

#[derive(Serialize)]
struct FoldersJson<'a> {
    folders: Vec<FolderJson<'a>>,
}

async fn list_folders(State(app): State<Arc<WebApp>>, admin: WebAdmin) -> Answer {
    let found = admin
        .run(&app, async |context| folders::list(context).await)
        .await?;
    let folders = found.folders.iter().map(Into::into).collect();
    Ok(Versioned::new(FoldersJson { folders }).into_response())
}

async fn show_folder(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name: FolderName = parsed(&name)?;
    let found = admin
        .run(&app, async move |context| folders::show(&name, context).await)
        .await?;
    match found.folders.first() {
        Some(folder) => Ok(Versioned::new(FolderJson::from(folder)).into_response()),
        None => Err(WebError::not_found()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderBody {
    /// The name of a new folder, or another name for one.
    name: Option<String>,
    /// The directory.
    path: Option<PathBuf>,
    #[serde(default)]
    settings: FolderWords,
}

async fn add_folder(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    JsonBody(body): JsonBody<FolderBody>,
) -> Answer {
    let name: FolderName = parsed(&body.name.unwrap_or_default())?;
    let Some(path) = body.path else {
        return Err(bad_request("path: a folder needs a directory"));
    };
    let changes = body.settings.changes(None).map_err(bad_request)?;
    let change = admin
        .run(&app, async move |context| {
            folders::add(&name, &path, &changes, context).await
        })
        .await?;
    Ok((StatusCode::CREATED, changed(&change)).into_response())
}

async fn set_folder(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<FolderBody>,
) -> Answer {
    let name: FolderName = parsed(&name)?;
    let to = parsed_if_any(body.name.as_deref())?;
    let mut changes = body.settings.changes(to).map_err(bad_request)?;
    changes.path = body.path;
    let change = admin
        .run(&app, async move |context| {
            folders::set(&name, changes, context).await
        })
        .await?;
    Ok(changed(&change))
}

async fn remove_folder(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name: FolderName = parsed(&name)?;
    let change = admin
        .run(&app, async move |context| folders::remove(&name, context).await)
        .await?;
    Ok(changed(&change))
}
