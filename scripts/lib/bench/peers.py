"""Servers of other projects: installed ones, and one that already runs on this machine."""

import os
import shutil
import socket
import sys
import time
from pathlib import Path

from .. import other_servers, servers
from ..tools import free_port, listens
from .measured import ALL, CHACHA, GCM, MIXED, Measured


class StartedPeer(Measured):
    """Another server that the benchmark starts itself, with the files of its user in a directory of its own."""

    peer = True
    user = "bench"


class Rclone(StartedPeer, other_servers.Rclone):
    """`rclone serve sftp`, if rclone is installed."""

    slow = True
    # With fresh directory listings, rclone takes minutes for thousands of small files.
    rows = ("get", "put", "get-chacha", "put-chacha")
    # This is the cheaper one of its two modes.
    instead = {GCM: "aes128-gcm@openssh.com"}

    def __init__(self, directory, key):
        directory.mkdir()
        super().__init__(directory, key, "rclone", self.user)


class ProFtpd(StartedPeer, other_servers.ProFtpd):
    """ProFTPD's mod_sftp, if it is installed. It has a process for each session."""

    slow = True

    def __init__(self, directory, key, program):
        directory.mkdir()
        super().__init__(directory, key, program, self.user)
        self.ciphers = [cipher for cipher in (GCM, CHACHA) if self.takes(f"SFTPCiphers {cipher}")]
        self.settings = (f"SFTPCiphers {' '.join(self.ciphers)}",)
        # Version 1.3.8 has AES-GCM, but not chacha20.
        self.rows = tuple(row for row in ALL if CHACHA in self.ciphers or not row.endswith("-chacha"))


class SftpGo(StartedPeer, servers.Server):
    """SFTPGo in its portable mode, which needs nothing but its program: one user, kept in memory, without a quota."""

    name = "sftpgo"
    prefix = "/"
    rows = ("get", "put", "list", "signin", "mix", "memory")

    def __init__(self, directory, key, program):
        directory.mkdir()
        super().__init__(directory)
        self.program, self.key = program, key
        self.stored = directory / "files"
        self.stored.mkdir()

    def __enter__(self):
        self.port = free_port()
        command = [str(self.program), "portable", "--config-dir", str(self.directory), "--directory", str(self.stored)]
        command += ["--sftpd-port", str(self.port), "--username", self.user, "--permissions", "*"]
        command += ["--public-key", Path(f"{self.key}.pub").read_text().strip(), "--log-level", "error"]
        command += ["--log-file-path", str(self.directory / "log-file")]
        # The default limit is 20 connections of one address.
        settings = {"SFTPGO_COMMON__MAX_PER_HOST_CONNECTIONS": "0"}
        self.start(command, lambda: listens(self.port), **settings)
        return self


class Peer(Measured):
    """A server that already runs on this machine: NAME=HOST:PORT,CGROUP. It is neither started nor stopped here.

    $BENCH_PEER_FILES is a directory that it serves, as the clients' path $BENCH_PEER_PREFIX (default: "/"). A
    directory is made there, and removed at the end. $BENCH_PEER_USER (default: bench) must have the key $BENCH_PEER_KEY.
    """

    peer = True

    def __init__(self, text, directory):
        directory.mkdir()
        self.directory = directory
        self.name, _, rest = text.partition("=")
        address, _, cgroup = rest.partition(",")
        self.host, _, port = address.rpartition(":")
        if not (self.name and self.host and port.isdigit() and cgroup):
            raise SystemExit(f'--peer "{text}": not NAME=HOST:PORT,CGROUP')
        self.port, self.cgroup = int(port), self.find_cgroup(cgroup)
        try:
            socket.create_connection((self.host.strip("[]"), self.port), timeout=5).close()
        except OSError as error:
            raise SystemExit(f"--peer {self.name}: {address}: {error.strerror or error}") from None
        self.key = os.environ.get("BENCH_PEER_KEY", "")
        self.user = os.environ.get("BENCH_PEER_USER", "bench")
        self.root = Path(os.environ.get("BENCH_PEER_FILES", ""))
        if not Path(self.key).is_file() or not os.environ.get("BENCH_PEER_FILES") or not self.root.is_dir():
            raise SystemExit(f"--peer {self.name}: set BENCH_PEER_KEY and BENCH_PEER_FILES (see Peer in {__file__})")
        self.stored = self.root / f"homeport-bench-{os.getpid()}-{directory.name}"
        self.prefix = f"{os.environ.get('BENCH_PEER_PREFIX', '/').rstrip('/')}/{self.stored.name}/"
        self.rows = self.possible_rows()

    def find_cgroup(self, name):
        """Returns the directory of the cgroup, from a name below the mount point of cgroup v2 or from a path."""
        mounts = [words[1] for words in map(str.split, Path("/proc/self/mounts").open()) if words[2] == "cgroup2"]
        for directory in [*(Path(mount) / name.lstrip("/") for mount in mounts), Path(name)]:
            if (directory / "cpu.stat").is_file() and "usage_usec" in (directory / "cpu.stat").read_text():
                return directory
        where = f"below {' or '.join(mounts)}" if mounts else "since no cgroup v2 is mounted"
        hint = "systemd-run --unit=NAME SERVER, or mkdir it, and write the server's pid to its cgroup.procs"
        raise SystemExit(f'--peer {self.name}: no cgroup "{name}" with a cpu.stat of v2 {where} (hint: {hint})')

    def possible_rows(self):
        rows = {*ALL, *MIXED}
        if self.host != "127.0.0.1":
            # The load generator connects to 127.0.0.1 only.
            rows -= {"signin", "idle", *MIXED}
        if not (self.cgroup / "memory.current").exists():
            print(f'{self.name}: memory not measured: no "{self.cgroup}/memory.current"', file=sys.stderr)
            rows -= {"idle"}
        return rows

    def __enter__(self):
        if not self.stored.exists():
            self.make_directory(self.stored)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.stored, ignore_errors=True)
        if self.stored.exists():
            print(f'{self.name}: "{self.stored}" cannot be removed from here', file=sys.stderr)

    def stop(self):
        """Does nothing, because the server was not started here."""

    def make_directory(self, path):
        path.mkdir()
        owner = self.root.stat()
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)

    def log(self):
        return ""

    def cpu_secs(self):
        """Returns the CPU time without waiting for sessions to end, because their processes are not known."""
        time.sleep(0.1)
        stat = dict(map(str.split, (self.cgroup / "cpu.stat").read_text().splitlines()))
        return int(stat["usage_usec"]) / 1e6

    def memory_kib(self):
        return int((self.cgroup / "memory.current").read_text()) / 1024
