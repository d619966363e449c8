//! The settings that are paths.

use std::path::{Path, PathBuf};

use super::server::ServerSettings;
use super::settings::Config;
use crate::auth::AuthSettings;
use crate::auth::external::settings::ExternalSettings;
use crate::ops::backup::NamedPath;
use crate::storage::settings::StorageSettings;
use crate::store::settings::StoreSettings;
use crate::telemetry::LogSettings;
use crate::web::settings::{TlsFiles, WebSettings};
use base::paths::absolute;

/// A setting that is a path.
pub(super) struct PathSetting<'a> {
    /// The section of the setting.
    pub(super) section: &'static str,
    /// The name of the setting in its section.
    pub(super) name: &'static str,
    /// The value of the setting.
    pub(super) path: &'a mut PathBuf,
}

impl<'a> PathSetting<'a> {
    fn new(section: &'static str, name: &'static str, path: &'a mut PathBuf) -> Self {
        Self { section, name, path }
    }
}

/// Returns the settings that are paths. A new setting of these sections does not compile here until it is decided
/// whether it is one; [`crate::ops::installation::Installation::configured_paths`] must name it, too.
pub(super) fn path_settings(config: &mut Config) -> Vec<PathSetting<'_>> {
    let Config {
        file: _,
        unknown_variables: _,
        server,
        auth,
        // They have numbers and names of algorithms.
        ssh: _,
        limits: _,
        quota: _,
        events: _,
        metrics: _,
        storage,
        store,
        log,
        web,
        hooks,
    } = config;
    let ServerSettings {
        host_keys,
        sandbox: _,
        listen: _,
        banner: _,
        user: _,
        proxy_from: _,
        drain_secs: _,
    } = server;
    let StorageSettings {
        homes,
        roots,
        fsync: _,
        file_mode: _,
        dir_mode: _,
        file_group: _,
    } = storage;
    let StoreSettings { path } = store;
    let LogSettings {
        audit,
        format: _,
        level: _,
        digest: _,
    } = log;
    let mut settings = vec![
        PathSetting::new("server", "host_keys", host_keys),
        PathSetting::new("storage", "homes", homes),
        PathSetting::new("store", "path", path),
    ];
    let roots = roots.iter_mut();
    settings.extend(roots.map(|root| PathSetting::new("storage", "roots", root)));
    settings.extend(
        audit
            .iter_mut()
            .map(|audit| PathSetting::new("log", "audit", audit)),
    );
    settings.extend(auth_paths(auth));
    settings.extend(web_paths(web));
    let secrets = hooks.iter_mut().filter_map(|hook| hook.secret_file.as_mut());
    settings.extend(secrets.map(|secret| PathSetting::new("hooks", "secret_file", secret)));
    settings
}

fn auth_paths(auth: &mut AuthSettings) -> Vec<PathSetting<'_>> {
    let AuthSettings {
        methods: _,
        throttle: _,
        password: _,
        login_grace_secs: _,
        max_attempts: _,
        user_ca_keys,
        revoked_keys,
        external,
    } = auth;
    let ExternalSettings {
        secret_file,
        command: _,
        url: _,
        proofs: _,
        timeout_secs: _,
        cache_secs: _,
    } = external;
    let authorities = user_ca_keys.as_mut();
    let authorities = authorities.map(|list| PathSetting::new("auth", "user_ca_keys", list));
    let revoked = revoked_keys.as_mut();
    let revoked = revoked.map(|list| PathSetting::new("auth", "revoked_keys", list));
    let secret = secret_file.as_mut();
    let secret = secret.map(|secret| PathSetting::new("auth.external", "secret_file", secret));
    authorities.into_iter().chain(revoked).chain(secret).collect()
}

fn web_paths(web: &mut WebSettings) -> Vec<PathSetting<'_>> {
    let WebSettings {
        listen: _,
        tls,
        trusted_proxies: _,
        public_url: _,
        own_keys: _,
    } = web;
    match tls {
        Some(TlsFiles { certificate, key }) => vec![
            PathSetting::new("web.tls", "certificate", certificate),
            PathSetting::new("web.tls", "key", key),
        ],
        None => Vec::new(),
    }
}

/// Returns the files and directories that the configuration names and that a backup contains: all of its paths,
/// except those of what a backup copies otherwise (the store) or leaves out (homes, the audit log).
pub fn named_paths(config: &Config) -> Vec<NamedPath> {
    const OTHERWISE: [(&str, &str); 4] = [
        ("store", "path"),
        ("storage", "homes"),
        ("storage", "roots"),
        ("log", "audit"),
    ];
    let mut config = config.clone();
    let mut named: Vec<NamedPath> = Vec::new();
    for setting in path_settings(&mut config) {
        if OTHERWISE.contains(&(setting.section, setting.name)) {
            continue;
        }
        let first = format!("{}.{}", setting.section, setting.name);
        let is_same = |other: &&NamedPath| {
            let rest = other.setting.strip_prefix(&first);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // A setting may be a list of paths.
        let name = match named.iter().filter(is_same).count() {
            0 => first,
            count => format!("{first}.{}", count + 1),
        };
        named.push(NamedPath {
            setting: name,
            path: setting.path.clone(),
        });
    }
    named
}

/// Makes relative paths absolute: they are relative to `directory`, which is canonical.
pub(super) fn rebase(config: &mut Config, directory: &Path) {
    for setting in path_settings(config) {
        *setting.path = absolute(directory, setting.path);
    }
}
