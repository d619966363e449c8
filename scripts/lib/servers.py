"""Servers in directories of their own, on free ports of the loopback address: ours, and the machine's OpenSSH sshd.

Each is a context manager that starts it and ends it again. Users of ours have the key that the server was given.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

from .tools import free_port, listens, make_key, quiet, wait_for

# sshd's unprivileged part lives there; a package that runs sshd makes it at boot.
PRIVSEP = Path("/run/sshd")


def find_daemon(name):
    """Where a daemon is, or None; it may be missing from the PATH of who is not root."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


class Server:
    """A process with a log. `port` is known once it has been started."""

    name = "server"

    def __init__(self, directory):
        self.directory = directory
        self.log_file = directory / "log"
        self.process = None
        self.port = None

    def start(self, command, ready):
        """Runs the command; what `ready` answers at last is returned."""
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def ready_or_dead():
            if self.process.poll() is not None:
                raise RuntimeError(f"it has ended with {self.process.returncode}")
            return ready()

        try:
            return wait_for("listening", ready_or_dead)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"{self.name} does not start: {error}\n{self.log()[-2000:]}") from None

    def log(self, since=0):
        """What it has said, from a byte of its log on."""
        with open(self.log_file, "rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def stop(self, how=signal.SIGTERM):
        """Ends it, and does not wait long for what is still under way."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __exit__(self, *_):
        self.stop()


class Homeport(Server):
    """homeportd with its default settings, but perhaps for the policy that says which algorithms are offered."""

    name = "homeport"

    def __init__(self, directory, binary, key, policy="default"):
        super().__init__(directory)
        self.key = key
        self.config = directory / "homeportd.toml"
        self.command = [str(binary), "-c", str(self.config)]
        quiet([binary, "init", directory, "--listen", "127.0.0.1:0"], f'hint: is "{binary}" built from this source?')
        text = self.config.read_text()
        self.config.write_text(text.replace('policy = "default"', f'policy = "{policy}"'))

    def add(self, user, *options, password=None):
        """A new user with the server's key, and with a password if one is given."""
        secret = [] if password is None else ["--password-stdin"]
        command = [*self.command, "user", "add", user, "--key", f"{self.key}.pub", *secret, *options]
        done = subprocess.run(command, input=password or "", text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"cannot add user {user}: {done.stderr.strip()}")

    def home(self, user):
        """Where the user's files lie on the disk."""
        return self.directory / "data/homes" / user

    def __enter__(self):
        self.port = self.start([*self.command, "serve"], self.listening)
        return self

    def listening(self):
        found = re.search(r"listening on \S+?:(\d+)\b", self.log())
        return found and int(found[1])


class Sshd(Server):
    """The machine's sshd, without root's help where nobody is root: its only user is who runs this."""

    name = "sshd"

    def __init__(self, directory, key, *settings, sftp="internal-sftp"):
        super().__init__(directory)
        # Not $USER: after su or setpriv that is still who it was.
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.program = find_daemon("sshd")
        self.host_key = directory / "hostkey"
        self.config = directory / "sshd_config"
        directory.mkdir(exist_ok=True)
        make_key(self.host_key)
        # The first line for a keyword counts.
        lines = [
            *settings,
            "ListenAddress 127.0.0.1",
            f"HostKey {self.host_key}",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            f"AuthorizedKeysFile {key}.pub",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            f"Subsystem sftp {sftp}",
            "LogLevel ERROR",
            # bash reads no ~/.bashrc then: what a user's start-up files do is no part of what is measured or compared.
            "SetEnv SHLVL=2",
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def __enter__(self):
        if not self.program:
            raise RuntimeError("no sshd on this machine (hint: apt-get install openssh-server)")
        if os.geteuid() == 0:
            # It stays: another sshd may have been started meanwhile.
            PRIVSEP.mkdir(mode=0o755, exist_ok=True)
        self.port = free_port()
        command = [self.program, "-D", "-e", "-f", str(self.config), "-p", str(self.port)]
        self.start(command, lambda: listens(self.port))
        return self
