"""A user's home as stories see it, and the files with which they begin."""

import base64
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..tools import make_file

# The quota of the users in stories about quotas, in bytes; the file that does not fit is twice as large.
QUOTA = 1 << 20
WITH_QUOTA = {"user": ("--quota", str(QUOTA)), "only_ours": "OpenSSH's server has no quotas"}
# The size of a file with which rekeying after every mebibyte is visible in each direction.
REKEY_FILE = 16 << 20
PASSWORD = "correct horse"
# A mode that results from no umask, and a time in the past: 2001-02-03 04:05:06 UTC.
MODE, TIME = 0o640, 981173106
# Names that may break clients and servers: quoting, globbing, non-ASCII, and bytes that are not UTF-8.
SPACES, QUOTES, UTF8 = "two  words", '[it\'s] *a* {"b"} & $c?', "café 文件"
BYTES = os.fsdecode(b"caf\xe9 \xff")
ODD_NAMES = (SPACES, QUOTES, UTF8, BYTES)
# Pattern characters that a shell keeps if no file matches.
SIGNS = "[1] a, b.txt"


@dataclass
class Home:
    """An empty home of a user, both as clients access it and on the server's disk."""

    user: str
    port: int
    key: Path
    host_key: Path
    disk: Path
    # The prefix that makes a name an absolute path for clients.
    prefix: str
    # An empty directory on the client's side.
    local: Path
    ours: bool
    # Runs a command of homeportd and returns its output; None at the reference server.
    admin: callable = None
    # Lets the user's password be so old that it has expired; None at the reference server.
    expire_password: callable = None

    @property
    def at(self):
        return f"{self.user}@127.0.0.1"

    def wire(self, name):
        """Returns the absolute path of a name in the home for clients."""
        return self.prefix + name

    @property
    def fingerprint(self):
        """Returns the fingerprint of the host key, as `ssh-keygen -l` prints it."""
        blob = base64.b64decode(self.host_key.read_text().split()[1])
        return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")

    def known_hosts(self):
        """Returns a known_hosts file with the server's key only."""
        kind, key = self.host_key.read_text().split()[:2]
        path = self.local.parent / f"known_hosts-{self.port}"
        path.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")
        return path

    def quota_files(self):
        """Returns a file that fits into the quota, and one that does not."""
        return self.sample("keep", QUOTA // 4), self.sample("large", 2 * QUOTA)

    def sample(self, name, size=100_000):
        """Creates a file on the client's side."""
        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return make_file(path, size)

    def stored(self, name, size=100_000):
        """Creates a file directly on the server's disk."""
        path = self.disk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return make_file(path, size)

    def tree(self, name):
        """Creates a directory on the client's side with files of many sizes, an empty directory, and various modes and
        times."""
        top = self.local / name
        sizes = {"empty": 0, "one": 1, "sub/block": 32768, "sub/more": 32769, f"sub/{SPACES}/{UTF8}": 300_000}
        for file, size in sizes.items():
            self.sample(f"{name}/{file}", size)
        (top / "sub/none").mkdir()
        (top / "one").chmod(MODE)
        (top / "sub/more").chmod(0o755)
        for path in [top, *top.rglob("*")]:
            os.utime(path, (TIME, TIME))
        return top

    def half_stored(self, whole, name):
        """Creates the first half of a file on the server's disk with one different byte, and returns its bytes.

        A client that completes the file keeps that byte, and one that starts again does not.
        """
        return half_written(whole, self.disk / name)

    def half_local(self, whole, name):
        """Creates the first half of a file in the same way on the client's side."""
        return half_written(whole, self.local / name)


def half_written(whole, path):
    part = bytearray(whole.read_bytes())
    del part[len(part) // 2 :]
    part[0] ^= 0xFF
    path.write_bytes(part)
    return bytes(part)


def dated(path):
    """Sets the mode and the time that checks.kept expects."""
    path.chmod(MODE)
    os.utime(path, (TIME, TIME))
    return path


def emptied(directory):
    """Creates an empty directory, without earlier contents."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
