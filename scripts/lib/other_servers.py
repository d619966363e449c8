"""Servers of other projects in directories of their own, on free ports of the loopback address, if they are installed."""

import grp
import os
import pwd
import subprocess

from .servers import Server
from .tools import free_port, listens, make_key, quiet


class Rclone(Server):
    """`rclone serve sftp`, whose SFTP paths begin with the directory that it serves."""

    name = "rclone"
    prefix = "/"

    def __init__(self, directory, key, program, user):
        super().__init__(directory)
        self.program, self.key, self.user = program, key, user
        self.host_key = make_key(directory / "host_key")
        self.stored = directory / "files"
        self.stored.mkdir()

    def __enter__(self):
        # It keeps its port when it is started again.
        self.port = self.port or free_port()
        command = [self.program, "serve", "sftp", str(self.stored), "--addr", f"127.0.0.1:{self.port}"]
        command += ["--authorized-keys", f"{self.key}.pub", "--key", str(self.host_key), "--vfs-cache-mode", "writes"]
        # Otherwise rclone stores a file seconds after it was closed.
        command += ["--vfs-write-back", "0s", "--dir-cache-time", "0s"]
        command += ["--cache-dir", str(self.directory / "cache"), "--config", os.devnull]
        self.start(command, lambda: listens(self.port))
        return self


class ProFtpd(Server):
    """ProFTPD's mod_sftp. It has a process for each session."""

    name = "proftpd"

    def __init__(self, directory, key, program, user, *settings):
        super().__init__(directory)
        self.program, self.key, self.user, self.settings = program, key, user, settings
        self.stored = directory / "files"
        self.stored.mkdir()
        self.prefix = f"{self.stored}/"
        self.config = directory / "proftpd.conf"
        self.host_key = directory / "host_key"
        # Both files have formats of ProFTPD.
        quiet(["ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", self.host_key], "hint: none")
        authorized = subprocess.check_output(["ssh-keygen", "-e", "-m", "RFC4716", "-f", f"{key}.pub"])
        (directory / "authorized_keys").write_bytes(authorized)
        users = directory / "users"
        users.touch(mode=0o600)
        users.write_text(f"{self.user}:*:{os.geteuid()}:{os.getegid()}::{self.stored}:/bin/sh\n")

    def configure(self, *settings):
        self.port = free_port()
        lines = [
            "LoadModule mod_sftp.c",
            "ServerType standalone",
            "DefaultServer on",
            "UseIPv6 off",
            "DefaultAddress 127.0.0.1",
            "SocketBindTight on",
            f"Port {self.port}",
            f"User {pwd.getpwuid(os.geteuid()).pw_name}",
            f"Group {grp.getgrgid(os.getegid()).gr_name}",
            "RootLogin on",
            "RequireValidShell off",
            "MaxInstances none",
            f"PidFile {self.directory}/pid",
            f"ScoreboardFile {self.directory}/scoreboard",
            "DelayEngine off",
            "WtmpLog off",
            "TransferLog none",
            f"SystemLog {self.directory}/system_log",
            "SyslogLevel error",
            "UseReverseDNS off",
            "AuthOrder mod_auth_file.c",
            f"AuthUserFile {self.directory}/users",
            "AllowOverwrite on",
            "SFTPEngine on",
            f"SFTPHostKey {self.host_key}",
            "SFTPAuthMethods publickey",
            f"SFTPAuthorizedUserKeys file:{self.directory}/authorized_keys",
        ]
        self.config.write_text("\n".join([*lines, *settings]) + "\n")

    def takes(self, *settings):
        """Whether mod_sftp is installed and has what these settings name."""
        self.configure(*settings)
        test = [self.program, "-t", "-c", str(self.config)]
        return subprocess.run(test, capture_output=True, check=False, timeout=20).returncode == 0

    def __enter__(self):
        self.configure(*self.settings)
        self.start([self.program, "-n", "-c", str(self.config)], lambda: listens(self.port))
        return self
