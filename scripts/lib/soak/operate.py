"""The operator's soak: many sessions, while an operator reloads, restarts and rotates logs, and hooks fail at times."""

import json
import time

from ..tools import make_key, wait_for
from . import events
from .crowd import Crowd, Worker
from .operated import PATIENCE_SECS, OperatedServer
from .receivers import Receivers

# How often the operator does something, in seconds; in a short soak, each is done at least once in its time.
RELOAD_EVERY_SECS = 10
ROTATE_EVERY_SECS = 60
RESTART_EVERY_SECS = 180
# How long hooks fail in each half, at most, in seconds.
FAIL_SECS = 60
MOST_WORKERS = 40
# The next attempt of an event that has failed for that long comes within this time, in seconds.
RETRY_SECS = 260
SHORTEST_SETTLED_SECS = 20


class Operator:
    """Does what is due in one half of the soak. Restarts are for the first half only: the second one looks for what a
    server loses over time."""

    def __init__(self, server, receivers, crowd, problems):
        self.server, self.receivers, self.crowd, self.problems = server, receivers, crowd, problems

    def work(self, secs, with_restarts):
        begun = time.monotonic()
        fails = min(FAIL_SECS, secs / 8)
        due = [(secs / 8, self.receivers.fail), (secs / 8 + fails, self.recover)]
        due += at_intervals(secs, RELOAD_EVERY_SECS, self.server.reload)
        due += at_intervals(secs, ROTATE_EVERY_SECS, self.server.rotate)
        if with_restarts:
            due += at_intervals(secs, RESTART_EVERY_SECS, self.restart)
        for after, action in sorted(due, key=lambda entry: entry[0]):
            self.wait(begun + after)
            if not self.problems:
                action()
        self.wait(begun + secs)

    def wait(self, until):
        while time.monotonic() < until and not self.problems:
            self.crowd.look_after()
            if (code := self.server.process.poll()) is not None:
                self.problems.append(f"the server has ended with {code}")
            time.sleep(0.2)

    def recover(self):
        """Ends the failures of the hooks, once each of those that fail has been asked."""
        wait_for("failed hooks", lambda: self.problems or all(self.receivers.refused()))
        self.receivers.recover()

    def restart(self):
        """Stops the server and starts it again; the crowd's new connections wait in the socket's queue meanwhile."""
        self.server.ask_to_stop()
        self.crowd.end()
        self.crowd.start()
        self.problems += self.server.wait_until_stopped()
        self.server.start_again()


def at_intervals(secs, every, action):
    """Returns when to act: every so many seconds, or once in the middle if the time is too short for that."""
    times = int((secs - 1) / every)
    return [(every * (n + 1), action) for n in range(times)] or [(secs / 2, action)]


def operate(work, args, secs):
    """Runs both halves, and returns the violations at the end."""
    sessions = args.sessions
    print(f"{sessions} sessions for {secs:g} s with an operator, seed {args.seed}", flush=True)
    load = args.tools / "load"
    if not load.exists():
        raise RuntimeError(f'there is no "{load}" (hint: cargo build --workspace --bins, perhaps with --release)')
    problems = []
    receivers = Receivers(work / "receivers")
    server = OperatedServer(work / "operated", args.binary, make_key(work / "operator-key"), receivers.config())
    pace, count = min(1.0, secs / 60), max(1, min(MOST_WORKERS, sessions // 4))
    workers = [Worker(number, server, problems, pace, args.seed) for number in range(count)]
    crowd = Crowd(work / "crowd", server, load, sessions - len(workers), problems)
    with server:
        try:
            half(server, receivers, crowd, workers, secs / 2, with_restarts=True)
            before = footprint(server, secs)
            half(server, receivers, crowd, workers, secs / 2, with_restarts=False)
            problems += events.footprint(before, footprint(server, secs), secs >= SHORTEST_SETTLED_SECS)
            problems += events.audit(server, workers, receivers.told())
            problems += events.logs(server)
        finally:
            crowd.end()
            for worker in workers:
                worker.disconnect()
            receivers.close()
    return problems + proved(server, receivers, workers)


def half(server, receivers, crowd, workers, secs, with_restarts):
    """Lets everybody work, checks that all sessions are there, ends them, and waits until no hook is due."""
    problems = crowd.problems
    crowd.start()
    begun = time.monotonic()
    threads = [worker.thread(begun + secs) for worker in workers]
    for thread in threads:
        thread.start()
    Operator(server, receivers, crowd, problems).work(secs, with_restarts)
    receivers.recover()
    for thread in threads:
        thread.join()
    crowd.wait_until_signed_in()
    expected = crowd.sessions + sum(worker.session is not None for worker in workers)
    if not problems and (found := server.metric("homeport_sessions")) != expected:
        problems.append(f"the server has {found} sessions, not {expected}")
    crowd.end()
    for worker in workers:
        worker.disconnect()
    if problems:
        raise RuntimeError("; ".join(problems))
    empty_queue(server)


def footprint(server, secs):
    """Returns the footprint; a soak of a few seconds does not wait for the threads of sessions, which take longer."""
    if secs >= SHORTEST_SETTLED_SECS:
        server.settle()
    return server.footprint()


def empty_queue(server):
    """Waits until the hooks were told everything."""
    try:
        wait_for("an empty queue", lambda: not queue(server), RETRY_SECS + PATIENCE_SECS)
    except RuntimeError as error:
        waiting = [f"{entry['state']} {entry['event']} {entry['path']}: {entry['error']}" for entry in queue(server)]
        raise RuntimeError(f"{error}: {events.listed('events wait for hooks', waiting)[:1]}") from None


def queue(server):
    time.sleep(0.3)
    return json.loads(server.admin("hooks", "list", "--json") or "[]")


def proved(server, receivers, workers):
    """Prints what was done, and returns the violation that too little was done to prove anything."""
    changes = sum(len(worker.acknowledged) for worker in workers)
    unknown = sum(worker.unknown for worker in workers)
    refused = receivers.refused()
    print(
        f"{server.starts - 1} restarts, {server.reloads} reloads, {server.rotations} rotations; {changes} changes, "
        f"{unknown} requests lost in restarts; failed hooks: {refused[0]} programs, {refused[1]} posts"
    )
    if server.starts < 2 or not all((server.reloads, server.rotations, changes, *refused)):
        return ["there was no restart, reload, rotation, change or failed hook, so the soak proves little"]
    return []
