"""Runs the load generator (tools/load), alone or several of them that start together."""

import json
import subprocess
import threading
import time
from contextlib import contextmanager

from .measured import PATIENCE_SECS


def begin(rival, sizes, words, user=None):
    """Starts a load generator that signs in as the rival's user, or as another one."""
    command = [str(sizes.load), "--json", "--port", str(rival.port), "--user", user or rival.user]
    command += ["--key", str(rival.key), *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes)


def reports_of(rival, running):
    """Waits for a load generator to end, and returns its reports, one for each kind of work."""
    try:
        output, errors = running.communicate(timeout=PATIENCE_SECS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{rival.name}: {' '.join(running.args)}: not within {PATIENCE_SECS} s") from None
    if running.returncode != 0:
        raise RuntimeError(f"{rival.name}: {' '.join(running.args)}: {errors}{output}")
    return json.loads(output)


def load(rival, sizes, *words, meanwhile=lambda: None):
    """Runs the load generator, and returns its reports. `meanwhile` is called repeatedly until it ends."""
    deadline = time.monotonic() + PATIENCE_SECS
    with begin(rival, sizes, words) as running:
        try:
            while running.poll() is None:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{rival.name}: load {' '.join(words)}: not within {PATIENCE_SECS} s")
                begun = time.monotonic()
                meanwhile()
                # Inspecting a thousand processes takes a second, in which they do not run.
                time.sleep(max(0.1, time.monotonic() - begun))
            return reports_of(rival, running)
        finally:
            # This also runs on an interruption; the process may have ended before.
            running.kill()


@contextmanager
def signed_in(rival, sizes, words, user=None):
    """Yields a load generator whose connections are signed in, and that starts to work when `start` gets it.

    Each kind of work should have a process of its own, as clients have.
    """
    with begin(rival, sizes, [*words, "--wait"], user) as running:
        impatient = threading.Timer(PATIENCE_SECS, running.kill)
        impatient.start()
        try:
            line = running.stderr.readline()
            if line != "ready\n":
                raise RuntimeError(f"{rival.name}: load {' '.join(words)}: {line}{running.stderr.read()}")
            yield running
        finally:
            impatient.cancel()
            running.kill()


def start(*generators):
    """Starts the work of load generators that wait for it."""
    for running in generators:
        running.stdin.write("\n")
        running.stdin.flush()
