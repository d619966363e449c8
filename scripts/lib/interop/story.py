"""What a story is, and the words in which stories are told.

A story makes a client do what its users do, and then looks at the bytes: on the server's disk, or in what came back.
One that cannot fail proves nothing, so a client's own word for it ("100 %") is never enough.
"""

import os
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ..tools import make_file

# The quota of the users in stories about quotas, in bytes; the file that does not fit is twice as large.
QUOTA = 1 << 20
# Rekeying after every mebibyte shows in a file of this size, each way.
REKEY_FILE = 16 << 20
PASSWORD = "correct horse"
# A mode that no umask gives, and a time that no clock shows by accident: 2001-02-03 04:05:06 UTC.
MODE, TIME = 0o640, 981173106
# Names that break clients and servers: quoting, globbing, more than ASCII, and bytes that are no UTF-8.
SPACES, QUOTES, UTF8 = "two  words", '[it\'s] *a* {"b"} & $c?', "café 文件"
# Signs that a shell leaves alone where no file has such a name.
SIGNS = "[1] a, b.txt"
BYTES = os.fsdecode(b"caf\xe9 \xff")


class Failed(Exception):
    """The story did not end as it should; the text says how."""


class Skipped(Exception):
    """The story cannot be told here; the text says why."""


@dataclass
class Story:
    title: str
    tell: callable
    # Options of `homeportd user add`.
    user: tuple = ()
    # Why the reference server cannot do this, if it cannot.
    only_ours: str = ""


@dataclass
class Client:
    """A program whose users shall find our server as good as OpenSSH's."""

    name: str
    version: callable
    # The command or file it needs, and Debian's package that has it.
    needs: dict = field(default_factory=dict)
    # Told with --all only: it needs npm, Maven or /dev/fuse.
    extra: bool = False
    # `[ssh] policy` of the server that it is told to.
    policy: str = "default"
    # Builds what it is made of, before the first story.
    build: callable = None
    stories: list = field(default_factory=list)

    def story(self, title, **more):
        """A decorator: the function is one of this client's stories."""

        def keep(tell):
            self.stories.append(Story(title, tell, **more))
            return tell

        return keep

    def over_quota(self, tell):
        """A decorator: the story of a user with a quota of QUOTA bytes."""
        why = "OpenSSH's server has no quotas"
        return self.story("over quota", user=("--quota", str(QUOTA)), only_ours=why)(tell)


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


def run(command, *, stdin="", code=0, secs=120, env=None, cwd=None):
    """Runs a client to its end and returns what it said, output and errors; it has to exit with `code`.

    With None as the code any will do. A client that hangs is killed with its children, and has failed.
    """
    command = [os.fspath(word) for word in command]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC", **(env or {})),
        cwd=cwd,
        start_new_session=True,
    )
    hung = False
    try:
        out, err = process.communicate(os.fsencode(stdin), secs)
    except subprocess.TimeoutExpired:
        hung = True
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    out, err = os.fsdecode(out), os.fsdecode(err)
    if hung or (code is not None and process.returncode != code):
        how = f"hung for {secs} s" if hung else f"exited with {process.returncode}, not {code}"
        script = f"\nit was given:\n{stdin.rstrip()}" if stdin else ""
        raise Failed(f"{' '.join(command)}\n{how}{script}\nit said:\n{(out + err).strip()[-3000:]}")
    return Said(out, err, process.returncode)


@dataclass
class Said:
    out: str
    err: str
    code: int

    @property
    def all(self):
        return self.out + self.err


def refused(command, *words, **how):
    """Runs a client that has to fail, and to tell its user these words; returns what it said."""
    said = run(command, code=None, **how)
    if said.code == 0:
        raise Failed(f"{' '.join(map(os.fspath, command))}\nexited with 0, as if all were well; it said:\n{said.all}")
    contains("what the client said", said.all, *words)
    return said


def equal(what, got, expected):
    if got != expected:
        raise Failed(f"{what}: {short(got)}, not {short(expected)}")


