"""Stories about directories: odd names, links, sync and check."""

import os
import shutil

from ..checks import contains, equal, names, same, same_tree
from ..client import Failed
from ..home import TIME
from .client import NOBODY, Elsewhere

# Files of `make_tree`, by their sizes.
SIZES = {"a": 10, "b": 70_000, "sub/c": 300_000, "sub/deep/d": 1, "sub/deep/e": 0, "other/f": 5000}


def make_tree(top):
    """Creates files of many sizes with times in the past, and an empty directory."""
    for number, (name, size) in enumerate(SIZES.items()):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        os.utime(path, (TIME + number, TIME + number))
    (top / "none").mkdir()
    return top


def same_times(one, other):
    for name in SIZES:
        if (one / name).exists():
            equal(f"the time of {name}", int((one / name).stat().st_mtime), int((other / name).stat().st_mtime))


@Elsewhere.story("odd names")
def odd_names(client, home):
    """put -r, get -r, sync and check find every file of directories with odd names."""
    for name in client.odd_names:
        home.sample(f"odd/{name}", 1000)
        home.sample(f"odd/sub {name}/{name}", 10)
    with client(home) as session:
        sent = session.transfer("put", "-r", home.local / "odd", session.at("odd"))
        same_tree(home.disk / "odd", home.local / "odd")
        fetched = session.transfer("get", "-r", session.at("odd"), home.local / "back")
        for transfer in (sent, fetched):
            transfer.is_proven(client.proof, sure=client.hashes_all)
        same_tree(home.local / "back", home.local / "odd")
        session.changes(home.local / "odd", session.at("synced"))
        same_tree(home.disk / "synced", home.local / "odd")
        equal("a second sync", session.changes(home.local / "odd", session.at("synced")), [])
        session.changes(session.at("synced"), home.local / "returned")
        same_tree(home.local / "returned", home.local / "odd")
        said = session.command("check", home.local / "odd", session.at("synced"), code=None)
        equal("what check prints", said.out.replace("content not compared", ""), "")
        listed = session.command("find", session.at("odd"), "-type", "f", "-0").out.split("\0")[:-1]
        found = sorted(path.removeprefix(home.wire("odd/")) for path in listed)
        expected = [*client.odd_names, *(f"sub {name}/{name}" for name in client.odd_names)]
        equal("what find prints", found, sorted(expected))
        session.command("rm", "-r", "-f", session.at("odd"), session.at("synced"))
    equal("the home", names(home.disk), [])


@Elsewhere.story("names on the command line")
def names_typed(client, home):
    """An odd name as a word of a command is that file, not a pattern. Only a backslash has to be written twice."""
    with client(home) as session:
        for number, name in enumerate(client.odd_names):
            local = home.sample(name, 100 + number)
            session.transfer("put", local, session.at(typed(name)))
            same(home.disk / name, local)
        for number, name in enumerate(client.odd_names):
            session.transfer("get", session.at(typed(name)), home.local / f"back{number}")
            same(home.local / f"back{number}", home.local / name)
        shown = [replaced(name) for name in client.odd_names if not name.startswith(".")]
        equal("the names", sorted(session.ls("")), sorted(shown))


def typed(name):
    """Returns a name as people type it."""
    return name.replace("\\", "\\\\")


def replaced(name):
    """Returns a name as JSON shows it."""
    return os.fsencode(name).decode(errors="replace")


