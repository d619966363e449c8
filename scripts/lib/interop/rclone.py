"""rclone: many connections at once, hashes by commands on the server, and a probe of what names may be."""

import json
import os

from ..tools import digest
from .story import (
    BYTES,
    QUOTA,
    QUOTES,
    SPACES,
    TIME,
    UTF8,
    Client,
    Failed,
    contains,
    dated,
    equal,
    names,
    refused,
    run,
    same,
    same_tree,
    within_quota,
)

rclone = Client("rclone", lambda: run(["rclone", "version"]).out.split()[1], {"rclone": "rclone"})
NAMES = (SPACES, QUOTES, UTF8, "back\\slash")
# What `rclone test info` says of a file system that takes every name that Linux does.
EVERYTHING = """\
stringNeedsEscaping = []rune{
\t'/', '\\x00'
}
maxFileLength = 255 // for 1 byte unicode characters
maxFileLength = 127 // for 2 byte unicode characters
maxFileLength = 85 // for 3 byte unicode characters
maxFileLength = 63 // for 4 byte unicode characters
canWriteUnnormalized = true
canReadUnnormalized   = true
canReadRenormalized   = false
canStream = true
"""


def told(home, *words, runs=run, **how):
    """Runs rclone; a word that begins with "remote:" is on the server."""
    config = home.local.parent / f"rclone-{home.user}.conf"
    if not config.exists():
        config.write_text(
            f"[remote]\ntype = sftp\nhost = 127.0.0.1\nport = {home.port}\nuser = {home.user}\nkey_file = {home.key}\n"
        )
    command = ["rclone", "--config", config, "--retries", "1", "--low-level-retries", "1", *words]
    return runs(command, cwd=home.local, **how)


def saved(home):
    """What rclone has found out about the server, and goes by from now on."""
    text = (home.local.parent / f"rclone-{home.user}.conf").read_text()
    return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)


@rclone.story("copy and list")
def copy_and_list(home):
    tree = home.tree("tree")
    told(home, "copy", "--create-empty-src-dirs", "tree", "remote:copy")
    same_tree(home.disk / "copy", tree)
    told(home, "copy", "--create-empty-src-dirs", "remote:copy", "back")
    same_tree(home.local / "back", tree)
    listed = json.loads(told(home, "lsjson", "-R", "--files-only", "remote:copy").out)
    sizes = {str(path.relative_to(tree)): path.stat().st_size for path in tree.rglob("*") if path.is_file()}
    equal("the listing", {entry["Path"]: entry["Size"] for entry in listed}, sizes)


@rclone.story("large files")
def large_files(home):
    home.sample("large", 20_000_033)
    told(home, "copyto", "large", "remote:d/large")
    told(home, "copyto", "remote:d/large", "back")
    same(home.disk / "d/large", home.local / "large")
    same(home.local / "back", home.local / "large")


@rclone.story("many files")
def many_files(home):
    """Each file is hashed by a command of its own: few connections, and many channels of each."""
    expected = {}
    for number in range(120):
        name = f"{number % 10}/{number}"
        expected[name] = digest(home.sample(f"many/{name}", number * 37), "sha1")
    few = ["--transfers", "2", "--checkers", "2"]
    told(home, "copy", *few, "many", "remote:many")
    same_tree(home.disk / "many", home.local / "many")
    lines = told(home, "hashsum", "sha1", *few, "remote:many").out.splitlines()
    equal("the hashes", {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}, expected)


@rclone.story("sync")
def sync(home):
    tree = home.tree("tree")
    told(home, "sync", "tree", "remote:copy")
    (tree / "sub/more").unlink()
    home.sample("tree/one", 12345)
    home.sample("tree/sub/new", 70_000)
    told(home, "sync", "--create-empty-src-dirs", "--checksum", "tree", "remote:copy")
    same_tree(home.disk / "copy", tree)
    # Nothing has changed since: nothing is sent.
    before = (home.disk / "copy/one").stat()
    told(home, "sync", "--create-empty-src-dirs", "tree", "remote:copy")
    equal("the inode of a file that did not change", (home.disk / "copy/one").stat().st_ino, before.st_ino)
    equal("its ctime", (home.disk / "copy/one").stat().st_ctime_ns, before.st_ctime_ns)


@rclone.story("times")
def times(home):
    dated(home.sample("one"))
    told(home, "copyto", "one", "remote:one")
    told(home, "copyto", "remote:one", "back")
    for path in (home.disk / "one", home.local / "back"):
        same(path, home.local / "one")
        equal(f"the time of {path.name}", int(path.stat().st_mtime), TIME)
    told(home, "touch", "--timestamp", "2010-11-12T13:14:15", "remote:one")
    equal("the time that was set", int((home.disk / "one").stat().st_mtime), 1289567655)


@rclone.story("hashes")
def hashes(home):
    """`hashsum` says what coreutils say here, and so does the server, by a command: nothing is downloaded for it."""
    for name in NAMES:
        home.stored(f"d/{name}")
    home.stored("d/empty", 0)
    # While rclone finds out how the server hashes, it takes other files for ones that cannot be: one file first.
    told(home, "hashsum", "md5", "remote:d/empty")
    for algorithm in ("md5", "sha1"):
        lines = told(home, "hashsum", algorithm, "remote:d").out.splitlines()
        expected = {name: digest(home.disk / "d" / name, algorithm) for name in (*NAMES, "empty")}
        equal(f"the {algorithm} hashes", {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}, expected)
    found = saved(home)
    commands = {word: found.get(f"{word}_command") for word in ("md5sum", "sha1sum")}
    equal("what rclone found out", commands, {"md5sum": "md5sum", "sha1sum": "sha1sum"})


