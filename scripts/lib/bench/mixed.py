"""Rows with several kinds of work at once: the latency of small requests beside bulk traffic, and memory afterwards."""

import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager

from ..servers import Homeport
from ..tools import free_port
from . import generator
from .measured import PATIENCE_SECS

BULK = ("--depth", "64")
# The file that all readers read; it is as long as the large one.
READ = "local0"
# The second user of the crowd row, without bulk traffic.
QUIET = "quiet"


def connections(sizes, number):
    return ("--connections", str(max(1, number // sizes.fewer)))


def make_readable(rival, sizes):
    """Creates the file that is read, and puts it into the page cache."""
    if not (rival.stored / READ).exists():
        shutil.copyfile(sizes.local, rival.stored / READ)
    with open(rival.stored / READ, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


@contextmanager
def written_files(rival):
    """Creates a directory for writers, and yields its path for clients. Its large files are removed after each run."""
    directory = rival.stored / "writers"
    rival.make_directory(directory)
    try:
        yield f"{rival.prefix}{directory.name}/"
    finally:
        shutil.rmtree(directory)


def new_directory(rival):
    """Creates a directory for small files, and returns its path for clients. It stays: see small_files in rows.py."""
    number = 0
    while (directory := rival.stored / f"mixed{number}").exists():
        number += 1
    rival.make_directory(directory)
    return f"{rival.prefix}{directory.name}/"


def together(rival, sizes, *works, secs=None):
    """Runs several kinds of work, each (kind, connections, options), that start together, and returns their reports."""
    duration = ("--secs", str(secs or sizes.mixed_secs))
    with ExitStack() as running:
        generators = [
            running.enter_context(
                generator.signed_in(rival, sizes, ["--work", kind, *connections(sizes, number), *options, *duration])
            )
            for kind, number, options in works
        ]
        generator.start(*generators)
        return [generator.reports_of(rival, one)[0] for one in generators]


def latency(rival, sizes):
    """Measures 200 STATs a second on one connection, beside 8 readers and 8 writers."""
    file = ("--file", f"{rival.prefix}{READ}")
    with written_files(rival) as directory:
        read, written, looked = together(
            rival,
            sizes,
            ("read", 8, (*BULK, *file)),
            ("write", 8, (*BULK, "--dir", directory)),
            ("stat", 1, ("--depth", "1", "--rate", "200", *file)),
        )
    return {
        "stat_p50_ms": looked["p50_ms"],
        "stat_p99_ms": looked["p99_ms"],
        "mib_per_sec": read["mib_per_sec"] + written["mib_per_sec"],
    }


def mix(rival, sizes):
    """Measures 64 connections at full speed: 24 readers, 16 writers, 16 with STATs, 8 with small files."""
    file = ("--file", f"{rival.prefix}{READ}")
    with written_files(rival) as directory:
        read, written, looked, small = together(
            rival,
            sizes,
            ("read", 24, (*BULK, *file)),
            ("write", 16, (*BULK, "--dir", directory)),
            ("stat", 16, ("--depth", "1", *file)),
            ("small", 8, ("--depth", "1", "--size", "1024", "--dir", new_directory(rival))),
        )
    return {
        "stats_per_sec": looked["per_sec"],
        "stat_p50_ms": looked["p50_ms"],
        "stat_p99_ms": looked["p99_ms"],
        "small_files_per_sec": small["per_sec"],
        "mib_per_sec": read["mib_per_sec"] + written["mib_per_sec"],
    }


def crowd(rival, sizes):
    """Measures STATs and sign-ins of a user beside 500 bulk connections of another user."""
    secs = sizes.mixed_secs
    with written_files(rival) as directory, ExitStack() as running:

        def begun(*words, longer=0, user=None):
            words = [*words, "--secs", str(secs + longer)]
            return running.enter_context(generator.signed_in(rival, sizes, words, user))

        many = connections(sizes, 250)
        # Bulk traffic starts a second earlier, to reach its full speed.
        read = begun("--work", "read", *many, *BULK, "--file", READ, longer=1)
        written = begun("--work", "write", *many, *BULK, "--dir", directory, longer=1)
        looking = begun("--work", "stat", "--depth", "1", "--rate", "200", "--file", ".", user=QUIET)
        signing_in = begun("--work", "signin", "--rate", "5", user=QUIET)
        generator.start(read, written)
        time.sleep(1)
        generator.start(looking, signing_in)
        looked, signed_in, *bulk = (
            generator.reports_of(rival, one)[0] for one in (looking, signing_in, read, written)
        )
    return {
        "stat_p50_ms": looked["p50_ms"],
        "stat_p99_ms": looked["p99_ms"],
        "sign_in_p50_ms": signed_in["p50_ms"],
        "sign_in_max_ms": signed_in["max_ms"],
        "mib_per_sec": sum(one["mib_per_sec"] for one in bulk),
    }


def prepare_crowd(rival, sizes):
    make_readable(rival, sizes)
    rival.add(QUIET)


def writers(rival, sizes):
    """Measures the total throughput of 1, 4, 16 and 64 writers, whose files together have the same size each time.

    Otherwise 64 writers would fill 64 times as much of the page cache as one, which costs more than to write it again.
    """
    rates = {}
    for number in (1, 4, 16, 64):
        file = ("--file-mib", str(2048 // sizes.fewer // number))
        with written_files(rival) as directory:
            (written,) = together(rival, sizes, ("write", number, (*BULK, *file, "--dir", directory)))
        rates[f"mib_per_sec_{number}"] = written["mib_per_sec"]
    return {**rates, "lowest_to_highest": min(rates.values()) / max(rates.values())}


def memory(rival, sizes):
    """Measures the resident memory of the server some time after a mix of 64 connections has ended."""
    mix(rival, sizes)
    time.sleep(sizes.rest_secs)
    return {"resident_mib": rival.resident_kib() / 1024}


def sizes_of_binaries(rival, _):
    """Measures the sizes of the programs as built, and the time from the start of the server to its banner."""
    server = rival.binary
    client = server.with_name("homeport")
    found = {"server_mb": server.stat().st_size / 1e6}
    if client.exists():
        found["client_mb"] = client.stat().st_size / 1e6
    return {**found, "banner_ms": start_to_banner(rival)}


def prepare_start(rival, _):
    """Creates a server with a directory of its own, and starts it once, since the first start creates the database."""
    directory = rival.directory / "start"
    directory.mkdir()
    with Homeport(directory, rival.binary, rival.key):
        pass


def start_to_banner(rival):
    """Returns the milliseconds from the start of a server to the first bytes of its SSH banner."""
    directory = rival.directory / "start"
    config = directory / "homeportd.toml"
    port = free_port()
    text = config.read_text()
    before = next(line for line in text.splitlines() if line.startswith("listen = "))
    config.write_text(text.replace(before, f'listen = ["127.0.0.1:{port}"]'))
    begun = time.monotonic()
    with (directory / "log").open("ab") as log:
        server = subprocess.Popen([rival.binary, "-c", config, "serve"], stdout=log, stderr=log)
    try:
        banner(port, server, begun + PATIENCE_SECS)
        return 1000 * (time.monotonic() - begun)
    finally:
        server.terminate()
        server.wait(20)


def banner(port, server, deadline):
    """Waits for the first bytes of the server."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                if not probe.recv(4).startswith(b"SSH-"):
                    raise RuntimeError("homeport: no banner")
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("homeport: it does not start")
        time.sleep(0.0002)