@Elsewhere.story("symbolic links", needs=("has_links",))
def links(client, home):
    top = home.local / "tree"
    home.sample("tree/file", 1000)
    home.sample("tree/sub/other", 10)
    os.symlink("file", top / "to file")
    os.symlink("sub", top / "to sub")
    os.symlink("nowhere", top / "to nothing")
    with client(home) as session:
        left = session.transfer("put", "-r", top, session.at("followed"), code=4)
        if left.summary["skipped"] < 1:
            raise Failed(f"links that are left out are not counted: {left.summary}")
        same(home.disk / "followed/to file", top / "file")
        if (home.disk / "followed/to sub").exists():
            raise Failed("a link to a directory was followed")
        copied = session.transfer("put", "-r", "--links", top, session.at("linked"))
        equal("the links", copied.summary["links"], 3)
        # An absolute target would lead out of the directory here.
        code = 4 if client.absolute_links else 0
        session.transfer("get", "-r", "--links", session.at("linked"), home.local / "back", code=code)
    for copy in (home.disk / "linked", *([] if client.absolute_links else [home.local / "back"])):
        for name in ("to file", "to sub", "to nothing"):
            equal(f"the target of {name}", os.readlink(copy / name), os.readlink(top / name))
        same(copy / "sub/other", top / "sub/other")


def synced(client, home, up):
    """The course of a sync in one direction: new, again, a dry run, changes, and what is deleted."""
    ends = [home.local / "tree", home.disk / "tree"]
    source, target = ends if up else ends[::-1]
    make_tree(source)
    with client(home) as session:
        words = [home.local / "tree", session.at("tree")]
        words = words if up else words[::-1]
        dry = session.changes("-n", *words)
        if target.exists():
            raise Failed("a dry run has made the target")
        equal("what a dry run says", session.changes(*words), dry)
        same_tree(target, source)
        same_times(target, source)
        equal("a second run", session.changes(*words), [])
        equal("a third run, dry", session.changes("-n", *words), [])
        change(source, target)
        home.stage.disk_has_changed()
        expected = [("make", "new"), ("send", "a"), ("send", "b"), ("send", "new/g")]
        equal("a dry run without --delete", session.changes("-n", *words), expected)
        deleted = [("delete", path) for path in ("extra", "extra/x", "other/f")]
        all_changes = sorted([*expected, *deleted])
        equal("a dry run with --delete", session.changes("-n", "--delete", *words), all_changes)
        if not (target / "extra/x").exists():
            raise Failed("a dry run has deleted something")
        said = session.command("sync", "--delete", *words, code=1)
        contains("the error", said.err, "--max-delete N or --yes")
        session.command("sync", "--delete", "--max-delete", "2", *words, code=1)
        if not ((target / "extra/x").exists() and (target / "other/f").exists()):
            raise Failed("something was deleted that was not allowed")
        equal("what is done", session.changes("--delete", "--yes", *words), all_changes)
        same_tree(target, source)
        same_times(target, source)
        equal("a last run", session.changes("--delete", "--yes", *words), [])


def change(source, target):
    """Changes the source, and adds something to the target."""
    (source / "a").write_bytes(b"longer than before")
    (source / "b").write_bytes(os.urandom(70_000))
    os.utime(source / "b", (TIME + 5000, TIME + 5000))
    (source / "new").mkdir()
    (source / "new/g").write_bytes(b"new")
    (source / "other/f").unlink()
    (target / "extra").mkdir()
    (target / "extra/x").write_bytes(b"extra")


@Elsewhere.story("sync to the server")
def sync_up(client, home):
    synced(client, home, up=True)


@Elsewhere.story("sync from the server")
def sync_down(client, home):
    synced(client, home, up=False)


@Elsewhere.story("sync by contents")
def sync_by_contents(client, home):
    """Equal sizes and times, and other bytes: --checksum finds that, or says that it cannot."""
    make_tree(home.local / "tree")
    with client(home) as session:
        words = [home.local / "tree", session.at("tree")]
        session.changes(*words)
        (home.disk / "tree/b").write_bytes(bytes(70_000))
        os.utime(home.disk / "tree/b", (TIME + 1, TIME + 1))
        equal("by size and time", session.changes(*words), [])
        said = session.command("sync", "--checksum", *words)
        if client.proof == "sizes":
            # A file whose contents cannot be compared is sent, or its size and time decide; which of them is said.
            contains("the warning", said.err.lower(), "hash")
            return
        same(home.disk / "tree/b", home.local / "tree/b")
        equal("again", session.changes("--checksum", *words), [])


