"""Comparisons of what came of a story with what should have come of it; each raises Failed.

A check that cannot fail proves nothing, so a client's own word for it ("100 %") is never enough: bytes are compared.
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
    """Checks that a message has one of these words, however they are capitalised; where there are none, any will do."""
    if words and not any(word in text.lower() for word in words):
        raise Failed(f"{what}: none of {words} in:\n{text.strip()[-3000:]}")


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
    equal(f"the mode of {path.name!r}", oct(mode_of(path)), oct(mode))
    equal(f"the time of {path.name!r}", int(path.stat().st_mtime), time)


def mode_of(path):
    """A file's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def rekeyed(times):
    """Checks that keys were changed under way, or the story would prove nothing.

    How often depends on how much was already sent when the first change was asked for.
    """
    if times < 1:
        raise Failed("keys were never changed, so the story proves nothing")


def within_quota(home, kept_file):
    """Checks a home in which something did not fit: it is not above the quota, and what it had is as it was."""
    if (used := used_bytes(home)) > QUOTA:
        raise Failed(f"the home has {used} bytes, above its quota of {QUOTA}")
    same(home.disk / kept_file.name, kept_file)


def used_bytes(home):
    """What the files on the server's disk add up to."""
    return sum(found.st_size for found in listing(home.disk).values() if stat.S_ISREG(found.st_mode))


def short(thing):
    text = repr(thing)
    return text if len(text) <= 600 else f"{text[:600]}…"
