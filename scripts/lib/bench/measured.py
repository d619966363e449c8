"""The base of every server in the benchmark: its cost, and the stock client that uses it."""

import os
import subprocess
import time
from pathlib import Path

from ..tools import children

TICK = os.sysconf("SC_CLK_TCK")
GCM = "aes256-gcm@openssh.com"
CHACHA = "chacha20-poly1305@openssh.com"
# All rows in which a server with SFTP can take part.
ALL = ("get", "put", "get-chacha", "put-chacha", "get-4", "put-4", "small", "list", "signin", "idle")
# Rows with several kinds of work at once, in which an SFTP server on this machine can take part.
MIXED = ("latency", "mix", "writers")
# The longest time of one operation, in seconds; then it counts as hung.
PATIENCE_SECS = 600


def name_of(pid):
    """Returns the name by which a process was started; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Measured:
    """A server whose CPU time, including that of ended children, and memory can be measured."""

    # Whether the server speaks SFTP over SSH.
    sftp_server = True
    host = "127.0.0.1"
    # Whether this is an additional server that no claim is about; a slow one must not delay the others.
    peer = False
    # Whether it transfers only a quarter of the large file.
    slow = False
    # An explanation for the case that its client fails.
    hint = ""
    # The ciphers to use instead of those that it lacks.
    instead = {}
    # The rows in which it can take part; all rows if this is empty.
    rows = ()
    # The name of a child process that is not a session, and lives as long as the server.
    lasting = ""

    def cpu_secs(self):
        """Returns the user and system time, once no session is left."""
        deadline = time.monotonic() + 20
        while any(name_of(pid) != self.lasting for pid in children(self.process.pid)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: a session does not end")
            time.sleep(0.02)
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        # utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
        return sum(int(field) for field in fields[11:15]) / TICK

    def memory_kib(self):
        """Returns the private memory of the server and all processes below it."""
        total, left = 0, [self.process.pid]
        while left:
            pid = left.pop()
            try:
                left += children(pid)
                try:
                    lines, counts = Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss:"
                except PermissionError:
                    # This file is readable for servers whose other memory statistics are protected.
                    lines, counts = Path(f"/proc/{pid}/status").read_text(), "VmRSS:"
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(line.split()[1]) for line in lines.splitlines() if line.startswith(counts))
        return total

    def resident_kib(self):
        """Returns the resident memory of the server, including shared pages, and the private memory of all processes
        below it, which share the rest with it."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        total = sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        left = children(self.process.pid)
        while left:
            pid = left.pop()
            left += children(pid)
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
        return total

    def make_directory(self, path):
        """Creates a directory that the server may write to."""
        path.mkdir()

    def sftp(self, batch, cipher):
        """Starts the stock client without output."""
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
        # Otherwise communicate() would close it again.
        client.stdin = None
        return client

    def wait(self, clients):
        """Waits for clients, which must all succeed."""
        for client in clients:
            _, errors = client.communicate(timeout=PATIENCE_SECS)
            if client.returncode != 0:
                raise RuntimeError(f"{self.name}: {' '.join(client.args)}: {errors}{self.log()[-2000:]}{self.hint}")
