"""homeport with the server of another project."""

import json
import os
import re
from pathlib import Path

from ..checks import equal
from ..client import Failed, run
from ..clients.homeport import Homeport

# If root runs the script, homeport runs as this user and group.
NOBODY = 65534
# Names of files that are not whole yet.
LEFT_OVER = re.compile(r"\.part$|^\.homeport")
# What a file name may contain: quoting, patterns, options, hidden files, line ends, other scripts.
ODD_NAMES = (
    "two  words",
    '[it\'s] *a* {"b"} & $c?',
    "café 文件",
    "-dash",
    ".hidden",
    "new\nline",
    "back\\slash",
    "tab\there",
    " around ",
    "~tilde",
    "#sharp;",
)


class Elsewhere(Homeport):
    """homeport, run by an unprivileged user. Subclasses say what their server has."""

    name = ""
    shared_stories = False
    # The server, a subclass of servers.Stage.
    stage = None
    # How a transfer is verified: "md5" or "sizes".
    proof = "md5"
    # Whether the server has modes, links, and an answer to the question about free space.
    has_modes = True
    has_links = True
    has_room = True
    lacks_links = False
    # Whether links that were fetched have absolute targets, and whether LSTAT follows links.
    absolute_links = lstat_follows = False
    # Whether files with odd names, and the beginnings of files, can be hashed, and files as soon as they are resumed.
    hashes_all = True
    # Whether the server empties each file that is opened for writing, so that no upload is resumed.
    empties_opened = False
    # Whether the server's commands run, so that --verify=always is known to fail only after the transfer.
    tries_commands = False
    # The names that it stores.
    odd_names = (*ODD_NAMES, os.fsdecode(b"caf\xe9 \xff"))

    def start(self, words, **how):
        """Runs homeport as a user without special rights, with nothing of this machine's user."""
        local, stage = self.home.local, self.home.stage
        if os.geteuid() == 0:
            give(local.parent)
        known = ["--known-hosts", local.parent / "known_hosts", "--accept-new"]
        key = self.own_key()
        options = ["-F", "none", "-i", key, "-P", str(self.home.port), "--batch", *known]
        environment = {"SSH_AUTH_SOCK": "", "HOME": str(local.parent), "XDG_CACHE_HOME": "", "XDG_STATE_HOME": ""}
        said = run([*as_nobody(), stage.program(), *options, *words], cwd=local, env=environment, **how)
        stage.settle()
        return said

    def own_key(self):
        """Returns a copy of the key that belongs to the user who runs homeport."""
        key = self.home.local.parent / "key"
        if not key.exists():
            key.write_bytes(self.home.key.read_bytes())
            key.chmod(0o600)
            if os.geteuid() == 0:
                os.chown(key, NOBODY, NOBODY)
        return key

    def command(self, *words, **how):
        """Runs one command; `code` is its exit code."""
        return self.start(words, **how)

    def events(self, *words, **how):
        """Runs one command with --json, and returns the objects that it has printed."""
        return [json.loads(line) for line in self.command(*words, "--json", **how).out.splitlines()]

    def transfer(self, *words, code=0):
        """Runs get or put, and returns it as a Transfer."""
        return Transfer(self.events(*words, code=code))

    def changes(self, *words, code=0):
        """Runs sync, and returns what it has changed, sorted."""
        found = [event for event in self.events("sync", *words, code=code) if event["event"] == "change"]
        return sorted((event["action"], event["path"]) for event in found)

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        if kind is None:
            nothing_left_over(self.home.disk)
            nothing_left_over(self.home.local)


class Transfer:
    """The events of a transfer."""

    def __init__(self, events):
        self.ends = {Path(event["local"]).name: event for event in events if event["event"] == "end"}
        messages = [event["message"] for event in events if event["event"] == "warning"]
        # The warnings about hashes that cannot be had.
        self.warnings = [message for message in messages if "hash" in message]
        self.summary = events[-1]

    def all(self, member):
        """Returns the values of a member of all files, each once."""
        return sorted({str(event[member]) for event in self.ends.values()})

    def is_proven(self, proof, sure=True):
        """Checks that all files are verified like this, and that a run says once that hashes cannot be had. If that is
        not sure, one or the other is enough."""
        if not sure:
            equal("what fails", (self.summary["failed"], len(self.warnings) > 1), (0, False))
            return
        equal("how it is verified", self.all("verified"), [proof])
        expected = {"md5": 0, "sizes": 1}[proof]
        if len(self.warnings) != expected:
            raise Failed(f"{len(self.warnings)} warnings, not {expected}: {self.warnings}")


def as_nobody():
    """Returns the words before a command that run it without root's rights, if there are any."""
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *ids, "--"] if os.geteuid() == 0 else []


def give(directory):
    """Makes the user who runs homeport the owner of all that is in a directory."""
    for path in [directory, *directory.rglob("*")]:
        os.lchown(path, NOBODY, NOBODY)


def nothing_left_over(top):
    if found := [str(path) for path in top.rglob("*") if LEFT_OVER.search(path.name)]:
        raise Failed(f"temporary files are left: {found}")
