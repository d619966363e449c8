"""The sessions of an operator's soak: workers whose changes are recorded, and a crowd that is idle or looks around."""

import os
import random
import subprocess
import threading
import time
import traceback

from ..tools import wait_for
from .operated import PATIENCE_SECS
from .session import Lost, Refused, Session

# The time between two actions of a worker, in seconds; it is shorter in a soak of less than a minute.
PAUSE_SECS = (0.5, 4.0)
LARGEST = 100_000
# A worker with this many files removes one first.
MOST_FILES = 10
# The sessions of one user and one load generator.
GROUP = 60
# What ssh says if nobody holds the listening socket, or if its queue is full. No restart excuses it.
REFUSED = "Connection refused"


class Worker:
    """A user with one session, who uploads, renames, removes and reads files whose names are never used again.

    `acknowledged` has the changes that the server has confirmed, each as the event and the path that it is about.
    """

    def __init__(self, number, server, problems, pace, seed):
        self.name, self.server, self.problems = f"worker{number}", server, problems
        self.random = random.Random(f"{seed} {number}")
        self.pace = pace
        self.session = None
        self.acknowledged = []
        self.files = {}
        self.names = self.connections = self.unknown = 0
        server.add(self.name)

    def thread(self, deadline):
        return threading.Thread(target=self.work, args=(deadline,), name=self.name)

    def work(self, deadline):
        """Acts until the time is over or something is wrong, and connects again after a restart."""
        try:
            self.connect()
            while time.monotonic() < deadline and not self.problems:
                try:
                    self.act()
                except Lost as lost:
                    self.unknown += 1
                    self.excuse(lost, self.session.begun)
                    self.connect()
                time.sleep(self.pace * self.random.uniform(*PAUSE_SECS))
        except Refused as refused:
            self.problems.append(f"{self.name}: {refused}")
        except Exception:
            self.problems.append(f"{self.name}: {traceback.format_exc()}")

    def connect(self):
        """Signs in; what began after the server had stopped to accept must succeed, although nobody listens then."""
        self.disconnect()
        while not self.session and not self.problems:
            begun = time.monotonic()
            try:
                self.session = Session(self.server, self.name)
                self.connections += 1
            except Lost as lost:
                self.excuse(lost, begun)

    def excuse(self, lost, begun):
        if REFUSED in str(lost) or not self.server.excuses(begun):
            since = time.monotonic() - begun
            raise Refused(f"a connection of {since:.1f} s has ended without a restart: {lost}") from None

    def disconnect(self):
        if self.session:
            self.session.close()
            self.session = None

    def act(self):
        if len(self.files) >= MOST_FILES:
            return self.remove()
        self.random.choice((self.upload, self.upload, self.rename, self.rename, self.remove, self.read, self.look))()

    def upload(self):
        self.names += 1
        path, size = f"/{self.name}-{self.names}", self.random.randrange(LARGEST)
        content = self.random.randbytes(size)
        self.session.put(path, content)
        self.acknowledged.append(("uploaded", path))
        self.files[path] = content

    def any_path(self, can=lambda path: True):
        paths = sorted(filter(can, self.files))
        return self.random.choice(paths) if paths else None

    def rename(self):
        if path := self.any_path(lambda path: not path.endswith("-moved")):
            content = self.files.pop(path)
            self.session.rename(path, f"{path}-moved")
            self.acknowledged.append(("renamed", path))
            self.files[f"{path}-moved"] = content

    def remove(self):
        if path := self.any_path():
            # Whether the file is still there is not known if the connection is lost now.
            del self.files[path]
            self.session.remove(path)
            self.acknowledged.append(("removed", path))

    def read(self):
        if (path := self.any_path()) and self.session.get(path) != self.files[path]:
            raise Refused(f"{path}: what came is not what was sent")

    def look(self):
        self.session.list("/")
        self.session.stat("/")


class Crowd:
    """Load generators whose sessions are idle, or ask for attributes and directories a few times in a second."""

    def __init__(self, directory, server, load, sessions, problems):
        directory.mkdir()
        self.directory, self.server, self.load, self.problems = directory, server, load, problems
        self.sessions = sessions
        light = min(sessions, 2 if sessions < 50 else 10)
        self.groups = [("stat,list", light // 2)] if light > 1 else []
        idle = sessions - 2 * (light // 2)
        self.groups += [("idle", min(GROUP, idle - start)) for start in range(0, idle, GROUP)]
        self.running = {}
        for number in range(len(self.groups)):
            server.add(f"crowd{number}")

    def start(self):
        for number in range(len(self.groups)):
            self.begin(number)

    def begin(self, number):
        work, connections = self.groups[number]
        # One operation in each second on average; load ends by itself only after a week.
        words = ["--work", work, "--connections", str(connections), "--depth", "1", "--rate", "1", "--wait"]
        words += ["--secs", str(7 * 24 * 3600), "--file", ".", "--port", str(self.server.port)]
        words += ["--user", f"crowd{number}", "--key", str(self.server.key)]
        # The idle ones stay signed in until a line comes, and the others begin at once.
        stdin = subprocess.PIPE if work == "idle" else subprocess.DEVNULL
        with open(self.said(number), "wb") as said:
            pipes = {"stdin": stdin, "stdout": said, "stderr": said}
            process = subprocess.Popen([os.fspath(self.load), *words], **pipes)
        self.running[number] = (time.monotonic(), process)

    def said(self, number):
        return self.directory / f"said{number}"

    def look_after(self):
        """Starts a load generator again whose connections a restart has ended, and records it if another one ended."""
        for number, (begun, process) in list(self.running.items()):
            if process.poll() is not None:
                if not self.server.excuses(begun):
                    said = self.said(number).read_text(errors="replace")[-500:]
                    self.problems.append(f"crowd{number}: load ended with {process.returncode}: {said}")
                self.begin(number)

    def wait_until_signed_in(self):
        def all_ready():
            self.look_after()
            return self.problems or all("ready" in self.said(number).read_text() for number in self.running)

        wait_for(f"the sign-in of {self.sessions} sessions", all_ready, PATIENCE_SECS)

    def end(self):
        for _, process in self.running.values():
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()
        self.running = {}
