"""Our own client, homeport, with servers of other projects."""

from ..elsewhere import commands, files, proof, servers, trees  # noqa: F401 (they register stories)
from ..elsewhere.client import ODD_NAMES, Elsewhere


class WithSshd(Elsewhere):
    """OpenSSH's sshd, with a shell: hashes come from its md5sum."""

    name = "homeport-sshd"
    packages = {"sshd": "openssh-server"}
    stage = servers.OnSshd


class WithChroot(Elsewhere):
    """OpenSSH's sshd with a chroot and nothing but SFTP: there are no hashes."""

    name = "homeport-chroot"
    packages = {"sshd": "openssh-server"}
    stage = servers.OnChroot
    proof = "sizes"


class WithRclone(Elsewhere):
    """`rclone serve sftp`."""

    name = "homeport-rclone"
    packages = {"rclone": "rclone"}
    stage = servers.OnRclone
    has_modes = has_links = has_room = False
    empties_opened = True
    lacks_links = True
    # It stores other names for those with control characters.
    odd_names = tuple(name for name in ODD_NAMES if name.isprintable())
    hashes_all = False


class WithProFtpd(Elsewhere):
    """ProFTPD's mod_sftp, which offers check-file to clients of other versions of SFTP only."""

    name = "homeport-proftpd"
    packages = {"proftpd": "proftpd-core", "/usr/lib/proftpd/mod_sftp.so": "proftpd-mod-crypto"}
    stage = servers.OnProFtpd
    proof = "sizes"
    absolute_links = lstat_follows = True


class WithAsyncssh(Elsewhere):
    """asyncssh, whose commands see other paths than its SFTP."""

    name = "homeport-asyncssh"
    stage = servers.OnAsyncssh
    proof = "sizes"
    # With a root of its own, asyncssh 2.24 cannot read relative links. Those of the liar, which has none, are tried.
    has_links = False
    tries_commands = True


class WithLiar(Elsewhere):
    """asyncssh that lies about hashes."""

    name = "homeport-liar"
    stage = servers.OnLiar
    # It takes no commands with other bytes than UTF-8.
    odd_names = ODD_NAMES


for title, run in proof.CONFINED.items():
    WithAsyncssh.story(title)(run)
for title, run in proof.LYING.items():
    WithLiar.story(title)(run)
