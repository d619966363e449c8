"""lftp: it sends requests behind each other without waiting, and goes on with what broke off."""

from . import openssh
from .openssh import quoted
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
    half_local,
    half_stored,
    kept,
    names,
    refused,
    rekeyed,
    run,
    same,
    same_tree,
    within_quota,
)

lftp = Client(
    "lftp",
    lambda: run(["lftp", "--version"]).out.split("|")[1].split()[1],
    {"lftp": "lftp", "ssh": "openssh-client"},
)


def script(home, *lines, more=(), ssh=(), runs=run):
    """Runs lftp with these commands; the first that fails ends it."""
    ssh = " ".join(["ssh", "-a", "-x", *ssh, *openssh.options(home, *more)])
    first = [
        "set cmd:fail-exit yes",
        "set net:max-retries 1",
        "set net:timeout 20",
        f'set sftp:connect-program "{ssh}"',
        f"open -u {home.user},none -p {home.port} sftp://127.0.0.1",
    ]
    command = ["lftp", "--norc", "-c", "; ".join([*first, *lines])]
    return runs(command, cwd=home.local, env={"HOME": str(home.local.parent)})


@lftp.story("whole files")
def whole_files(home):
    sizes = {"empty": 0, "one": 1, "large": 5_000_017}
    for name, size in sizes.items():
        home.sample(name, size)
    gets = [f"get {name} -o {name}.back" for name in sizes]
    said = script(home, "put " + " ".join(sizes), "cls -1 --size --block-size=1", *gets)
    listed = [line.split() for line in said.out.splitlines()]
    equal("the listing", {name: int(size) for size, name in listed}, sizes)
    for name in sizes:
        same(home.disk / name, home.local / name)
        same(home.local / f"{name}.back", home.local / name)


@lftp.story("resume")
def resume(home):
    whole = home.sample("whole", 3_000_001)
    part = half_stored(home, whole, "up")
    rest = half_local(home, whole, "down")
    script(home, "put -c whole -o up", "put whole", "get -c whole -o down")
    same(home.disk / "up", part + whole.read_bytes()[len(part) :])
    same(home.local / "down", rest + whole.read_bytes()[len(rest) :])


@lftp.story("rename and remove")
def rename_and_remove(home):
    home.sample("new")
    for name in ("old", "a.txt", "b.txt", "tree/sub/file"):
        home.stored(name, 10)
    script(home, "put new", "mkdir -p q/w/e", "mv new q/w/e/moved", "mmv q/w/e/moved q", "mrm *.txt", "rm -r tree")
    equal("the home", names(home.disk), ["old", "q"])
    same(home.disk / "q/moved", home.local / "new")
    script(home, "mv q/moved q/w/again", "rm old", "rmdir q/w/e")
    equal("the home", names(home.disk), ["q"])
    equal("the directory", names(home.disk / "q/w"), ["again"])
    script(home, "rm nothing", runs=lambda command, **how: refused(command, "No such file", **how))


@lftp.story("times and modes")
def times_and_modes(home):
    dated(home.sample("one"))
    script(home, "put one", "chmod 640 one", "get one -o back")
    kept(home.disk / "one")
    kept(home.local / "back", mode=(home.local / "back").stat().st_mode & 0o7777)


@lftp.story("mirror up")
def mirror_up(home):
    tree = home.tree("tree")
    script(home, "mirror -R tree copy")
    same_tree(home.disk / "copy", tree, attributes=True, directory_times=False)
    # Once more, after changes: what is new comes, what has gone goes.
    (tree / "sub/more").unlink()
    home.sample("tree/sub/new", 70_000)
    script(home, "mirror -R --delete --parallel=4 tree copy")
    same_tree(home.disk / "copy", tree)


@lftp.story("mirror down")
def mirror_down(home):
    tree = home.tree("tree")
    script(home, "mirror -R tree copy", "mirror copy back")
    same_tree(home.local / "back", tree, attributes=True, directory_times=False)
    home.stored("copy/sub/new", 70_000)
    (home.disk / "copy/one").unlink()
    script(home, "mirror --delete --parallel=4 --use-pget-n=2 copy back")
    same_tree(home.local / "back", home.disk / "copy")


@lftp.story("in pieces")
def in_pieces(home):
    """pget: several connections read one file, each from its own place."""
    home.stored("large", 8_000_009)
    script(home, "pget -n 4 large -o back")
    same(home.local / "back", home.disk / "large")


@lftp.story("names")
def odd_names(home):
    # Its command line takes UTF-8 only; the other bytes come with their directory.
    for name in (SPACES, QUOTES, UTF8):
        home.sample(name)
        script(
            home, f"put {quoted(name)}", f"mv {quoted(name)} {quoted(name + '2')}", f"get {quoted(name + '2')} -o back"
        )
        same(home.disk / f"{name}2", home.local / name)
        same(home.local / "back", home.local / name)
        (home.local / "back").unlink()
    for name in (SPACES, QUOTES, UTF8, BYTES):
        home.sample(f"odd/{name}")
    # Without conversion, as the file system has them.
    charset = ["set file:charset ISO-8859-1", "set sftp:charset ISO-8859-1"]
    script(home, *charset, "mirror -R odd", "mirror odd back")
    same_tree(home.disk / "odd", home.local / "odd")
    same_tree(home.local / "back", home.local / "odd")


@lftp.story("new keys under way")
def rekey(home):
    home.sample("large", REKEY_FILE)
    for number, line in enumerate(("put large", "get large -o back")):
        # In the way of SFTP there is no room for ssh's messages.
        log = home.local / f"log{number}"
        script(home, line, more=["RekeyLimit=1M"], ssh=["-v", "-E", str(log), "-o", "LogLevel=DEBUG1"])
        said = log.read_text(errors="replace")
        rekeyed(openssh.changes(said), said)
    same(home.disk / "large", home.local / "large")
    same(home.local / "back", home.local / "large")


@lftp.over_quota
def over_quota(home):
    keep = home.sample("keep", QUOTA // 4)
    home.sample("large", 2 * QUOTA)
    script(home, "put keep")
    said = script(home, "put large", runs=refused)
    contains("the error", said.all, "quota exceeded")
    within_quota(home, keep)
    home.sample("fits", QUOTA // 2)
    script(home, "rm large", "put fits")
    same(home.disk / "fits", home.local / "fits")
    within_quota(home, keep)
