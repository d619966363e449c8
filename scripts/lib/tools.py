"""What a machine needs before a script can work on it, and small tools for files, keys, processes and waiting.

Nothing here knows a server: those are in servers.py.
"""

import ctypes
import hashlib
import importlib.metadata
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"


def default_binary():
    """The release build if there is one, else the debug build."""
    for build in ("release", "debug"):
        binary = TARGET / build / "homeportd"
        if binary.exists():
            return binary
    sys.exit("there is no homeportd (hint: cargo build --release)")


def in_venv(directory, packages):
    """Goes on in an environment that has these packages ("name==version"), made or completed where it lacks.

    The script is run again from its beginning, by that environment's Python: call this before anything has happened.
    """
    python = directory / "bin/python"
    if Path(sys.prefix).resolve() != directory.resolve():
        if not python.exists():
            quiet([sys.executable, "-m", "venv", directory], "hint: apt-get install python3-venv")
        os.execv(python, [str(python), str(Path(sys.argv[0]).resolve()), *sys.argv[1:]])
    if not all(map(installed, packages)):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        quiet([*pip, *packages], "hint: the packages come from PyPI, which must be reached once")


def installed(package):
    """Whether exactly this version is here: another one would tell another story."""
    name, version = package.split("==")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def apt_install(packages):
    """Installs Debian packages without a question, as root or with a sudo that asks none."""
    if not packages:
        return
    wanted = " ".join(packages)
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode:
        sys.exit(
            f"{wanted}: not installed, and there is no apt-get with root's rights here (hint: install them by hand)"
        )
    print(f"installing {wanted}", flush=True)
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    quiet([*apt, "update"], "hint: Debian's packages must be reached once")
    quiet([*apt, "install", "-y", "--no-install-recommends", *packages], "hint: try it by hand")


def quiet(command, hint, **options):
    """Runs what nobody needs to read, unless it fails: then the script ends with what was said."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        done = subprocess.run(command, **pipes, check=False, **options)
    except FileNotFoundError:
        sys.exit(f"there is no {command[0]} on this machine ({hint})")
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")[-4000:]
        sys.exit(f"{said}\n{' '.join(map(str, command))}: failed with {done.returncode} ({hint})")


def end_on_signals():
    """From here on an interruption ends the script as an error does, with 128 and the signal's number; a second one
    does not keep it from cleaning up."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def end(number, _):
        for ignored in numbers:
            signal.signal(ignored, signal.SIG_IGN)
        print(f"interrupted by {signal.Signals(number).name}", file=sys.stderr)
        sys.exit(128 + number)

    for number in numbers:
        signal.signal(number, end)


def adopt_orphans():
    """Processes below this one whose parent ends become its children, so that end_descendants finds them."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def children(pid):
    """The processes that this one has started and that it has not waited for."""
    found = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def end_descendants():
    """Kills all that is left of what this process has started, and nothing else: only that lies below it."""
    while below := children(os.getpid()):
        for pid in below:
            below += children(pid)
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def wait_for(what, ready, patience_secs=20.0):
    """The first true answer of `ready`, asked again and again; an error when there is none in time."""
    deadline = time.monotonic() + patience_secs
    while not (answer := ready()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {patience_secs:g} s")
        time.sleep(0.02)
    return answer


def make_key(path):
    """An ed25519 key pair at `path` and `path`.pub."""
    quiet(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], "hint: apt-get install openssh-client")
    return path


def make_file(path, size):
    """A file of `size` bytes, no two of its mebibytes alike, so that swapped blocks show."""
    block = os.urandom(min(max(size, 8), 1 << 20))
    with open(path, "wb") as file:
        for number in range((size >> 20) + 1):
            left = min(size - (number << 20), 1 << 20)
            file.write((number.to_bytes(8, "big") + block[8:])[:left])
    return path


def digest(path, algorithm="sha256"):
    """A file's hash, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def free_port():
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