def contains(what, text, *words):
    for word in words:
        if word not in text:
            raise Failed(f"{what}: no {word!r} in:\n{text.strip()[-3000:]}")


def same(got, expected):
    """Compares two files, or a file and bytes; says where they begin to differ."""
    ours, theirs = content(got), content(expected)
    if ours == theirs:
        return
    length = min(len(ours), len(theirs))
    first = next((at for at in range(0, length, 4096) if ours[at : at + 4096] != theirs[at : at + 4096]), length)
    first = next((at for at in range(first, length) if ours[at] != theirs[at]), length)
    what = got if isinstance(got, Path) else "what came back"
    raise Failed(f"{what}: {len(ours)} bytes, not {len(theirs)}; they differ from byte {first} on")


def content(source):
    """The bytes of a file, or the bytes themselves."""
    if not isinstance(source, Path):
        return source
    if not source.is_file():
        raise Failed(f"{source} is not there; its directory has: {names(source.parent)}")
    return source.read_bytes()


def names(directory):
    """What a directory has, sorted; nothing if there is none."""
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def same_tree(got, expected, *, attributes=False, directory_times=True):
    """Compares two directories: names, kinds, contents; with `attributes` also modes and times, to the second."""
    ours, theirs = listing(got), listing(expected)
    equal(f"what is in {got}", sorted(ours), sorted(theirs))
    for name, there in theirs.items():
        here = ours[name]
        equal(f"the kind of {name!r}", stat.S_IFMT(here.st_mode), stat.S_IFMT(there.st_mode))
        if stat.S_ISREG(there.st_mode):
            same(got / name, expected / name)
        if attributes and not stat.S_ISLNK(there.st_mode):
            equal(f"the mode of {name!r}", oct(here.st_mode), oct(there.st_mode))
            if directory_times or not stat.S_ISDIR(there.st_mode):
                equal(f"the time of {name!r}", int(here.st_mtime), int(there.st_mtime))


def listing(top):
    if not top.is_dir():
        raise Failed(f"{top} is no directory; its parent has: {names(top.parent)}")
    return {str(path.relative_to(top)): path.lstat() for path in [top, *top.rglob("*")]}


def kept(path, mode=MODE, time=TIME):
    """Checks mode and time of a file that was copied with them."""
    content(path)
    found = path.stat()
    equal(f"the mode of {path.name!r}", oct(stat.S_IMODE(found.st_mode)), oct(mode))
    equal(f"the time of {path.name!r}", int(found.st_mtime), time)


def dated(path):
    """Gives a file the mode and time that `kept` looks for."""
    path.chmod(MODE)
    os.utime(path, (TIME, TIME))
    return path


def half_stored(home, whole, name):
    """The first half of a file on the server's disk, but with one other byte.

    A client that goes on with it leaves that byte, one that begins anew does not: so both can be told apart.
    """
    return half_written(whole, home.disk / name)


def half_local(home, whole, name):
    """The same on the client's side."""
    return half_written(whole, home.local / name)


def half_written(whole, path):
    part = bytearray(whole.read_bytes())
    del part[len(part) // 2 :]
    part[0] ^= 0xFF
    path.write_bytes(part)
    return bytes(part)


def rekeyed(times, log=""):
    """Checks that keys were changed under way, or the story would prove nothing.

    How often depends on how much was already sent when the first change was asked for.
    """
    if times < 1:
        raise Failed(f"keys were never changed, so the story proves nothing\n{log[-2000:]}")


def within_quota(home, kept_file):
    """Checks a home in which something did not fit: it is not above the quota, and what it had is as it was."""
    used = sum(found.st_size for found in listing(home.disk).values() if stat.S_ISREG(found.st_mode))
    if used > QUOTA:
        raise Failed(f"the home has {used} bytes, above its quota of {QUOTA}")
    same(home.disk / kept_file.name, kept_file)


def emptied(directory):
    """A directory without anything in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def short(thing):
    text = repr(thing)
    return text if len(text) <= 600 else f"{text[:600]}…"
