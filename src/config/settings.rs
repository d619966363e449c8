//! All settings of a server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::server::ServerSettings;
use super::source;
use crate::accounts::QuotaSettings;
use crate::auth::AuthSettings;
use crate::domain::user::Quota;
use crate::hooks::settings::HookSettings;
use crate::io::descriptors::DescriptorShares;
use crate::ops::installation::Installation;
use crate::session::settings::EventSettings;
use crate::ssh::limits::Limits;
use crate::ssh::settings::SshSettings;
use crate::storage::settings::StorageSettings;
use crate::store::settings::StoreSettings;
use crate::telemetry::LogSettings;
use crate::telemetry::metrics::MetricsSettings;
use crate::web::settings::{TlsFiles, WebSettings};

/// All settings of one configuration file. Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The path of the file that they were read from.
    #[serde(skip)]
    pub file: PathBuf,
    /// The variables of the environment that look like settings, but are none.
    #[serde(skip)]
    pub unknown_variables: Vec<String>,
    /// The addresses, the host keys, the user and the end of the server: `[server]`.
    pub server: ServerSettings,
    /// How users may sign in: `[auth]`.
    pub auth: AuthSettings,
    /// Which algorithms are offered: `[ssh]`.
    pub ssh: SshSettings,
    /// How much peers may have at once: `[limits]`.
    pub limits: Limits,
    /// Where homes lie, and when data is flushed: `[storage]`.
    pub storage: StorageSettings,
    /// Where the database of users lies: `[store]`.
    pub store: StoreSettings,
    /// The quotas of new users, and when homes are measured again: `[quota]`.
    pub quota: QuotaSettings,
    /// The format, level and files of the logs: `[log]`.
    pub log: LogSettings,
    /// What counts as a complete upload: `[events]`.
    pub events: EventSettings,
    /// Where metrics are served, and to whom: `[metrics]`.
    pub metrics: MetricsSettings,
    /// Where the web page is served, with which certificate: `[web]`.
    pub web: WebSettings,
    /// The programs and addresses that are told about events: each `[[hooks]]`.
    pub hooks: Vec<HookSettings>,
}

