"""OpenSSH's sftp, and ssh with the commands that scripts run on a file server."""

import hashlib
import os
import re
import shlex

from ...tools import digest
from ..checks import contains, equal, names, same
from ..client import EVERYTHING, BatchClient, Client, Failed, Room, long_listing, run
from ..home import ODD_NAMES, QUOTES, REKEY_FILE, SPACES, UTF8, WITH_QUOTA
from ..stories.server import new_keys

PACKAGES = {"sftp": "openssh-client", "scp": "openssh-client", "ssh": "openssh-client"}


def openssh_version():
    return run(["ssh", "-V"]).err.split(",")[0].strip()


def options(home, *more):
    """Returns options that keep ssh independent of the files of this machine's user."""
    words = ["-F", "none", "-i", str(home.key)]
    for option in (
        # In ssh, the first value of an option counts.
        *more,
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
    ):
        words += ["-o", option]
    return words


def rekeying(settings):
    """Returns options that make ssh rekey during transfers, and log it."""
    if "rekey_bytes" not in settings:
        return []
    return [f"RekeyLimit={settings['rekey_bytes']}", "LogLevel=DEBUG1"]


def key_changes_in(log):
    """Returns how often ssh rekeyed after the first key exchange."""
    return log.count("set_newkeys: rekeying out")


