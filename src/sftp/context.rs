//! What an SFTP session knows about its client, above all where clients read the same draft differently.

use sftp_wire::extension::CheckFileShape;
use tokio_util::sync::CancellationToken;

use crate::session::SessionContext;

use super::longname::LongnameFormatter;

/// What a session knows about its client.
pub struct ClientContext {
    /// The signed-in session that the channel belongs to.
    pub session: SessionContext,
    /// Formats the lines of listings.
    pub lister: LongnameFormatter,
    /// How this client differs from others.
    pub quirks: ClientQuirks,
    /// The number of files and directories that may be open at once.
    pub max_handles: usize,
    /// Is cancelled when the client has left: what takes long then stops.
    pub gone: CancellationToken,
}

/// Where clients read the same words differently, by the client's identification string (RFC 4253, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientQuirks {
    /// The order of SYMLINK's arguments on this client's wire.
    pub symlink_order: SymlinkOrder,
    /// The layout in which the client reads the replies to check-file-name and check-file-handle.
    pub check_file: CheckFileShape,
}

impl ClientQuirks {
    /// The quirks of the client that has sent this identification string.
    pub fn of_client(banner: &str) -> Self {
        // "1.99" says that it knows version 1, too.
        let software = ["SSH-2.0-", "SSH-1.99-"]
            .iter()
            .find_map(|version| banner.strip_prefix(version))
            .unwrap_or(banner);
        // They look for "OpenSSH" in the server's banner. All others send what OpenSSH's server wants, always.
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

/// SYMLINK's arguments: the draft has the link first, OpenSSH and all who follow it the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymlinkOrder {
    /// The target first, as OpenSSH, sshfs, paramiko, lftp, curl, JSch, MINA and pkg/sftp have it.
    TargetFirst,
    /// The link first, as WinSCP, libssh, ssh2 for Node, asyncssh and phpseclib have it where the server is not
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
            // Only at the beginning: nobody changes the rules by a comment.
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
