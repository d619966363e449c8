"""Servers in directories of their own, on free ports of the loopback address: ours, and the machine's OpenSSH sshd.

Each is a context manager that starts and stops a server. The users of homeportd have the key that was passed to it.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

from .tools import free_port, listens, make_key, quiet, wait_for

# The directory of sshd's privilege separation, which the service creates at boot.
PRIVSEP = Path("/run/sshd")


def find_daemon(name):
    """Returns the path of a daemon, or None. It may not be in the PATH of users other than root."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


class Server:
    """A process with a log. `port` is known once it has been started."""

    name = "server"
    # Where it runs. A server that mixes up paths leaves what it makes there.
    working_directory = None

    def __init__(self, directory):
        self.directory = directory
        self.log_file = directory / "log"
        self.process = None
        self.port = None

    def start(self, command, ready, **environment):
        """Runs the command with additional environment variables, and returns the first true result of `ready`."""
        with open(self.log_file, "wb") as log:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(
                command, **pipes, env={**os.environ, **environment}, cwd=self.working_directory
            )

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
        """Returns the log from this byte on."""
        with open(self.log_file, "rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def stop(self, how=signal.SIGTERM):
        """Stops the server, with a short limit for sessions that are still active."""
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
    """homeportd with its default settings, except for an optional policy for algorithms."""

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
        """Adds a user with the server's key, and with a password if one is given."""
        secret = [] if password is None else ["--password-stdin"]
        command = [*self.command, "user", "add", user, "--key", f"{self.key}.pub", *secret, *options]
        done = subprocess.run(command, input=password or "", text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"cannot add user {user}: {done.stderr.strip()}")

    def admin(self, *words):
        """Runs a command of homeportd, and returns its output."""
        done = subprocess.run([*self.command, *words], text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def expire_password(self, user):
        """Lets the user's password be so old that it has expired, where passwords do."""
        with contextlib.closing(sqlite3.connect(self.directory / "data/homeport.db", timeout=60)) as store, store:
            store.execute("UPDATE users SET password_set_at = '1970-01-01T00:00:00Z' WHERE name = ?", (user,))

    def home(self, user):
        """Returns the directory of the user's files on disk."""
        return self.directory / "data/homes" / user

    def __enter__(self):
        self.port = self.start([*self.command, "serve"], self.listening)
        return self

    def listening(self):
        found = re.search(r"listening on \S+?:(\d+)\b", self.log())
        return found and int(found[1])


class Sshd(Server):
    """The machine's sshd, also without root. Its only user is the one who runs the script."""

    name = "sshd"

    def __init__(self, directory, key, *settings, sftp="internal-sftp"):
        super().__init__(directory)
        # $USER may be wrong after su or setpriv.
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.program = find_daemon("sshd")
        self.host_key = directory / "hostkey"
        self.config = directory / "sshd_config"
        directory.mkdir(exist_ok=True)
        make_key(self.host_key)
        # In sshd_config, the first line of a keyword counts.
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
            # Then bash does not read ~/.bashrc, whose commands would distort measurements and comparisons.
            "SetEnv SHLVL=2",
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def __enter__(self):
        if not self.program:
            raise RuntimeError("no sshd on this machine (hint: apt-get install openssh-server)")
        if os.geteuid() == 0:
            # The directory is kept, because another sshd may use it.
            PRIVSEP.mkdir(mode=0o755, exist_ok=True)
        self.port = free_port()
        command = [self.program, "-D", "-e", "-f", str(self.config), "-p", str(self.port)]
        self.start(command, lambda: listens(self.port))
        return self
