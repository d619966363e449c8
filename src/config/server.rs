//! The section `[server]` of the configuration: settings about the server as a whole.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::ssh::proxies::ProxyNetwork;

/// The settings of `[server]`, with their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Whether the server gives up the rights that it does not need: see `serve/sandbox.rs`.
    pub sandbox: bool,
    /// The addresses and ports to listen on.
    pub listen: Vec<SocketAddr>,
    /// The text that clients are shown before the sign-in.
    pub banner: Option<String>,
    /// The directory of the host keys.
    pub host_keys: PathBuf,
    /// The system user that a server started as root becomes.
    pub user: Option<String>,
    /// The proxies whose connections begin with a PROXY header.
    pub proxy_from: Vec<ProxyNetwork>,
    /// The seconds that transfers may continue after SIGTERM.
    pub drain_secs: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            sandbox: true,
            // The default is a loopback address, so that a server is not opened to the Internet by accident.
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2222))],
            banner: None,
            host_keys: "hostkeys".into(),
            user: None,
            proxy_from: Vec::new(),
            // The default is below the 90 s after which systemd kills the process.
            drain_secs: 30,
        }
    }
}
