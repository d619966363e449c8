"""Modes, times, links and copies."""

import os

from ..checks import equal, kept, mode_of, same
from ..client import Attributes
from ..home import MODE, TIME, dated
from .registry import shared


def check_kept(path, what):
    """Checks the attributes that a client keeps."""
    mode = MODE if "mode" in what else mode_of(path)
    kept(path, mode, TIME if "time" in what else int(path.stat().st_mtime))


@shared("upload with times and modes", "put_kept")
def upload_with_attributes(client, home):
    local = dated(home.sample("one"))
    with client(home) as session:
        session.put_kept(local, "one")
    same(home.disk / "one", local)
    check_kept(home.disk / "one", client.kept.on_put)


@shared("download with times and modes", "get_kept")
def download_with_attributes(client, home):
    path = dated(home.stored("one"))
    with client(home) as session:
        session.get_kept("one", home.local / "back")
    same(home.local / "back", path)
    check_kept(home.local / "back", client.kept.on_get)


@shared("chmod", "chmod")
def chmod(client, home):
    path = home.stored("one", 10)
    for mode in (0o600, 0o755, MODE):
        with client(home) as session:
            session.chmod("one", mode)
        equal("the mode", oct(mode_of(path)), oct(mode))


@shared("set a time", "set_time")
def set_time(client, home):
    path = home.stored("one", 10)
    with client(home) as session:
        session.set_time("one", TIME)
    equal("the time", int(path.stat().st_mtime), TIME)


@shared("stat", "stat")
def stat(client, home):
    dated(home.stored("one", 10))
    with client(home) as session:
        equal("what stat says", session.stat("one"), Attributes(MODE, 10, TIME))


@shared("truncate", "truncate")
def truncate(client, home):
    path = home.stored("one", 10)
    data = path.read_bytes()
    with client(home) as session:
        session.truncate("one", 3)
    same(path, data[:3])


@shared("symbolic link", "symlink")
def symbolic_link(client, home):
    """Clients send the target first or last; some decide by the server's identification string."""
    home.stored("d/one", 10)
    with client(home) as session:
        session.symlink("d/one", "soft")
    target = os.readlink(home.disk / "soft")
    equal("the link on the disk", target.removeprefix(home.prefix), "d/one")


@shared("read a symbolic link", "readlink")
def read_link(client, home):
    os.symlink("d/one", home.disk / "soft")
    with client(home) as session:
        equal("the link", session.readlink("soft"), "d/one")


@shared("download through a symbolic link", "symlink", "get")
def download_through_link(client, home):
    home.stored("one")
    with client(home) as session:
        session.symlink("one", "soft")
        session.get("soft", home.local / "followed")
    same(home.local / "followed", home.disk / "one")


@shared("hard link", "hardlink")
def hard_link(client, home):
    home.stored("one", 10)
    with client(home) as session:
        session.hardlink("one", "hard")
    equal("links of one file", (home.disk / "hard").stat().st_nlink, 2)
    equal("the inodes", (home.disk / "hard").stat().st_ino, (home.disk / "one").stat().st_ino)


@shared("copy on the server", "copy")
def copy(client, home):
    path = home.stored("one", 300_001)
    with client(home) as session:
        session.copy("one", "copy")
    same(home.disk / "copy", path)
    equal("links of the copy", (home.disk / "copy").stat().st_nlink, 1)
