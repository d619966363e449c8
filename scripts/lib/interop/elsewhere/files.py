"""Stories about single files: verification, resuming, conflicts, attributes and streams."""

import os

from ..checks import contains, equal, kept, mentions, mode_of, names, same
from ..client import Failed
from ..home import MODE, TIME, dated
from .client import Elsewhere

SIZES = {"empty": 0, "one": 1, "block": 32768, "large": 3_000_001}


@Elsewhere.story("send, fetch, and again")
def send_and_fetch(client, home):
    local = {name: home.sample(name, size) for name, size in SIZES.items()}
    with client(home) as session:
        sent = session.transfer("put", *local.values(), session.at())
        sent.is_proven(client.proof)
        for name, path in local.items():
            same(home.disk / name, path)
        again = session.transfer("put", *local.values(), session.at())
        (home.local / "back").mkdir()
        words = ["get", *map(session.at, local), home.local / "back"]
        session.transfer(*words).is_proven(client.proof)
        fetched_again = session.transfer(*words)
    for name, path in local.items():
        same(home.local / "back" / name, path)
    for transfer in (again, fetched_again):
        equal("a second run", transfer.all("result"), ["same"])
        equal("what it moved", transfer.summary["moved"], 0)
    equal("the home", names(home.disk), sorted(local))


@Elsewhere.story("verification that is asked for")
def verify_always(client, home):
    """Where it is known that hashes cannot be had, nothing is transferred."""
    new = home.sample("new")
    stored = home.stored("old")
    code = 0 if client.proof == "md5" else 4
    with client(home) as session:
        for words in (("put", new, session.at("new")), ("get", session.at("old"), home.local / "old")):
            end = session.transfer(*words, "--verify=always", code=code).ends.popitem()[1]
            equal("how it is verified", end["verified"], "md5" if code == 0 else "no")
            if code:
                contains("the error", end["error"], "the server cannot hash", "--verify=always")
        if code:
            if client.tries_commands:
                os.unlink(home.local / "old.part")
                same(home.disk / "new", new)
            else:
                equal("the homes", (names(home.disk), names(home.local)), (["old"], ["new"]))
            return
    same(home.disk / "new", new)
    same(home.local / "old", stored)


@Elsewhere.story("verification that is not wanted")
def verify_never(client, home):
    new = home.sample("new", 1_000_000)
    with client(home) as session:
        sent = session.transfer("put", "--verify=never", new, session.at("new"))
        fetched = session.transfer("get", "--verify=never", session.at("new"), home.local / "back")
    for transfer in (sent, fetched):
        equal("how it is verified", (transfer.all("verified"), transfer.warnings), (["no"], []))
    same(home.disk / "new", new)
    same(home.local / "back", new)


