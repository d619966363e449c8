"""OpenSSH's sftp, and ssh with the commands that scripts run on a file server."""

import hashlib
import os
import re
import shlex

from ..tools import digest
from .story import (
    BYTES,
    QUOTA,
    QUOTES,
    REKEY_FILE,
    SPACES,
    UTF8,
    Client,
    Failed,
    contains,
    dated,
    equal,
    half_local,
    half_stored,
    kept,
    names,
    refused,
    rekeyed,
    run,
    same,
    same_tree,
    within_quota,
)


def version():
    return run(["ssh", "-V"]).err.split(",")[0].strip()


NEEDS = {"sftp": "openssh-client", "scp": "openssh-client", "ssh": "openssh-client"}
sftp = Client("sftp", version, NEEDS)
ssh = Client("ssh", version, NEEDS)


def options(home, *more):
    """What all of them need so that nothing of this machine's user is asked or changed."""
    words = ["-F", "none", "-i", str(home.key)]
    for option in (
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        *more,
    ):
        words += ["-o", option]
    return words


def batch(home, *lines, more=(), runs=run, **how):
    """Runs sftp with these commands; the first that fails ends it."""
    command = ["sftp", "-q", "-b", "-", *options(home, *more), "-P", str(home.port), home.at]
    return runs(command, stdin="".join(f"{line}\n" for line in lines), cwd=home.local, **how)


