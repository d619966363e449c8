"""The servers in the comparison: ours, the machine's sshd, the lower bound (`floor`), and others if they are
installed."""

import os
import shutil
import subprocess

from .. import servers
from ..tools import make_key
from .measured import CHACHA, GCM, Measured
from .peers import Peer, ProFtpd, Rclone, SftpGo


class Homeport(Measured, servers.Homeport):
    user = "bench"
    prefix = "/"
    lasting = "homeportd-hooks-supervisor"

    def __init__(self, directory, binary, key, *limits, name="homeport"):
        directory.mkdir()
        super().__init__(directory, binary, key)
        self.name = name
        self.binary = binary
        text = self.config.read_text()
        both = f'[ssh]\nciphers = ["{GCM}", "{CHACHA}"]\n'
        self.config.write_text(text.replace("[ssh]\n", both, 1))
        # Rows with hundreds of connections use this one user.
        self.add(self.user, "--max-sessions", "4000", *limits)
        self.stored = self.home(self.user)
        self.stored.mkdir(parents=True, exist_ok=True, mode=0o700)


class Sshd(Measured, servers.Sshd):
    name = "sshd"

    def __init__(self, directory, key, program):
        directory.mkdir()
        # sshd allows as many connections before the sign-in as our server.
        super().__init__(directory, key, "MaxStartups 1024")
        self.program = program
        if os.geteuid() != 0:
            self.hint = f"(hint: sshd lets {self.user} in only if unlocked and with a shell; or --sshd none)"
        self.key = key
        self.stored = directory / "files"
        self.stored.mkdir()
        self.prefix = f"{self.stored}/"


class Floor(Measured, servers.Server):
    """The lower bound: a transfer that does only the unavoidable work. The same program is its client."""

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
        """Starts `get` or `put`."""
        words = [name] if operation == "get" else [name, str(local)]
        command = [str(self.program), operation, str(self.port), *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def gather(work, args):
    """Returns the servers that take part, and the names of those that cannot, with the reason."""
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
    if args.sftpgo:
        taking_part.append(SftpGo(work / "sftpgo", key, args.sftpgo))
    taking_part += [Peer(text, work / f"peer{number}") for number, text in enumerate(args.peer)]
    names = [rival.name for rival in taking_part]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"--peer: there is a {', '.join(doubled)} already (hint: another NAME)")
    return taking_part, missing


def found_peers(work, key, taking_part, missing):
    """Returns the other servers that are installed."""
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
