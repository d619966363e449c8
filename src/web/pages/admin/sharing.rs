//! `/admin/groups` and `/admin/folders`, with a form for each of them.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;

use super::frame::{AdminMenu, Page, frame_of, size_or};
use super::users::{FormField, member_fields};
use crate::domain::folder::FolderName;
use crate::domain::group::GroupName;
use crate::ops::folders::{self, FolderView};
use crate::ops::groups::{self, GroupView};
use crate::shapes::settings::{FolderWords, UserWords};
use crate::web::admins::AdminReader;
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::pages::frame::PageFrame;
use crate::web::pages::rendering::rendered;
use crate::web::url_path::href_name;

/// The most names of members or users that a page has.
const MOST_NAMES: usize = 100;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/admin/groups", get(group_list))
        .route("/admin/groups/{name}", get(group_page))
        .route("/admin/folders", get(folder_list))
        .route("/admin/folders/{name}", get(folder_page))
}

/// A row of the list of groups.
struct ListedGroup {
    name: String,
    href: String,
    comment: String,
    quota: String,
    members: usize,
}

impl ListedGroup {
    fn of(view: &GroupView) -> Self {
        let words = UserWords::of_member(&view.group.settings);
        Self {
            name: view.group.name.to_string(),
            href: format!("/admin/groups/{}", href_name(view.group.name.as_str().as_bytes())),
            comment: view.group.comment.clone(),
            quota: words.quota.unwrap_or_default(),
            members: view.members.len(),
        }
    }
}

#[derive(Template)]
#[template(path = "admin_groups.html")]
struct GroupsPage {
    frame: PageFrame,
    menu: AdminMenu,
    groups: Vec<ListedGroup>,
}

async fn group_list(State(app): State<Arc<WebApp>>, reader: AdminReader) -> Page {
    let found = reader
        .0
        .run(&app, async |context| groups::list(context).await)
        .await?;
    rendered(&GroupsPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/groups"),
        groups: found.iter().map(ListedGroup::of).collect(),
    })
}

#[derive(Template)]
#[template(path = "admin_group.html")]
struct GroupPage {
    frame: PageFrame,
    menu: AdminMenu,
    row: ListedGroup,
    /// The name in an address.
    encoded: String,
    api: String,
    members: Vec<String>,
    fields: Vec<FormField>,
}

async fn group_page(State(app): State<Arc<WebApp>>, reader: AdminReader, Path(name): Path<String>) -> Page {
    let Ok(name) = name.parse::<GroupName>() else {
        return Err(WebError::not_found());
    };
    let view = reader
        .0
        .run(&app, async move |context| groups::show(&name, context).await)
        .await?;
    let encoded = href_name(view.group.name.as_str().as_bytes());
    let members = view.members.iter().take(MOST_NAMES);
    rendered(&GroupPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/groups"),
        row: ListedGroup::of(&view),
        api: format!("/api/v1/groups/{encoded}"),
        encoded,
        members: members.map(ToString::to_string).collect(),
        fields: member_fields(&UserWords::of_member(&view.group.settings)),
    })
}

/// A row of the list of folders.
struct ListedFolder {
    name: String,
    href: String,
    path: String,
    comment: String,
    used: String,
    quota: String,
    users: usize,
}

impl ListedFolder {
    fn of(view: &FolderView) -> Self {
        Self {
            name: view.folder.name.to_string(),
            href: format!(
                "/admin/folders/{}",
                href_name(view.folder.name.as_str().as_bytes())
            ),
            path: view.folder.path.display().to_string(),
            comment: view.folder.comment.clone(),
            used: size_or(view.usage.used_bytes, "-"),
            quota: size_or(view.folder.quota.bytes, "unlimited"),
            users: view.users.len(),
        }
    }
}

#[derive(Template)]
#[template(path = "admin_folders.html")]
struct FoldersPage {
    frame: PageFrame,
    menu: AdminMenu,
    folders: Vec<ListedFolder>,
}

async fn folder_list(State(app): State<Arc<WebApp>>, reader: AdminReader) -> Page {
    let found = reader
        .0
        .run(&app, async |context| folders::list(context).await)
        .await?;
    rendered(&FoldersPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/folders"),
        folders: found.folders.iter().map(ListedFolder::of).collect(),
    })
}

#[derive(Template)]
#[template(path = "admin_folder.html")]
struct FolderPage {
    frame: PageFrame,
    menu: AdminMenu,
    row: ListedFolder,
    api: String,
    words: FolderFormWords,
    users: Vec<String>,
}

/// The values of the form of a folder.
struct FolderFormWords {
    quota: String,
    max_files: String,
    file_mode: String,
    dir_mode: String,
    file_group: String,
}

async fn folder_page(State(app): State<Arc<WebApp>>, reader: AdminReader, Path(name): Path<String>) -> Page {
    let Ok(name) = name.parse::<FolderName>() else {
        return Err(WebError::not_found());
    };
    let found = reader
        .0
        .run(&app, async move |context| folders::show(&name, context).await)
        .await?;
    let view = found.folders.first().ok_or_else(WebError::not_found)?;
    let words = FolderWords::of(&view.folder);
    let users = view.users.iter().take(MOST_NAMES);
    rendered(&FolderPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/folders"),
        row: ListedFolder::of(view),
        api: format!(
            "/api/v1/folders/{}",
            href_name(view.folder.name.as_str().as_bytes())
        ),
        words: FolderFormWords {
            quota: words.quota.unwrap_or_default(),
            max_files: words.max_files.unwrap_or_default(),
            file_mode: words.file_mode.unwrap_or_default(),
            dir_mode: words.dir_mode.unwrap_or_default(),
            file_group: words.file_group.unwrap_or_default(),
        },
        users: users.map(ToString::to_string).collect(),
    })
}
