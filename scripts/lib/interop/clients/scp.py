"""OpenSSH's scp, with SFTP (scp -s, the default since 9.0) and without (scp -O)."""

import os
import re

from ..checks import contains, equal, mentions, names, same, same_tree
from ..client import EVERYTHING, Client, run
from ..home import MODE, ODD_NAMES, TIME, dated
from .openssh import PACKAGES, key_changes_in, openssh_version, options, rekeying


class Scp(Client):
    """scp with SFTP."""

    name = "scp"
    packages = PACKAGES
    odd_names = ODD_NAMES
    odd_names_in_trees = ODD_NAMES
    kept_in_trees = EVERYTHING
    protocol = "-s"
    # The characters of patterns.
    special = r"([\\*?\[])"

    @classmethod
    def version(cls):
        return openssh_version()

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.log = ""

    def scp(self, *words, flags=()):
        more = rekeying(self.settings)
        flags = [self.protocol, *(["-v"] if more else []), *flags]
        command = ["scp", *flags, *options(self.home, *more), "-P", str(self.home.port), "--", *words]
        self.log += run(command, cwd=self.home.local).err

    def at(self, name):
        """Returns a name on the server, quoted for the client's patterns or the server's shell."""
        escaped = re.sub(self.special, r"\\\1", name)
        return f"{self.home.at}:{escaped}"

    def put(self, local, name):
        self.scp(local, f"{self.home.at}:{self.target(name)}")

    def target(self, name):
        """Returns the name of a target, which is never a pattern with SFTP."""
        return name

    def replace(self, local, name):
        self.scp(local, f"{self.home.at}:{self.home.wire(name)}")

    def get(self, name, local):
        self.scp(self.at(name), local)

    def put_kept(self, local, name):
        self.scp(local, f"{self.home.at}:{name}", flags=["-p"])

    def get_kept(self, name, local):
        self.scp(self.at(name), local, flags=["-p"])

    def put_many(self, locals_, directory):
        self.scp(*locals_, f"{self.home.at}:{directory}")

    def get_matching(self, pattern, local):
        self.scp(f"{self.home.at}:{pattern}", local)

    def put_tree(self, local, name):
        self.scp(local, f"{self.home.at}:{name}", flags=["-rp"])

    def get_tree(self, name, local):
        self.scp(self.at(name), local, flags=["-rp"])

    def key_changes(self):
        return key_changes_in(self.log)


class LegacyScp(Scp):
    """scp without SFTP."""

    name = "scp -O"
    protocol = "-O"
    # The special characters of the server's shell.
    special = r"([^A-Za-z0-9_/\x80-\U0010ffff])"

    def target(self, name):
        return re.sub(self.special, r"\\\1", name)


@Scp.story("into what is there")
def into_directories(client, home):
    """Files are copied into an existing directory; a directory cannot be copied to a file."""
    tree = home.tree("tree")
    (home.disk / "there").mkdir()
    data = home.stored("file", 10).read_bytes()
    with client(home) as session:
        session.put_tree(tree, "there")
        session.refused("put_tree", tree, "file")
    same_tree(home.disk / "there/tree", tree)
    same(home.disk / "file", data)


@Scp.story("server to server")
def relayed(client, home):
    local = home.sample("one", 1_000_000)
    with client(home) as session:
        session.scp(local, f"{home.at}:~/x")
        session.scp(f"{home.at}:~/x", f"{home.at}:y", flags=["-3"])
    same(home.disk / "x", local)
    same(home.disk / "y", local)


@Scp.story("names that the client sends by itself")
def names_by_themselves(client, home):
    (home.disk / "d").mkdir()
    sent = [home.sample(name) for name in ODD_NAMES]
    with client(home) as session:
        session.put_many([f"./{path.name}" for path in sent], "d")
    equal("the directory", names(home.disk / "d"), sorted(ODD_NAMES))
    for path in sent:
        same(home.disk / "d" / path.name, path)


@Scp.story("nothing is left of what is missing")
def nothing_left(client, home):
    home.sample("one")
    with client(home) as session:
        mentions("the error", session.refused("get", "nothing", home.local / "back"), client.missing_words)
        mentions("the error", session.refused("put", home.local / "one", "no/where"), client.missing_words)
    equal("the home", names(home.disk), [])
    equal("the files here", names(home.local), ["one"])


@LegacyScp.story("as libssh2 and pscp say it")
def other_commands(_client, home):
    """Command lines of other clients than OpenSSH: quoted, with -p, and with `--`."""
    path = dated(home.stored("two words", 1000))
    for command in ("scp -pf 'two words'", "scp -v -p -f -- 'two words'"):
        # The client acknowledges each message.
        ssh = ["ssh", *options(home), "-p", str(home.port), home.at, command]
        said = run(ssh, stdin="\0" * 4)
        contains("the messages", said.out, f"T{TIME} 0 ", f"C{MODE:04o} 1000 two words\n")
        contains("the file", said.out, os.fsdecode(path.read_bytes()))
