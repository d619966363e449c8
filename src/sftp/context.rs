//! What a session knows about its client.

use tokio_util::sync::CancellationToken;

use crate::sessions::Presence;

use super::longname::Lister;

/// What a session knows about its client.
pub struct Context {
    /// Whose session it is.
    pub presence: Presence,
    /// Names and dates in listings.
    pub lister: Lister,
    /// What differs from client to client.
    pub habits: Habits,
    /// Open files and directories at once.
    pub max_handles: usize,
    /// Set when the client has left: what takes long then stops.
    pub gone: CancellationToken,
}

/// Where clients read the same words differently, by the client's identification string (RFC 4253, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// The order of SYMLINK's arguments on this client's wire.
    pub symlink_order: SymlinkOrder,
    /// How it reads the reply to check-file-name and check-file-handle.
    pub check_file: CheckFileShape,
}

impl Habits {
    /// By the client's identification string.
    pub fn of_client(banner: &str) -> Self {
        let software = banner.strip_prefix("SSH-2.0-").unwrap_or(banner);
        let link_first = ["WinSCP_", "libssh_", "libssh-", "ssh2js", "AsyncSSH_"];
        let link_first = link_first.iter().any(|prefix| software.starts_with(prefix));
        Self {
            symlink_order: match link_first {
                true => SymlinkOrder::LinkFirst,
                false => SymlinkOrder::TargetFirst,
            },
            check_file: match software.contains("APACHE-SSHD") {
                true => CheckFileShape::Strings,
                false => CheckFileShape::Plain,
            },
        }
    }
}

/// SYMLINK's arguments: the draft has the link first, OpenSSH and all who follow it the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymlinkOrder {
    /// OpenSSH, sshfs, paramiko, lftp, curl, JSch, MINA, pkg/sftp.
    TargetFirst,
    /// WinSCP, libssh, ssh2 for Node, asyncssh, where the server is not OpenSSH.
    LinkFirst,
}

/// Three readings of draft-ietf-secsh-filexfer-13, section 9.1.2, about what follows the id in a reply to check-file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckFileShape {
    /// The algorithm, then the hashes to the end: WinSCP, and ProFTPD's mod_sftp as its model.
    Plain,
    /// "check-file", the algorithm, then the hashes to the end: paramiko, which asks for bare `check-file`.
    Named,
    /// "check-file", the algorithm, then each hash as a string: Apache MINA SSHD.
    Strings,
}
