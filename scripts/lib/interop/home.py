"""A user's home as stories see it, and the files that they begin with."""

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
# Rekeying after every mebibyte shows in a file of this size, each way.
REKEY_FILE = 16 << 20
PASSWORD = "correct horse"
# A mode that no umask gives, and a time that no clock shows by accident: 2001-02-03 04:05:06 UTC.
MODE, TIME = 0o640, 981173106
# Names that break clients and servers: quoting, globbing, more than ASCII, and bytes that are not UTF-8.
SPACES, QUOTES, UTF8 = "two  words", '[it\'s] *a* {"b"} & $c?', "café 文件"
BYTES = os.fsdecode(b"caf\xe9 \xff")
ODD_NAMES = (SPACES, QUOTES, UTF8, BYTES)
# Signs that a shell leaves alone where no file has such a name.
SIGNS = "[1] a, b.txt"


@dataclass
class Home:
    """An empty home of a user, seen from both sides: as clients reach it, and on the server's disk."""

    user: str
    port: int
    key: Path
    host_key: Path
    disk: Path
    # What clients put before a name, so that it is an absolute path.
    prefix: str
    # An empty directory on the client's side.
    local: Path
    ours: bool

    @property
    def at(self):
        return f"{self.user}@127.0.0.1"

    def wire(self, name):
        """The absolute path by which clients know a name in the home."""
        return self.prefix + name

    @property
    def fingerprint(self):
        """The host key's, as `ssh-keygen -l` prints it."""
        blob = base64.b64decode(self.host_key.read_text().split()[1])
        return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")

    def known_hosts(self):
        """A known_hosts file that has the server's key and no other."""
        kind, key = self.host_key.read_text().split()[:2]
        path = self.local.parent / f"known_hosts-{self.port}"
        path.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")
        return path

    def quota_files(self):
        """A file that fits into the quota and one that does not."""
        return self.sample("keep", QUOTA // 4), self.sample("large", 2 * QUOTA)

    def sample(self, name, size=100_000):
        """A file on the client's side."""
        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return make_file(path, size)

    def stored(self, name, size=100_000):
        """A file on the server's disk, put there behind the server's back."""
        path = self.disk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return make_file(path, size)

    def tree(self, name):
        """A directory on the client's side: files of many sizes, an empty directory, modes and times of their own."""
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
        """The first half of a file on the server's disk, with one other byte; returns its bytes.

        A client that completes it leaves that byte, one that begins anew does not: so both can be told apart.
        """
        return half_written(whole, self.disk / name)

    def half_local(self, whole, name):
        """The same on the client's side."""
        return half_written(whole, self.local / name)


def half_written(whole, path):
    part = bytearray(whole.read_bytes())
    del part[len(part) // 2 :]
    part[0] ^= 0xFF
    path.write_bytes(part)
    return bytes(part)


def dated(path):
    """Gives a file the mode and time that checks.kept looks for."""
    path.chmod(MODE)
    os.utime(path, (TIME, TIME))
    return path


def emptied(directory):
    """A directory without anything in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
