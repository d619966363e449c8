"""The two programs of the users in a soak.

A method runs one process and returns its exit code and output; methods whose names begin with `begin` do not wait.
"""

import os
import subprocess

# A process that takes longer, in seconds, counts as hung.
PATIENCE_SECS = 300
PATIENCE_SAID = f"it did not end within {PATIENCE_SECS} s"


class Program:
    """A client with its own directory, for one user whose name is set later."""

    def __init__(self, directory, server, binaries):
        directory.mkdir()
        self.directory = directory
        self.server = server
        self.binaries = binaries
        self.user = ""

    @property
    def at(self):
        return f"{self.user}@127.0.0.1"

    def begin(self, command, stdin=""):
        """Starts a process; `end` waits for it."""
        process = subprocess.Popen(
            [os.fspath(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.directory,
            env=dict(os.environ, LC_ALL="C.UTF-8", SSH_AUTH_SOCK=""),
        )
        process.stdin.write(stdin)
        process.stdin.close()
        # Otherwise communicate() would close it again.
        process.stdin = None
        return process

    def end(self, process):
        try:
            said, _ = process.communicate(timeout=PATIENCE_SECS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return -1, PATIENCE_SAID
        return process.returncode, said

    def run(self, command, stdin=""):
        return self.end(self.begin(command, stdin))


class Sftp(Program):
    """OpenSSH's sftp, and ssh for hashes."""

    @staticmethod
    def options_of(server):
        """Returns the options of OpenSSH's programs for this server."""
        words = ["-F", "none", "-i", str(server.key)]
        for option in (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        ):
            words += ["-o", option]
        return words

    def options(self):
        return self.options_of(self.server)

    def lines(self, *lines):
        command = ["sftp", "-q", "-b", "-", *self.options(), "-P", str(self.server.port), self.at]
        return command, "".join(f"{line}\n" for line in lines)

    def begin_put(self, local, name):
        return self.begin(*self.lines(f'put "{local}" "{name}"'))

    def put(self, local, name):
        return self.end(self.begin_put(local, name))

    def resume_put(self, local, name):
        return self.run(*self.lines(f'reput "{local}" "{name}"'))

    def get(self, name, local):
        return self.run(*self.lines(f'get "{name}" "{local}"'))

    def rename(self, old, new):
        return self.run(*self.lines(f'rename "{old}" "{new}"'))

    def remove(self, name):
        return self.run(*self.lines(f'rm "{name}"'))

    def md5(self, name):
        """Returns the exit code, and the hash if it is 0."""
        command = ["ssh", *self.options(), "-p", str(self.server.port), self.at, f"md5sum '{name}'"]
        code, said = self.run(command)
        return code, said.split(" ")[0] if code == 0 else said


class Homeport(Program):
    """Our own client, which compares hashes after each transfer, and connects again when a connection is lost."""

    def command(self, *words):
        options = ["-F", "none", "-i", self.server.key, "-P", str(self.server.port), "--accept-new", "--batch", "-q"]
        return [self.binaries / "homeport", *options, "--known-hosts", self.directory / "known_hosts", *words]

    def remote(self, name):
        return f"{self.at}:{name}"

    def begin_put(self, local, name):
        return self.begin(self.command("put", "--overwrite", local, self.remote(name)))

    def put(self, local, name):
        return self.end(self.begin_put(local, name))

    def resume_put(self, local, name):
        return self.run(self.command("put", local, self.remote(name)))

    def get(self, name, local):
        return self.run(self.command("get", self.remote(name), local))

    def rename(self, old, new):
        return self.run(self.command("mv", self.remote(old), self.remote(new)))

    def remove(self, name):
        return self.run(self.command("rm", self.remote(name)))

    def md5(self, name):
        code, said = self.run(self.command("sum", self.remote(name)))
        return code, said.split(" ")[0] if code == 0 else said
