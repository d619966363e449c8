"""Clients in other languages, controlled by lines: a verb and its words, separated by tabs.

The program (see programs/) signs in and answers each line with a line of "ok" or "error" and the result.
Each byte is one character of Latin-1, so names need not be UTF-8.
"""

import os
import signal
import subprocess
import tempfile
import threading

from .client import Attributes, Client, Failed, Refused, Room

# A program that does not answer within this time in seconds is killed, and the story fails.
PATIENCE_SECS = 120


class ScriptedClient(Client):
    """A client whose verbs are lines of the same names, for those in `verbs` of the subclass."""

    def command(self):
        """Returns the program and its arguments."""
        raise NotImplementedError

    def environment(self):
        """Returns the environment variables of the program."""
        return {}

    def __enter__(self):
        self.errors_file = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [os.fspath(word) for word in self.command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors_file,
            cwd=self.home.local,
            env=dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC", **self.environment()),
            start_new_session=True,
        )
        return self

    def __exit__(self, kind, *_):
        try:
            self.process.stdin.close()
            if self.within_patience(self.process.wait) and kind is None:
                raise Failed(f"{self.name} ended with {self.process.returncode}: {self.complaints()}")
        finally:
            self.process.stdout.close()
            self.errors_file.close()

    def within_patience(self, call):
        """Calls a function that waits for the program, and kills a program that hangs with its children."""
        timer = threading.Timer(PATIENCE_SECS, os.killpg, (self.process.pid, signal.SIGKILL))
        timer.start()
        try:
            return call()
        finally:
            timer.cancel()

    def complaints(self):
        self.errors_file.seek(0)
        return self.errors_file.read().decode(errors="replace").strip()[-3000:]

    def step(self, *words):
        """Sends one line and returns its result; raises Refused if that is an error."""
        line = b"\t".join(os.fsencode(str(word)) for word in words) + b"\n"
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = os.fsdecode(self.within_patience(self.process.stdout.readline))
        if not answer.endswith("\n"):
            raise Failed(f"{self.name} did not answer {words}: {self.complaints()}")
        kind, _, said = answer[:-1].partition("\t")
        if kind != "ok":
            raise Refused(f"{words[0]}: {said}")
        return said

    def path(self, name):
        """Returns the absolute path of a name on the server in the form for this client."""
        return self.home.wire(name)


class Files(ScriptedClient):
    """The verbs that all of these programs support."""

    def put(self, local, name):
        self.step("put", local, self.path(name))

    def replace(self, local, name):
        self.step("put", local, self.path(name))

    def get(self, name, local):
        self.step("get", self.path(name), local)

    def ls(self, directory):
        entries = [entry.rsplit("=", 1) for entry in self.step("list", self.path(directory)).split("\t") if entry]
        return {name: int(size) for name, size in entries if name not in (".", "..")}

    def mkdir(self, name):
        self.step("mkdir", self.path(name))

    def rmdir(self, name):
        self.step("rmdir", self.path(name))

    def remove(self, name):
        self.step("remove", self.path(name))

    def rename(self, old, new):
        self.step("rename", self.path(old), self.path(new))

    def stat(self, name):
        mode, size, mtime = self.step("stat", self.path(name)).split()
        return Attributes(int(mode, 8) & 0o7777, int(size), int(mtime))

    def chmod(self, name, mode):
        self.step("chmod", self.path(name), f"{mode:o}")

    def set_time(self, name, secs):
        self.step("time", self.path(name), secs)

    def symlink(self, target, name):
        self.step("symlink", target, self.path(name))

    def readlink(self, name):
        return self.step("readlink", self.path(name))


class FilesAndRoom(Files):
    """The verbs above, and df by an extension of OpenSSH."""

    def df(self):
        total, free = self.step("statvfs", self.path("")).split()
        return Room(int(total), int(free))
