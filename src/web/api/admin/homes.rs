//! `/homes`: the use and the quota of homes and folders, the fullest first, and measuring them again.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::control::json::{HomeUsageJson, MeasurementJson};
use crate::domain::folder::FolderName;
use crate::domain::user::UserName;
use crate::ops::quota;
use crate::ops::usage::AccountHolder;
use crate::web::admins::WebAdmin;
use crate::web::api::input::{bad_request, parsed_if_any};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::homes::{self, HomePage};
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use crate::web::query::{AskedFor, asked};

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/homes", get(list))
        .route("/homes/measure", post(measure))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct HomesQuery {
    /// How many of the fullest are left out.
    skip: usize,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct HomePageJson {
    homes: Vec<HomeUsageJson>,
    /// What `skip` is for the next page.
    next: Option<usize>,
}

async fn list(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    query: AskedFor<HomesQuery>,
) -> Result<Response, WebError> {
    let query = asked(query)?;
    let limit = query.limit.unwrap_or(homes::PAGE);
    let HomePage { homes, next, .. } = homes::fullest(&app, &admin, query.skip, limit).await?;
    Ok(Versioned::new(HomePageJson {
        homes: homes.iter().map(Into::into).collect(),
        next,
    })
    .into_response())
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct MeasureBody {
    user: Option<String>,
    folder: Option<String>,
}

async fn measure(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    JsonBody(body): JsonBody<MeasureBody>,
) -> Result<Response, WebError> {
    let user = body.user.as_deref().map(UserName::stored).transpose();
    let folder: Option<FolderName> = parsed_if_any(body.folder.as_deref())?;
    let holder = match (user.map_err(bad_request)?, folder) {
        (Some(user), None) => AccountHolder::User(user),
        (None, Some(folder)) => AccountHolder::Folder(folder),
        _ => return Err(bad_request("either a user or a folder is measured")),
    };
    let measured = admin
        .run(&app, async move |context| {
            quota::usage_of_one(&holder, context).await?;
            Ok(context.server.measure(holder).await?)
        })
        .await?;
    Ok(Versioned::new(MeasurementJson::from(&measured)).into_response())
}
