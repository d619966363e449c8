"""Our own client, homeport."""

import json

from ..checks import contains, equal, names, same
from ..client import FILES_ONLY, BatchClient, Room, run
from ..home import ODD_NAMES, QUOTA, WITH_QUOTA
from .openssh import quoted


class Homeport(BatchClient):
    """homeport: transfers are commands, and verbs without a command are lines of its shell."""

    name = "homeport"
    # scripts/interop puts the directory of the binaries first in PATH.
    odd_names = ODD_NAMES
    odd_names_in_trees = ODD_NAMES
    certificates = True
    odd_names_hashed = ODD_NAMES
    kept_in_trees = FILES_ONLY
    hash_algorithms = ("md5",)
    missing_words = ("no such file", "cannot read it")
    quota_words = ("no room on the server",)

    @classmethod
    def version(cls):
        return run(["homeport", "--version"]).out.split()[1]

    def start(self, words, **how):
        """Runs homeport without the files and the agent of this machine's user."""
        options = ["-F", "none", "-i", self.home.key, "-P", str(self.home.port), "--accept-new"]
        known = ["--known-hosts", self.home.local.parent / "homeport-known-hosts"]
        command = ["homeport", *options, *known, *words]
        return run(command, cwd=self.home.local, env={"SSH_AUTH_SOCK": ""}, **how)

    def at(self, name=""):
        """Returns a name in the home as a word of the command line."""
        return f"{self.home.at}:{self.home.wire(name)}"

    def command(self, *words):
        """Runs one command without a terminal, as scripts do."""
        self.finish()
        return self.start(words)

    def run_lines(self, lines):
        return self.start([self.at()], stdin="".join(f"{line}\n" for line in lines))

    def put(self, local, name):
        self.command("put", local, self.at(name))

    def replace(self, local, name):
        self.command("put", "--overwrite", local, self.at(name))

    def get(self, name, local):
        self.command("get", self.at(name), local)

    def put_kept(self, local, name):
        self.command("put", "-p", local, self.at(name))

    def get_kept(self, name, local):
        self.command("get", "-p", self.at(name), local)

    def put_many(self, locals_, directory):
        self.command("put", *locals_, self.at(directory))

    def get_matching(self, pattern, local):
        self.line(f"get {pattern} {quoted(local)}")

    def put_tree(self, local, name):
        self.command("put", "-r", "-p", local, self.at(name))

    def get_tree(self, name, local):
        self.command("get", "-r", "-p", self.at(name), local)

    def ls(self, directory):
        said = self.command("ls", "-l", "--json", self.at(directory))
        return {line["name"]: line["size"] for line in map(json.loads, said.out.splitlines())}

    def mkdir(self, name):
        self.line(f"mkdir {quoted(name)}")

    def make_path(self, name):
        self.command("mkdir", "-p", self.at(name))

    def rmdir(self, name):
        self.line(f"rmdir {quoted(name)}")

    def remove(self, name):
        self.line(f"rm {quoted(name)}")

    def remove_matching(self, pattern):
        self.line(f"rm {pattern}")

    def remove_tree(self, name):
        self.command("rm", "-r", "-f", self.at(name))

    def rename(self, old, new):
        self.line(f"rename {quoted(old)} {quoted(new)}")

    def chmod(self, name, mode):
        self.line(f"chmod {mode:o} {quoted(name)}")

    def hash(self, name, algorithm):
        return self.answer(f"sum {quoted(name)}").out.lstrip("\\").split(" ")[0]

    def df(self):
        found = json.loads(self.command("df", "--json", self.at()).out)
        return Room(found["total_bytes"], found["free_bytes"])


@Homeport.story("resume")
def resume(client, home):
    whole = home.sample("whole", 3_000_001)
    data = whole.read_bytes()
    (home.disk / "whole").write_bytes(data)
    half = data[: len(data) // 2]
    (home.disk / "up").write_bytes(half)
    (home.local / "down").write_bytes(half)
    with client(home) as session:
        for words in (("put", "whole", session.at("up")), ("get", session.at("whole"), "down")):
            lines = map(json.loads, session.command(*words, "--json").out.splitlines())
            resumed = [line["resumed_from"] for line in lines if line["event"] == "end"]
            equal("where it went on", resumed, [len(half)])
    same(home.disk / "up", whole)
    same(home.local / "down", whole)


@Homeport.story("a part of another file")
def another_part(client, home):
    """The size of the part suggests a beginning, but its bytes differ: a client that trusts sizes would corrupt the
    file."""
    whole = home.sample("whole", 3_000_001)
    home.stored("whole").write_bytes(whole.read_bytes())
    part, rest = home.half_stored(whole, "up"), home.half_local(whole, "down")
    with client(home) as session:
        for verb, words in {"put": (whole, "up"), "get": ("whole", home.local / "down")}.items():
            contains("the error", session.refused(verb, *words), "not its beginning", "--overwrite")
        same(home.disk / "up", part)
        same(home.local / "down", rest)
        session.command("put", "whole", session.at("up"), "--overwrite")
        session.command("get", session.at("whole"), "down", "--overwrite")
    same(home.disk / "up", whole)
    same(home.local / "down", whole)


@Homeport.story("the shell")
def shell(client, home):
    """The shell with patterns, and with commands that have several names."""
    local = home.sample("new")
    for name in ("old", "a.txt", "b.txt", "tree/sub/file"):
        home.stored(name, 10)
    with client(home) as session:
        session.make_path("q/w/e")
        for line in ("put new", "mv new q/w/e/moved", "mv q/w/e/moved q", "rm *.txt", "remov -rf tree"):
            session.line(line)
    equal("the home", names(home.disk), ["old", "q"])
    same(home.disk / "q/moved", local)
    with client(home) as session:
        session.command("rm", "-r", "-f", session.at("q"), session.at("old"))
    equal("the home", names(home.disk), [])


@Homeport.story("sums")
def sums(client, home):
    """`sum` prints lines that md5sum can check."""
    local = [home.sample(name, size) for name, size in {"empty": 0, "large": 5_000_017}.items()]
    with client(home) as session:
        session.command("put", "--verify", "always", *local, session.at())
        listed = session.answer("sum empty large").out
        equal("what md5sum says of it", run(["md5sum", "-c", "-"], stdin=listed, cwd=home.local).code, 0)
        (home.disk / "large").write_bytes((home.local / "large").read_bytes()[:-1] + b"!")
        run(["md5sum", "-c", "-"], stdin=session.answer("sum large").out, cwd=home.local, code=1)


@Homeport.story("nothing is sent over a quota", **WITH_QUOTA)
def nothing_sent(client, home):
    """homeport checks the free space first."""
    keep, large = home.quota_files()
    with client(home) as session:
        session.put(keep, "keep")
        contains("the error", session.refused("put", large, "large"), "768.0 KiB free", "nothing was sent")
        equal("the home", names(home.disk), ["keep"])
        used = json.loads(session.command("df", "--json", session.at()).out)["used_bytes"]
    equal("what df says is used", used, QUOTA // 4)
