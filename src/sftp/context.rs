//! What an SFTP session knows about its client, above all how clients differ in reading the same draft.

use std::sync::Arc;

use sftp_wire::extension::CheckFileShape;
use tokio_util::sync::CancellationToken;

use crate::session::SessionContext;

use super::longname::LongnameFormatter;
use super::timings::RequestTimings;

/// What a session knows about its client.
pub struct ClientContext {
    /// The signed-in session that the channel belongs to.
    pub session: SessionContext,
    /// Formats the lines of listings.
    pub lister: LongnameFormatter,
    /// How this client differs from others on the wire.
    pub quirks: ClientQuirks,
    /// How long the requests of all sessions take, for the metrics.
    pub timings: Arc<RequestTimings>,
    /// The most files and directories that may be open at once.
    pub max_handles: usize,
    /// Cancelled when the client has left, so that long work for it stops.
    pub gone: CancellationToken,
}

/// The differences between clients that read the same draft differently. They are known from the client's
/// identification string (RFC 4253, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientQuirks {
    /// The order of SYMLINK's arguments that this client uses.
    pub symlink_order: SymlinkOrder,
    /// The layout in which the client reads the replies to check-file-name and check-file-handle.
    pub check_file: CheckFileShape,
}

impl ClientQuirks {
    /// Returns the quirks of the client that has sent this identification string.
    pub fn of_client(banner: &str) -> Self {
        // "1.99" means that the client supports version 1, too.
        let software = ["SSH-2.0-", "SSH-1.99-"]
            .iter()
            .find_map(|version| banner.strip_prefix(version))
            .unwrap_or(banner);
        // These clients look for "OpenSSH" in the server's banner. All others always send what OpenSSH's server
        // expects.
        let link_first = [
            "WinSCP_",
            "libssh_",
            "libssh-",
            "ssh2js",
            "AsyncSSH_",
            "phpseclib_",
        ];
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

/// The order of SYMLINK's arguments: the draft has the link first, OpenSSH and the clients that follow it have the
/// target first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymlinkOrder {
    /// The target comes first, as with OpenSSH, sshfs, paramiko, lftp, curl, JSch, MINA and pkg/sftp.
    TargetFirst,
    /// The link comes first, as with WinSCP, libssh, ssh2 for Node, asyncssh and phpseclib if the server is not
    /// OpenSSH.
    LinkFirst,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_known_by_its_banner() {
        use CheckFileShape::{Plain, Strings};
        use SymlinkOrder::{LinkFirst, TargetFirst};
        for (banner, symlink_order, check_file) in [
            ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u6", TargetFirst, Plain),
            ("SSH-1.99-OpenSSH_3.9p1", TargetFirst, Plain),
            ("SSH-2.0-WinSCP_release_6.3.3", LinkFirst, Plain),
            ("SSH-2.0-PuTTY_Release_0.78", TargetFirst, Plain),
            ("SSH-2.0-FileZilla_3.63.0", TargetFirst, Plain),
            ("SSH-2.0-libssh_0.10.5", LinkFirst, Plain),
            ("SSH-2.0-libssh-0.5.4", LinkFirst, Plain),
            ("SSH-2.0-libssh2_1.10.0", TargetFirst, Plain),
            ("SSH-2.0-ssh2js1.15.0", LinkFirst, Plain),
            ("SSH-2.0-AsyncSSH_2.14.0", LinkFirst, Plain),
            ("SSH-2.0-paramiko_3.4.0", TargetFirst, Plain),
            ("SSH-2.0-phpseclib_3.0 (openssl, gmp)", LinkFirst, Plain),
            ("SSH-2.0-phpseclib_2.0", LinkFirst, Plain),
            ("SSH-2.0-phpseclib_1.0 (mcrypt)", LinkFirst, Plain),
            ("SSH-1.99-phpseclib_1.0", LinkFirst, Plain),
            ("SSH-2.0-Go", TargetFirst, Plain),
            ("SSH-2.0-rclone/v1.60.1-DEV", TargetFirst, Plain),
            ("SSH-2.0-APACHE-SSHD-2.12.0", TargetFirst, Strings),
            ("SSH-2.0-JSCH-0.1.54", TargetFirst, Plain),
            ("SSH-2.0-JSCH_2.27.0", TargetFirst, Plain),
            ("SSH-2.0-SSHJ_0.38.0", TargetFirst, Plain),
            (
                "SSH-2.0-Cyberduck/8.7.1.40770 (Mac OS X/13.6) (x86_64)",
                TargetFirst,
                Plain,
            ),
            ("SSH-2.0-Ruby/Net::SSH_7.0.1 x86_64-linux-gnu", TargetFirst, Plain),
            ("SSH-2.0-Renci.SshNet.SshClient.2024.0", TargetFirst, Plain),
            ("SSH-2.0-Homeport", TargetFirst, Plain),
            // The name counts only at the beginning, so that a comment does not change the behaviour.
            ("SSH-2.0-x WinSCP_", TargetFirst, Plain),
            ("", TargetFirst, Plain),
        ] {
            let expected = ClientQuirks {
                symlink_order,
                check_file,
            };
            assert_eq!(ClientQuirks::of_client(banner), expected, "{banner}");
        }
    }
}