impl Config {
    /// Returns the sections in which `fresh` has changes that need a restart of a server with this configuration.
    ///
    /// A new section does not compile here until it is decided whether a reload applies it, nor does a new setting of a
    /// section that a reload applies.
    pub fn waiting_for_restart(&self, fresh: &Self) -> Vec<&'static str> {
        let Self {
            file: _,
            unknown_variables: _,
            server,
            auth,
            ssh,
            limits,
            storage,
            store,
            quota,
            log,
            events,
            metrics,
            web,
            // A reload applies all of them, and all settings of the sections below.
            hooks: _,
        } = self;
        let SshSettings {
            policy: _,
            kex: _,
            ciphers: _,
            macs: _,
            host_key_algorithms: _,
            key_exchange_timeout_secs: _,
        } = ssh;
        let Limits {
            connections: _,
            unauthenticated: _,
            unauthenticated_per_address: _,
            sessions_per_user: _,
            channels: _,
            handles: _,
            idle_timeout_secs: _,
            deny: _,
            rate_up: _,
            rate_down: _,
        } = limits;
        let LogSettings {
            format: _,
            level: _,
            audit: _,
            digest,
        } = log;
        // These files are read again, wherever they are.
        let auth = AuthSettings {
            user_ca_keys: fresh.auth.user_ca_keys.clone(),
            revoked_keys: fresh.auth.revoked_keys.clone(),
            external: fresh.auth.external.clone(),
            ..auth.clone()
        };
        let server = ServerSettings {
            host_keys: fresh.server.host_keys.clone(),
            ..server.clone()
        };
        let quota = with_reloaded_quota(quota, &fresh.quota);
        let changed = [
            ("[server]", server != fresh.server),
            ("[auth]", auth != fresh.auth),
            ("[storage]", *storage != fresh.storage),
            ("[store]", *store != fresh.store),
            ("[quota]", quota != fresh.quota),
            ("[log] digest", *digest != fresh.log.digest),
            ("[events]", *events != fresh.events),
            ("[metrics]", *metrics != fresh.metrics),
        ];
        let changed = changed.into_iter().chain(waiting_of_web(web, &fresh.web));
        let changed = changed.filter(|(_, changed)| *changed);
        changed.map(|(section, _)| section).collect()
    }

    /// Returns what differs in `fresh` of that which a reload of a server with this configuration applies.
    pub fn applied_by_reload(&self, fresh: &Self) -> Vec<&'static str> {
        let changed = [
            (
                "[server] host_keys",
                self.server.host_keys != fresh.server.host_keys,
            ),
            (
                "[auth] user_ca_keys",
                self.auth.user_ca_keys != fresh.auth.user_ca_keys,
            ),
            (
                "[auth] revoked_keys",
                self.auth.revoked_keys != fresh.auth.revoked_keys,
            ),
            ("[auth.external]", self.auth.external != fresh.auth.external),
            ("[ssh]", self.ssh != fresh.ssh),
            ("[limits]", self.limits != fresh.limits),
            (
                "[quota] default_bytes",
                self.quota.default_bytes != fresh.quota.default_bytes,
            ),
            (
                "[quota] default_files",
                self.quota.default_files != fresh.quota.default_files,
            ),
            ("[log]", self.log != fresh.log),
            (
                "[web.tls]",
                self.web.tls.is_some() && fresh.web.tls.is_some() && self.web.tls != fresh.web.tls,
            ),
            (
                "[web] trusted_proxies",
                self.web.trusted_proxies != fresh.web.trusted_proxies,
            ),
            ("[web] public_url", self.web.public_url != fresh.web.public_url),
            ("[web] own_keys", self.web.own_keys != fresh.web.own_keys),
            ("[[hooks]]", self.hooks != fresh.hooks),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(section, _)| section).collect()
    }

    /// Returns how the descriptors of this process are divided for these settings.
    pub fn descriptor_shares(&self) -> DescriptorShares {
        let shares = DescriptorShares::of_process();
        match self.web.listen.is_empty() {
            true => shares,
            false => shares.with_web(),
        }
    }

    /// Returns where everything of the server lies, and the quota of new users.
    pub fn installation(&self) -> Installation {
        Installation {
            config_file: self.file.clone(),
            store: self.store.clone(),
            storage: self.storage.clone(),
            host_keys: self.server.host_keys.clone(),
            audit: self.log.audit.clone(),
            user_ca_keys: self.auth.user_ca_keys.clone(),
            revoked_keys: self.auth.revoked_keys.clone(),
            hook_secrets: self
                .hooks
                .iter()
                .filter_map(|hook| hook.secret_file.clone())
                .chain(self.auth.external.secret_file.clone())
                .collect(),
            web_files: self
                .web
                .tls
                .iter()
                .flat_map(|TlsFiles { certificate, key }| [certificate.clone(), key.clone()])
                .collect(),
            user: self.server.user.clone(),
            password_rules: self.auth.password.clone(),
            default_quota: Quota {
                bytes: self.quota.default_bytes,
                files: self.quota.default_files,
            },
        }
    }

    /// Returns the data directory, which contains the store, and the server's lock and control socket.
    pub fn data_dir(&self) -> &Path {
        self.store.data_dir()
    }

    /// Returns the path of the control socket, without the process id that a running server inserts into the name.
    pub fn control_socket(&self) -> PathBuf {
        self.data_dir().join("control.sock")
    }

    /// Returns the position of a setting as `FILE:LINE: `, for the beginning of a message; `FILE: ` if the file does
    /// not contain it.
    pub fn place_of(&self, section: &str, name: &str) -> String {
        let line = source::line_of(&self.file, |table| source::span_of(table, section, name));
        match line {
            Some(line) => format!("{}:{line}: ", self.file.display()),
            None => format!("{}: ", self.file.display()),
        }
    }

    /// Returns the position of an address in `listen` of `[server]`, `[metrics]` or `[web]` as `FILE:LINE: `; empty if
    /// it does not come from the file.
    pub fn place_of_listen(&self, section: &str, address: SocketAddr) -> String {
        let line = source::line_of(&self.file, |table| {
            let list = table
                .get(section)?
                .get_ref()
                .get("listen")?
                .get_ref()
                .as_array()?;
            // Take the last one: if an address occurs twice, the second one is the mistake.
            let item = list
                .iter()
                .rev()
                .find(|item| item.get_ref().as_str().and_then(|text| text.parse().ok()) == Some(address))?;
            Some(item.span())
        });
        line.map_or_else(String::new, |line| format!("{}:{line}: ", self.file.display()))
    }
}

/// Returns these settings with those of `fresh` that a reload applies.
fn with_reloaded_quota(quota: &QuotaSettings, fresh: &QuotaSettings) -> QuotaSettings {
    QuotaSettings {
        default_bytes: fresh.default_bytes,
        default_files: fresh.default_files,
        ..quota.clone()
    }
}

/// Returns which settings of the web page wait for a restart, and whether they differ.
fn waiting_of_web(web: &WebSettings, fresh: &WebSettings) -> [(&'static str, bool); 2] {
    let WebSettings {
        listen,
        tls,
        trusted_proxies: _,
        public_url: _,
        own_keys: _,
    } = web;
    [
        ("[web] listen", *listen != fresh.listen),
        // Nobody encrypts less, or in another way, than at the start.
        ("[web.tls]", tls.is_some() != fresh.tls.is_some()),
    ]
}
