//! Uploads that go on after whatever broke them off: `/api/v1/uploads`, which speaks tus 1.0.0.
//!
//! An upload is a row of the store, which says where the file is to be, and a *part*: a file beside the target with a
//! reserved name, in which the bytes gather. The size of the part is the offset, so a PATCH writes nothing to the store.
//! The part is charged, scanned and backed up like any file; no client can name it.
//!
//! States (`state::UploadState`):
//! - *created*: the row is there, and the part is empty.
//! - *growing*: the part has some of the bytes. One request at once writes to it ([`active`]); another one gets 423. *Over
//!   quota* is no state of its own: the part stays as it is, writes to it get 507 until there is room, and then it goes on.
//! - *complete*: the part has all bytes, and is not published: its name is taken (409, until `finish` decides or the name is
//!   free), or its digest was not verified yet because the server ended in between.
//! - *published*: the part has been renamed to the target. The row is removed then; for [`active::KEPT`] the server still
//!   knows the upload, so that a client whose reply was lost learns that it is done.
//! - *expired*: after 7 days ([`crate::storage::upload_names::LIFETIME`]). The part and the row are removed by [`expiry`].
//! - *gone*: the part was removed, with its directory or by an operator. The client begins again.
//!
//! Crashes: the row is written before the part is made, so there is no part without a row. If the server is killed between
//! the rename and the removal of the row, the row has no part any more: the upload counts as published if the target has
//! the announced size and was written since the upload was created, or has the announced time. Nothing is written for
//! that. Two answers can be wrong then: a file that was published under another name (`finish?rename=true`) counts as gone,
//! so its client sends it again; and if somebody else removes the part on the server's disk and puts a file of exactly this
//! size in the target's place, the upload counts as published.
//!
//! HEAD answers 200 with the whole length only for a file that is published, since clients report success then. For a
//! complete part, it publishes. Is the name taken, HEAD gets 423 and not 409: on any other error, tus-js-client sends the
//! whole file again as a new upload.
//!
//! A body is received by a task of its own, which a lost connection does not end: what has arrived is written, and a digest
//! that was asked for is verified in any case.

pub mod active;
mod creation;
pub mod expiry;
mod found;
mod growth;
pub(super) mod intake;
mod listing;
mod names;
mod part;
mod publication;
mod replies;
mod requests;
mod state;
pub(super) mod whole;

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{get, head, post};

use crate::web::app::WebApp;

/// Returns the routes of uploads.
pub(in crate::web) fn routes() -> Router<Arc<WebApp>> {
    let all = get(listing::list)
        .post(creation::create)
        .options(replies::capabilities);
    let one = head(requests::progress)
        .patch(growth::grow)
        .post(requests::overridden)
        .delete(requests::remove)
        .options(replies::capabilities);
    Router::new()
        .route("/uploads", all)
        .route("/uploads/{id}", one)
        .route("/uploads/{id}/finish", post(requests::finish))
        .route_layer(map_response(replies::with_version))
}
