"""Checks of the results of a story; each raises Failed.

The success message of a client is not enough: the checks compare bytes.
"""

import os
import stat
from pathlib import Path

from .client import Failed
from .home import MODE, QUOTA, TIME


def equal(what, got, expected):
    if got != expected:
        raise Failed(f"{what}: {short(got)}, not {short(expected)}")


def contains(what, text, *words):
    for word in words:
        if word not in text:
            raise Failed(f"{what}: no {word!r} in:\n{text.strip()[-3000:]}")


def mentions(what, text, words):
    """Checks that a message contains one of these words in any case; without words, any message is accepted."""
    if words and not any(word in text.lower() for word in words):
        raise Failed(f"{what}: none of {words} in:\n{text.strip()[-3000:]}")


def same(got, expected):
    """Checks that two files, or a file and bytes, are equal; reports the first difference."""
    ours, theirs = content(got), content(expected)
    if ours == theirs:
        return
    length = min(len(ours), len(theirs))
    first = next((at for at in range(0, length, 4096) if ours[at : at + 4096] != theirs[at : at + 4096]), length)
    first = next((at for at in range(first, length) if ours[at] != theirs[at]), length)
    what = got if isinstance(got, Path) else "what came back"
    raise Failed(f"{what}: {len(ours)} bytes, not {len(theirs)}; they differ from byte {first} on")


def content(source):
    """Returns the bytes of a file, or the bytes themselves."""
    if not isinstance(source, Path):
        return source
    if not source.is_file():
        raise Failed(f"{source} is not there; its directory has: {names(source.parent)}")
    return source.read_bytes()


def names(directory):
    """Returns the sorted names in a directory, or nothing if it does not exist."""
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def same_tree(got, expected, *, attributes=False, directory_times=True):
    """Checks that two directories have equal names, types and contents, and with `attributes` equal modes and times in
    seconds."""
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
    """Checks the mode and the time of a file that was copied with them."""
    content(path)
    equal(f"the mode of {path.name!r}", oct(mode_of(path)), oct(mode))
    equal(f"the time of {path.name!r}", int(path.stat().st_mtime), time)


def mode_of(path):
    """Returns the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def rekeyed(times):
    """Checks that the keys were changed during the story; otherwise it would prove nothing.

    The number of changes depends on the bytes that were already sent at the first one.
    """
    if times < 1:
        raise Failed("keys were never changed, so the story proves nothing")


def within_quota(home, kept_file):
    """Checks a home after an upload over the quota: the quota is not exceeded, and the other files are unchanged."""
    if (used := used_bytes(home)) > QUOTA:
        raise Failed(f"the home has {used} bytes, above its quota of {QUOTA}")
    same(home.disk / kept_file.name, kept_file)


def used_bytes(home):
    """Returns the total size of the files on the server's disk."""
    return sum(found.st_size for found in listing(home.disk).values() if stat.S_ISREG(found.st_mode))


def short(thing):
    text = repr(thing)
    return text if len(text) <= 600 else f"{text[:600]}…"