@Elsewhere.story("check")
def check(client, home):
    make_tree(home.local / "tree")
    shutil.copytree(home.local / "tree", home.disk / "tree")
    with client(home) as session:
        words = [home.local / "tree", session.at("tree")]
        session.command("check", "--quick", *words)
        said = session.command("check", *words, code=0 if client.proof == "md5" else None)
        if client.proof == "md5":
            equal("what differs", said.out, "")
        else:
            contains("what it says", said.all.lower(), "hash")
        (home.disk / "tree/b").write_bytes(bytes(70_000))
        (home.disk / "tree/a").write_bytes(b"another size")
        (home.disk / "tree/other/f").unlink()
        (home.disk / "tree/extra").write_bytes(b"x")
        expected = ["only here: other/f", "only on the server: extra", "size differs: a"]
        expected += ["content differs: b"] if client.proof == "md5" else []
        said = session.command("check", *words, code=5)
        contains("what differs", said.out, *expected)
        # Nothing is changed.
        same(home.disk / "tree/b", bytes(70_000))
        equal("the home", names(home.disk / "tree"), ["a", "b", "extra", "none", "other", "sub"])


@Elsewhere.story("sync with filters and backups")
def filters_and_backups(client, home):
    """Excluded names are neither sent nor deleted, and what is replaced or deleted goes to --backup-dir."""
    make_tree(home.local / "tree")
    (home.local / "tree/x.tmp").write_bytes(b"here")
    (home.disk / "tree/kept").mkdir(parents=True)
    for name, content in {"kept/y.tmp": b"there", "a": b"old", "gone": b"gone"}.items():
        (home.disk / "tree" / name).write_bytes(content)
    with client(home) as session:
        words = ["--exclude", "*.tmp", "--backup-dir", "old", home.local / "tree", session.at("tree")]
        session.changes("--delete", "--yes", *words)
        equal("a second run", session.changes("--delete", "--yes", *words), [])
    same(home.disk / "tree/kept/y.tmp", b"there")
    same(home.disk / "tree/old/a", b"old")
    same(home.disk / "tree/old/gone", b"gone")
    same(home.disk / "tree/a", home.local / "tree/a")
    for name in ("gone", "x.tmp"):
        if (home.disk / "tree" / name).exists():
            raise Failed(f"{name} is there")


@Elsewhere.story("what may not be read here")
def unreadable(client, home):
    """A file or a directory that the user may not read: the rest is sent, and nothing is deleted."""
    make_tree(home.local / "tree")
    shutil.copytree(home.local / "tree", home.disk / "old")
    secret, closed = home.local / "tree/b", home.local / "tree/sub"
    secret.chmod(0)
    with client(home) as session:
        said = session.transfer("put", "-r", home.local / "tree", session.at("new"), code=4)
        equal("what fails", said.summary["failed"], 1)
        same(home.disk / "new/sub/c", home.local / "tree/sub/c")
        if (home.disk / "new/b").exists():
            raise Failed("a file was made that cannot be sent")
        closed.chmod(0)
        (home.disk / "old/extra").write_bytes(b"x")
        session.command("sync", "--delete", "--yes", home.local / "tree", session.at("old"), code=4)
        closed.chmod(0o755)
    for name in ("extra", "b", "sub/c", "sub/deep/d"):
        if not (home.disk / "old" / name).exists():
            raise Failed(f"{name} was deleted, although the source cannot be read")


@Elsewhere.story("a directory that may not be written here")
def unwritable(client, home):
    """Downloads into directories and over files of somebody else fail one by one, and leave nothing behind."""
    for name in ("one", "two/three"):
        home.stored(name, 1000)
    target = home.local.parent.parent / "foreign"
    shutil.rmtree(target, ignore_errors=True)
    (target / "two").mkdir(parents=True)
    (target / "two").chmod(0o555)
    if os.geteuid() == 0:
        os.chown(target, NOBODY, NOBODY)
    with client(home) as session:
        session.command("sync", session.at(), target, code=4)
        equal("what came", (names(target), names(target / "two")), (["one", "two"], []))
    same(target / "one", home.disk / "one")
