"""Clients in Java: Apache MINA SSHD, the one that asks for md5-hash, and JSch. Their own code is in java/."""

import hashlib
import os
import re
from pathlib import Path

from ..tools import TARGET, quiet
from .story import (
    BYTES,
    MODE,
    QUOTA,
    QUOTES,
    REKEY_FILE,
    SPACES,
    TIME,
    UTF8,
    Client,
    Failed,
    contains,
    equal,
    half_local,
    half_stored,
    kept,
    names,
    rekeyed,
    run,
    same,
    within_quota,
)

SOURCE = Path(__file__).parent / "java"
BUILT = TARGET / "interop/java"
NEEDS = {"mvn": "maven", "javac": "default-jdk-headless", "ssh-keygen": "openssh-client"}


def build():
    """Compiles them, and brings the libraries that pom.xml names."""
    jars = BUILT / "jars"
    newest = max(path.stat().st_mtime for path in SOURCE.rglob("*") if path.is_file())
    if jars.is_dir() and jars.stat().st_mtime > newest:
        return
    goals = ["compile", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    # Another version of a library would stay beside the new one.
    for jar in jars.glob("*.jar"):
        jar.unlink()
    quiet(
        ["mvn", "-q", "-B", *goals],
        "hint: the libraries come from Maven Central, which must be reached once",
        cwd=SOURCE,
    )
    os.utime(jars)


def version(library):
    return lambda: re.search(
        rf"<artifactId>{library}</artifactId>\s*<version>([^<]+)", (SOURCE / "pom.xml").read_text()
    )[1]


mina = Client("MINA SSHD", version("sshd-sftp"), NEEDS, extra=True, build=build)
jsch = Client("JSch", version("jsch"), NEEDS, extra=True, build=build)


class Answers(list):
    """What each step said. A step that failed ends the story, unless it is looked at with `refused`."""

    def ok(self, number):
        kind, said = self[number]
        if kind != "ok":
            raise Failed(f"step {number}: {said}")
        return said

    def refused(self, number, *words):
        kind, said = self[number]
        if kind == "ok":
            raise Failed(f"step {number} went well, but had to fail")
        contains(f"the error of step {number}", said, *words)


def tell(home, program, knows, steps, *more, may_fail=()):
    """Runs a Java client; each step is a tuple: a verb and its words. Steps in `may_fail` need not succeed."""
    where = ["127.0.0.1", str(home.port), home.user, home.key, knows, *more]
    classes = f"{BUILT / 'classes'}:{BUILT / 'jars'}/*"
    quick = ["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
    # The names of files here are bytes for Java too.
    stdin = "".join("\t".join(map(str, step)) + "\n" for step in steps)
    said = run(["java", *quick, "-cp", classes, program, *where], stdin=stdin, cwd=home.local)
    answers = Answers(line.split("\t", 1) for line in said.out.splitlines() if line.startswith(("ok\t", "error\t")))
    if len(answers) != len(steps):
        raise Failed(f"{len(steps)} steps, {len(answers)} answers:\n{said.all[-3000:]}")
    for number in set(range(len(steps))) - set(may_fail):
        answers.ok(number)
    return answers


def tell_mina(home, *steps, rekey=None, may_fail=()):
    fingerprint = run(["ssh-keygen", "-lf", home.host_key]).out.split()[1]
    return tell(home, "Mina", fingerprint, steps, *([str(rekey)] if rekey else []), may_fail=may_fail)


def tell_jsch(home, *steps, may_fail=()):
    known = home.local.parent / "known_hosts_jsch"
    kind, key = home.host_key.read_text().split()[:2]
    known.write_text(f"[127.0.0.1]:{home.port} {kind} {key}\n")
    return tell(home, "Jsch", known, steps, may_fail=may_fail)


def literal(name):
    """A name where JSch looks for patterns."""
    return re.sub(r"([*?\\])", r"\\\1", name)


def as_it_is(name):
    return name


def both(title, **more):
    """A decorator: a story of both, told with the function that tells the client its steps."""

    def keep(tell_steps):
        mina.story(title, **more)(lambda home: tell_steps(home, tell_mina, as_it_is))
        jsch.story(title, **more)(lambda home: tell_steps(home, tell_jsch, literal))
        return tell_steps

    return keep


@both("whole files")
def whole_files(home, tell_client, _literal):
    sizes = {"empty": 0, "one": 1, "large": 5_000_017}
    steps = []
    for name, size in sizes.items():
        local = home.sample(name, size)
        steps += [("put", local, home.wire(name)), ("get", home.wire(name), home.local / f"{name}.back")]
    listed = tell_client(home, *steps, ("list", home.wire(""))).ok(len(steps))
    for name in sizes:
        same(home.disk / name, home.local / name)
        same(home.local / f"{name}.back", home.local / name)
    entries = dict(entry.rsplit("=", 1) for entry in listed.split("\t"))
    equal("the listing", {name: int(entries.get(name, -1)) for name in sizes}, sizes)


@both("rename and remove")
def rename_and_remove(home, tell_client, _literal):
    old = home.stored("old").read_bytes()
    home.stored("gone", 10)
    at = home.wire
    tell_client(
        home,
        ("mkdir", at("d")),
        ("rename", at("old"), at("d/new")),
        ("remove", at("gone")),
        ("mkdir", at("e")),
        ("rmdir", at("e")),
        ("remove", at("nothing")),
        may_fail=[5],
    ).refused(5, "No such file")
    equal("the home", names(home.disk), ["d"])
    same(home.disk / "d/new", old)


@both("times and modes")
def times_and_modes(home, tell_client, _literal):
    path = home.stored("one", 10)
    found = tell_client(home, ("attributes", home.wire("one"), f"{MODE:o}", TIME)).ok(0)
    equal("what stat says", found, f"{0o100000 | MODE:o} {TIME}")
    kept(path)


@both("names")
def odd_names(home, tell_client, literal_name):
    for name in (SPACES, QUOTES, UTF8, BYTES):
        path = home.stored(f"stored/{name}")
        wire = home.wire
        steps = [
            ("get", literal_name(wire(f"stored/{name}")), home.local / "back"),
            ("put", home.local / "back", literal_name(wire(f"put {name}"))),
            ("rename", literal_name(wire(f"put {name}")), literal_name(wire(f"moved {name}"))),
        ]
        # Bytes that are no UTF-8 need a client that is told so.
        tell_client(home, *([("charset", "ISO-8859-1")] if name == BYTES else []), *steps)
        same(home.local / "back", path)
        same(home.disk / f"moved {name}", path)


@both("over quota", user=("--quota", str(QUOTA)), only_ours="OpenSSH's server has no quotas")
def over_quota(home, tell_client, _literal):
    keep, large = home.sample("keep", QUOTA // 4), home.sample("large", 2 * QUOTA)
    put = ("put", keep, home.wire("keep")), ("put", large, home.wire("large"))
    tell_client(home, *put, may_fail=[1]).refused(1, "quota exceeded")
    within_quota(home, keep)
    # In a session of its own: JSch takes the answers to what it has still written for those to what it asks next.
    equal("the size and what is free", tell_client(home, ("statvfs", home.wire(""))).ok(0), f"{QUOTA} 0")


@mina.story("links and copies")
def mina_links_and_copies(home):
    old = home.stored("one", 300_001).read_bytes()
    home.stored("two", 10)
    tell_mina(
        home,
        ("symlink", home.wire("soft"), "one"),
        ("copy", home.wire("one"), home.wire("copy")),
        ("posix-rename", home.wire("one"), home.wire("two")),
    )
    equal("the link", os.readlink(home.disk / "soft"), "one")
    same(home.disk / "copy", old)
    same(home.disk / "two", old)
    equal("the home", names(home.disk), ["copy", "soft", "two"])


@mina.story("resume")
def mina_resume(home):
    local = home.sample("whole", 3_000_001)
    part = half_stored(home, local, "up")
    tell_mina(home, ("append", local, home.wire("up")))
    same(home.disk / "up", part + local.read_bytes()[len(part) :])


@mina.story("new keys under way")
def mina_rekey(home):
    local = home.sample("large", REKEY_FILE)
    steps = (("put", local, home.wire("large")), ("keys",), ("get", home.wire("large"), home.local / "back"), ("keys",))
    answers = tell_mina(home, *steps, rekey=1 << 20)
    same(home.disk / "large", local)
    same(home.local / "back", local)
    for number in (1, 3):
        rekeyed(int(answers.ok(number)))


NO_HASHES = "OpenSSH's server has no md5-hash and no check-file"


@mina.story("md5-hash", only_ours=NO_HASHES)
def mina_md5(home):
    """By name and by handle: whole files, ranges, past the end, and the short hash that spares a long one."""
    data = home.stored("one", 1_000_003).read_bytes()
    home.stored("empty", 0)
    (home.disk / "d").mkdir()
    rows = [
        ("one", 0, 0, "", data),
        ("one", 1000, 500_000, "", data[1000:501_000]),
        ("one", 10, 5_000_000, "", data[10:]),
        ("one", 0, 0, "right", data),
        ("one", 5, 100_000, "right", data[5:100_005]),
        ("one", 0, 0, "wrong", None),
        ("empty", 0, 0, "", b""),
    ]
    asked = [(row, how) for row in rows for how in ("name", "handle")]
    steps = [("md5", home.wire(name), how, start, length, quick) for (name, start, length, quick, _), how in asked]
    bad = [("md5", home.wire(name), "name", 0, 0, "") for name in ("nothing", "d")]
    answers = tell_mina(home, *steps, *bad, may_fail=[len(steps), len(steps) + 1])
    for number, ((*_, part), _how) in enumerate(asked):
        expected = "" if part is None else hashlib.md5(part).hexdigest()
        equal(f"the answer to {steps[number]}", answers.ok(number), expected)
    answers.refused(len(steps), "No such file")
    answers.refused(len(steps) + 1)


@mina.story("check-file", only_ours=NO_HASHES)
def mina_check(home):
    """By name and by handle: the first algorithm that both know, whole files, ranges, blocks."""
    data = home.stored("one", 1_000_003).read_bytes()
    home.stored("empty", 0)
    rows = [("one", algorithm, 0, 0, 0) for algorithm in ("md5", "sha1", "sha256", "sha512")]
    rows += [
        ("one", "crc32,sha256,md5", 0, 0, 0),
        ("one", "sha1", 1000, 500_000, 0),
        ("one", "sha1", 999_999, 0, 0),
        ("one", "md5", 0, 0, 256),
        ("one", "sha256", 7, 300_000, 65_536),
        ("empty", "sha256", 0, 0, 0),
    ]
    asked = [(row, how) for row in rows for how in ("name", "handle")]
    steps = [("check", home.wire(name), how, *rest) for (name, *rest), how in asked]
    bad = [
        ("check", home.wire("one"), "name", "crc32", 0, 0, 0),
        ("check", home.wire("one"), "handle", "md5", 0, 0, 255),
    ]
    answers = tell_mina(home, *steps, *bad, may_fail=[len(steps), len(steps) + 1])
    for number, ((name, algorithms, start, length, block), _how) in enumerate(asked):
        part = (data if name == "one" else b"")[start : start + length if length else None]
        algorithm = next(word for word in algorithms.split(",") if word != "crc32")
        blocks = [part[at : at + block] for at in range(0, len(part), block)] if block else [part]
        hashes = [hashlib.new(algorithm, piece).hexdigest() for piece in blocks]
        equal(f"the answer to {steps[number]}", answers.ok(number), " ".join([algorithm, *hashes]))
    answers.refused(len(steps))
    answers.refused(len(steps) + 1)


@mina.story("space-available", user=("--quota", str(QUOTA)), only_ours="OpenSSH's server has no space-available")
def mina_space(home):
    answers = tell_mina(home, ("put", home.sample("one", QUOTA // 4), home.wire("one")), ("space", home.wire("")))
    equal("the user's bytes and those unused", answers.ok(1), f"{QUOTA} {QUOTA - QUOTA // 4}")


@jsch.story("links")
def jsch_links(home):
    home.stored("one", 10)
    tell_jsch(home, ("symlink", "one", home.wire("soft")), ("hardlink", home.wire("one"), home.wire("hard")))
    equal("the link", os.readlink(home.disk / "soft"), "one")
    equal("links of one file", (home.disk / "hard").stat().st_nlink, 2)


@jsch.story("resume")
def jsch_resume(home):
    local = home.sample("whole", 3_000_001)
    part, rest = half_stored(home, local, "up"), half_local(home, local, "down")
    (home.disk / "whole").write_bytes(local.read_bytes())
    down = home.local / "down"
    tell_jsch(home, ("put-resume", local, home.wire("up")), ("get-resume", home.wire("whole"), down))
    same(home.disk / "up", part + local.read_bytes()[len(part) :])
    same(down, rest + local.read_bytes()[len(rest) :])


@jsch.story("new keys")
def jsch_rekey(home):
    local = home.sample("large", 5_000_000)
    put, get = ("put", local, home.wire("large")), ("get", home.wire("large"), home.local / "back")
    tell_jsch(home, ("rekey",), put, ("rekey",), get, ("rekey",), ("list", home.wire("")))
    same(home.disk / "large", local)
    same(home.local / "back", local)
