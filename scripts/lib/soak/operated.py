"""The server of the operator's soak: it is restarted behind a socket that the script holds, and its logs are rotated.
"""

import gzip
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..servers import Homeport
from ..tools import children, free_port, wait_for
from .server import session_threads

# Passes the descriptor of its first argument as systemd does, and becomes the program in the others.
PASS_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
if sys.argv[1] != '3':
    os.close(int(sys.argv[1]))
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='homeport.socket')
os.execvp(sys.argv[2], sys.argv[2:])
"""
DRAIN_SECS = 3
# A server that was asked to stop may still take a connection, and end it, for this long, in seconds.
LAST_ACCEPTS_SECS = 1.0
# How long a start, and the way back to no sessions, may take on a machine that is busy, in seconds.
PATIENCE_SECS = 120
# Descriptors count as settled when there were no fewer of them for this long, in seconds.
SETTLED_SECS = 20


@dataclass
class Footprint:
    """The resources of the server without sessions: memory in KiB, descriptors, threads, and processes below it.

    `open_files` has the number of descriptors for each file that they are of, as far as the script may see them.
    """

    memory_kib: int
    descriptors: int
    threads: int
    processes: int
    open_files: Counter = field(repr=False)


class OperatedServer(Homeport):
    """homeportd whose listening socket is handed over, with an audit log, metrics and hooks."""

    def __init__(self, directory, binary, key, hooks):
        directory.mkdir()
        super().__init__(directory, binary, key)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.metrics_port = free_port()
        self.audit_log = directory / "audit.log"
        self.starts = self.reloads = self.rotations = 0
        # The time at which a server was last asked to stop.
        self.stop_asked = float("-inf")
        text = self.config.read_text()
        for old, new in (
            ("drain_secs = 30", f"drain_secs = {DRAIN_SECS}"),
            ('#> audit = "/var/log/homeport/audit.log"', f'audit = "{self.audit_log}"'),
            ('#> listen = ["127.0.0.1:9822"]', f'listen = ["127.0.0.1:{self.metrics_port}"]'),
        ):
            if old not in text:
                raise RuntimeError(f"the configuration of homeportd init has no {old}")
            text = text.replace(old, new)
        self.config.write_text(text + hooks)

    def __enter__(self):
        self.start_again()
        return self

    def __exit__(self, *_):
        self.stop()
        self.listener.close()

    def start_again(self):
        """Starts the server, and waits until it is ready."""
        self.log_file = self.directory / f"log{self.starts}"
        self.starts += 1
        socket_number = self.listener.fileno()
        command = [sys.executable, "-c", PASS_SOCKET, str(socket_number), *self.command, "serve"]
        # The log is appended to, so that it can be truncated.
        with open(self.log_file, "ab") as log:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(command, **pipes, pass_fds=(socket_number,))
        wait_for("the start of the server", self.is_ready, PATIENCE_SECS)

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server has ended with {self.process.returncode}: {self.log()[-2000:]}")
        try:
            return self.page("readyz")
        except (urllib.error.URLError, OSError):
            return None

    def ask_to_stop(self):
        self.stop_asked = time.monotonic()
        self.process.send_signal(signal.SIGTERM)

    def wait_until_stopped(self):
        """Waits for the end of a server that was asked to stop, and returns the violations."""
        try:
            code = self.process.wait(DRAIN_SECS + 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return [f"run {self.starts}: it did not end within {DRAIN_SECS + 30} s after SIGTERM"]
        return [f"run {self.starts}: it ended with {code} after SIGTERM"] if code else []

    def excuses(self, begun):
        """Whether a connection that was begun then may have ended, because the server was asked to stop."""
        return begun < self.stop_asked + LAST_ACCEPTS_SECS

    def page(self, name):
        address = f"http://127.0.0.1:{self.metrics_port}/{name}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name):
        """Returns the value of a metric without labels."""
        found = re.search(rf"^{name} (\S+)$", self.page("metrics"), re.MULTILINE)
        if not found:
            raise RuntimeError(f"the metrics have no {name}")
        return int(float(found[1]))

    def reload(self):
        """Changes a limit that nobody reaches, and reloads."""
        self.reloads += 1
        text = self.config.read_text()
        changed = re.sub(r"^handles = .*$", f"handles = {1024 + self.reloads % 2}", text, flags=re.MULTILINE)
        self.config.write_text(changed)
        self.admin("reload")

    def rotate(self):
        """Moves both logs aside, as logrotate does: the audit log is renamed, the other one copied and truncated."""
        self.rotations += 1
        for number in range(self.rotations, 1, -1):
            older = Path(f"{self.audit_log}.{number}.gz")
            if older.exists():
                older.rename(f"{self.audit_log}.{number + 1}.gz")
        last = Path(f"{self.audit_log}.1")
        if last.exists():
            compress(last, Path(f"{self.audit_log}.2.gz"))
        self.audit_log.rename(last)
        self.admin("reload")
        copy = Path(f"{self.log_file}.{self.rotations}")
        shutil.copyfile(self.log_file, copy)
        with open(self.log_file, "r+b") as log:
            log.truncate()
        compress(copy, Path(f"{copy}.gz"))

    def log_lines(self):
        """Yields the name of the log and the line, for all lines of all runs."""
        for path in sorted(self.directory.glob("log[0-9]*")):
            opened = gzip.open(path, "rt", errors="replace") if path.suffix == ".gz" else open(path, errors="replace")
            with opened as lines:
                for line in lines:
                    yield path.name, line.rstrip()

    def settle(self):
        """Waits until there are no sessions, their threads have ended, and no more descriptors are closed."""
        wait_for("the end of all sessions", lambda: self.metric("homeport_sessions") == 0, PATIENCE_SECS)
        process = Path(f"/proc/{self.process.pid}")
        wait_for("the end of the threads of sessions", lambda: not session_threads(process), PATIENCE_SECS)
        least, since = self.metric("process_open_fds"), time.monotonic()
        deadline = since + PATIENCE_SECS
        while time.monotonic() < min(since + SETTLED_SECS, deadline):
            time.sleep(0.5)
            if (found := self.metric("process_open_fds")) < least:
                least, since = found, time.monotonic()

    def footprint(self):
        process = Path(f"/proc/{self.process.pid}")
        below = children(self.process.pid)
        for pid in below:
            below += children(pid)
        return Footprint(
            self.metric("process_resident_memory_bytes") >> 10,
            self.metric("process_open_fds"),
            self.metric("process_threads"),
            len(below),
            open_files(process),
        )


def open_files(process):
    """Counts the descriptors of a process by what they are of; numbers in names do not count."""
    found = Counter()
    try:
        for entry in (process / "fd").iterdir():
            try:
                found[re.sub(r"\d+", "N", os.readlink(entry))] += 1
            except FileNotFoundError:
                continue
    except PermissionError:
        pass
    return found


def compress(path, target):
    with open(path, "rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    path.unlink()
