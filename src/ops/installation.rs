//! The paths and defaults of one server.

use std::path::{Path, PathBuf};

use crate::auth::password::rules::PasswordRules;
use crate::domain::user::Quota;
use crate::storage::settings::StorageSettings;
use crate::store::settings::StoreSettings;

/// The paths of one server and the defaults for its new users: everything that use cases know of the configuration.
/// Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installation {
    /// The configuration file, which messages name, and which no home may contain.
    pub config_file: PathBuf,
    /// The store of users, and thereby the data directory.
    pub store: StoreSettings,
    /// The places where homes lie.
    pub storage: StorageSettings,
    /// The directory of the host keys.
    pub host_keys: PathBuf,
    /// The audit log, if it has a file of its own.
    pub audit: Option<PathBuf>,
    /// The file with the keys of the authorities whose user certificates are accepted.
    pub user_ca_keys: Option<PathBuf>,
    /// The file with the keys and certificates that are revoked.
    pub revoked_keys: Option<PathBuf>,
    /// The files with the secrets that the requests of hooks and `[auth.external]` are signed with.
    pub hook_secrets: Vec<PathBuf>,
    /// The system user that a server started as root becomes.
    pub user: Option<String>,
    /// The rules for new passwords, and for their age.
    pub password_rules: PasswordRules,
    /// The quota of users that are added without one.
    pub default_quota: Quota,
}

impl Installation {
    /// Returns the directory of the store, the lock and the control socket.
    pub fn data_dir(&self) -> &Path {
        self.store.data_dir()
    }

    /// Returns all paths in the configuration, except that of the configuration file itself. A new field does not
    /// compile here until it is decided whether it is one.
    pub fn configured_paths(&self) -> impl Iterator<Item = &PathBuf> {
        let Self {
            config_file: _,
            store: StoreSettings { path },
            storage:
                StorageSettings {
                    homes,
                    roots,
                    fsync: _,
                    file_mode: _,
                    dir_mode: _,
                    file_group: _,
                },
            host_keys,
            audit,
            user_ca_keys,
            revoked_keys,
            hook_secrets,
            user: _,
            password_rules: _,
            default_quota: _,
        } = self;
        [homes, host_keys, path]
            .into_iter()
            .chain(roots)
            .chain(audit)
            .chain(user_ca_keys)
            .chain(revoked_keys)
            .chain(hook_secrets)
    }
}
