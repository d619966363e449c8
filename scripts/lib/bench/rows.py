"""The measurements. A row prepares a server once, and measures it repeatedly; its claims have the bounds."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ..tools import digest, wait_for
from . import mixed
from .generator import load
from .measured import CHACHA, GCM


@dataclass
class Claim:
    """One line of the table: a metric of our server, alone or relative to another one, and its bounds."""

    text: str
    metric: str
    must: float
    aim: float
    beside: str = "sshd"
    # Whether a smaller value is better.
    less: bool = True


@dataclass
class Row:
    """One measurement."""

    name: str
    measure: callable
    claims: list
    prepare: callable = lambda rival, size: None
    # The servers that take part: these, or all that speak SFTP.
    only: tuple = ()
    floor: bool = False
    # Whether the server is restarted for each run, because a process keeps and reuses freed memory. Then nothing is
    # warm, and each run counts.
    fresh: bool = False
    # Whether there is something to warm up, so that the first run does not count.
    warm_up: bool = True
    # The number of connections that write at once.
    writers: int = 0
    # Whether the row is also in a quick run.
    quick: bool = True


@dataclass
class Sizes:
    """The sizes and numbers of all measurements."""

    mib: int = 1024
    small_files: int = 5000
    entries: int = 20_000
    idle: int = 500
    signin_secs: int = 4
    # How long sessions are kept after the last one is open, and how long the worst client runs, in seconds.
    idle_secs: int = 4
    hold_secs: int = 6
    # How long the load of a mixed row lasts, in seconds, and the divisor of its numbers of connections.
    mixed_secs: int = 4
    fewer: int = 1
    # The time in which a server may return memory, in seconds.
    rest_secs: int = 20
    # The sizes of the large file, and of a quarter of it.
    local: Path = None
    quarter: Path = None
    tree: Path = None
    load: Path = None


def timed(rival, work):
    """Measures the CPU time and the elapsed time of a function, in seconds."""
    before, begun = rival.cpu_secs(), time.monotonic()
    work()
    wall = time.monotonic() - begun
    return rival.cpu_secs() - before, wall


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def transfer(operation, cipher, clients=1):
    """Runs one or several clients that transfer the large file at the same time, each a file of its own."""

    def source(rival, sizes):
        return sizes.local if clients == 1 and not rival.slow else sizes.quarter

    def begin(rival, sizes, number):
        name = f"{source(rival, sizes).name}{number}"
        if not rival.sftp_server:
            return rival.transfer(operation, name, source(rival, sizes))
        if operation == "get":
            return rival.sftp(f"get {rival.prefix}{name} /dev/null\n", cipher)
        return rival.sftp(f"put {source(rival, sizes)} {rival.prefix}{name}\n", cipher)

    def measure(rival, sizes):
        local = source(rival, sizes)
        size = local.stat().st_size
        files = [rival.stored / f"{local.name}{number}" for number in range(clients)]
        for file in files:
            if operation == "put":
                file.unlink(missing_ok=True)
            elif not file.exists():
                shutil.copyfile(local, file)
        for file in files if operation == "get" else [local]:
            warm(file)
        cpu, wall = timed(rival, lambda: rival.wait([begin(rival, sizes, n) for n in range(clients)]))
        for file in files:
            stored(rival, file, size)
        gib = clients * size / (1 << 30)
        return {"cpu_secs_per_gib": cpu / gib, "mib_per_sec": gib * 1024 / wall}

    return measure


def stored(rival, path, size):
    """Waits until a file is stored, without measuring: some servers report success before that."""
    wait_for(f"{rival.name} to store {path.name}", lambda: path.exists() and path.stat().st_size == size)


def verified(rival, sizes):
    """Checks once, without measuring, that the stored file is the one that was sent."""
    rival.wait([rival.sftp(f"put {sizes.local} {rival.prefix}verified\n", GCM)])
    stored(rival, rival.stored / "verified", sizes.local.stat().st_size)
    if digest(rival.stored / "verified") != digest(sizes.local):
        raise RuntimeError(f"{rival.name}: the file has changed on its way")
    (rival.stored / "verified").unlink()


def small_files(rival, sizes):
    # Files are not removed before, because a file system that has just removed many files creates new ones slowly.
    number = 0
    while (target := rival.stored / f"tree{number}").exists():
        number += 1
    there = target / sizes.tree.name
    # Both directories are created before, because ProFTPD returns no path for a missing directory, which the client
    # requests first.
    rival.make_directory(target)
    rival.make_directory(there)
    batch = f"cd {rival.prefix}{target.name}\nput -r {sizes.tree}\n"
    cpu, wall = timed(rival, lambda: rival.wait([rival.sftp(batch, GCM)]))
    wait_for(f"{rival.name} to store all files", lambda: sum(1 for _ in there.iterdir()) == sizes.small_files)
    return {"files_per_sec": sizes.small_files / wall, "cpu_ms_per_file": 1000 * cpu / sizes.small_files}


def make_entries(rival, sizes):
    directory = rival.stored / "many"
    rival.make_directory(directory)
    for number in range(sizes.entries):
        (directory / f"name-of-a-file-{number:06}").touch()


def listing(rival, sizes):
    cpu, wall = timed(rival, lambda: rival.wait([rival.sftp(f"ls -l {rival.prefix}many\n", GCM)]))
    return {"entries_per_sec": sizes.entries / wall, "cpu_ms": 1000 * cpu}


def memory_under(rival, sizes, *words):
    """Measures the additional memory of the server during this load, in KiB."""
    before, held = rival.memory_kib(), [0]
    load(rival, sizes, *words, meanwhile=lambda: held.append(rival.memory_kib() - before))
    return max(held)


def sign_in(rival, sizes):
    reports = []
    words = ("--work", "signin", "--connections", "4", "--secs", str(sizes.signin_secs))
    cpu, _ = timed(rival, lambda: reports.extend(load(rival, sizes, *words)))
    count = reports[0]["operations"]
    return {"cpu_ms_per_sign_in": 1000 * cpu / count, "sign_ins_per_sec": reports[0]["per_sec"]}


def idle(rival, sizes):
    words = ("--work", "idle", "--connections", str(sizes.idle), "--secs", str(sizes.idle_secs))
    return {"kib_per_session": memory_under(rival, sizes, *words) / sizes.idle}


def worst(rival, sizes):
    """Measures the memory for one client that sends as many requests as it may, and reads nothing."""
    if not (rival.stored / "local0").exists():
        shutil.copyfile(sizes.local, rival.stored / "local0")
    words = ("--work", "greedy", "--file", "local0", "--size", "261120", "--secs", str(sizes.hold_secs))
    return {"mib_per_connection": memory_under(rival, sizes, *words) / 1024}


def make_endless(rival, sizes):
    """Creates a sparse file that is too large to be hashed during the measurement."""
    with open(rival.stored / "endless", "wb") as file:
        file.truncate(1 << 43)


def beside(rival, sizes):
    """Measures the latency of others while one user hashes endlessly and another one writes at full speed."""
    sign_in_as = ["-p", str(rival.port), "-i", str(rival.key), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"]
    quiet_ssh = ["-F", "none", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"]
    ssh = ["ssh", *quiet_ssh, *sign_in_as, f"{rival.user}@127.0.0.1", "sha256sum endless"]
    hashing = subprocess.Popen(ssh, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        words = ("--work", "write,stat,signin", "--file", "endless", "--depth", "64,1,1", "--secs", str(sizes.signin_secs))
        written, looked, signed_in = load(rival, sizes, *words)
        if hashing.poll() is not None:
            raise RuntimeError(f"{rival.name}: the hash has ended")
    finally:
        hashing.kill()
        hashing.wait()
    return {
        "stat_p50_ms": looked["p50_ms"],
        "stat_p99_ms": looked["p99_ms"],
        "sign_in_p50_ms": signed_in["p50_ms"],
        "mib_per_sec": written["mib_per_sec"],
    }


def table():
    """Returns all rows in the order of the report."""
    moved = [("get", "download", 0.45, 0.35, 1.5, 1.15), ("put", "upload", 0.60, 0.40, 1.3, 1.15)]
    rows = []
    for operation, words, must, aim, floor_must, floor_aim in moved:
        rows.append(
            Row(
                operation,
                transfer(operation, GCM),
                [
                    Claim(f"server CPU per GiB, {words}", "cpu_secs_per_gib", must, aim),
                    Claim(f"beside the floor, {words}", "cpu_secs_per_gib", floor_must, floor_aim, "floor"),
                    Claim(f"throughput, one client, {words}", "mib_per_sec", 0.95, 1.2, less=False),
                ],
                floor=True,
            )
        )
    for operation, words, *_ in moved:
        claim = Claim(f"server CPU per GiB, chacha20, {words}", "cpu_secs_per_gib", 0.85, 0.6)
        rows.append(Row(f"{operation}-chacha", transfer(operation, CHACHA), [claim]))
    for operation, words, *_ in moved:
        claim = Claim(f"throughput, four clients, {words}", "mib_per_sec", 1.2, 1.5, less=False)
        rows.append(Row(f"{operation}-4", transfer(operation, GCM, 4), [claim]))
    rows += [
        Row("small", small_files, [Claim("small files with put -r", "files_per_sec", 1.5, 2, less=False)]),
        Row(
            "list",
            listing,
            [
                Claim("ls -l", "entries_per_sec", 2.0, 3, less=False),
                Claim("ls -l", "entries_per_sec", 1.5, 2, "sftpgo", less=False),
            ],
            prepare=make_entries,
        ),
        Row(
            "signin",
            sign_in,
            [
                Claim("server CPU per key sign-in", "cpu_ms_per_sign_in", 0.5, 0.1),
                Claim("server CPU per key sign-in", "cpu_ms_per_sign_in", 0.7, 0.5, "sftpgo"),
            ],
        ),
        Row(
            "idle",
            idle,
            [Claim("KiB per idle session", "kib_per_session", 50, 35, None)],
            fresh=True,
        ),
        Row(
            "worst",
            worst,
            [Claim("MiB under the worst client", "mib_per_connection", 24, 16, None)],
            only=("homeport",),
            fresh=True,
        ),
        # On an idle machine, a STAT takes a tenth of a millisecond, and a sign-in a few. A request that waited for the
        # hash would take as long as the hash, and a throttled sign-in at least a quarter of a second.
        Row(
            "beside",
            beside,
            [
                Claim("ms of a STAT beside a hash and a writer, p99", "stat_p99_ms", 100, 20, None),
                Claim("ms of a sign-in beside them, median", "sign_in_p50_ms", 250, 50, None),
            ],
            prepare=make_endless,
            only=("homeport",),
        ),
    ]
    return rows + mixed_rows()


def mixed_rows():
    """Returns the rows with several kinds of work at once, and the one with the sizes of the programs."""
    return [
        Row(
            "latency",
            mixed.latency,
            [
                Claim("STAT beside 8 readers and 8 writers, p50", "stat_p50_ms", 1.5, 1.0),
                Claim("STAT beside 8 readers and 8 writers, p99", "stat_p99_ms", 1.0, 0.5),
                Claim("their throughput meanwhile", "mib_per_sec", 1.5, 1.5, less=False),
            ],
            prepare=mixed.make_readable,
            warm_up=False,
            writers=8,
        ),
        Row(
            "mix",
            mixed.mix,
            [
                Claim("STATs a second in a mix of 64 connections", "stats_per_sec", 1.0, 1.5, less=False),
                Claim("small files a second in that mix", "small_files_per_sec", 0.9, 1.2, less=False),
                Claim("throughput of that mix", "mib_per_sec", 2.0, 2.0, less=False),
            ],
            prepare=mixed.make_readable,
            warm_up=False,
            writers=16,
        ),
        Row(
            "crowd",
            mixed.crowd,
            [
                Claim("ms of a STAT beside 500 connections of another user, p99", "stat_p99_ms", 20, 10, None),
                Claim("ms of a sign-in beside them, slowest", "sign_in_max_ms", 500, 100, None),
            ],
            prepare=mixed.prepare_crowd,
            warm_up=False,
            writers=250,
            only=("homeport",),
        ),
        Row(
            "writers",
            mixed.writers,
            [
                Claim(
                    "1, 4, 16, 64 writers, lowest throughput to highest",
                    "lowest_to_highest",
                    0.85,
                    0.95,
                    None,
                    less=False,
                )
            ],
            warm_up=False,
            writers=64,
        ),
        Row(
            "memory",
            mixed.memory,
            [Claim("resident MiB 20 s after a mix of 64 connections", "resident_mib", 16, 10, None)],
            prepare=mixed.make_readable,
            only=("homeport", "sftpgo"),
            warm_up=False,
            writers=16,
            fresh=True,
            quick=False,
        ),
        Row(
            "sizes",
            mixed.sizes_of_binaries,
            [
                Claim("MB of homeportd as built", "server_mb", 20, 12, None),
                Claim("MB of homeport as built", "client_mb", 20, 12, None),
                Claim("ms from start to banner", "banner_ms", 15, 15, None),
            ],
            prepare=mixed.prepare_start,
            warm_up=False,
            only=("homeport",),
        ),
    ]
