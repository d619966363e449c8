"""The users of a soak: their random actions, and the expected contents of their files."""

import random
import threading
import time
import traceback

from ..tools import digest, make_file, wait_for
from .programs import Homeport, Sftp

PROGRAMS = (Sftp, Homeport)
QUOTA = 16 << 20
# A user with this many files removes one first.
MOST_FILES = 24
# The number of attempts for an action that fails because the server was killed.
ATTEMPTS = 20
# The part of an upload that is on the server's disk when it is interrupted.
BREAK_OFF_BYTES = 256 << 10
QUOTA_WORDS = ("quota exceeded", "no room on the server")


class Samples:
    """The files that users upload, of many sizes, with their hashes."""

    def __init__(self, directory, largest):
        directory.mkdir()
        sizes = (0, 1, 4096, 32_769, 300_001, 2_000_003, largest)
        self.files = [make_file(directory / str(size), size) for size in sizes]
        self.md5 = {path: digest(path, "md5") for path in self.files}
        self.large = self.files[-1]


class Trouble(Exception):
    """A violation; the text describes it."""


class User:
    """One user with one program. `files` maps the names in the home to their MD5."""

    def __init__(self, name, server, samples, program):
        self.name, self.server, self.samples, self.program = name, server, samples, program
        self.program.user = name
        self.random = random.Random()
        self.home = server.home(name)
        self.quota = None
        self.files = {}
        self.names = 0
        self.done = {}
        self.problems = []

    def sign_up(self, with_quota):
        self.quota = QUOTA if with_quota else None
        self.server.add(self.name, *(["--quota", str(QUOTA)] if with_quota else []))

    def thread(self, deadline):
        return threading.Thread(target=self.work, args=(deadline,), name=self.name)

    def work(self, deadline):
        """Runs random actions until the time is over or one fails."""
        actions = (self.upload, self.upload, self.broken_upload, self.overwrite, self.rename, self.remove)
        actions += (self.download, self.hash)
        while time.monotonic() < deadline and not self.problems:
            self.attempt(self.remove if len(self.files) >= MOST_FILES else self.random.choice(actions))
            self.attempt(self.within_quota)

    def attempt(self, action):
        """Runs one action, and records its failure."""
        try:
            action()
        except Trouble as trouble:
            self.problems.append(f"{self.name}: {trouble}")
        except Exception:
            self.problems.append(f"{self.name}: {traceback.format_exc()}")

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def insist(self, what, action, is_done=lambda: False):
        """Calls an action until it succeeds, and returns its output; only a killed server excuses a failure.

        `is_done` says whether an action without a reply took effect all the same.
        """
        for _ in range(ATTEMPTS):
            generation = self.server.wait_until_up()
            code, said = action()
            if code == 0:
                return said
            if self.server.generation == generation:
                raise Trouble(f"{what}: exit code {code}: {said.strip()[-1000:]}")
            if is_done():
                return said
        raise Trouble(f"{what}: in vain, {ATTEMPTS} times")

    def new_name(self):
        self.names += 1
        return f"{self.name} file {self.names}"

    def any_name(self):
        return self.random.choice(sorted(self.files)) if self.files else None

    def upload(self):
        self.send(self.random.choice(self.samples.files), self.new_name())

    def overwrite(self):
        if name := self.any_name():
            self.send(self.random.choice(self.samples.files), name)

    def send(self, sample, name):
        """Uploads a file; with a quota it may be refused, but only for lack of space."""
        if self.quota is None:
            self.insist(f"put {name}", lambda: self.program.put(sample, name))
            self.files[name] = self.samples.md5[sample]
            return self.count("uploaded")
        self.insist(f"put {name}", lambda: self.put_or_refused(sample, name))
        self.count("uploaded" if name in self.files else "refused by the quota")

    def put_or_refused(self, sample, name):
        """Uploads a file under a quota, and removes it if it does not fit."""
        old = self.home / name
        room = self.quota - self.used() + (old.stat().st_size if old.exists() else 0)
        # The former content is lost as soon as the upload begins.
        self.files.pop(name, None)
        code, said = self.program.put(sample, name)
        if code == 0:
            self.files[name] = self.samples.md5[sample]
        elif any(words in said for words in QUOTA_WORDS):
            if sample.stat().st_size <= room and self.server.user(self.name)["usage_exact"]:
                return code, f"refused, though {room} bytes are left: {said}"
            # homeport checks the free space first, and keeps the former content.
            if old.exists():
                self.insist(f"rm {name}", lambda: self.program.remove(name), lambda: not old.exists())
            code = 0
        return code, said

    def broken_upload(self):
        """Uploads a file, kills the client or the server meanwhile, and resumes."""
        sample, name = self.samples.large, self.new_name()
        if self.quota and self.used() + sample.stat().st_size > self.quota:
            return
        self.server.wait_until_up()
        process = self.program.begin_put(sample, name)
        path = self.home / name
        wait_for("a part of an upload", lambda: process.poll() is not None or size_of(path) > BREAK_OFF_BYTES, 60)
        by_server = self.server.kill_if_due()
        if not by_server:
            process.kill()
        self.program.end(process)
        begun = size_of(path)
        self.insist(f"resume {name}", lambda: self.resume(sample, name))
        self.files[name] = self.samples.md5[sample]
        if 0 < begun < sample.stat().st_size:
            self.count("resumed")
        self.count("broken off by the server" if by_server else "broken off by the client")

    def resume(self, sample, name):
        """Resumes an upload. sftp reports an error if nothing is left to send."""
        size = size_of(self.home / name)
        if size == sample.stat().st_size:
            return 0, ""
        return self.program.resume_put(sample, name) if size else self.program.put(sample, name)

    def rename(self):
        if old := self.any_name():
            new = self.new_name()
            moved = (self.home / new).exists
            self.insist(f"rename {old}", lambda: self.program.rename(old, new), moved)
            self.files[new] = self.files.pop(old)
            self.count("renamed")

    def remove(self):
        if name := self.any_name():
            gone = self.home / name
            self.insist(f"rm {name}", lambda: self.program.remove(name), lambda: not gone.exists())
            del self.files[name]
            self.count("removed")

    def download(self):
        if name := self.any_name():
            back = self.program.directory / "back"
            back.unlink(missing_ok=True)
            self.insist(f"get {name}", lambda: self.program.get(name, back))
            if digest(back, "md5") != self.files[name]:
                raise Trouble(f"get {name}: what came is not what was sent")
            self.count("downloaded")

    def hash(self):
        if name := self.any_name():
            found = self.insist(f"md5 of {name}", lambda: self.program.md5(name))
            if found != self.files[name]:
                raise Trouble(f"md5 of {name}: the server says {found}, it is {self.files[name]}")
            self.count("hashed")

    def used(self):
        """Returns the total size of the user's files on disk, in bytes."""
        return sum(size_of(path) for path in self.home.rglob("*") if path.is_file())

    def within_quota(self):
        if self.quota is not None and (used := self.used()) > self.quota:
            raise Trouble(f"the home has {used} bytes, above its quota of {self.quota}")


def size_of(path):
    """Returns the size of a file, or 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