def quoted(name):
    """A name as the command lines of sftp, lftp and our client take it: in quotes nothing is a pattern."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@sftp.story("whole files")
def sftp_whole_files(home):
    sizes = {"empty": 0, "one": 1, "large": 5_000_017}
    for name, size in sizes.items():
        home.sample(name, size)
    said = batch(home, *[f"put {name}" for name in sizes], "ls -ln", *[f"get {name} {name}.back" for name in sizes])
    lines = [line.split() for line in said.out.splitlines() if line.startswith("-rw")]
    equal("the listing's sizes", {line[-1]: int(line[4]) for line in lines}, sizes)
    for name in sizes:
        same(home.disk / name, home.local / name)
        same(home.local / f"{name}.back", home.local / name)


@sftp.story("long listing")
def sftp_long_listing(home):
    for number in range(1500):
        (home.disk / f"file {number:04}").write_bytes(b"")
    said = batch(home, "ls -1")
    equal("the listing", [line for line in said.out.splitlines() if line.startswith("file ")], names(home.disk))


@sftp.story("resume")
def sftp_resume(home):
    whole = home.sample("whole", 3_000_001)
    part = half_stored(home, whole, "up")
    rest = half_local(home, whole, "down")
    batch(home, "reput whole up", "put whole", "reget whole down")
    same(home.disk / "up", part + whole.read_bytes()[len(part) :])
    same(home.local / "down", rest + whole.read_bytes()[len(rest) :])


@sftp.story("rename")
def sftp_rename(home):
    home.sample("new")
    (home.disk / "old").write_bytes(b"old")
    batch(home, "put new", "mkdir sub", "rename new sub/moved", "rename sub/moved old")
    equal("the home", names(home.disk), ["old", "sub"])
    equal("the directory", names(home.disk / "sub"), [])
    same(home.disk / "old", home.local / "new")


@sftp.story("links and copies")
def sftp_links_and_copy(home):
    home.sample("one", 300_000)
    batch(home, "put one", "ln one hard", "ln -s one soft", "cp one copy", "get soft followed")
    same(home.disk / "copy", home.local / "one")
    same(home.local / "followed", home.local / "one")
    equal("the link", os.readlink(home.disk / "soft"), "one")
    equal("links of one file", (home.disk / "one").stat().st_nlink, 2)
    equal("links of the copy", (home.disk / "copy").stat().st_nlink, 1)


@sftp.story("times and modes")
def sftp_times_and_modes(home):
    dated(home.sample("one"))
    batch(home, "put -p one", "put one plain", "chmod 600 plain", "get -p one back")
    kept(home.disk / "one")
    kept(home.local / "back")
    equal("the mode", oct((home.disk / "plain").stat().st_mode & 0o7777), "0o600")


@sftp.story("directories")
def sftp_directories(home):
    tree = home.tree("tree")
    batch(home, "put -pr tree", "get -pr tree back")
    same_tree(home.disk / "tree", tree, attributes=True)
    same_tree(home.local / "back", tree, attributes=True)


@sftp.story("remove")
def sftp_remove(home):
    for name in ("a.txt", "b.txt", "c.log", "d/e"):
        home.stored(name)
    batch(home, "rm *.txt", "rm d/e", "rmdir d")
    equal("the home", names(home.disk), ["c.log"])
    batch(home, "rm nothing", runs=lambda command, **how: refused(command, "No such file", **how))


@sftp.story("names")
def sftp_names(home):
    for name in (SPACES, QUOTES, UTF8, BYTES):
        home.sample(name)
        batch(home, f"put {quoted(name)}", f"rename {quoted(name)} {quoted(name + '2')}")
        batch(home, f"get {quoted(name + '2')} back")
        same(home.disk / f"{name}2", home.local / name)
        same(home.local / "back", home.local / name)
    equal("the home", names(home.disk), sorted(f"{name}2" for name in (SPACES, QUOTES, UTF8, BYTES)))


@sftp.story("new keys under way")
def sftp_rekey(home):
    home.sample("large", REKEY_FILE)
    # LogLevel is set for the first time it is named.
    command = ["sftp", "-v", "-b", "-", "-o", "LogLevel=DEBUG1", *options(home, "RekeyLimit=1M"), "-P", str(home.port)]
    said = run([*command, home.at], stdin="put large\nget large back\n", cwd=home.local)
    same(home.disk / "large", home.local / "large")
    same(home.local / "back", home.local / "large")
    rekeyed(changes(said.err), said.err)


def changes(log):
    """How often ssh changed its keys after the first time."""
    return log.count("set_newkeys: rekeying out")


@sftp.over_quota
def sftp_over_quota(home):
    keep = home.sample("keep", QUOTA // 4)
    home.sample("large", 2 * QUOTA)
    batch(home, "put keep")
    batch(home, "put large", runs=lambda command, **how: refused(command, "quota exceeded", **how))
    within_quota(home, keep)
    said = batch(home, "df")
    equal("KiB that df calls the size", said.out.splitlines()[-1].split()[0], str(QUOTA // 1024))
    home.sample("fits", QUOTA // 2)
    batch(home, "rm large", "put fits")
    same(home.disk / "fits", home.local / "fits")
    within_quota(home, keep)


@sftp.story("many channels")
def sftp_many_channels(home):
    """One connection for all, far more of them than may be open at once."""
    home.sample("one", 1_000_000)
    with Master(home) as master:
        batch(home, "put one", "mkdir d", more=master.only)
        scp = ["scp", "-q", *options(home, *master.only), "-P", str(home.port)]
        run([*scp, home.local / "one", f"{home.at}:d/two"])
        batch(home, "get d/two back", more=master.only)
        for number in range(40):
            said = batch(home, f"mkdir d/{number}", f"ls -1 d/{number}", "ls -1 one", more=master.only)
            equal("the listing", said.out.splitlines()[-1], "one")
    same(home.disk / "d/two", home.local / "one")
    same(home.local / "back", home.local / "one")
    equal("the directories", len(names(home.disk / "d")), 41)


@ssh.story("many commands")
def ssh_many_commands(home):
    """One connection for all, far more of them than may be open at once."""
    home.stored("one")
    with Master(home) as master:
        for _ in range(50):
            command = ["ssh", *options(home, *master.only), "-p", str(home.port), home.at, "md5sum one"]
            equal("what the server printed", run(command).out, f"{digest(home.disk / 'one', 'md5')}  one\n")


class Master:
    """A connection that others use: ControlMaster."""

    def __init__(self, home):
        self.home = home
        self.socket = home.local / "master"
        # Where the master is refused a channel, a client would go and make a connection of its own.
        self.only = [f"ControlPath={self.socket}", "ProxyCommand=false"]

    def command(self, *words):
        control = options(self.home, f"ControlPath={self.socket}", "ControlPersist=60")
        return ["ssh", *control, "-p", str(self.home.port), *words, self.home.at]

    def __enter__(self):
        run(self.command("-M", "-N", "-f"))
        return self

    def __exit__(self, *_):
        run(self.command("-O", "exit"))


def told(home, command, **how):
    """What ssh prints when it runs a command."""
    return run(["ssh", *options(home), "-p", str(home.port), home.at, command], **how)


@ssh.story("hashes")
def ssh_hashes(home):
    home.stored("empty", 0)
    home.stored("d/one", 1_000_003)
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        said = told(home, f"{algorithm}sum empty -- d/one")
        expected = "".join(f"{digest(home.disk / name, algorithm)}  {name}\n" for name in ("empty", "d/one"))
        equal("what the server printed", said.out, expected)


@ssh.story("hashes of odd names")
def ssh_hashes_of_names(home):
    """As coreutils prints them: a line break and a backslash escaped, all other bytes as they are."""
    odd = (SPACES, QUOTES, UTF8, BYTES, "line\nbreak", "back\\slash")
    for name in odd:
        path = home.stored(name, 1000)
        here = run(["md5sum", name], cwd=home.disk).out
        equal(f"what the server printed of {name!r}", told(home, f"md5sum {shlex.quote(name)}").out, here)
        # As rclone writes it: a backslash before all that a shell could read another way.
        if "\n" not in name:
            escaped = re.sub(r"([^A-Za-z0-9_.,:/\n@\x80-\udfff-])", r"\\\1", home.wire(name))
            said = told(home, f"sha1sum {escaped}").out
            equal(f"the SHA-1 of {name!r}", said.lstrip("\\").split(" ")[0], digest(path, "sha1"))


@ssh.story("hash of standard input")
def ssh_hash_of_input(home):
    """What rclone asks first, without a file: the hash of nothing shows that there is a command."""
    for algorithm, word in (("md5", "md5sum"), ("sha1", "sha1sum")):
        equal("what the server printed", told(home, word).out, f"{hashlib.new(algorithm).hexdigest()}  -\n")


@ssh.story("what cannot be hashed")
def ssh_bad_hashes(home):
    home.stored("one", 10)
    (home.disk / "d").mkdir()
    said = told(home, "md5sum nothing one d", code=1)
    equal("what the server printed", said.out, f"{digest(home.disk / 'one', 'md5')}  one\n")
    contains("the errors", said.err, "nothing", "No such file or directory", "Is a directory")


@ssh.story("df and pwd")
def ssh_df_and_pwd(home):
    equal("pwd", told(home, "pwd").out.rstrip("\n"), home.wire("").rstrip("/") or "/")
    rows = told(home, "df -Pk .").out.splitlines()
    equal("the rows of df", [row.split()[0] for row in rows[:1]], ["Filesystem"])
    blocks, used, free = map(int, rows[1].split()[1:4])
    disk = os.statvfs(home.disk)
    near = disk.f_bsize * disk.f_bavail // 1024
    if not (0.9 * near < free < 1.1 * near and used + free <= blocks * 1.1):
        raise Failed(f"df says {blocks} {used} {free}, the disk has {near} KiB free")


@ssh.story("no shell", only_ours="OpenSSH's server runs a shell")
def ssh_no_shell(home):
    home.stored("one", 10)
    for command in ("touch new", "md5sum one; touch new", "md5sum $(touch new)", "md5sum one > new", "cat one", "sh"):
        said = told(home, command, code=None)
        if said.code == 0:
            raise Failed(f"{command!r} exited with 0 and said {said.all!r}")
    equal("the home", names(home.disk), ["one"])


@ssh.story("df of a quota", user=("--quota", str(QUOTA)), only_ours="OpenSSH's server has no quotas")
def ssh_df_of_quota(home):
    home.sample("one", QUOTA // 4)
    batch(home, "put one")
    blocks, used, free = map(int, told(home, "df -k").out.splitlines()[1].split()[1:4])
    equal("what df says of the quota in KiB", [blocks, used, free], [QUOTA // 1024, QUOTA // 4096, 3 * QUOTA // 4096])
