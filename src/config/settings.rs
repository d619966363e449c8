//! All settings of a server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::server::ServerSettings;
use super::source;
use crate::accounts::QuotaSettings;
use crate::auth::AuthSettings;
use crate::domain::user::Quota;
use crate::ops::installation::Installation;
use crate::ssh::limits::Limits;
use crate::ssh::settings::SshSettings;
use crate::storage::settings::StorageSettings;
use crate::store::settings::StoreSettings;
use crate::telemetry::LogSettings;
use base::paths::absolute;

/// All settings. Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file that they come from.
    #[serde(skip)]
    pub file: PathBuf,
    /// The settings of `[server]`.
    pub server: ServerSettings,
    /// The settings of `[auth]`.
    pub auth: AuthSettings,
    /// The settings of `[ssh]`.
    pub ssh: SshSettings,
    /// The settings of `[limits]`.
    pub limits: Limits,
    /// The settings of `[storage]`.
    pub storage: StorageSettings,
    /// The settings of `[store]`.
    pub store: StoreSettings,
    /// The settings of `[quota]`.
    pub quota: QuotaSettings,
    /// The settings of `[log]`.
    pub log: LogSettings,
}

impl Config {
    /// Sections in which `fresh` has changes that a running server with this configuration does not take over.
    pub fn waiting_for_restart(&self, fresh: &Self) -> Vec<&'static str> {
        // Host keys are read again, wherever they are.
        let server = ServerSettings {
            host_keys: fresh.server.host_keys.clone(),
            ..self.server.clone()
        };
        let changed = [
            ("[server]", server != fresh.server),
            ("[auth]", self.auth != fresh.auth),
            ("[storage]", self.storage != fresh.storage),
            ("[store]", self.store != fresh.store),
            ("[quota]", self.quota != fresh.quota),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(section, _)| section).collect()
    }

    /// Where everything of the server lies, and what its new users get.
    pub fn installation(&self) -> Installation {
        Installation {
            config_file: self.file.clone(),
            store: self.store.clone(),
            storage: self.storage.clone(),
            host_keys: self.server.host_keys.clone(),
            audit: self.log.audit.clone(),
            user: self.server.user.clone(),
            default_quota: Quota {
                bytes: self.quota.default_bytes,
                files: self.quota.default_files,
            },
        }
    }

    /// The data directory: the store lies in it, and the server's lock and control socket beside the store.
    pub fn data_dir(&self) -> &Path {
        self.store.data_dir()
    }

    /// The path of the control socket, without the process id that a running server puts into the name.
    pub fn control_socket(&self) -> PathBuf {
        self.data_dir().join("control.sock")
    }

    /// Makes relative paths absolute: they are meant from `directory`, which is canonical.
    pub(super) fn rebase(&mut self, directory: &Path) {
        let paths = [
            &mut self.server.host_keys,
            &mut self.storage.homes,
            &mut self.store.path,
        ];
        let more = self.storage.roots.iter_mut().chain(&mut self.log.audit);
        for path in paths.into_iter().chain(more) {
            *path = absolute(directory, path);
        }
    }

    /// The place of a setting as `FILE:LINE: `, to begin a message with; `FILE: ` where the file leaves it out.
    pub fn place_of(&self, section: &str, name: &str) -> String {
        let line = source::line_of(&self.file, |table| {
            Some(table.get(section)?.get_ref().get(name)?.span())
        });
        match line {
            Some(line) => format!("{}:{line}: ", self.file.display()),
            None => format!("{}: ", self.file.display()),
        }
    }

    /// The place of an address in `[server] listen` as `FILE:LINE: `; empty if it does not come from the file.
    pub fn place_of_listen(&self, address: SocketAddr) -> String {
        let line = source::line_of(&self.file, |table| {
            let list = table
                .get("server")?
                .get_ref()
                .get("listen")?
                .get_ref()
                .as_array()?;
            // The last one: where an address stands twice, the second is one too many.
            let item = list
                .iter()
                .rev()
                .find(|item| item.get_ref().as_str().and_then(|text| text.parse().ok()) == Some(address))?;
            Some(item.span())
        });
        line.map_or_else(String::new, |line| format!("{}:{line}: ", self.file.display()))
    }
}