def quoted(name):
    """Returns a name quoted for the command lines of sftp, lftp and homeport, where quoted text is not a pattern."""
    return '"' + os.fspath(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Sftp(BatchClient):
    """OpenSSH's sftp, which takes its commands from a file."""

    name = "sftp"
    packages = PACKAGES
    odd_names = ODD_NAMES
    odd_names_in_trees = ODD_NAMES
    odd_names_listed = (SPACES, QUOTES, UTF8)
    questions = True
    changes_passwords = True
    certificates = True
    kept_in_trees = EVERYTHING
    missing_words = ("no such file", "not found")

    @classmethod
    def version(cls):
        return openssh_version()

    def __init__(self, home, more=(), **settings):
        """`more`: options of ssh, as in "Ciphers=aes256-ctr"."""
        super().__init__(home, **settings)
        self.more = [*more, *rekeying(settings)]
        self.log = ""

    def run_lines(self, lines):
        if answers := self.settings.get("answers"):
            methods = "publickey,keyboard-interactive" if self.settings.get("with_key") else "keyboard-interactive"
            return self.run_answering(lines, answers, methods)
        if new := self.settings.get("new_password"):
            old = self.settings["password"]
            return self.run_answering(lines, {"'s password": old, "old password": old, "new password": new}, "password")
        # With -q, ssh would not log its rekeying.
        flags = [] if "rekey_bytes" in self.settings else ["-q"]
        command = ["sftp", *flags, "-b", "-", *options(self.home, *self.more), "-P", str(self.home.port), self.home.at]
        said = run(command, stdin="".join(f"{line}\n" for line in lines), cwd=self.home.local)
        self.log += said.err
        return said

    def run_answering(self, lines, answers, methods):
        """Has a program of its own answer the questions: sftp asks on no terminal while it reads its commands from a file."""
        asking = options(self.home, "BatchMode=no", "NumberOfPasswordPrompts=1", f"PreferredAuthentications={methods}")
        command = ["sftp", "-q", *asking, "-b", "-", "-P", str(self.home.port), self.home.at]
        program = self.home.local.parent / "askpass"
        cases = "".join(f"*{shlex.quote(question)}*) echo {shlex.quote(answer)};;\n" for question, answer in answers.items())
        program.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}*) exit 1;;\nesac\n')
        program.chmod(0o700)
        env = {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force"}
        return run(command, stdin="".join(f"{line}\n" for line in lines), cwd=self.home.local, env=env)

    def put(self, local, name):
        self.line(f"put {quoted(local)} {quoted(name)}")

    replace = put

    def get(self, name, local):
        self.line(f"get {quoted(name)} {quoted(local)}")

    def put_kept(self, local, name):
        self.line(f"put -p {quoted(local)} {quoted(name)}")

    def get_kept(self, name, local):
        self.line(f"get -p {quoted(name)} {quoted(local)}")

    def resume_put(self, local, name):
        self.line(f"reput {quoted(local)} {quoted(name)}")

    def resume_get(self, name, local):
        self.line(f"reget {quoted(name)} {quoted(local)}")

    def get_matching(self, pattern, local):
        self.line(f"get {pattern} {quoted(local)}")

    def put_tree(self, local, name):
        self.line(f"put -pr {quoted(local)} {quoted(name)}")

    def get_tree(self, name, local):
        self.line(f"get -pr {quoted(name)} {quoted(local)}")

    def ls(self, directory):
        return long_listing(self.answer(f"ls -ln {quoted(directory)}" if directory else "ls -ln").out)

    def mkdir(self, name):
        self.line(f"mkdir {quoted(name)}")

    def rmdir(self, name):
        self.line(f"rmdir {quoted(name)}")

    def remove(self, name):
        self.line(f"rm {quoted(name)}")

    def remove_matching(self, pattern):
        self.line(f"rm {pattern}")

    def rename(self, old, new):
        self.line(f"rename {quoted(old)} {quoted(new)}")

    rename_over = rename

    def chmod(self, name, mode):
        self.line(f"chmod {mode:o} {quoted(name)}")

    def symlink(self, target, name):
        self.line(f"ln -s {quoted(target)} {quoted(name)}")

    def hardlink(self, old, new):
        self.line(f"ln {quoted(old)} {quoted(new)}")

    def copy(self, old, new):
        self.line(f"cp {quoted(old)} {quoted(new)}")

    def df(self):
        """Runs df, which prints total, used and available blocks of 1 KiB."""
        words = self.answer("df").out.splitlines()[-1].split()
        return Room(int(words[0]) * 1024, int(words[2]) * 1024)

    def key_changes(self):
        return key_changes_in(self.log)


class Master:
    """A connection that other commands share (ControlMaster)."""

    def __init__(self, home):
        self.home = home
        self.socket = home.local / "master"
        # If the master is refused a channel, a client would open its own connection.
        self.only = [f"ControlPath={self.socket}", "ProxyCommand=false"]

    def command(self, *words):
        control = options(self.home, f"ControlPath={self.socket}", "ControlPersist=60")
        return ["ssh", *control, "-p", str(self.home.port), *words, self.home.at]

    def __enter__(self):
        run(self.command("-M", "-N", "-f"))
        return self

    def __exit__(self, *_):
        run(self.command("-O", "exit"))


@Sftp.story("many channels")
def sftp_many_channels(client, home):
    """Many channels of one connection, one after the other, more than may be open at once."""
    local = home.sample("one", 1_000_000)
    with Master(home) as master:
        with client(home, more=master.only) as session:
            session.put(local, "one")
            session.mkdir("d")
        scp = ["scp", "-q", *options(home, *master.only), "-P", str(home.port)]
        run([*scp, local, f"{home.at}:d/two"])
        with client(home, more=master.only) as session:
            session.get("d/two", home.local / "back")
        for number in range(40):
            with client(home, more=master.only) as session:
                session.mkdir(f"d/{number}")
                equal("the listing", session.ls("one"), {"one": 1_000_000})
    same(home.disk / "d/two", local)
    same(home.local / "back", local)
    equal("the directories", len(names(home.disk / "d")), 41)


class LimitedSftp(Sftp):
    """sftp with the algorithms of clients without curve25519, GCM and encrypt-then-MAC."""

    name = "sftp, as old ones"
    policy = "compatible"
    shared_stories = False


class StrictSftp(Sftp):
    """sftp with the weakest algorithms that the default settings of the server accept."""

    name = "sftp, as strict ones"
    shared_stories = False


def with_limits(client, home, limits):
    new_keys(client, home, more=limits)
    with client(home, more=limits) as session:
        equal("the listing", session.ls(""), {"large": REKEY_FILE})


CTR = ("Ciphers=aes256-ctr", "MACs=hmac-sha2-256")
LIMITS = {
    "nistp256": ("KexAlgorithms=ecdh-sha2-nistp256", "HostKeyAlgorithms=ecdsa-sha2-nistp256"),
    "group14-sha256": ("KexAlgorithms=diffie-hellman-group14-sha256",),
    "aes256-ctr with hmac-sha2-256": CTR,
}
for title, limits in LIMITS.items():
    LimitedSftp.story(title, only_ours="" if limits == CTR else "the reference server has one host key")(
        lambda client, home, limits=limits: with_limits(client, home, limits)
    )
StrictSftp.story("aes256-ctr with hmac-sha2-256")(lambda client, home: with_limits(client, home, CTR))


def answer(home, command, **how):
    """Runs a command on the server by ssh, and returns its output."""
    return run(["ssh", *options(home), "-p", str(home.port), home.at, command], **how)


class Ssh(Client):
    """ssh: commands of the server besides SFTP and scp."""

    name = "ssh"
    packages = PACKAGES
    odd_names_hashed = ODD_NAMES

    @classmethod
    def version(cls):
        return openssh_version()

    def hash(self, name, algorithm):
        """Returns the hash in a line of coreutils; the rest of the line is the name, which may be escaped."""
        return answer(self.home, f"{algorithm}sum {shlex.quote(name)}").out.lstrip("\\").split(" ")[0]

    def df(self):
        total, _used, free = map(int, answer(self.home, "df -Pk .").out.splitlines()[1].split()[1:4])
        return Room(total * 1024, free * 1024)


@Ssh.story("many commands")
def ssh_many_commands(_client, home):
    """Many channels of one connection, one after the other, more than may be open at once."""
    home.stored("one")
    with Master(home) as master:
        for _ in range(50):
            command = ["ssh", *options(home, *master.only), "-p", str(home.port), home.at, "md5sum one"]
            equal("what the server printed", run(command).out, f"{digest(home.disk / 'one', 'md5')}  one\n")


@Ssh.story("hashes of several files")
def ssh_hashes_of_several(_client, home):
    home.stored("empty", 0)
    home.stored("d/one", 1_000_003)
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        expected = "".join(f"{digest(home.disk / name, algorithm)}  {name}\n" for name in ("empty", "d/one"))
        equal("what the server printed", answer(home, f"{algorithm}sum empty -- d/one").out, expected)


@Ssh.story("names that md5sum escapes")
def ssh_escaped_names(_client, home):
    """Hash commands escape line breaks and backslashes in names, like coreutils, and no other bytes."""
    odd = (*ODD_NAMES, "line\nbreak", "back\\slash")
    for name in odd:
        path = home.stored(name, 1000)
        here = run(["md5sum", name], cwd=home.disk).out
        equal(f"what the server printed of {name!r}", answer(home, f"md5sum {shlex.quote(name)}").out, here)
        # As rclone does it: a backslash before every special character of a shell.
        if "\n" not in name:
            escaped = re.sub(r"([^A-Za-z0-9_.,:/\n@\x80-\udfff-])", r"\\\1", home.wire(name))
            said = answer(home, f"sha1sum {escaped}").out
            equal(f"the SHA-1 of {name!r}", said.lstrip("\\").split(" ")[0], digest(path, "sha1"))


@Ssh.story("hash of standard input")
def ssh_hash_of_input(_client, home):
    """rclone first hashes empty input to find out whether the command exists."""
    for algorithm, word in (("md5", "md5sum"), ("sha1", "sha1sum")):
        equal("what the server printed", answer(home, word).out, f"{hashlib.new(algorithm).hexdigest()}  -\n")


@Ssh.story("what cannot be hashed")
def ssh_bad_hashes(_client, home):
    home.stored("one", 10)
    (home.disk / "d").mkdir()
    said = answer(home, "md5sum nothing one d", code=1)
    equal("what the server printed", said.out, f"{digest(home.disk / 'one', 'md5')}  one\n")
    contains("the errors", said.err, "nothing", "No such file or directory", "Is a directory")


@Ssh.story("pwd, and the head of df")
def ssh_pwd(_client, home):
    equal("pwd", answer(home, "pwd").out.rstrip("\n"), home.wire("").rstrip("/") or "/")
    rows = answer(home, "df -Pk .").out.splitlines()
    equal("the rows of df", [row.split()[0] for row in rows[:1]], ["Filesystem"])
    total, used, free = map(int, rows[1].split()[1:4])
    if used + free > total * 1.1:
        raise Failed(f"df says {total} {used} {free}")


@Ssh.story("no shell", only_ours="OpenSSH's server runs a shell")
def ssh_no_shell(_client, home):
    home.stored("one", 10)
    for command in ("touch new", "md5sum one; touch new", "md5sum $(touch new)", "md5sum one > new", "cat one", "sh"):
        said = answer(home, command, code=None)
        if said.code == 0:
            raise Failed(f"{command!r} exited with 0 and said {said.all!r}")
    equal("the home", names(home.disk), ["one"])


@Ssh.story("df of an upload", **WITH_QUOTA)
def ssh_df_of_upload(_client, home):
    """All three numbers of df after an upload by SFTP."""
    quarter = home.quota_files()[0].stat().st_size
    with Sftp(home) as session:
        session.put(home.local / "keep", "keep")
    blocks = [int(word) * 1024 for word in answer(home, "df -k").out.splitlines()[1].split()[1:4]]
    equal("what df says of the quota", blocks, [4 * quarter, quarter, 3 * quarter])
