"""Installs what scripts need, and has small tools for files, keys, processes and waiting.

Servers are in servers.py.
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
    """Returns the release build of homeportd if it exists, or else the debug build."""
    for build in ("release", "debug"):
        binary = TARGET / build / "homeportd"
        if binary.exists():
            return binary
    sys.exit("there is no homeportd (hint: cargo build --release)")


def in_venv(directory, packages):
    """Continues in a virtual environment with these packages ("name==version"), which is created or completed.

    The Python of that environment runs the script again from its beginning, so call this first.
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
    """Whether exactly this version is installed, because another one may behave differently."""
    name, version = package.split("==")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def apt_install(packages):
    """Installs Debian packages without prompts, as root or with a sudo that asks for no password."""
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
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    # The lists of packages are fetched only if they are missing or too old.
    if subprocess.run(install, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        quiet([*apt, "update"], "hint: Debian's packages must be reached once")
        quiet(install, "hint: try it by hand")


def quiet(command, hint, **options):
    """Runs a command without output. If it fails, the script ends with its output."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        done = subprocess.run(command, **pipes, check=False, **options)
    except FileNotFoundError:
        sys.exit(f"there is no {command[0]} on this machine ({hint})")
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")[-4000:]
        sys.exit(f"{said}\n{' '.join(map(str, command))}: failed with {done.returncode} ({hint})")


def end_on_signals():
    """From here on, a signal ends the script like an error, with 128 plus the signal's number. A second signal does not
    interrupt the cleanup."""
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
    """Makes orphaned descendants children of this process, so that end_descendants finds them."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def children(pid):
    """Returns the child processes that were not waited for."""
    found = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def end_descendants():
    """Kills all remaining descendants of this process, and nothing else."""
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


def wait_for(what, ready, patience_secs=120.0):
    """Calls `ready` until its result is true, and returns it. Raises an error if that takes too long: far longer than
    usual, so that a slow machine is no error."""
    deadline = time.monotonic() + patience_secs
    while not (answer := ready()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {patience_secs:g} s")
        time.sleep(0.02)
    return answer


def make_key(path):
    """Creates an ed25519 key pair at `path` and `path`.pub."""
    quiet(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], "hint: apt-get install openssh-client")
    return path


def make_file(path, size):
    """Creates a file of `size` bytes whose mebibytes all differ, so that swapped blocks are noticed."""
    block = os.urandom(min(max(size, 8), 1 << 20))
    with open(path, "wb") as file:
        for number in range((size >> 20) + 1):
            left = min(size - (number << 20), 1 << 20)
            file.write((number.to_bytes(8, "big") + block[8:])[:left])
    return path


def digest(path, algorithm="sha256"):
    """Returns the hash of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def free_port():
    """Returns a free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether a server accepts connections on this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
