"""One SFTP session that is held open: ssh for the encryption, and the packets of SFTP version 3 by hand.

Unlike with the program sftp, each reply is seen, so it is known exactly what the server has acknowledged.
"""

import os
import select
import struct
import subprocess
import time

from .programs import Sftp

# A reply that takes longer, in seconds, counts as missing. Sign-ins wait for a restart and for hundreds of others.
PATIENCE_SECS = 90
INIT, OPEN, CLOSE, READ, WRITE, OPENDIR, READDIR = 1, 3, 4, 5, 6, 11, 12
REMOVE, STAT, RENAME = 13, 17, 18
STATUS, HANDLE, DATA = 101, 102, 103
OK, END_OF_FILE = 0, 1
FOR_READING, FOR_NEW = 0x01, 0x02 | 0x08 | 0x10
CHUNK = 32 << 10


class Lost(Exception):
    """The connection has ended before the reply; the text is what ssh says."""


class Refused(Exception):
    """The server has answered with an error, or with something that was not asked for."""


def text(value):
    """Encodes a string of the protocol."""
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(value)) + value


class Session:
    """A signed-in session. `begun` is the time at which it was asked for."""

    def __init__(self, server, user):
        self.begun = time.monotonic()
        self.number = 0
        command = ["ssh", *Sftp.options_of(server), "-p", str(server.port), "-s", f"{user}@127.0.0.1", "sftp"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, bufsize=0, **pipes)
        try:
            self.send(struct.pack(">BI", INIT, 3))
            self.receive()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def send(self, packet):
        packet = text(packet)
        try:
            while packet:
                packet = packet[self.process.stdin.write(packet) :]
        except OSError:
            raise self.lost() from None

    def receive(self):
        """Returns the next packet without its length."""
        deadline = time.monotonic() + PATIENCE_SECS
        (length,) = struct.unpack(">I", self.bytes(4, deadline))
        return self.bytes(length, deadline)

    def bytes(self, count, deadline):
        found = b""
        while len(found) < count:
            pipe = self.process.stdout.fileno()
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Refused(f"no reply within {PATIENCE_SECS} s")
            if not (part := os.read(pipe, count - len(found))):
                raise self.lost()
            found += part
        return found

    def lost(self):
        """Returns the reason why the connection has ended."""
        self.process.kill()
        code = self.process.wait()
        return Lost(f"ssh ended with {code}: {self.process.stderr.read().decode(errors='replace').strip()[-500:]}")

    def ask(self, kind, *fields):
        """Sends one request, and returns the kind and the content of its reply."""
        self.number += 1
        self.send(struct.pack(">BI", kind, self.number) + b"".join(fields))
        reply = self.receive()
        (number,) = struct.unpack(">I", reply[1:5])
        if number != self.number:
            raise Refused(f"a reply to request {number} instead of {self.number}")
        return reply[0], reply[5:]

    def done(self, kind, *fields):
        """Sends a request whose reply must be the status OK."""
        found, content = self.ask(kind, *fields)
        if found != STATUS or content[:4] != struct.pack(">I", OK):
            raise Refused(f"request {kind}: reply {found}: {content[:200]!r}")

    def handle(self, kind, *fields):
        found, content = self.ask(kind, *fields)
        if found != HANDLE:
            raise Refused(f"request {kind}: reply {found}: {content[:200]!r}")
        return content

    def more(self, kind, *fields):
        """Returns the content of a reply, or None at the end of a file or directory."""
        found, content = self.ask(kind, *fields)
        if found == STATUS and content[:4] == struct.pack(">I", END_OF_FILE):
            return None
        if found == STATUS:
            raise Refused(f"request {kind}: reply {found}: {content[:200]!r}")
        return content

    def put(self, path, content):
        handle = self.handle(OPEN, text(path), struct.pack(">II", FOR_NEW, 0))
        for start in range(0, len(content), CHUNK):
            self.done(WRITE, handle, struct.pack(">Q", start), text(content[start : start + CHUNK]))
        self.done(CLOSE, handle)

    def get(self, path):
        handle = self.handle(OPEN, text(path), struct.pack(">II", FOR_READING, 0))
        found = b""
        while (data := self.more(READ, handle, struct.pack(">QI", len(found), CHUNK))) is not None:
            found += data[4:]
        self.done(CLOSE, handle)
        return found

    def list(self, path):
        handle = self.handle(OPENDIR, text(path))
        while self.more(READDIR, handle) is not None:
            pass
        self.done(CLOSE, handle)

    def stat(self, path):
        self.more(STAT, text(path))

    def rename(self, old, new):
        self.done(RENAME, text(old), text(new))

    def remove(self, path):
        self.done(REMOVE, text(path))
