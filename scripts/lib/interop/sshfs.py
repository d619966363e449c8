"""sshfs: the home as a directory here, with what programs do to files."""

import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ..tools import wait_for
from . import openssh
from .story import (
    BYTES,
    MODE,
    QUOTA,
    QUOTES,
    REKEY_FILE,
    SPACES,
    TIME,
    UTF8,
    Client,
    Failed,
    Skipped,
    dated,
    equal,
    kept,
    names,
    refused,
    rekeyed,
    run,
    same,
    same_tree,
    within_quota,
)

NEEDS = {"sshfs": "sshfs", "fusermount3": "fuse3", "ssh": "openssh-client", "git": "git"}


def version():
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skipped("no /dev/fuse here")
    return run(["sshfs", "--version"]).out.split()[2]


sshfs = Client("sshfs", version, NEEDS, extra=True)


@contextmanager
def mounted(home, *more, ssh=()):
    """The home as a directory here, for as long as the story lasts. It is written back when this ends."""
    where = Path(tempfile.mkdtemp(prefix="mount-", dir=home.local.parent))
    words = openssh.options(home, *ssh)
    options = [word for flag, word in zip(words, words[1:], strict=False) if flag == "-o"]
    # sshfs has no -F and no -i of its own.
    options += [f"ssh_command=ssh -F none -i {home.key}", "cache=no", "dir_cache=no", *more]
    command = ["sshfs", "-f", "-p", str(home.port), *[word for option in options for word in ("-o", option)]]
    with open(home.local.parent / "sshfs.log", "wb") as log:
        process = subprocess.Popen([*command, f"{home.at}:{home.wire('')}", where], stdout=log, stderr=log)

    def ready():
        if process.poll() is not None:
            raise Failed(f"sshfs has ended: {(home.local.parent / 'sshfs.log').read_text()}")
        return os.path.ismount(where)

    try:
        wait_for("mounting", ready)
        yield where
    finally:
        run(["fusermount3", "-u", where], code=None)
        try:
            process.wait(20)
        finally:
            process.kill()
        where.rmdir()


@sshfs.story("whole files")
def whole_files(home):
    with mounted(home) as mount:
        for name, size in {"empty": 0, "one": 1, "large": 5_000_017}.items():
            local = home.sample(name, size)
            shutil.copyfile(local, mount / name)
            shutil.copyfile(mount / name, home.local / "back")
            same(home.disk / name, local)
            same(home.local / "back", local)
        equal("the listing", names(mount), ["empty", "large", "one"])
        equal("a size", (mount / "large").stat().st_size, 5_000_017)


@sshfs.story("copies and archives")
def copies(home):
    """What cp -a and tar keep: contents, modes, times, links."""
    tree = home.tree("tree")
    os.symlink("sub/block", tree / "soft")
    os.link(tree / "one", tree / "hard")
    # sshfs gives a link's time to what it points at.
    os.utime(tree / "soft", (TIME, TIME), follow_symlinks=False)
    os.utime(tree, (TIME, TIME))
    with mounted(home) as mount:
        run(["cp", "-a", tree, mount / "copy"])
        same_tree(home.disk / "copy", tree, attributes=True)
        run(["cp", "-a", mount / "copy", home.local / "back"])
        same_tree(home.local / "back", tree, attributes=True)
        run(["tar", "-C", home.local, "-cf", mount / "a.tar", "tree"])
        (mount / "unpacked").mkdir()
        run(["tar", "-C", mount / "unpacked", "-xf", mount / "a.tar"])
        same_tree(home.disk / "unpacked/tree", tree, attributes=True)
        run(["diff", "-r", tree, mount / "unpacked/tree"])
        run(["rm", "-r", mount / "copy", mount / "unpacked"])
    equal("the home", names(home.disk), ["a.tar"])


@sshfs.story("changes in place")
def changes_in_place(home):
    """Writes here and there, at the end, past the end; truncation, and a file that is removed while it is open."""
    model = bytearray(home.stored("one", 500_000).read_bytes())
    with mounted(home) as mount:
        with open(mount / "one", "r+b", buffering=0) as file:
            for offset, size in ((0, 10), (4095, 2), (131_071, 70_000), (499_999, 5), (700_000, 100)):
                data = os.urandom(size)
                os.pwrite(file.fileno(), data, offset)
                model.extend(bytes(max(0, offset + size - len(model))))
                model[offset : offset + size] = data
            os.fsync(file.fileno())
            same(home.disk / "one", bytes(model))
            os.ftruncate(file.fileno(), 300_000)
            del model[300_000:]
        os.truncate(mount / "one", 310_000)
        model.extend(bytes(10_000))
        with open(mount / "one", "ab") as file:
            file.write(b"the end")
        same(home.disk / "one", bytes(model + b"the end"))
        same((mount / "one").read_bytes(), bytes(model + b"the end"))
        with open(mount / "open", "w+b", buffering=0) as file:
            (mount / "open").unlink()
            file.write(b"still here")
            file.seek(0)
            same(file.read(), b"still here")
    equal("the home", names(home.disk), ["one"])


