//! What an operator may set about the server as a whole: the section `[server]` of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// The settings of `[server]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Whether the server takes away from itself what it does not need: see `serve/sandbox.rs`.
    pub sandbox: bool,
    /// The addresses and ports to listen on.
    pub listen: Vec<SocketAddr>,
    /// The text that everybody is shown before they sign in.
    pub banner: Option<String>,
    /// The directory of the host keys.
    pub host_keys: PathBuf,
    /// The system user that a server started as root becomes.
    pub user: Option<String>,
    /// The number of seconds that transfers may go on after SIGTERM.
    pub drain_secs: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            sandbox: true,
            // Nobody opens a server to the world by accident.
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2222))],
            banner: None,
            host_keys: "hostkeys".into(),
            user: None,
            // Below the 90 s after which systemd kills.
            drain_secs: 30,
        }
    }
}
