"""rclone: many connections at once, hashes by commands on the server, and a test of possible names."""

import datetime
import json
import os

from ...tools import digest
from ..checks import contains, equal, names, same, same_tree
from ..client import Client, Failed, Kept, Room, run
from ..home import BYTES, QUOTA, QUOTES, SPACES, TIME, UTF8, WITH_QUOTA

NAMES = (SPACES, QUOTES, UTF8, "back\\slash")
# The result of `rclone test info` for a file system that accepts every name that Linux does.
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


class Rclone(Client):
    """rclone, whose words that begin with "remote:" are on the server."""

    name = "rclone"
    packages = {"rclone": "rclone"}
    # rclone encodes names that are not UTF-8 on the server.
    odd_names = NAMES
    odd_names_in_trees = NAMES
    odd_names_listed = NAMES
    odd_names_hashed = NAMES
    passwords = True
    kept = Kept(on_put=("time",), on_get=("time",))
    hash_algorithms = ("md5", "sha1")
    missing_words = ("not found", "doesn't exist")
    makes_directories = True

    @classmethod
    def version(cls):
        return run(["rclone", "version"]).out.split()[1]

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.config = home.local.parent / f"rclone-{home.user}.conf"
        if "password" in settings:
            sign_in = f"pass = {run(['rclone', 'obscure', settings['password']]).out}"
        else:
            sign_in = f"key_file = {home.key}\n"
        if not self.config.exists():
            where = f"[remote]\ntype = sftp\nhost = 127.0.0.1\nport = {home.port}\nuser = {home.user}\n"
            self.config.write_text(where + sign_in)

    def rclone(self, *words, **how):
        command = ["rclone", "--config", self.config, "--retries", "1", "--low-level-retries", "1", *words]
        return run(command, cwd=self.home.local, **how)

    def saved(self):
        """Returns the settings of the server that rclone has detected and saved."""
        return dict(line.split(" = ", 1) for line in self.config.read_text().splitlines() if " = " in line)

    def put(self, local, name):
        self.rclone("copyto", local, f"remote:{name}")

    replace = put
    put_kept = put

    def get(self, name, local):
        self.rclone("copyto", f"remote:{name}", local)

    get_kept = get

    def get_matching(self, pattern, local):
        directory, pattern = pattern.rsplit("/", 1)
        self.rclone("copy", f"remote:{directory}", local, "--include", f"/{pattern}")

    def put_tree(self, local, name):
        self.rclone("copy", "--create-empty-src-dirs", local, f"remote:{name}")

    def get_tree(self, name, local):
        self.rclone("copy", "--create-empty-src-dirs", f"remote:{name}", local)

    def ls(self, directory):
        # rclone reports the size -1 for directories.
        return {entry["Name"]: entry["Size"] for entry in json.loads(self.rclone("lsjson", f"remote:{directory}").out)}

    def mkdir(self, name):
        self.rclone("mkdir", f"remote:{name}")

    make_path = mkdir

    def rmdir(self, name):
        self.rclone("rmdir", f"remote:{name}")

    def remove(self, name):
        self.rclone("deletefile", f"remote:{name}")

    def remove_tree(self, name):
        self.rclone("purge", f"remote:{name}")

    def rename(self, old, new):
        self.rclone("moveto", f"remote:{old}", f"remote:{new}")

    rename_over = rename

    def set_time(self, name, secs):
        when = datetime.datetime.fromtimestamp(secs, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self.rclone("touch", "--timestamp", when, f"remote:{name}")

    def hash(self, name, algorithm):
        return self.rclone("hashsum", algorithm, f"remote:{name}").out.split(" ")[0].lstrip("\\")

    def df(self):
        found = json.loads(self.rclone("about", "--json", "remote:").out)
        return Room(found["total"], found["free"])


@Rclone.story("sizes in a tree")
def sizes_in_a_tree(client, home):
    tree = home.tree("tree")
    with client(home) as session:
        session.put_tree(tree, "copy")
        listed = json.loads(session.rclone("lsjson", "-R", "--files-only", "remote:copy").out)
    sizes = {str(path.relative_to(tree)): path.stat().st_size for path in tree.rglob("*") if path.is_file()}
    equal("the listing", {entry["Path"]: entry["Size"] for entry in listed}, sizes)


@Rclone.story("large files")
def large_files(client, home):
    local = home.sample("large", 20_000_033)
    with client(home) as session:
        session.put(local, "d/large")
        session.get("d/large", home.local / "back")
    same(home.disk / "d/large", local)
    same(home.local / "back", local)


@Rclone.story("many hashes")
def many_hashes(client, home):
    """Each file is hashed by a command of its own, on many channels of few connections."""
    expected = {}
    for number in range(120):
        name = f"{number % 10}/{number}"
        expected[name] = digest(home.sample(f"many/{name}", number * 37), "sha1")
    few = ["--transfers", "2", "--checkers", "2"]
    with client(home) as session:
        session.rclone("copy", *few, "many", "remote:many")
        same_tree(home.disk / "many", home.local / "many")
        lines = session.rclone("hashsum", "sha1", *few, "remote:many").out.splitlines()
    equal("the hashes", {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}, expected)


@Rclone.story("sync")
def sync(client, home):
    tree = home.tree("tree")
    with client(home) as session:
        session.rclone("sync", "tree", "remote:copy")
        (tree / "sub/more").unlink()
        home.sample("tree/one", 12345)
        home.sample("tree/sub/new", 70_000)
        session.rclone("sync", "--create-empty-src-dirs", "--checksum", "tree", "remote:copy")
        same_tree(home.disk / "copy", tree)
        # Nothing has changed, so nothing is sent.
        before = (home.disk / "copy/one").stat()
        session.rclone("sync", "--create-empty-src-dirs", "tree", "remote:copy")
    equal("the inode of a file that did not change", (home.disk / "copy/one").stat().st_ino, before.st_ino)
    equal("its ctime", (home.disk / "copy/one").stat().st_ctime_ns, before.st_ctime_ns)


@Rclone.story("hash commands")
def hash_commands(client, home):
    """`hashsum` agrees with coreutils, and uses a command on the server instead of a download."""
    for name in NAMES:
        home.stored(f"d/{name}")
    home.stored("d/empty", 0)
    with client(home) as session:
        # Before rclone has detected the settings of the server, it cannot hash several files at once.
        session.hash("d/empty", "md5")
        for algorithm in client.hash_algorithms:
            lines = session.rclone("hashsum", algorithm, "remote:d").out.splitlines()
            expected = {name: digest(home.disk / "d" / name, algorithm) for name in (*NAMES, "empty")}
            equal(f"the {algorithm}", {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}, expected)
        found = session.saved()
    commands = {word: found.get(f"{word}_command") for word in ("md5sum", "sha1sum")}
    equal("what rclone found out", commands, {"md5sum": "md5sum", "sha1sum": "sha1sum"})


@Rclone.story("check")
def check(client, home):
    home.tree("tree")
    compare = ("check", "tree", "remote:copy")
    with client(home) as session:
        session.rclone("copy", "tree", "remote:copy")
        session.rclone("hashsum", "md5", "remote:copy/one")
        said = session.rclone(*compare).all
        contains("what check said", said, "0 differences found", "5 matching files")
        if "could not be checked" in said or "hashes could not" in said:
            raise Failed(f"not every file was compared by its hash: {said}")
        session.rclone(*compare, "--download")
        # One byte differs with the same size and time, so only the hash shows it.
        path = home.disk / "copy/sub/block"
        data = bytearray(path.read_bytes())
        data[1000] ^= 1
        path.write_bytes(data)
        os.utime(path, (TIME, TIME))
        error = session.refused("rclone", *compare)
        contains("what check said", error, "sub/block: md5 differ", "1 differences found")
        contains("what check said", session.refused("rclone", *compare, "--download"), "1 differences found")


@Rclone.story("checksum files")
def checksum_files(client, home):
    """Writes hashes by `hashsum --output-file`, and checks them by `checksum`."""
    path = home.stored("d/one")
    with client(home) as session:
        session.rclone("hashsum", "md5", "remote:d", "--output-file", "sums")
        same(home.local / "sums", f"{digest(path, 'md5')}  one\n".encode())
        session.rclone("checksum", "md5", "sums", "remote:d")
        path.write_bytes(b"another")
        session.refused("rclone", "checksum", "md5", "sums", "remote:d")


@Rclone.story("cat")
def cat(client, home):
    data = home.stored("one", 300_001).read_bytes()
    parts = {
        (): data,
        ("--head", "1000"): data[:1000],
        ("--tail", "1000"): data[-1000:],
        ("--offset", "100000", "--count", "65537"): data[100_000:165_537],
        ("--offset", "-70000", "--count", "33000"): data[-70_000:-37_000],
    }
    local = home.sample("two", 200_000)
    with client(home) as session:
        for words, expected in parts.items():
            same(os.fsencode(session.rclone("cat", *words, "remote:one").out), expected)
        session.rclone("rcat", "remote:d/two", stdin=os.fsdecode(local.read_bytes()))
    same(home.disk / "d/two", local)


@Rclone.story("move directories")
def move_directories(client, home):
    """rclone moves the contents of a directory, creates missing directories, and removes empty ones."""
    for name in ("one", "d/e/f"):
        home.stored(name)
    (home.disk / "empty/none").mkdir(parents=True)
    data = (home.disk / "one").read_bytes()
    with client(home) as session:
        session.rename("one", "sub/new")
        session.rclone("move", "remote:d", "remote:moved")
        session.rclone("rmdirs", "remote:empty")
    equal("the home", names(home.disk), ["moved", "sub"])
    same(home.disk / "sub/new", data)
    equal("what was moved", names(home.disk / "moved/e"), ["f"])


@Rclone.story("used of a quota", **WITH_QUOTA)
def used_of_a_quota(client, home):
    with client(home) as session:
        session.put(home.sample("one", QUOTA // 4), "one")
        found = json.loads(session.rclone("about", "--json", "remote:").out)
    expected = {"total": QUOTA, "used": QUOTA // 4, "free": QUOTA - QUOTA // 4}
    equal("what about says", {name: found.get(name) for name in expected}, expected)


@Rclone.story("probe of names")
def probe(client, home):
    """`test info` tries every control character, normal forms, lengths and uploads of unknown size."""
    with client(home) as session:
        said = session.rclone("test", "info", "--all", "remote:probe")
    equal("what the server takes", said.out.strip().splitlines()[1:], EVERYTHING.splitlines())


@Rclone.story("names that are not UTF-8")
def names_not_utf8(client, home):
    """rclone encodes such names on the server, and decodes them when it downloads them."""
    for name in (*NAMES, BYTES):
        home.sample(f"odd/{name}")
    with client(home) as session:
        session.put_tree(home.local / "odd", "odd")
        session.get_tree("odd", home.local / "back")
    equal("how many names", len(names(home.disk / "odd")), len(names(home.local / "odd")))
    for name in NAMES:
        same(home.disk / "odd" / name, home.local / "odd" / name)
    same_tree(home.local / "back", home.local / "odd")
