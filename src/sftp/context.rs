//! What a session knows about its client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use crate::event::{Actor, Event, Events};
use crate::sessions::EndNotice;

use super::handles::{File, Open};
use super::longname::Lister;

/// What a session knows about its client.
pub struct Context {
    /// For events.
    pub actor: Actor,
    /// Where they go.
    pub events: Events,
    /// Names and dates in listings.
    pub lister: Lister,
    /// The order of SYMLINK's arguments on this client's wire.
    pub symlink_order: SymlinkOrder,
    /// Open files and directories at once.
    pub max_handles: usize,
    /// Files open now, counted for the whole session.
    pub open_files: Arc<AtomicUsize>,
    /// Lets go after the files are closed.
    pub end_notice: Arc<EndNotice>,
    /// Set when the client has left: what takes long then stops.
    pub gone: CancellationToken,
}

/// SYMLINK's arguments: the draft has the link first, OpenSSH and all who follow it the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymlinkOrder {
    /// OpenSSH, sshfs, paramiko, lftp, curl, JSch, MINA, pkg/sftp.
    TargetFirst,
    /// WinSCP, libssh, ssh2 for Node, asyncssh, where the server is not OpenSSH.
    LinkFirst,
}

impl SymlinkOrder {
    /// By the client's identification string (RFC 4253, section 4.2).
    pub fn of_client(banner: &str) -> Self {
        let software = banner.strip_prefix("SSH-2.0-").unwrap_or(banner);
        let link_first = ["WinSCP_", "libssh_", "libssh-", "ssh2js", "AsyncSSH_"];
        if link_first.iter().any(|prefix| software.starts_with(prefix)) {
            SymlinkOrder::LinkFirst
        } else {
            SymlinkOrder::TargetFirst
        }
    }
}

impl Context {
    pub(super) fn closed(&self, open: Open) {
        let Open::File(file) = open else { return };
        self.open_files.fetch_sub(1, Ordering::Relaxed);
        let File {
            path,
            bytes_read,
            bytes_written,
            since,
            ..
        } = file;
        self.events.emit(&Event::Closed {
            who: self.actor.clone(),
            path,
            bytes_read,
            bytes_written,
            duration: since.elapsed(),
        });
    }
}
