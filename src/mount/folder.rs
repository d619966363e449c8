//! Opens a folder for a session.

use std::io::ErrorKind;
use std::sync::Arc;

use super::{MountContext, StoragePlace};
use crate::accounts::account::Account;
use crate::domain::folder::Folder;
use crate::domain::permission::PermissionRules;
use crate::storage::gate::Gate;
use crate::storage::local::LocalStorage;
use crate::storage::local::letter_case::IGNORES_CASE;
use crate::storage::{Error as StorageError, Storage, home_lock};
use base::advice;
use base::error::Error;

/// Why a folder was not opened.
pub struct FolderRefused {
    /// The error, for the log.
    pub error: Error,
    /// The answer to the calls in the folder.
    pub answer: StorageError,
}

impl From<Error> for FolderRefused {
    fn from(error: Error) -> Self {
        Self {
            error,
            answer: StorageError::FolderUnavailable,
        }
    }
}

/// Opens a folder with these permissions for the session of a gate. It may block on the disk. A folder that is missing is
/// not made.
///
/// # Errors
/// Returns an error if the folder may not lie where it does, is missing, or cannot be opened, or if the session has been
/// ended.
pub fn mount_folder(
    folder: &Folder,
    rules: &PermissionRules,
    account: Arc<Account>,
    gate: &Gate,
    context: &MountContext,
) -> Result<Arc<dyn Storage>, FolderRefused> {
    let cannot = || Error::new(format!("cannot open the folder {:?}", folder.path));
    let _inside = gate.enter().map_err(|ended| FolderRefused {
        error: cannot().because(ended),
        answer: ended,
    })?;
    let site = (context.check)(&folder.path)?;
    if let Some(hint) = advice::outside_of_sandbox(&site.path) {
        let denied = std::io::Error::from(ErrorKind::PermissionDenied);
        return Err(cannot().because(denied).hint(hint).into());
    }
    // The folder itself is the operator's, also for a user who may change what is in it.
    let opened = LocalStorage::open(&site.path).and_then(LocalStorage::with_fixed_root);
    let local = opened.map_err(|error| match error.kind() {
        _ if home_lock::is_being_moved(&error) => FolderRefused::from(cannot().because("it is being moved")),
        ErrorKind::NotFound | ErrorKind::NotADirectory => match &site.owned {
            Ok(()) => FolderRefused {
                error: cannot()
                    .because(error)
                    .hint("the server makes no folders; make it, put it back, or remove it from its users"),
                answer: StorageError::FolderMissing,
            },
            // The disk is not mounted, so the directory may well be there.
            Err(why) => cannot().because(why.to_string()).into(),
        },
        _ => cannot().because(error).into(),
    })?;
    if let Err(error) = &site.owned {
        tracing::error!(folder = %folder.name, path = ?site.path, %error, "nothing may grow in the folder");
    }
    account.set_owned(site.owned.is_ok());
    let place = StoragePlace {
        local,
        key: &folder.path,
        account,
        creation: context.creation.with(&folder.creation)?,
    };
    place.restricted(rules, context).map_err(|error| match error {
        StorageError::IgnoresCase => FolderRefused {
            error: cannot().because(error).hint(IGNORES_CASE),
            answer: error,
        },
        _ => cannot().because(error).into(),
    })
}
