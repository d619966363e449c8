"""Our own client: with our server at its best, and with any other as well."""

import json

from .openssh import quoted
from .story import (
    BYTES,
    QUOTA,
    QUOTES,
    SPACES,
    UTF8,
    Client,
    contains,
    dated,
    equal,
    half_local,
    half_stored,
    kept,
    names,
    refused,
    run,
    same,
    same_tree,
    within_quota,
)

# scripts/interop puts the directory of the binaries first in PATH.
homeport = Client("homeport", lambda: run(["homeport", "--version"]).out.split()[1])


def options(home):
    """What all of them need so that nothing of this machine's user is asked or changed."""
    words = ["-F", "none", "-i", home.key, "-P", home.port, "--accept-new"]
    return [*map(str, words), "--known-hosts", str(home.local.parent / "homeport-known-hosts")]


def started(home, words, runs, **how):
    """Where no agent of this machine's user is."""
    return runs(["homeport", *options(home), *words], cwd=home.local, env={"SSH_AUTH_SOCK": ""}, **how)


def command(home, name, *words, runs=run, **how):
    """Runs one command, as scripts do."""
    return started(home, [name, *words], runs, **how)


def at(home, name=""):
    """A name in the home, as it is written on the command line."""
    return f"{home.at}:{home.wire(name)}"


def shell(home, *lines, runs=run, **how):
    """Runs the shell with these lines; the first that fails ends it."""
    return started(home, [at(home)], runs, stdin="".join(f"{line}\n" for line in lines), **how)


@homeport.story("whole files")
def whole_files(home):
    sizes = {"empty": 0, "one": 1, "large": 5_000_017}
    for name, size in sizes.items():
        home.sample(name, size)
    command(home, "put", *sizes, at(home))
    said = command(home, "ls", "-l", "--json", at(home))
    listed = {line["name"]: line["size"] for line in map(json.loads, said.out.splitlines())}
    equal("the listing", listed, sizes)
    for name in sizes:
        command(home, "get", at(home, name), f"{name}.back")
        same(home.disk / name, home.local / name)
        same(home.local / f"{name}.back", home.local / name)


@homeport.story("resume")
def resume(home):
    whole = home.sample("whole", 3_000_001)
    home.stored("whole").write_bytes(whole.read_bytes())
    half = whole.read_bytes()[: len(whole.read_bytes()) // 2]
    (home.disk / "up").write_bytes(half)
    (home.local / "down").write_bytes(half)
    for words in (("put", "whole", at(home, "up")), ("get", at(home, "whole"), "down")):
        said = command(home, *words, "--json")
        ended = [line for line in map(json.loads, said.out.splitlines()) if line["event"] == "end"]
        equal("where it went on", [line["resumed_from"] for line in ended], [len(half)])
    same(home.disk / "up", whole)
    same(home.local / "down", whole)


@homeport.story("a part of another file")
def another_part(home):
    """Its size says that it is a beginning, its bytes that it is not: clients that look at sizes alone spoil the file."""
    whole = home.sample("whole", 3_000_001)
    home.stored("whole").write_bytes(whole.read_bytes())
    part, rest = half_stored(home, whole, "up"), half_local(home, whole, "down")
    for words in (("put", "whole", at(home, "up")), ("get", at(home, "whole"), "down")):
        command(home, *words, runs=lambda words, **how: refused(words, "not its beginning", "--overwrite", **how))
    same(home.disk / "up", part)
    same(home.local / "down", rest)
    for words in (("put", "whole", at(home, "up")), ("get", at(home, "whole"), "down")):
        command(home, *words, "--overwrite")
    same(home.disk / "up", whole)
    same(home.local / "down", whole)


@homeport.story("trees")
def trees(home):
    tree = home.tree("tree")
    command(home, "put", "-r", "-p", "tree", at(home, "copy"))
    same_tree(home.disk / "copy", tree, attributes=True, directory_times=False)
    command(home, "get", "-r", "-p", at(home, "copy"), "back")
    same_tree(home.local / "back", tree, attributes=True, directory_times=False)


@homeport.story("times and modes")
def times_and_modes(home):
    dated(home.sample("one"))
    command(home, "put", "-p", "one", at(home))
    kept(home.disk / "one")
    command(home, "get", "-p", at(home, "one"), "back")
    kept(home.local / "back")


@homeport.story("names")
def odd_names(home):
    for name in (SPACES, QUOTES, UTF8, BYTES):
        home.sample(f"odd/{name}")
    command(home, "put", "-r", "odd", at(home, "odd"))
    same_tree(home.disk / "odd", home.local / "odd")
    command(home, "get", "-r", at(home, "odd"), "back")
    same_tree(home.local / "back", home.local / "odd")
    for name in (SPACES, QUOTES, UTF8, BYTES):
        shell(home, f"rename odd/{quoted(name)} {quoted(name)}", f"get {quoted(name)} again")
        same(home.local / "again", home.local / "odd" / name)
        (home.local / "again").unlink()
    equal("what was moved", names(home.disk / "odd"), [])


@homeport.story("rename and remove")
def rename_and_remove(home):
    home.sample("new")
    for name in ("old", "a.txt", "b.txt", "tree/sub/file"):
        home.stored(name, 10)
    command(home, "mkdir", "-p", at(home, "q/w/e"))
    shell(home, "put new", "mv new q/w/e/moved", "mv q/w/e/moved q", "rm *.txt", "remov -rf tree")
    equal("the home", names(home.disk), ["old", "q"])
    same(home.disk / "q/moved", home.local / "new")
    command(home, "rm", "-r", "-f", at(home, "q"), at(home, "old"))
    equal("the home", names(home.disk), [])
    shell(home, "rm nothing", runs=lambda words, **how: refused(words, "no such file", **how))


@homeport.story("sums")
def sums(home):
    """As md5sum prints them, so that md5sum can check them."""
    for name, size in {"empty": 0, "large": 5_000_017}.items():
        home.sample(name, size)
    command(home, "put", "--verify", "always", "empty", "large", at(home))
    listed = shell(home, "sum empty large").out
    equal("what md5sum says of it", run(["md5sum", "-c", "-"], stdin=listed, cwd=home.local).code, 0)
    (home.disk / "large").write_bytes((home.local / "large").read_bytes()[:-1] + b"!")
    run(["md5sum", "-c", "-"], stdin=shell(home, "sum large").out, cwd=home.local, code=1)


@homeport.over_quota
def over_quota(home):
    keep = home.sample("keep", QUOTA // 4)
    home.sample("large", 2 * QUOTA)
    command(home, "put", "keep", at(home))
    said = command(home, "put", "large", at(home), runs=refused)
    contains("the error", said.all, "no room on the server", "768.0 KiB free", "nothing was sent")
    within_quota(home, keep)
    equal("the home", names(home.disk), ["keep"])
    home.sample("fits", QUOTA // 2)
    command(home, "put", "fits", at(home))
    same(home.disk / "fits", home.local / "fits")
    used = json.loads(command(home, "df", "--json", at(home)).out)
    equal("what df says is used", used["used_bytes"], QUOTA // 4 + QUOTA // 2)
