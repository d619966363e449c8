//! Mounts the folders of a session when they are entered: on a thread of the blocking pool, within the limits for homes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::service::{MOUNT_TIMEOUT, Service};
use crate::accounts::id::AccountSpec;
use crate::domain::event::SessionId;
use crate::domain::folder::Folder;
use crate::domain::permission::PermissionRules;
use crate::mount::FolderMounters;
use crate::mount::folder::{FolderRefused, mount_folder};
use crate::session::Session;
use crate::storage::Storage;
use crate::storage::gate::Gate;
use crate::storage::router::folders::{FolderMounter, Mounting};
use base::error::Error;

/// The most failures of one folder that are logged for one session: a client can try again as often as it likes.
const MAX_LOGGED: u32 = 8;

/// What mounts one folder of a session.
struct SessionFolder {
    service: Arc<Service>,
    session: SessionId,
    gate: Arc<Gate>,
    folder: Arc<Folder>,
    rules: PermissionRules,
    /// How many failures were logged.
    logged: Arc<AtomicU32>,
}

/// Returns the folders of a session. One in which the user has no permission at all does not exist for the user.
pub(super) fn mounters(service: &Arc<Service>, session: &Session) -> FolderMounters {
    let granted = session.login.folders().iter();
    let granted = granted.filter(|(_, rules)| rules.iter().any(|(_, permissions)| !permissions.is_none()));
    granted
        .map(|(folder, rules)| {
            let mounter = SessionFolder {
                service: Arc::clone(service),
                session: session.id,
                gate: Arc::clone(&session.gate),
                folder: Arc::new(folder.clone()),
                rules: rules.clone(),
                logged: Arc::default(),
            };
            let mounter: Box<dyn FolderMounter> = Box::new(mounter);
            (folder.name.as_str().as_bytes().to_vec(), mounter)
        })
        .collect()
}

impl FolderMounter for SessionFolder {
    fn mount(&self) -> Mounting {
        let (folder, session) = (Arc::clone(&self.folder), self.session);
        let opening = open(
            Arc::clone(&self.service),
            Arc::clone(&folder),
            self.rules.clone(),
            Arc::clone(&self.gate),
        );
        let logged = Arc::clone(&self.logged);
        Box::pin(async move {
            let opened = match tokio::time::timeout(MOUNT_TIMEOUT, opening).await {
                Ok(opened) => opened,
                Err(_) => Err(Error::new(format!(
                    "opening the folder {:?} took longer than {MOUNT_TIMEOUT:?}",
                    folder.path
                ))
                .hint("the disk that it lies on seems to hang")
                .into()),
            };
            opened.map_err(|FolderRefused { error, answer }| {
                if logged.fetch_add(1, Ordering::Relaxed) < MAX_LOGGED {
                    tracing::error!(%session, folder = %folder.name, %error, "a folder cannot be entered");
                }
                answer
            })
        })
    }
}

/// Opens a folder, and loads its account first.
async fn open(
    service: Arc<Service>,
    folder: Arc<Folder>,
    rules: PermissionRules,
    gate: Arc<Gate>,
) -> Result<Arc<dyn Storage>, FolderRefused> {
    let spec = AccountSpec::of_folder(&folder.path, folder.quota);
    let account = service.accounts.account(&spec).await?;
    let entry = service.mount_slots.enter(&folder.path).await;
    let opening = tokio::task::spawn_blocking(move || {
        let mounted = mount_folder(&folder, &rules, account, &gate, &service.mount_context);
        drop(entry);
        mounted
    });
    let panicked = |panic| FolderRefused::from(Error::new("cannot open a folder").because(panic));
    opening.await.map_err(panicked)?
}