@Elsewhere.story("resume")
def resume(client, home):
    whole = home.sample("whole", 3_000_001)
    data = whole.read_bytes()
    half = data[: len(data) // 2]
    (home.disk / "whole").write_bytes(data)
    (home.disk / "up").write_bytes(half)
    (home.local / "down").write_bytes(half)
    (home.local / "begun.part").write_bytes(half)
    with client(home) as session:
        for words, name in (
            (("put", "whole", session.at("up")), "whole"),
            (("get", session.at("whole"), "down"), "down"),
            (("get", session.at("whole"), "begun"), "begun"),
        ):
            transfer = session.transfer(*words)
            resumed_from = 0 if words[0] == "put" and client.empties_opened else len(half)
            equal(f"where {name} goes on", transfer.ends[name]["resumed_from"], resumed_from)
            equal("what it moved", transfer.summary["moved"], len(data) - resumed_from)
            transfer.is_proven(client.proof, sure=client.hashes_all)
    for path in (home.disk / "up", home.local / "down", home.local / "begun"):
        same(path, data)


@Elsewhere.story("a part of another file")
def another_part(client, home):
    """A client that trusts sizes would corrupt the file."""
    whole = home.sample("whole", 3_000_001)
    data = whole.read_bytes()
    (home.disk / "whole").write_bytes(data)
    part, rest = home.half_stored(whole, "up"), home.half_local(whole, "down")
    uploads, downloads = ["put", whole, "up"], ["get", "whole", home.local / "down"]
    with client(home) as session:
        uploads[2], downloads[1] = session.at("up"), session.at("whole")
        for words in (uploads, downloads):
            end = session.transfer(*words, code=4).ends.popitem()[1]
            contains("the error", end["error"], "not its beginning", "--overwrite")
        same(home.disk / "up", part)
        same(home.local / "down", rest)
        for words in (uploads, downloads):
            session.transfer(*words, "--overwrite").is_proven(client.proof, sure=client.hashes_all)
    same(home.disk / "up", whole)
    same(home.local / "down", whole)


def conflicts(home, source, target):
    """Creates files that differ at both ends: as long, shorter and longer ones, and a beginning."""
    data = os.urandom(50_000)
    there = {"equal": bytes(50_000), "shorter": bytes(20_000), "longer": data + b"!", "begun": data[:20_000]}
    for name, content in there.items():
        (source / name).write_bytes(data)
        (target / name).write_bytes(content)
    return data, there


def runs_with_conflicts(session, home, up):
    """Returns the function that runs put or get for the files of `conflicts`."""
    (home.local / "here").mkdir(exist_ok=True)
    (home.disk / "there").mkdir(exist_ok=True)
    order = ["equal", "shorter", "longer", "begun"]

    def transfer(*options, code=0):
        if up:
            words = ["put", *options, *(home.local / "here" / name for name in order), session.at("there")]
        else:
            words = ["get", *options, *(session.at(f"there/{name}") for name in order), home.local / "here"]
        return session.transfer(*words, code=code)

    return transfer


@Elsewhere.story("conflicts")
def conflicts_are_decided(client, home):
    """A conflict fails unless an option decides it, and --skip touches nothing."""
    for up in (True, False):
        with client(home) as session:
            transfer = runs_with_conflicts(session, home, up)
            ends = [home.local / "here", home.disk / "there"]
            source, target = ends if up else ends[::-1]
            data, there = conflicts(home, source, target)
            skipped = transfer("--skip")
            equal("what is skipped", (skipped.summary["skipped"], skipped.summary["sent"]), (4, 0))
            for name, content in there.items():
                same(target / name, content)
            undecided = transfer(code=4)
            equal("what is decided", (undecided.summary["failed"], undecided.summary["sent"]), (3, 1))
            same(target / "begun", data)
            same(target / "equal", there["equal"])
            renamed = transfer("--rename")
            equal("what is renamed", renamed.summary["sent"], 3)
            new = sorted(set(names(target)) - set(there))
            equal("how many new names there are", len(new), 3)
            for name in new:
                same(target / name, data)
            equal("what is overwritten", transfer("--overwrite").summary["failed"], 0)
            for name in there:
                same(target / name, data)
                same(source / name, data)


@Elsewhere.story("times and modes")
def times_and_modes(client, home):
    local, stored = dated(home.sample("up")), dated(home.stored("down"))
    mode = {} if client.has_modes else {"mode": mode_of(home.stored("plain", 1))}
    with client(home) as session:
        session.transfer("put", "-p", local, session.at("up")).is_proven(client.proof)
        kept(home.disk / "up", **mode)
        os.chmod(stored, MODE)
        session.transfer("get", "-p", session.at("down"), home.local / "down").is_proven(client.proof)
    if client.has_modes:
        kept(home.local / "down")
    equal("the time", int((home.local / "down").stat().st_mtime), TIME)


@Elsewhere.story("read-only files")
def read_only(client, home):
    """A file without a right to write can be sent with its mode, and its beginning is completed."""
    local = home.sample("up", 500_000)
    local.chmod(0o444)
    (home.disk / "begun").write_bytes(local.read_bytes()[:200_000])
    with client(home) as session:
        session.transfer("put", "-p", local, session.at("up")).is_proven(client.proof)
        begun = session.transfer("put", "-p", local, session.at("begun"))
        begun.is_proven(client.proof, sure=client.hashes_all)
        session.transfer("get", "-p", session.at("up"), home.local / "back").is_proven(client.proof)
    for path in (home.disk / "up", home.disk / "begun", home.local / "back"):
        same(path, local)
        if client.has_modes:
            equal(f"the mode of {path.name}", oct(mode_of(path)), oct(0o444))


@Elsewhere.story("a temporary name")
def temporary_name(client, home):
    """A file that is replaced keeps its mode, and stays whole until the new one is."""
    old, new = home.stored("file", 200_000), home.sample("file", 300_000)
    old.chmod(0o640)
    before = mode_of(old)
    with client(home) as session:
        replaced = session.transfer("put", "--overwrite", "--temp", new, session.at("file"))
        replaced.is_proven(client.proof, sure=client.hashes_all)
        same(home.disk / "file", new)
        if client.has_modes:
            equal("the mode", oct(mode_of(home.disk / "file")), oct(before))
        # A run that was broken off has left the beginning under the temporary name.
        newer = home.sample("newer", 400_000)
        (home.disk / "file.homeport.part").write_bytes(newer.read_bytes()[:150_000])
        again = session.transfer("put", "--overwrite", "--temp", newer, session.at("file"))
        again.is_proven(client.proof, sure=client.hashes_all)
    same(home.disk / "file", newer)
    # With --overwrite, a beginning that cannot be verified is replaced.
    resumed_from = 150_000 if client.proof == "md5" and client.hashes_all else 0
    equal("where it goes on", again.ends["newer"]["resumed_from"], resumed_from)


@Elsewhere.story("streams")
def streams(client, home):
    text = "".join(f"{number}\n" for number in range(50_000))
    with client(home) as session:
        session.command("put", "-", session.at("stream"), stdin=text)
        same(home.disk / "stream", text.encode())
        equal("what comes back", session.command("get", session.at("stream"), "-").out, text)


@Elsewhere.story("what is not there")
def missing(client, home):
    local = home.sample("file")
    with client(home) as session:
        for words, code in (
            (("get", session.at("none"), home.local / "none"), None),
            (("put", local, session.at("none/file")), None),
            (("put", home.local / "none", session.at("file")), None),
            (("rm", session.at("none")), 1),
            (("stat", session.at("none")), 1),
            (("cat", session.at("none")), 1),
            (("ls", session.at("none")), 1),
            (("sync", session.at("none"), home.local / "none"), None),
        ):
            said = session.command(*words, code=code)
            if said.code not in (1, 4):
                raise Failed(f"{words}: exit code {said.code}: {said.all}")
            mentions(f"the error of {words[0]}", said.err, ("no such file", "does not exist"))
    equal("the homes", (names(home.disk), names(home.local)), ([], ["file"]))
