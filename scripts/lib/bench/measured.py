"""What every server in the benchmark has: its cost, and the stock client that makes it work."""

import os
import subprocess
import time
from pathlib import Path

from ..tools import children

TICK = os.sysconf("SC_CLK_TCK")
GCM = "aes256-gcm@openssh.com"
CHACHA = "chacha20-poly1305@openssh.com"
# All rows that a server with SFTP can take part in.
ALL = ("get", "put", "get-chacha", "put-chacha", "get-4", "put-4", "small", "list", "signin", "idle")
# Longest that one operation may take; a hung one is an error, not a wait.
PATIENCE_SECS = 600


class Measured:
    """A server that tells the CPU time it has used, with its ended children, and the memory that it holds."""

    # Does it speak SFTP over SSH?
    sftp_server = True
    host = "127.0.0.1"
    # One more that was found or named, not what the claims are about: a slow one must not take the time of all.
    peer = False
    # Is a quarter of the large file enough for it?
    slow = False
    # Said when a client of it fails.
    hint = ""
    # What it is asked for instead of a cipher that it lacks.
    instead = {}
    # Rows that it can take part in; all, if there is nothing here.
    rows = ()

    def cpu_secs(self):
        """User and system time, once no session is left."""
        deadline = time.monotonic() + 20
        while children(self.process.pid):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: a session does not end")
            time.sleep(0.02)
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        # utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
        return sum(int(field) for field in fields[11:15]) / TICK

    def memory_kib(self):
        """Memory of its own of the server and all processes below it."""
        total, left = 0, [self.process.pid]
        while left:
            pid = left.pop()
            try:
                left += children(pid)
                try:
                    lines, counts = Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss:"
                except PermissionError:
                    # A server that keeps others from its memory tells this much to everybody.
                    lines, counts = Path(f"/proc/{pid}/status").read_text(), "VmRSS:"
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(line.split()[1]) for line in lines.splitlines() if line.startswith(counts))
        return total

    def make_directory(self, path):
        """A directory among its files, that it may write to."""
        path.mkdir()

    def sftp(self, batch, cipher):
        """The stock client, begun; its output goes nowhere."""
        command = ["sftp", "-q", "-F", "none", "-b", "-", "-i", str(self.key), "-P", str(self.port)]
        options = [
            f"Ciphers={self.instead.get(cipher, cipher)}",
            f"UserKnownHostsFile={self.directory / 'known_hosts'}",
            "StrictHostKeyChecking=accept-new",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "BatchMode=yes",
            "LogLevel=ERROR",
        ]
        for option in options:
            command += ["-o", option]
        client = subprocess.Popen(
            [*command, f"{self.user}@{self.host}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        client.stdin.write(batch)
        client.stdin.close()
        # Or communicate() would close it again.
        client.stdin = None
        return client

    def wait(self, clients):
        """Waits for clients; all of them must succeed."""
        for client in clients:
            _, errors = client.communicate(timeout=PATIENCE_SECS)
            if client.returncode != 0:
                raise RuntimeError(f"{self.name}: {' '.join(client.args)}: {errors}{self.log()[-2000:]}{self.hint}")
