"""Who takes part: our server, the machine's sshd, the floor under both, and others where they are installed.

Each tells the CPU that it has used, its children that have ended included, and the memory that it holds.
"""

import grp
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from .. import servers
from ..tools import children, free_port, listens, make_key, quiet

TICK = os.sysconf("SC_CLK_TCK")
GCM = "aes256-gcm@openssh.com"
CHACHA = "chacha20-poly1305@openssh.com"
# All rows that a server with SFTP can take part in.
ALL = ("get", "put", "get-chacha", "put-chacha", "get-4", "put-4", "small", "list", "signin", "idle")
# Longest that one operation may take; a hung one is an error, not a wait.
PATIENCE_SECS = 600


class Measured:
    """A server's cost, and the stock client that makes it work."""

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


class Homeport(Measured, servers.Homeport):
    user = "bench"
    prefix = "/"

    def __init__(self, directory, binary, key, *limits, name="homeport"):
        directory.mkdir()
        super().__init__(directory, binary, key)
        self.name = name
        text = self.config.read_text()
        both = f'[ssh]\nciphers = ["{GCM}", "{CHACHA}"]\n'
        self.config.write_text(text.replace("[ssh]\n", both, 1))
        # Rows with hundreds of connections have this one user.
        self.add(self.user, "--max-sessions", "4000", *limits)
        self.stored = self.home(self.user)
        self.stored.mkdir(parents=True, exist_ok=True, mode=0o700)


class Sshd(Measured, servers.Sshd):
    name = "sshd"

    def __init__(self, directory, key, program):
        directory.mkdir()
        # As many at the door as ours has.
        super().__init__(directory, key, "MaxStartups 1024")
        self.program = program
        if os.geteuid() != 0:
            self.hint = f"(hint: sshd lets {self.user} in only if unlocked and with a shell; or --sshd none)"
        self.key = key
        self.stored = directory / "files"
        self.stored.mkdir()
        self.prefix = f"{self.stored}/"


class Rclone(Measured, servers.Server):
    """`rclone serve sftp`, where rclone is installed."""

    name = "rclone"
    peer = slow = True
    user = "bench"
    prefix = "/"
    # Told to look at its directories anew, it takes minutes for thousands of small files.
    rows = ("get", "put", "get-chacha", "put-chacha")
    # The cheaper one of the two: to its advantage.
    instead = {GCM: "aes128-gcm@openssh.com"}

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