@rclone.story("check")
def check(home):
    home.tree("tree")
    told(home, "copy", "tree", "remote:copy")
    told(home, "hashsum", "md5", "remote:copy/one")
    said = told(home, "check", "tree", "remote:copy")
    contains("what check said", said.all, "0 differences found", "5 matching files")
    if "could not be checked" in said.all or "hashes could not" in said.all:
        equal("what check said", said.all, "every file compared by its hash")
    told(home, "check", "--download", "tree", "remote:copy")
    # One byte of the same size and time: only the hash can tell.
    path = home.disk / "copy/sub/block"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    os.utime(path, (TIME, TIME))
    said = told(home, "check", "tree", "remote:copy", runs=refused)
    contains("what check said", said.all, "sub/block: md5 differ", "1 differences found")
    said = told(home, "check", "--download", "tree", "remote:copy", runs=refused)
    contains("what check said", said.all, "1 differences found")


@rclone.story("checksum files")
def checksum_files(home):
    """`hashsum --output-file`, then `checksum` against it."""
    home.stored("d/one")
    told(home, "hashsum", "md5", "remote:d", "--output-file", "sums")
    same(home.local / "sums", f"{digest(home.disk / 'd/one', 'md5')}  one\n".encode())
    told(home, "checksum", "md5", "sums", "remote:d")
    (home.disk / "d/one").write_bytes(b"another")
    told(home, "checksum", "md5", "sums", "remote:d", runs=refused)


@rclone.story("cat")
def cat(home):
    path = home.stored("one", 300_001)
    data = path.read_bytes()
    for words, expected in (
        ((), data),
        (("--head", "1000"), data[:1000]),
        (("--tail", "1000"), data[-1000:]),
        (("--offset", "100000", "--count", "65537"), data[100_000:165_537]),
        (("--offset", "-70000", "--count", "33000"), data[-70_000:-37_000]),
    ):
        same(os.fsencode(told(home, "cat", *words, "remote:one").out), expected)
    home.sample("two", 200_000)
    told(home, "rcat", "remote:d/two", stdin=os.fsdecode((home.local / "two").read_bytes()))
    same(home.disk / "d/two", home.local / "two")


@rclone.story("rename and remove")
def rename_and_remove(home):
    for name in ("one", "d/e/f", "empty/none/x"):
        home.stored(name)
    # Of another size, or rclone takes it for the same file and sends nothing.
    home.stored("two", 10)
    one = (home.disk / "one").read_bytes()
    (home.disk / "empty/none/x").unlink()
    told(home, "moveto", "remote:one", "remote:sub/new")
    told(home, "moveto", "remote:sub/new", "remote:two")
    same(home.disk / "two", one)
    told(home, "move", "remote:d", "remote:moved")
    told(home, "rmdirs", "remote:empty")
    equal("the home", sorted(set(names(home.disk)) - {"sub"}), ["moved", "two"])
    told(home, "deletefile", "remote:two")
    told(home, "purge", "remote:moved")
    equal("the home", sorted(set(names(home.disk)) - {"sub"}), [])


@rclone.story("about")
def about(home):
    found = json.loads(told(home, "about", "--json", "remote:").out)
    disk = os.statvfs(home.disk)
    # rclone looks at all free blocks; a server may count out what is reserved for root.
    least, most = (disk.f_frsize * blocks // (1 << 20) for blocks in (disk.f_bavail, disk.f_bfree))
    if not least - 512 <= found["free"] >> 20 <= most + 512:
        raise Failed(f"about says {found}; free on the disk are {least} to {most} MiB")


@rclone.story("about a quota", user=("--quota", str(QUOTA)), only_ours="OpenSSH's server has no quotas")
def about_a_quota(home):
    home.sample("one", QUOTA // 4)
    told(home, "copy", "one", "remote:")
    found = json.loads(told(home, "about", "--json", "remote:").out)
    expected = {"total": QUOTA, "used": QUOTA // 4, "free": QUOTA - QUOTA // 4}
    equal("what about says", {name: found.get(name) for name in expected}, expected)


@rclone.story("probe of names")
def probe(home):
    """`test info` tries every control character, normal forms, lengths and uploads of unknown size."""
    said = told(home, "test", "info", "--all", "remote:probe")
    equal("what the server takes", said.out.strip().splitlines()[1:], EVERYTHING.splitlines())


@rclone.story("names")
def odd_names(home):
    for name in (*NAMES, BYTES):
        home.sample(f"odd/{name}")
    told(home, "copy", "odd", "remote:odd")
    told(home, "copy", "remote:odd", "back")
    for name in NAMES:
        same(home.disk / "odd" / name, home.local / "odd" / name)
        same(home.local / "back" / name, home.local / "odd" / name)
    # What is no UTF-8 it spells in its own way on the server, and writes as it was when it comes back.
    equal("how many names", len(names(home.disk / "odd")), len(NAMES) + 1)
    same_tree(home.local / "back", home.local / "odd")


@rclone.over_quota
def over_quota(home):
    keep = home.sample("keep", QUOTA // 4)
    home.sample("large", 2 * QUOTA)
    told(home, "copy", "keep", "remote:")
    said = told(home, "copy", "large", "remote:", runs=refused)
    contains("the error", said.all, "quota exceeded")
    within_quota(home, keep)
