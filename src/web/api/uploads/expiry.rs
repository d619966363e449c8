//! Removes the parts of uploads that were not finished in time, and gives their quota back.
//!
//! Only parts that rows name are removed. A part whose home cannot be opened is tried again for `GIVE_UP`: its disk may
//! not be mounted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::active::Takeover;
use crate::accounts::id::AccountSpec;
use crate::domain::folder::CreationChoice;
use crate::domain::path::VirtualPath;
use crate::domain::user::User;
use crate::mount::open_for_server;
use crate::storage::{Error as StorageError, Storage as _, Wait, upload_names};
use crate::store::web::UploadRecord;
use crate::web::app::WebApp;
use base::error::{Error, Result};

/// The time between two rounds.
const ROUND: Duration = Duration::from_secs(60 * 60);

/// The most uploads that one round removes.
const MOST_PER_ROUND: u32 = 1000;

/// How long after its end an upload is forgotten whose part cannot be removed.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What one round has done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct ExpiryRound {
    removed: usize,
    failed: usize,
}

/// Where a part lies on the server.
struct PartPlace {
    /// The directory of the home or the folder.
    directory: PathBuf,
    spec: AccountSpec,
    creation: CreationChoice,
    /// The path of the part in there.
    path: VirtualPath,
}

/// Removes expired uploads now and every hour, until the server stops.
pub async fn remove_expired(app: Arc<WebApp>, stop: CancellationToken) {
    loop {
        match round(&app, Timestamp::now()).await {
            Ok(ExpiryRound {
                removed: 0,
                failed: 0,
            }) => {}
            Ok(ExpiryRound { removed, failed: 0 }) => tracing::info!(removed, "removed expired uploads"),
            Ok(ExpiryRound { removed, failed }) => {
                tracing::warn!(removed, failed, "some expired uploads cannot be removed yet");
            }
            Err(error) => tracing::error!(%error, "expired uploads cannot be looked up"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn round(app: &Arc<WebApp>, now: Timestamp) -> Result<ExpiryRound> {
    let mut done = ExpiryRound::default();
    for record in app.store.expired_uploads(now, MOST_PER_ROUND).await? {
        // A request that works on it ends by itself; the next round comes.
        let Some(_turn) = app.uploads.take(record.id, Takeover::Never).await else {
            continue;
        };
        let is_old = now.duration_since(record.expires_at) >= GIVE_UP;
        match remove_part(app, &record).await {
            Ok(()) => {}
            Err(error) if is_old => {
                tracing::warn!(user = %record.user, %error, "the part of an upload is left where it is");
            }
            Err(error) => {
                tracing::debug!(user = %record.user, %error, "an expired upload cannot be removed yet");
                done.failed += 1;
                continue;
            }
        }
        app.store.remove_upload(&record.id).await?;
        done.removed += 1;
    }
    Ok(done)
}

/// Removes a part. One that is gone already is no error.
async fn remove_part(app: &Arc<WebApp>, record: &UploadRecord) -> Result<()> {
    let user = app.store.user(&record.user).await?;
    let user = user.filter(|user| user.incarnation == record.incarnation);
    let Some(place) = user.and_then(|user| PartPlace::of(&user, record)) else {
        return Ok(());
    };
    let service = Arc::clone(&app.service);
    let account = service.accounts.account(&place.spec).await?;
    let removing = tokio::task::spawn_blocking(move || {
        let context = &service.mount_context;
        let home = open_for_server(&place.directory, &place.creation, account, context)?;
        match home.charged.remove(&place.path, Wait::Allowed) {
            Ok(()) | Err(StorageError::NotFound | StorageError::NotADirectory) => Ok(()),
            Err(error) => Err(Error::new("cannot remove the part of an upload").because(error)),
        }
    });
    removing
        .await
        .map_err(|error| Error::new("cannot remove the part of an upload").because(error))?
}

impl PartPlace {
    /// Returns where the part of a user's upload lies; `None` if it can lie nowhere.
    fn of(user: &User, record: &UploadRecord) -> Option<Self> {
        let target = VirtualPath::parse(&record.path).ok()?;
        let part_of = |target: &VirtualPath| upload_names::part_of(target, &record.id);
        if let Some((name, below)) = target.split_first() {
            let folders = user.folders();
            let mut folders = folders.into_iter().map(|(folder, _)| folder);
            if let Some(folder) = folders.find(|folder| folder.name.as_str().as_bytes() == name) {
                return Some(Self {
                    spec: AccountSpec::of_folder(&folder.path, folder.quota),
                    path: part_of(&below)?,
                    directory: folder.path,
                    creation: folder.creation,
                });
            }
        }
        Some(Self {
            directory: user.home.clone(),
            spec: AccountSpec::of_home(&user.home, user.quota()),
            creation: user.creation(),
            path: part_of(&target)?,
        })
    }
}
