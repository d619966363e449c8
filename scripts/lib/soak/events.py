"""The checks at the end of an operator's soak. Each function returns the violations."""

import json
import re
from collections import Counter

from .checks import MORE_DESCRIPTORS, MORE_MEMORY_KIB
from .receivers import EVENTS

# Threads that a runtime starts when it needs them and keeps for a while.
MORE_THREADS = 8
# So many events of one kind of violation are named.
NAMED = 10


def audit(server, workers, told):
    """Compares the audit log, in all its files, with what users know to have happened and with what hooks were told."""
    logged = [json.loads(line) for line in server.admin("audit", "--json").splitlines()]
    kinds = Counter(event["event"] for event in logged)
    print(f"audit log: {dict(sorted(kinds.items()))}")
    problems = [f"the audit log has {event}" for event in logged if event["event"] in ("lost", "hook_dropped")]
    changes = [event for event in logged if event["event"] in EVENTS]
    problems += changes_of(workers, Counter(map(change, changes)))
    for receiver, events in told.items():
        problems += told_to(receiver, events, set(map(change, changes)))
    if kinds["started"] != server.starts or kinds["stopped"] != server.starts - 1:
        problems.append(
            f"{server.starts} starts and {server.starts - 1} stops are {kinds['started']} and {kinds['stopped']} events"
        )
    return problems + sessions(logged)


def change(event):
    """Returns what makes an event unique here: its kind, and the path at which it happened."""
    return event["event"], event["from"] if event["event"] == "renamed" else event["path"]


def changes_of(workers, logged):
    """Checks that each acknowledged change has one event, and that no change has more than one."""
    acknowledged = Counter(pair for worker in workers for pair in worker.acknowledged)
    without = [f"{kind} {path}" for kind, path in acknowledged if not logged[kind, path]]
    repeated = [f"{kind} {path} ({count} times)" for (kind, path), count in logged.items() if count > 1]
    problems = listed("acknowledged changes without an audit event", without)
    return problems + listed("changes with more than one audit event", repeated)


def told_to(receiver, events, changes):
    """Checks that a hook was told every change, nothing else, and what happened to one file in its order."""
    found = [change(event) for event in events]
    problems = listed(f"changes that {receiver} was not told", spoken(changes - set(found)))
    more = spoken(set(found) - changes)
    problems += listed(f"changes that {receiver} was told and the audit log does not have", more)
    steps, late = {}, []
    for kind, path in found:
        file, step = path.removesuffix("-moved"), EVENTS.index(kind)
        if step < steps.get(file, 0):
            late.append(f"{kind} {path} after {EVENTS[steps[file]]}")
        steps[file] = max(step, steps.get(file, 0))
    print(f"{receiver} was told {len(set(found))} changes, {len(found) - len(set(found))} of them again")
    return problems + listed(f"changes that {receiver} was told too late", late)


def sessions(logged):
    """Checks that every session that has begun has ended once."""
    begun = Counter((event["run"], event["session"]) for event in logged if event["event"] == "signed_in")
    ended = Counter((event["run"], event["session"]) for event in logged if event["event"] == "session_ended")
    differ = [key for key in begun | ended if begun[key] != ended[key]]
    names = [f"{session} of run {run}" for run, session in differ]
    return listed("sessions whose beginnings and ends in the audit log differ", names)


def spoken(changes):
    return sorted(f"{kind} {path}" for kind, path in changes)


def listed(what, found):
    """Returns one violation that names some of what was found, or none."""
    if not found:
        return []
    more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [f"{len(found)} {what}: {', '.join(found[:NAMED])}{more}"]


def footprint(before, after, are_settled):
    """Compares two footprints of one process without sessions, unless it was not waited for their threads."""
    print(f"before the second half: {before}; after it: {after}")
    if not are_settled:
        return []
    problems = []
    if after.memory_kib > before.memory_kib * 1.5 + MORE_MEMORY_KIB:
        problems.append(f"the server holds {after.memory_kib} KiB, {before.memory_kib} KiB before")
    for what, limit in (("descriptors", MORE_DESCRIPTORS), ("threads", MORE_THREADS), ("processes", 0)):
        old, new = getattr(before, what), getattr(after, what)
        if new > old + limit:
            problems.append(f"the server has {new} {what}, {old} before")
    if problems:
        more = after.open_files - before.open_files
        problems += listed("kinds of more descriptors", [f"{count} of {name}" for name, count in more.most_common()])
    return problems


def logs(server):
    """Checks that no run has logged an error or a panic."""
    found = [f"{name}: {line}" for name, line in server.log_lines() if re.search(r"\bERROR\b|panicked", line)]
    return listed("lines of the log are errors", found)
