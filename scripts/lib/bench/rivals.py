"""Who takes part: our server, the machine's sshd, the floor under both, and others where they are installed.

Each tells the CPU that it has used, its children that have ended included, and the memory that it holds.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

from .. import servers
from ..tools import free_port, listens, make_key, quiet

TICK = os.sysconf("SC_CLK_TCK")
# Both ciphers of the table; the client's choice decides.
CIPHERS = '["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]'
# Longest that one operation may take; a hung one is an error, not a wait.
PATIENCE_SECS = 600


class Measured:
    """A server's cost, and the stock client that makes it work."""

    # Does it speak SFTP over SSH?
    sftp_server = True
    # What it is asked for instead of a cipher that it lacks.
    instead = {}
    # Rows that it can take part in; all, if there is nothing here.
    rows = ()

    def cpu_secs(self):
        """User and system time, once no session is left."""
        deadline = time.monotonic() + 20
        while self.children():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: a session does not end")
            time.sleep(0.02)
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        # utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
        return sum(int(field) for field in fields[11:15]) / TICK

    def children(self, pid=None):
        found = []
        for thread in Path(f"/proc/{pid or self.process.pid}/task").iterdir():
            try:
                found += (thread / "children").read_text().split()
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def memory_kib(self):
        """Memory of its own of the server and all processes below it."""
        total, left = 0, [self.process.pid]
        while left:
            pid = left.pop()
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                left += self.children(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total

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
            [*command, f"{self.user}@127.0.0.1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        client.stdin.write(batch)
        client.stdin.close()
        return client

    def wait(self, clients):
        """Waits for clients; all of them must succeed."""
        for client in clients:
            errors = client.stderr.read()
            if client.wait(PATIENCE_SECS) != 0:
                raise RuntimeError(f"{self.name}: {' '.join(client.args)}: {errors}{self.log()[-2000:]}")


class Homeport(Measured, servers.Homeport):
    user = "bench"
    prefix = "/"

    def __init__(self, directory, binary, key, *limits, name="homeport"):
        directory.mkdir()
        super().__init__(directory, binary, key)
        self.name = name
        text = self.config.read_text()
        lines = [f"ciphers = {CIPHERS}" if line.startswith("ciphers = ") else line for line in text.splitlines()]
        self.config.write_text("\n".join(lines) + "\n")
        self.add(self.user, *limits)
        self.stored = self.home(self.user)
        self.stored.mkdir(parents=True, exist_ok=True, mode=0o700)


class Sshd(Measured, servers.Sshd):
    name = "sshd"

    def __init__(self, directory, key):
        directory.mkdir()
        # As many at the door as ours has.
        super().__init__(directory, key, "MaxStartups 1024")
        self.key = key
        self.stored = directory / "files"
        self.stored.mkdir()
        self.prefix = f"{self.stored}/"


class Rclone(Measured, servers.Server):
    """`rclone serve sftp`, where rclone is installed."""

    name = "rclone"
    user = "bench"
    prefix = "/"
    # Told to look at its directories anew, it takes minutes for thousands of small files.
    rows = ("get", "put", "get-chacha", "put-chacha")
    # The cheaper one of the two: to its advantage.
    instead = {"aes256-gcm@openssh.com": "aes128-gcm@openssh.com"}

    def __init__(self, directory, key):
        directory.mkdir()
        super().__init__(directory)
        self.key = key
        self.host_key = make_key(directory / "host_key")
        self.stored = directory / "files"
        self.stored.mkdir()

    def __enter__(self):
        self.port = free_port()
        command = ["rclone", "serve", "sftp", str(self.stored), "--addr", f"127.0.0.1:{self.port}"]
        command += ["--authorized-keys", f"{self.key}.pub", "--key", str(self.host_key), "--vfs-cache-mode", "writes"]
        # Otherwise it stores a file seconds after it was closed.
        command += ["--vfs-write-back", "0s", "--dir-cache-time", "0s"]
        command += ["--cache-dir", str(self.directory / "cache"), "--config", os.devnull]
        self.start(command, lambda: listens(self.port))
        return self


class Floor(Measured, servers.Server):
    """Only what cannot be avoided; its client is itself."""

    name = "floor"
    sftp_server = False
    prefix = ""

    def __init__(self, directory, program):
        directory.mkdir()
        super().__init__(directory)
        self.program = program
        self.stored = directory / "files"
        self.stored.mkdir()

    def __enter__(self):
        self.port = self.start([str(self.program), "serve", str(self.stored)], self.listening)
        return self

    def listening(self):
        line = next((line for line in self.log().splitlines() if line.startswith("listening on ")), None)
        return line and int(line.rsplit(":", 1)[1])

    def transfer(self, operation, name, local):
        """`get` or `put`, begun."""
        words = [name] if operation == "get" else [name, str(local)]
        command = [str(self.program), operation, str(self.port), *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class Peer(Measured):
    """A server that somebody else runs: NAME=HOST:PORT,CGROUP. Its files must lie on this machine, in the directory that
    $BENCH_PEER_FILES names, and its user must have the key that $BENCH_PEER_KEY names."""

    def __init__(self, text, directory):
        self.name, _, rest = text.partition("=")
        address, _, cgroup = rest.partition(",")
        host, _, port = address.rpartition(":")
        if not (self.name and host and port.isdigit() and cgroup):
            raise SystemExit(f'--peer "{text}": not NAME=HOST:PORT,CGROUP')
        self.stat = Path("/sys/fs/cgroup") / cgroup.lstrip("/") / "cpu.stat"
        if not self.stat.exists():
            raise SystemExit(f'--peer {self.name}: there is no "{self.stat}" (hint: systemd-run --unit=NAME SERVER)')
        self.directory = directory
        directory.mkdir()
        self.port, self.host = int(port), host
        self.key = os.environ.get("BENCH_PEER_KEY", "")
        self.user = os.environ.get("BENCH_PEER_USER", "bench")
        self.stored = Path(os.environ.get("BENCH_PEER_FILES", ""))
        self.prefix = os.environ.get("BENCH_PEER_PREFIX", "/")
        if not self.key or not self.stored.is_dir():
            raise SystemExit(f"--peer {self.name}: set BENCH_PEER_KEY, BENCH_PEER_USER, BENCH_PEER_FILES")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def log(self):
        return ""

    def cpu_secs(self):
        usage = next(line for line in self.stat.read_text().splitlines() if line.startswith("usage_usec"))
        return int(usage.split()[1]) / 1e6


def gather(work, args):
    """All that take part, and the names of those that cannot, with the reason."""
    key = make_key(work / "key")
    taking_part, missing = [Homeport(work / "homeport", args.binary, key)], []
    if args.quota:
        limits = ("--quota", "1TiB", "--max-files", "1000000")
        taking_part = [
            Homeport(work / "quota", args.binary, key, *limits, name="quota"),
            Homeport(work / "none", args.binary, key, name="none"),
        ]
        return taking_part, missing
    if Path("/usr/sbin/sshd").exists():
        taking_part.append(Sshd(work / "sshd", key))
    else:
        missing.append("sshd: not installed, so there is nothing to compare with (hint: apt-get install openssh-server)")
    floor = args.examples / "floor"
    if floor.exists():
        taking_part.append(Floor(work / "floor", floor))
    else:
        missing.append(f'floor: there is no "{floor}" (hint: cargo build --release --examples)')
    if shutil.which("rclone") and not (args.smoke or args.quick):
        quiet(["rclone", "version"], "hint: apt-get install rclone")
        taking_part.append(Rclone(work / "rclone", key))
    for number, text in enumerate(args.peer):
        taking_part.append(Peer(text, work / f"peer{number}"))
    return taking_part, missing
