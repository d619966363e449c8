"""The checks at the end of a soak. Each function returns the violations."""

import re
import time

from ..tools import digest

# The additional memory that a server may have, in KiB: its allocator keeps memory after many users at once.
MORE_MEMORY_KIB = 48 << 10
# The descriptors of background work without a user.
MORE_DESCRIPTORS = 8
# By then, homes have been measured again after a kill, also on a slow machine.
EXACT_SECS = 60


def files(users):
    """Checks that every file has its MD5, and that no file is missing or additional."""
    problems = []
    for user in users:
        there = {str(path.relative_to(user.home)) for path in user.home.rglob("*") if path.is_file()}
        if there != set(user.files):
            lost, new = sorted(set(user.files) - there), sorted(there - set(user.files))
            problems.append(f"{user.name}: lost: {lost}; not known: {new}")
        wrong = [
            name for name in sorted(there & set(user.files)) if digest(user.home / name, "md5") != user.files[name]
        ]
        problems += [f"{user.name}: {name} has another MD5" for name in wrong]
    return problems


def usage(users, server):
    """Checks that the usage that the server reports equals the usage on disk."""
    problems = []
    for user in users:
        deadline = time.monotonic() + EXACT_SECS
        while not (found := server.user(user.name))["usage_exact"] and time.monotonic() < deadline:
            time.sleep(0.1)
        expected = (user.used(), len(user.files))
        if not found["usage_exact"]:
            problems.append(f"{user.name}: after {EXACT_SECS} s the server does not know what is used")
        elif (found["used_bytes"], found["used_files"]) != expected:
            said = f"{found['used_bytes']} bytes in {found['used_files']} files"
            problems.append(f"{user.name}: the server says {said}; there are {expected[0]} in {expected[1]}")
    return problems


def footprint(before, server):
    """Checks that memory and descriptors are near their earlier values."""
    after = server.footprint()
    print(f"before the second half: {before}; after it: {after}")
    problems = []
    if after.memory_kib > before.memory_kib * 1.5 + MORE_MEMORY_KIB:
        problems.append(f"the server holds {after.memory_kib} KiB, {before.memory_kib} KiB before")
    if None in (before.descriptors, after.descriptors):
        print("open descriptors: not counted, the server's process keeps them to itself (hint: run it as root)")
    elif after.descriptors > before.descriptors + MORE_DESCRIPTORS:
        problems.append(f"the server has {after.descriptors} descriptors open, {before.descriptors} before")
    return problems


def logs(server):
    """Checks that the logs of all server processes have no error and no panic."""
    problems = []
    for log in server.logs:
        for line in log.read_text(errors="replace").splitlines():
            if re.search(r"\bERROR\b|panicked", line):
                problems.append(f"{log.name}: {line}")
    return problems