class ProFtpd(Measured, servers.Server):
    """ProFTPD's mod_sftp, where it is installed: a process for each session."""

    name = "proftpd"
    peer = slow = True
    user = "bench"

    def __init__(self, directory, key, program):
        directory.mkdir()
        super().__init__(directory)
        self.program, self.key = program, key
        self.stored = directory / "files"
        self.stored.mkdir()
        self.prefix = f"{self.stored}/"
        self.config = directory / "proftpd.conf"
        # Its own formats, both.
        quiet(["ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", directory / "host_key"], "hint: none")
        authorized = subprocess.check_output(["ssh-keygen", "-e", "-m", "RFC4716", "-f", f"{key}.pub"])
        (directory / "authorized_keys").write_bytes(authorized)
        users = directory / "users"
        users.touch(mode=0o600)
        users.write_text(f"{self.user}:*:{os.geteuid()}:{os.getegid()}::{self.stored}:/bin/sh\n")
        self.ciphers = [cipher for cipher in (GCM, CHACHA) if self.takes(cipher)]
        # 1.3.8 has AES-GCM, and no chacha20.
        self.rows = tuple(row for row in ALL if CHACHA in self.ciphers or not row.endswith("-chacha"))

    def configure(self, *ciphers):
        self.port = free_port()
        lines = [
            "LoadModule mod_sftp.c",
            "ServerType standalone",
            "DefaultServer on",
            "UseIPv6 off",
            "DefaultAddress 127.0.0.1",
            "SocketBindTight on",
            f"Port {self.port}",
            f"User {pwd.getpwuid(os.geteuid()).pw_name}",
            f"Group {grp.getgrgid(os.getegid()).gr_name}",
            "RootLogin on",
            "RequireValidShell off",
            "MaxInstances none",
            f"PidFile {self.directory}/pid",
            f"ScoreboardFile {self.directory}/scoreboard",
            "DelayEngine off",
            "WtmpLog off",
            "TransferLog none",
            f"SystemLog {self.directory}/system_log",
            "SyslogLevel error",
            "UseReverseDNS off",
            "AuthOrder mod_auth_file.c",
            f"AuthUserFile {self.directory}/users",
            "AllowOverwrite on",
            "SFTPEngine on",
            f"SFTPHostKey {self.directory}/host_key",
            "SFTPAuthMethods publickey",
            f"SFTPAuthorizedUserKeys file:{self.directory}/authorized_keys",
            f"SFTPCiphers {' '.join(ciphers)}",
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def takes(self, cipher):
        """Whether it has mod_sftp, and that has this cipher."""
        self.configure(cipher)
        test = [self.program, "-t", "-c", str(self.config)]
        return subprocess.run(test, capture_output=True, check=False, timeout=20).returncode == 0

    def __enter__(self):
        self.configure(*self.ciphers)
        self.start([self.program, "-n", "-c", str(self.config)], lambda: listens(self.port))
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
    """A server that somebody else runs on this machine: NAME=HOST:PORT,CGROUP. It is neither started nor stopped here.

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
        """Its directory: below where cgroup v2 is mounted, or a whole path."""
        mounts = [words[1] for words in map(str.split, Path("/proc/self/mounts").open()) if words[2] == "cgroup2"]
        for directory in [*(Path(mount) / name.lstrip("/") for mount in mounts), Path(name)]:
            if (directory / "cpu.stat").is_file() and "usage_usec" in (directory / "cpu.stat").read_text():
                return directory
        where = f"below {' or '.join(mounts)}" if mounts else "since no cgroup v2 is mounted"
        hint = "systemd-run --unit=NAME SERVER, or mkdir it, and write the server's pid to its cgroup.procs"
        raise SystemExit(f'--peer {self.name}: no cgroup "{name}" with a cpu.stat of v2 {where} (hint: {hint})')

    def possible_rows(self):
        rows = set(ALL)
        if self.host != "127.0.0.1":
            # The load generator goes nowhere else.
            rows -= {"signin", "idle"}
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
        """It is not ours to stop."""

    def make_directory(self, path):
        path.mkdir()
        owner = self.root.stat()
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)

    def log(self):
        return ""

    def cpu_secs(self):
        """What it uses after the last answer is not waited for: whose processes are sessions is not known."""
        time.sleep(0.1)
        stat = dict(map(str.split, (self.cgroup / "cpu.stat").read_text().splitlines()))
        return int(stat["usage_usec"]) / 1e6

    def memory_kib(self):
        return int((self.cgroup / "memory.current").read_text()) / 1024


def gather(work, args):
    """All that take part, and the names of those that cannot, with the reason."""
    key = make_key(work / "key")
    if args.quota:
        limits = ("--quota", "1TiB", "--max-files", "1000000")
        return [
            Homeport(work / "quota", args.binary, key, *limits, name="quota"),
            Homeport(work / "none", args.binary, key, name="none"),
        ], []
    taking_part, missing = [Homeport(work / "homeport", args.binary, key)], []
    if args.sshd:
        taking_part.append(Sshd(work / "sshd", key, args.sshd))
    else:
        missing.append("sshd: without it there is nothing to compare with")
    floor = args.tools / "floor"
    if floor.exists():
        taking_part.append(Floor(work / "floor", floor))
    else:
        missing.append(f'floor: there is no "{floor}" (hint: cargo build --release --workspace --bins)')
    if not (args.smoke or args.quick):
        found_peers(work, key, taking_part, missing)
    taking_part += [Peer(text, work / f"peer{number}") for number, text in enumerate(args.peer)]
    names = [rival.name for rival in taking_part]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"--peer: there is a {', '.join(doubled)} already (hint: another NAME)")
    return taking_part, missing


def found_peers(work, key, taking_part, missing):
    """Those that are installed."""
    if shutil.which("rclone"):
        taking_part.append(Rclone(work / "rclone", key))
    else:
        missing.append("rclone: not installed, so not beside us (hint: apt-get install rclone)")
    hint = "hint: apt-get install proftpd-core proftpd-mod-crypto"
    if not (program := servers.find_daemon("proftpd")):
        missing.append(f"proftpd: not installed, so not beside us ({hint})")
        return
    proftpd = ProFtpd(work / "proftpd", key, program)
    if GCM in proftpd.ciphers:
        taking_part.append(proftpd)
    else:
        missing.append(f"proftpd: without mod_sftp, or without {GCM} ({hint}, of 1.3.8 or later)")
