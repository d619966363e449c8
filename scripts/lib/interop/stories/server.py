"""Functions of a server besides files: signing in, rekeying, hashes and quotas."""

import os

from ...tools import digest
from ..checks import equal, mentions, names, rekeyed, same, used_bytes, within_quota
from ..client import Failed, Room, Skipped
from ..home import MODE, PASSWORD, QUOTA, REKEY_FILE, WITH_QUOTA
from .registry import shared

# The block size of statvfs, in bytes.
BLOCK = 4096


def everyday(client, home, **settings):
    """Common operations of users in sequence on one connection."""
    local = home.sample("one", 3_000_001)
    with client(home, **settings) as session:
        session.put(local, "one")
        session.get("one", home.local / "back")
        session.mkdir("d")
        session.put(local, "d/two")
        session.rename("d/two", "d/three")
        session.chmod("d/three", MODE)
        equal("what it lists", session.ls("d"), {"three": 3_000_001})
        session.put(local, "gone")
        session.remove("gone")
    same(home.disk / "one", local)
    same(home.local / "back", local)
    same(home.disk / "d/three", local)
    equal("the home", names(home.disk), ["d", "one"])
    equal("the mode", oct((home.disk / "d/three").stat().st_mode & 0o7777), oct(MODE))


shared("everyday", "put", "get", "mkdir", "rename", "chmod", "ls", "remove")(everyday)


@shared("password", "put", "passwords", only_ours="the reference server takes no passwords")
def password(client, home):
    with client(home, password=PASSWORD) as session:
        session.put(home.sample("one"), "one")
    same(home.disk / "one", home.local / "one")


@shared("new keys under way", "put", "get", "key_changes")
def new_keys(client, home, **settings):
    local = home.sample("large", REKEY_FILE)
    for verb, words in {"put": (local, "large"), "get": ("large", home.local / "back")}.items():
        with client(home, rekey_bytes=1 << 20, **settings) as session:
            getattr(session, verb)(*words)
            session.finish()
            if verb in client.counted_key_changes:
                rekeyed(session.key_changes())
    same(home.disk / "large", local)
    same(home.local / "back", local)


@shared("hashes", "hash")
def hashes(client, home):
    skip_without_hashes(client, home)
    sizes = {"empty": 0, "one": 1_000_003, "d/two": 70_000}
    with client(home) as session:
        for name, size in sizes.items():
            path = home.stored(name, size)
            for algorithm in client.hash_algorithms:
                equal(f"the {algorithm} of {name}", session.hash(name, algorithm), digest(path, algorithm))


@shared("hashes of odd names", "hash", "odd_names_hashed")
def hashes_of_odd_names(client, home):
    skip_without_hashes(client, home)
    with client(home) as session:
        for name in client.odd_names_hashed:
            path, algorithm = home.stored(name, 1000), client.hash_algorithms[0]
            equal(f"the {algorithm} of {name!r}", session.hash(name, algorithm), digest(path, algorithm))


@shared("hash of what is not there", "hash")
def hash_of_nothing(client, home):
    skip_without_hashes(client, home)
    with client(home) as session:
        mentions("the error", session.refused("hash", "nothing", client.hash_algorithms[0]), client.missing_words)


def skip_without_hashes(client, home):
    if client.hashes_only_ours and not home.ours:
        raise Skipped(client.hashes_only_ours)


@shared("free space", "df")
def free_space(client, home):
    with client(home) as session:
        room = session.df()
    disk = os.statvfs(home.disk)
    # Some clients report all free blocks, of which a server may exclude those reserved for root.
    least, most = (disk.f_frsize * blocks for blocks in (disk.f_bavail, disk.f_bfree))
    if not (0.9 * least < room.free < 1.1 * most and room.free <= room.total * 1.1):
        raise Failed(f"the client says {room}; the disk has {least} to {most} bytes free")


def exceed(session, large):
    """Uploads a file over the quota, and returns the client's message, which is empty if it ignores errors."""
    if session.reports_failed_writes:
        return session.refused("put", large, "large")
    session.put(large, "large")
    return " or ".join(session.quota_words)


@shared("over quota", "put", **WITH_QUOTA)
def over_quota(client, home):
    keep, large = home.quota_files()
    with client(home) as session:
        session.put(keep, "keep")
        mentions("the error", exceed(session, large), client.quota_words)
    within_quota(home, keep)
    if (home.disk / "large").exists() and (home.disk / "large").stat().st_size >= 2 * QUOTA:
        raise Failed("all of it was stored")


@shared("room again after a removal", "put", "remove", **WITH_QUOTA)
def room_again(client, home):
    keep, large = home.quota_files()
    fits = home.sample("fits", QUOTA // 2)
    with client(home) as session:
        session.put(keep, "keep")
        exceed(session, large)
    # Some clients confuse the replies to pending WRITEs with those to the next request.
    with client(home) as session:
        # A client that checks the free space first has sent nothing.
        if (home.disk / "large").exists():
            session.remove("large")
        session.put(fits, "fits")
    same(home.disk / "fits", fits)
    within_quota(home, keep)


@shared("size of a quota", "df", **WITH_QUOTA)
def size_of_a_quota(client, home):
    home.stored("one", QUOTA // 4)
    with client(home) as session:
        equal("the room", session.df(), Room(QUOTA, QUOTA - QUOTA // 4))


@shared("what a quota leaves", "put", "df", **WITH_QUOTA)
def left_by_quota(client, home):
    keep, large = home.quota_files()
    with client(home) as session:
        session.put(keep, "keep")
        exceed(session, large)
    with client(home) as session:
        room = session.df()
    left = QUOTA - used_bytes(home)
    if room.total != QUOTA or not left - BLOCK < room.free <= left:
        raise Failed(f"the client says {room}; of {QUOTA} bytes, {left} are left")
