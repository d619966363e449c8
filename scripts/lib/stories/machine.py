"""A machine of its own: a copy of this one's root, or of another, that costs nothing (overlayfs), booted with systemd as PID 1.

It has its own processes, its own network with only the loopback address, and none of this machine's services. What is
changed in it is gone afterwards.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from ..tools import children, quiet, wait_for

# No command in the machine takes longer than this.
PATIENCE_SECS = 120

# Services of this machine that would start in the copy, and what a new machine does not have.
NOT_COPIED = ["etc/systemd/system/*.wants/*", "usr/sbin/policy-rc.d"]


class Failed(Exception):
    """Something in the machine is not as it should be."""


class Machine:
    """A context manager: the machine runs inside of it. `base` is the root of which it is a copy."""

    def __init__(self, base="/"):
        self.base = base
        self.directory = Path(tempfile.mkdtemp(prefix="homeport-machine-"))
        self.root = self.directory / "root"
        self.console = self.directory / "console"
        self.nspawn = None
        self.pid = None

    def __enter__(self):
        hint = "hint: root's rights and overlayfs are needed"
        quiet(["mount", "-t", "tmpfs", "-o", "size=4g,mode=755", "tmpfs", self.directory], hint)
        try:
            for name in ("changes", "work", "root"):
                (self.directory / name).mkdir()
            layers = f"lowerdir={self.base},upperdir={self.directory}/changes,workdir={self.directory}/work"
            quiet(["mount", "-t", "overlay", "-o", layers, "overlay", self.root], hint)
            for pattern in NOT_COPIED:
                for path in self.root.glob(pattern):
                    path.unlink()
            (self.root / "etc/machine-id").write_text("")
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def boot(self):
        command = ["systemd-nspawn", "-q", "-D", self.root, "--private-network", "--register=no", "--keep-unit", "-b"]
        # Its own filter does not know Landlock, which the server uses.
        landlock = ("create_ruleset", "add_rule", "restrict_self")
        command += ["--system-call-filter=" + " ".join(f"landlock_{call}" for call in landlock)]
        with open(self.console, "wb") as console:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": console, "stderr": console}
            self.nspawn = subprocess.Popen(command, **pipes, start_new_session=True)
        wait_for("the machine to boot", self.is_up, 300)

    def is_up(self):
        """Whether systemd has started everything; some unit may have failed."""
        if self.nspawn.poll() is not None:
            said = self.console.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"systemd-nspawn has ended with {self.nspawn.returncode}\n{said}")
        self.pid = next(iter(children(self.nspawn.pid)), None)
        if self.pid is None:
            return False
        state = self.try_run("systemctl", "is-system-running").stdout.strip()
        return state in ("running", "degraded")

    def __exit__(self, *_):
        if self.nspawn and self.nspawn.poll() is None:
            # Nothing in the machine needs to end well. With its first process all of them end; systemd-nspawn alone would
            # leave them behind.
            for first in children(self.nspawn.pid):
                os.kill(first, signal.SIGKILL)
            self.nspawn.kill()
            self.nspawn.wait()
        for mounted in (self.root, self.directory):
            subprocess.run(["umount", "-l", mounted], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self, *words):
        """Returns a command of this machine that runs a command inside of the other."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", *map(str, words)]

    def try_run(self, *words, text="", env=()):
        """Runs a command with `text` on its standard input, and returns what has come of it."""
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", *env]
        return subprocess.run(
            self.command(*clean, *words),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECS,
            check=False,
        )

    def run(self, *words, text="", env=()):
        """Runs a command that must succeed, and returns its standard output."""
        done = self.try_run(*words, text=text, env=env)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def fails(self, *words, says=""):
        """Runs a command that must fail, with this text somewhere in its output."""
        done = self.try_run(*words)
        output = done.stdout + done.stderr
        if done.returncode == 0 or says not in output:
            raise Failed(f"{' '.join(map(str, words))}: exit code {done.returncode}, expected a failure: {says}\n{output}")
        return output

    def start(self, *words):
        """Starts a command that goes on running, and returns its process."""
        return subprocess.Popen(
            self.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def read(self, path):
        """Returns the content of a file as the machine sees it."""
        return self.run("cat", path)

    def write(self, path, text):
        """Writes a file, and the directories above it."""
        self.run("mkdir", "-p", Path(path).parent)
        self.run("tee", path, text=text)

    def journal(self, *options):
        """Returns what the server's unit has logged."""
        return self.run("journalctl", "-u", "homeport.service", "-o", "cat", "--no-pager", *options)
