//! The keys that may be tried, wherever their private parts are.

use russh::keys::PublicKey;
use russh::keys::agent::client::AgentClient;
use tokio::net::UnixStream;

use super::keys::KeyFile;

/// The agent of ssh-agent(1), which signs for us.
pub(super) type Agent = AgentClient<UnixStream>;

/// A key to try, with the place of its private part.
pub(super) enum Identity {
    InAgent { key: PublicKey, name: String },
    InFile(KeyFile),
}
