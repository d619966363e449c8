"""OpenSSH's scp, with SFTP (scp -s, the default since 9.0) and without (scp -O): most stories are the same."""

import os
import re

from . import openssh
from .story import (
    BYTES,
    QUOTA,
    QUOTES,
    REKEY_FILE,
    SPACES,
    UTF8,
    Client,
    contains,
    dated,
    equal,
    kept,
    names,
    refused,
    rekeyed,
    run,
    same,
    same_tree,
    within_quota,
)

scp = Client("scp", openssh.version, openssh.NEEDS)
legacy = Client("scp -O", openssh.version, openssh.NEEDS)


def copy(home, *words, flags=(), more=(), runs=run, **how):
    """Runs scp; a word that begins with "remote:" is on the server."""
    words = [f"{home.at}:{word[7:]}" if word.startswith("remote:") else word for word in words]
    command = ["scp", *flags, *openssh.options(home, *more), "-P", str(home.port), "--", *words]
    return runs(command, cwd=home.local, **how)


def both(title, **more):
    """A decorator: a story of both clients, told with the flags that make the difference."""

    def keep(tell):
        scp.story(title, **more)(lambda home: tell(home, ("-s",)))
        legacy.story(title, **more)(lambda home: tell(home, ("-O",)))
        return tell

    return keep


@both("whole files")
def whole_files(home, flags):
    for name, size in {"empty": 0, "one": 1, "large": 5_000_017}.items():
        local = home.sample(name, size)
        copy(home, name, "remote:", flags=flags)
        copy(home, f"remote:{name}", "back", flags=flags)
        same(home.disk / name, local)
        same(home.local / "back", local)
    # A shorter file over a longer one, by its absolute path.
    copy(home, "one", f"remote:{home.wire('large')}", flags=flags)
    same(home.disk / "large", home.local / "one")


@both("several files and patterns")
def several_files(home, flags):
    all_names = ["a b.txt", "b.txt", "c.log"]
    for name in all_names:
        home.sample(name)
    (home.disk / "d").mkdir()
    (home.local / "back").mkdir()
    copy(home, *all_names, "remote:d", flags=flags)
    copy(home, "remote:d/*.txt", "back", flags=flags)
    equal("the directory", names(home.disk / "d"), all_names)
    equal("what the pattern brought", names(home.local / "back"), all_names[:2])
    for name in all_names[:2]:
        same(home.disk / "d" / name, home.local / name)
        same(home.local / "back" / name, home.local / name)


@both("times and modes")
def times_and_modes(home, flags):
    dated(home.sample("one"))
    copy(home, "one", "remote:one", flags=(*flags, "-p"))
    copy(home, "remote:one", "back", flags=(*flags, "-p"))
    kept(home.disk / "one")
    kept(home.local / "back")


@both("directories")
def directories(home, flags):
    tree = home.tree("tree")
    copy(home, "tree", "remote:", flags=(*flags, "-rp"))
    copy(home, "remote:tree", "back", flags=(*flags, "-rp"))
    same_tree(home.disk / "tree", tree, attributes=True)
    same_tree(home.local / "back", tree, attributes=True)


@both("many small files")
def many_small_files(home, flags):
    for number in range(400):
        home.sample(f"many/{number % 20}/{number}", number)
    copy(home, "many", "remote:", flags=(*flags, "-r"))
    copy(home, "remote:many", "back", flags=(*flags, "-r"))
    same_tree(home.disk / "many", home.local / "many")
    same_tree(home.local / "back", home.local / "many")


@both("into what is there")
def into_directories(home, flags):
    """A directory that is there takes what is sent to it; a file takes no directory."""
    tree = home.tree("tree")
    (home.disk / "there").mkdir()
    home.stored("file", 10)
    before = (home.disk / "file").read_bytes()
    copy(home, "tree", "remote:there", flags=(*flags, "-r"))
    same_tree(home.disk / "there/tree", tree)
    copy(home, "tree", "remote:file", flags=(*flags, "-r"), runs=refused)
    same(home.disk / "file", before)


@both("server to server")
def relayed(home, flags):
    home.sample("one", 1_000_000)
    copy(home, "one", "remote:~/x", flags=flags)
    copy(home, "remote:~/x", "remote:y", flags=(*flags, "-3"))
    same(home.disk / "x", home.local / "one")
    same(home.disk / "y", home.local / "one")


@both("names")
def odd_names(home, flags):
    """Names that the client sends by themselves, then names in what the user typed, quoted as OpenSSH wants it."""
    (home.disk / "d").mkdir()
    odd = [SPACES, QUOTES, UTF8, BYTES]
    for name in odd:
        home.sample(name)
    copy(home, *[f"./{name}" for name in odd], "remote:d", flags=flags)
    (home.local / "all").mkdir()
    copy(home, "remote:d", "all", flags=(*flags, "-r"))
    equal("the directory", names(home.disk / "d"), sorted(odd))
    same_tree(home.local / "all/d", home.disk / "d")
    for name in odd:
        same(home.disk / "d" / name, home.local / name)
        # With SFTP the client looks for patterns; without, the server's shell reads the name.
        typed = re.sub(r"([^A-Za-z0-9_/\x80-\U0010ffff])" if "-O" in flags else r"([\\*?\[])", r"\\\1", name)
        copy(home, f"remote:d/{typed}", "back", flags=flags)
        same(home.local / "back", home.local / name)
        os.unlink(home.local / "back")


@both("missing")
def missing(home, flags):
    home.sample("one")
    for words in (("remote:nothing", "back"), ("one", "remote:no/where")):
        said = copy(home, *words, flags=flags, runs=refused)
        contains("the error", said.err.lower(), "no such file")
    equal("the home", names(home.disk), [])
    equal("the files here", names(home.local), ["one"])


@both("new keys under way")
def rekey(home, flags):
    home.sample("large", REKEY_FILE)
    verbose = (*flags, "-v", "-o", "LogLevel=DEBUG1")
    for words in (("large", "remote:large"), ("remote:large", "back")):
        log = copy(home, *words, flags=verbose, more=["RekeyLimit=1M"]).err
        rekeyed(openssh.changes(log), log)
    same(home.disk / "large", home.local / "large")
    same(home.local / "back", home.local / "large")


@both("over quota", user=("--quota", str(QUOTA)), only_ours="OpenSSH's server has no quotas")
def over_quota(home, flags):
    keep = home.sample("keep", QUOTA // 4)
    home.sample("large", 2 * QUOTA)
    copy(home, "keep", "remote:", flags=flags)
    said = copy(home, "large", "remote:", flags=flags, runs=refused)
    contains("the error", said.err, "quota exceeded")
    within_quota(home, keep)


@legacy.story("as libssh2 and pscp say it")
def other_commands(home):
    """The command lines of clients that are not OpenSSH's: quoted with -p, and `--`."""
    dated(home.stored("two words", 1000))
    for command in ("scp -pf 'two words'", "scp -v -p -f -- 'two words'"):
        # The client's side of the protocol: an acknowledgement for each message.
        ssh = ["ssh", *openssh.options(home), "-p", str(home.port), home.at, command]
        said = run(ssh, stdin="\0" * 4)
        contains("the messages", said.out, "T981173106 0 ", "C0640 1000 two words\n")
        contains("the file", said.out, os.fsdecode((home.disk / "two words").read_bytes()))
