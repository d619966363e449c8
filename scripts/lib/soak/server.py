"""The server of a soak, which is killed and restarted while its users work."""

import json
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ..servers import Homeport
from ..tools import free_port, wait_for


@dataclass
class Footprint:
    """The resources of the server's process: resident memory in KiB, and open descriptors (None if they are not
    readable)."""

    memory_kib: int
    descriptors: int | None


def session_threads(process):
    """Returns the names of the threads that serve sessions. Each keeps four descriptors until some seconds after its last
    session."""
    names = []
    for task in (process / "task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            # The thread has ended meanwhile.
            continue
    return [name for name in names if name.startswith("session-")]


class SoakServer(Homeport):
    """homeportd on a port of its own, with one log for each start."""

    def __init__(self, directory, binary, key):
        directory.mkdir()
        super().__init__(directory, binary, key)
        text = self.config.read_text()
        # The port stays the same, because clients reconnect to it.
        self.config.write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}"))
        # The number of kills. It is increased before each kill, so that a user whose action fails can see the reason.
        self.generation = 0
        self.kills_left = 0
        self.kill_every_secs = 0.0
        self.last_kill = time.monotonic()
        self.up = threading.Event()
        self.kill_lock = threading.Lock()
        self.logs = []

    def __enter__(self):
        self.start_again()
        return self

    def start_again(self):
        self.log_file = self.directory / f"log{self.generation}"
        self.logs.append(self.log_file)
        super().__enter__()
        self.up.set()

    def wait_until_up(self):
        """Waits until the server is running, and returns its generation."""
        if not self.up.wait(60):
            raise RuntimeError("the server does not come up again")
        return self.generation

    def kill_if_due(self):
        """Kills the server (kill -9) and restarts it if that is due, and returns whether it was."""
        with self.kill_lock:
            if not self.kills_left or time.monotonic() - self.last_kill < self.kill_every_secs:
                return False
            self.kills_left -= 1
            self.up.clear()
            self.generation += 1
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.start_again()
            self.last_kill = time.monotonic()
            return True

    def footprint(self):
        """Returns the footprint once nobody is signed in, and the threads that served sessions have ended."""
        wait_for("the end of all sessions", lambda: self.sessions() == 0)
        process = Path(f"/proc/{self.process.pid}")
        wait_for("the end of the threads of sessions", lambda: not session_threads(process))
        memory = int(re.search(r"VmRSS:\s+(\d+)", (process / "status").read_text())[1])
        try:
            return Footprint(memory, len(list((process / "fd").iterdir())))
        except PermissionError:
            return Footprint(memory, None)

    def sessions(self):
        return len(json.loads(self.ask("sessions", "list", "--json") or "[]"))

    def user(self, name):
        """Returns what the server reports about a user, including the usage."""
        return json.loads(self.ask("user", "show", name, "--json"))

    def ask(self, *words):
        done = subprocess.run([*self.command, *words], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"homeportd {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout
