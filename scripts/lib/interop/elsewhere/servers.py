"""Servers of other projects for the stories of our own client. Each is a stage, like those in stage.py."""

import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ...other_servers import ProFtpd, Rclone
from ...servers import Server, Sshd, find_daemon
from ...tools import make_key, wait_for
from ..client import Skipped
from ..home import Home, emptied

PROGRAM = Path(__file__).parent.parent / "programs/asyncssh/server.py"
USER = "elsewhere"


@dataclass
class ElsewhereHome(Home):
    """An empty directory of a server of another project."""

    stage: "Stage" = None


class Stage:
    """A server with a directory in place of a home. Subclasses set `running`, `disk` and `prefix`."""

    def __init__(self, work):
        self.work = work
        # Users other than root must be able to go through it.
        work.parent.chmod(0o711)
        work.chmod(0o711)
        self.key = make_key(work / "key")
        self.directory = work / "server"
        self.directory.mkdir()
        self.running = self.disk = self.prefix = None

    def program(self):
        """Returns homeport where users other than root can run it."""
        program = self.work / "homeport"
        if not program.exists():
            found = shutil.which("homeport")
            try:
                os.link(found, program)
            except OSError:
                shutil.copy2(found, program)
        return program

    def __enter__(self):
        if self.running:
            self.running.__enter__()
        return self

    def __exit__(self, *_):
        if self.running:
            self.running.stop()

    def server(self):
        if not self.running:
            raise Skipped("it needs root's rights")
        return self.running

    def home(self, _story, _client):
        for path in self.disk.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return ElsewhereHome(
            user=self.running.user,
            port=self.running.port,
            key=self.key,
            host_key=self.running.host_key.with_suffix(".pub"),
            disk=self.disk,
            prefix=self.prefix,
            local=emptied(self.work / "client/local"),
            ours=False,
            stage=self,
        )

    def settle(self):
        """Returns when all that the server has received is on its disk."""

    def disk_has_changed(self):
        """Tells a server that remembers files that they have been changed on its disk."""


class OnSshd(Stage):
    """The machine's sshd with internal-sftp, and with a shell."""

    def __init__(self, work):
        super().__init__(work)
        self.running = Sshd(self.directory, self.key, "MaxStartups 100")
        self.disk = emptied(self.directory / "files")
        self.prefix = f"{self.disk}/"


class OnChroot(Stage):
    """sshd with a root directory of its own for the user, and nothing but SFTP there."""

    def __init__(self, work):
        super().__init__(work)
        if os.geteuid() != 0:
            return
        # sshd demands that only root may write to all directories above.
        self.root = Path(tempfile.mkdtemp(prefix="homeport-interop-", dir="/run"))
        self.root.chmod(0o755)
        self.disk = emptied(self.root / "files")
        self.prefix = "/files/"
        settings = ("MaxStartups 100", f"ChrootDirectory {self.root}", "ForceCommand internal-sftp")
        self.running = Sshd(self.directory, self.key, *settings)

    def __exit__(self, *_):
        super().__exit__()
        if self.running:
            shutil.rmtree(self.root)


class OnRclone(Stage):
    """`rclone serve sftp`, which has hash commands, and neither modes nor links."""

    def __init__(self, work):
        super().__init__(work)
        self.running = Rclone(self.directory, self.key, "rclone", USER)
        self.disk, self.prefix = self.running.stored, self.running.prefix

    def home(self, story, client):
        self.disk_has_changed()
        return super().home(story, client)

    def disk_has_changed(self):
        """Starts rclone again, which goes on with what it has in its cache and in its memory."""
        self.running.stop()
        shutil.rmtree(self.directory / "cache", ignore_errors=True)
        self.running.__enter__()

    def settle(self):
        """Waits until nothing in rclone's cache has still to be stored."""
        meta = self.directory / "cache/vfsMeta"
        wait_for("rclone has stored its cache", lambda: not any(map(self.is_dirty, meta.rglob("*"))))

    @staticmethod
    def is_dirty(path):
        try:
            return path.is_file() and json.loads(path.read_text()).get("Dirty", False)
        except FileNotFoundError:
            return False
        except ValueError:
            # It is being written.
            return True


class OnProFtpd(Stage):
    """ProFTPD's mod_sftp."""

    def __init__(self, work):
        super().__init__(work)
        self.running = ProFtpd(self.directory, self.key, find_daemon("proftpd"), USER)
        self.disk, self.prefix = self.running.stored, self.running.prefix


class Asyncssh(Server):
    """The server of programs/asyncssh: its SFTP is confined to `root`, and its commands are not."""

    name = "asyncssh"
    user = USER

    def __init__(self, directory, key, root):
        super().__init__(directory)
        self.host_key = make_key(directory / "host_key")
        self.lie = directory / "lie"
        self.lie.write_text("")
        self.command = [sys.executable, str(PROGRAM), str(root), str(self.host_key), f"{key}.pub", str(self.lie)]

    def __enter__(self):
        self.working_directory = self.directory
        self.port = self.start(self.command, self.listening)
        return self

    def listening(self):
        found = re.search(r"listening on \S+:(\d+)\n", self.log())
        return found and int(found[1])


class OnAsyncssh(Stage):
    """asyncssh, whose commands see other files than its SFTP: `outside` is what they have under the home's paths."""

    def __init__(self, work):
        super().__init__(work)
        root = emptied(self.directory / "root")
        self.outside = emptied(self.directory / "outside")
        self.disk = emptied(root / self.outside.relative_to("/"))
        self.prefix = f"{self.outside}/"
        self.running = Asyncssh(self.directory, self.key, root)

    def home(self, story, client):
        emptied(self.outside)
        return super().home(story, client)


class OnLiar(Stage):
    """asyncssh, whose commands see the same files, and which lies about hashes."""

    def __init__(self, work):
        super().__init__(work)
        self.disk = emptied(self.directory / "files")
        self.prefix = f"{self.disk}/"
        self.running = Asyncssh(self.directory, self.key, "/")

    def home(self, story, client):
        self.lies("")
        return super().home(story, client)

    def lies(self, lie):
        """From now on, the server tells this lie."""
        self.running.lie.write_text(lie)