@sshfs.story("rename and remove")
def rename_and_remove(home):
    old = home.stored("old").read_bytes()
    home.stored("new", 10)
    with mounted(home) as mount:
        os.rename(mount / "old", mount / "new")
        same(home.disk / "new", old)
        os.makedirs(mount / "a/b/c")
        os.rename(mount / "a/b", mount / "moved")
        os.rename(mount / "new", mount / "moved/c/new")
        same(home.disk / "moved/c/new", old)
        for path, error in ((mount / "moved", OSError), (mount / "nothing", FileNotFoundError)):
            try:
                os.rmdir(path)
            except error:
                continue
            raise Failed(f"{path.name} was removed")
        shutil.rmtree(mount / "moved")
    equal("the home", names(home.disk), ["a"])


@sshfs.story("times and modes")
def times_and_modes(home):
    home.stored("one", 10)
    with mounted(home) as mount:
        dated(mount / "one")
        found = (mount / "one").stat()
        equal("what stat says", (stat.S_IMODE(found.st_mode), int(found.st_mtime)), (MODE, TIME))
        kept(home.disk / "one")
        os.close(os.open(mount / "new", os.O_CREAT | os.O_WRONLY, 0o600))
        equal("the mode of a new file", oct(stat.S_IMODE((home.disk / "new").stat().st_mode)), "0o600")


@sshfs.story("git")
def git(home):
    """A program that locks, links, renames over, and reads what it has just written."""
    tree = home.tree("tree")
    who = ["-c", "user.name=calvin", "-c", "user.email=calvin@example.org", "-c", "safe.directory=*"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        run(["git", *who, *words], cwd=tree)
    with mounted(home) as mount:
        run(["git", *who, "clone", "-q", "--bare", tree, mount / "repository"])
        run(["git", *who, "clone", "-q", "--no-hardlinks", mount / "repository", mount / "work"])
        (mount / "work/new").write_text("new\n")
        run(["git", *who, "add", "-A"], cwd=mount / "work")
        run(["git", *who, "commit", "-q", "-m", "more"], cwd=mount / "work")
        run(["git", *who, "push", "-q"], cwd=mount / "work")
        run(["git", *who, "gc", "-q"], cwd=mount / "repository")
    # Judged on the server's disk, not through the mount.
    said = run(["git", *who, "fsck", "--full", "--strict"], cwd=home.disk / "repository").all
    if "error" in said or "missing" in said:
        raise Failed(f"git fsck says: {said}")
    equal(
        "the commits",
        run(["git", *who, "log", "--format=%s"], cwd=home.disk / "repository").out.split(),
        ["more", "first"],
    )
    equal("the work tree", run(["git", *who, "status", "--porcelain"], cwd=home.disk / "work").out, "")


@sshfs.story("names")
def odd_names(home):
    with mounted(home) as mount:
        for name in (SPACES, QUOTES, UTF8, BYTES, "back\\slash", "line\nbreak"):
            local = home.sample("local")
            shutil.copyfile(local, mount / name)
            os.rename(mount / name, mount / f"{name}2")
            same(home.disk / f"{name}2", local)
            same(mount / f"{name}2", local)
        equal("the listing", names(mount), names(home.disk))


@sshfs.story("new keys under way")
def rekey(home):
    local = home.sample("large", REKEY_FILE)
    log = home.local.parent / "sshfs-ssh.log"
    # The first that is named counts.
    with mounted(home, f"ssh_command=ssh -v -E {log} -F none -i {home.key} -oLogLevel=DEBUG1 -oRekeyLimit=1M") as mount:
        shutil.copyfile(local, mount / "large")
        shutil.copyfile(mount / "large", home.local / "back")
    same(home.disk / "large", local)
    same(home.local / "back", local)
    said = log.read_text(errors="replace")
    rekeyed(openssh.changes(said), said)


@sshfs.over_quota
def over_quota(home):
    keep, large = home.sample("keep", QUOTA // 4), home.sample("large", 2 * QUOTA)
    with mounted(home) as mount:
        shutil.copyfile(keep, mount / "keep")
        refused(["cp", large, mount / "large"])
        within_quota(home, keep)
        disk = os.statvfs(mount)
        equal("the size and what is free", (disk.f_frsize * disk.f_blocks, disk.f_bavail), (QUOTA, 0))
        (mount / "large").unlink()
        shutil.copyfile(keep, mount / "again")
        same(home.disk / "again", keep)
    within_quota(home, keep)
