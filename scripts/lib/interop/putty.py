"""PuTTY's psftp and pscp, which speaks SFTP (-sftp) or the old protocol (-scp)."""

import shlex

from ..tools import quiet
from .story import (
    BYTES,
    QUOTA,
    QUOTES,
    REKEY_FILE,
    SIGNS,
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

NEEDS = {"psftp": "putty-tools", "pscp": "putty-tools", "puttygen": "putty-tools", "ssh-keygen": "openssh-client"}


def version():
    return run(["psftp", "-V"]).out.split("\n")[0].split()[-1]


psftp = Client("psftp", version, NEEDS)
pscp_sftp = Client("pscp -sftp", version, NEEDS)
pscp_scp = Client("pscp -scp", version, NEEDS)


def options(home, rekey=False):
    """What both need so that nothing is asked; a saved session holds what has no option."""
    key = home.key.with_suffix(".ppk")
    if not key.exists():
        quiet(["puttygen", home.key, "-O", "private", "-o", key], "hint: apt-get install putty-tools")
    words = ["-batch", "-noagent", "-hostkey", fingerprint(home), "-i", str(key), "-P", str(home.port)]
    if not rekey:
        return words
    sessions = home.local.parent / ".putty/sessions"
    sessions.mkdir(parents=True, exist_ok=True)
    (sessions / "rekey").write_text("RekeyBytes=1M\nProtocol=ssh\n")
    return ["-load", "rekey", "-v", *words]


def fingerprint(home):
    return run(["ssh-keygen", "-lf", home.host_key]).out.split()[1]


def runs_in(home):
    """PuTTY keeps its settings in the user's home."""
    return {"cwd": home.local, "env": {"HOME": str(home.local.parent)}}


def batch(home, *lines, rekey=False, runs=run):
    """Runs psftp with these commands; the first that fails ends it."""
    script = home.local.parent / "batch"
    script.write_bytes("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
    return runs(["psftp", *options(home, rekey), "-b", script, home.at], **runs_in(home))


def quoted(name):
    """A name as psftp's command line takes it: in quotes, quotes are doubled."""
    return '"' + name.replace('"', '""') + '"'


def literal(name):
    """A name where PuTTY looks for patterns."""
    return "".join(f"\\{sign}" if sign in "\\*?[]" else sign for sign in name)


@psftp.story("whole files")
def whole_files(home):
    sizes = {"empty": 0, "one": 1, "large": 5_000_017}
    for name, size in sizes.items():
        home.sample(name, size)
    said = batch(home, *[f"put {name}" for name in sizes], "ls", *[f"get {name} {name}.back" for name in sizes])
    lines = [line.split() for line in said.out.splitlines() if line.startswith("-rw")]
    equal("the listing's sizes", {line[-1]: int(line[4]) for line in lines}, sizes)
    for name in sizes:
        same(home.disk / name, home.local / name)
        same(home.local / f"{name}.back", home.local / name)


@psftp.story("resume")
def resume(home):
    whole = home.sample("whole", 3_000_001)
    part = half_stored(home, whole, "up")
    rest = half_local(home, whole, "down")
    batch(home, "reput whole up", "put whole", "reget whole down")
    same(home.disk / "up", part + whole.read_bytes()[len(part) :])
    same(home.local / "down", rest + whole.read_bytes()[len(rest) :])


@psftp.story("rename and remove")
def rename_and_remove(home):
    home.sample("new")
    for name in ("a.txt", "b.txt", "c.log"):
        home.stored(name, 10)
    batch(home, "put new", "mkdir d", "mv new d/moved", "rm *.txt", "mkdir e", "rmdir e", "cd d", "mv moved again")
    equal("the home", names(home.disk), ["c.log", "d"])
    same(home.disk / "d/again", home.local / "new")
    said = batch(home, "rm nothing", runs=refused)
    contains("the error", said.all, "no such file")


@psftp.story("modes")
def modes(home):
    home.sample("one")
    batch(home, "put one", "chmod 640 one")
    equal("the mode", oct((home.disk / "one").stat().st_mode & 0o7777), "0o640")
    batch(home, "chmod u=rw,go-rwx one")
    equal("the mode", oct((home.disk / "one").stat().st_mode & 0o7777), "0o600")


@psftp.story("directories")
def directories(home):
    tree = home.tree("tree")
    batch(home, "put -r tree copy", "get -r copy back", "mkdir all", "cd all", "mput tree/one tree/empty")
    same_tree(home.disk / "copy", tree)
    same_tree(home.local / "back", tree)
    equal("what mput sent", names(home.disk / "all"), ["empty", "one"])


@psftp.story("names")
def odd_names(home):
    for name in (SPACES, QUOTES, UTF8, BYTES):
        home.sample(name)
        moved = quoted(name + "2")
        batch(home, f"put {quoted(name)}", f"mv {quoted(literal(name))} {moved}", f"get {moved} back")
        same(home.disk / f"{name}2", home.local / name)
        same(home.local / "back", home.local / name)
        (home.local / "back").unlink()
    equal("the home", names(home.disk), sorted(f"{name}2" for name in (SPACES, QUOTES, UTF8, BYTES)))


def changes(said):
    """How often PuTTY changed its keys after the first time."""
    return said.all.count("nitiating key re-exchange")


@psftp.story("new keys under way")
def rekey(home):
    home.sample("large", REKEY_FILE)
    rekeyed(changes(batch(home, "put large", rekey=True)))
    rekeyed(changes(batch(home, "get large back", rekey=True)))
    same(home.disk / "large", home.local / "large")
    same(home.local / "back", home.local / "large")


@psftp.over_quota
def over_quota(home):
    keep = home.sample("keep", QUOTA // 4)
    home.sample("large", 2 * QUOTA)
    batch(home, "put keep")
    said = batch(home, "put large", runs=refused)
    contains("the error", said.all, "quota exceeded")
    within_quota(home, keep)
    home.sample("fits", QUOTA // 2)
    batch(home, "rm large", "put fits")
    same(home.disk / "fits", home.local / "fits")
    within_quota(home, keep)


@psftp.story("password", only_ours="the reference knows keys only")
def password(home):
    from .story import PASSWORD

    home.sample("one")
    secret = home.local.parent / "password"
    secret.write_text(PASSWORD)
    command = ["psftp", "-batch", "-noagent", "-hostkey", fingerprint(home), "-P", str(home.port), "-pwfile", secret]
    script = home.local.parent / "batch"
    script.write_text("put one\n")
    run([*command, "-b", script, home.at], **runs_in(home))
    same(home.disk / "one", home.local / "one")


def copy(home, flag, *words, rekey=False, runs=run):
    """Runs pscp; a word that begins with "remote:" is on the server."""
    words = [f"{home.at}:{word[7:]}" if word.startswith("remote:") else word for word in words]
    return runs(["pscp", flag, *options(home, rekey), *words], **runs_in(home))


def both(title, **more):
    """A decorator: a story of pscp with either protocol, told with the flag that makes the difference."""

    def keep(tell):
        pscp_sftp.story(title, **more)(lambda home: tell(home, "-sftp"))
        pscp_scp.story(title, **more)(lambda home: tell(home, "-scp"))
        return tell

    return keep


@both("whole files")
def copied_files(home, flag):
    for name, size in {"empty": 0, "one": 1, "large": 2_000_017}.items():
        local = home.sample(name, size)
        copy(home, flag, name, "remote:")
        copy(home, flag, f"remote:{home.wire(name)}", "back")
        same(home.disk / name, local)
        same(home.local / "back", local)
    copy(home, flag, "one", "remote:large")
    same(home.disk / "large", home.local / "one")


@both("list")
def listed(home, flag):
    sizes = {"a.txt": 10, "b.txt": 2_000_000, "c.log": 0}
    for name, size in sizes.items():
        home.stored(name, size)
    # Without SFTP it runs `ls -la`, which is no file server's business.
    if flag == "-scp" and home.ours:
        said = copy(home, flag, "-ls", "remote:", runs=refused)
        return contains("the error", said.all, "no shell")
    said = copy(home, flag, "-ls", "remote:")
    lines = [line.split() for line in said.out.splitlines() if line.startswith("-rw")]
    equal("the listing's sizes", {line[-1]: int(line[4]) for line in lines}, sizes)


@both("several files and patterns")
def several_files(home, flag):
    for name in ("a.txt", "b.txt", "c.log"):
        home.sample(name)
    (home.disk / "d").mkdir()
    (home.local / "back").mkdir()
    copy(home, flag, "a.txt", "b.txt", "c.log", "remote:d")
    copy(home, flag, "-unsafe", "remote:d/*.txt", "back")
    equal("the directory", names(home.disk / "d"), ["a.txt", "b.txt", "c.log"])
    equal("what the pattern brought", names(home.local / "back"), ["a.txt", "b.txt"])
    for name in ("a.txt", "b.txt"):
        same(home.local / "back" / name, home.local / name)


@both("times and modes")
def times_and_modes(home, flag):
    dated(home.sample("one"))
    copy(home, flag, "-p", "one", "remote:")
    copy(home, flag, "-p", "remote:one", "back")
    kept(home.disk / "one")
    # It gives no modes to what it brings.
    kept(home.local / "back", mode=(home.local / "back").stat().st_mode & 0o7777)


@both("directories")
def copied_directories(home, flag):
    tree = home.tree("tree")
    copy(home, flag, "-r", "tree", "remote:")
    same_tree(home.disk / "tree", tree)
    (home.local / "back").mkdir()
    copy(home, flag, "-r", "remote:tree", "back")
    same_tree(home.local / "back/tree", tree)


@both("names")
def copied_names(home, flag):
    for name in (SPACES, QUOTES, UTF8, BYTES):
        home.sample(name)
        # Without SFTP the path goes into the command, and OpenSSH's server hands it to a shell: users quote it.
        target, source = (shlex.quote(name),) * 2 if flag == "-scp" else (name, literal(name))
        copy(home, flag, f"./{name}", f"remote:{target}")
        copy(home, flag, f"remote:{source}", "back")
        same(home.disk / name, home.local / name)
        same(home.local / "back", home.local / name)
    equal("the home", names(home.disk), sorted((SPACES, QUOTES, UTF8, BYTES)))


@pscp_scp.story("names as they are", only_ours="OpenSSH's server hands them to a shell")
def names_as_they_are(home):
    """Where there is no shell, nothing but a quotation mark or a backslash needs to be quoted."""
    for name in (SPACES, SIGNS, UTF8, BYTES):
        home.sample(name)
        copy(home, "-scp", f"./{name}", f"remote:{name}")
        copy(home, "-scp", f"remote:{name}", "back")
        same(home.disk / name, home.local / name)
        same(home.local / "back", home.local / name)


@both("new keys under way")
def copied_rekey(home, flag):
    home.sample("large", REKEY_FILE)
    rekeyed(changes(copy(home, flag, "large", "remote:", rekey=True)))
    rekeyed(changes(copy(home, flag, "remote:large", "back", rekey=True)))
    same(home.disk / "large", home.local / "large")
    same(home.local / "back", home.local / "large")


@both("over quota", user=("--quota", str(QUOTA)), only_ours="OpenSSH's server has no quotas")
def copied_over_quota(home, flag):
    keep = home.sample("keep", QUOTA // 4)
    home.sample("large", 2 * QUOTA)
    copy(home, flag, "keep", "remote:")
    said = copy(home, flag, "large", "remote:", runs=refused)
    contains("the error", said.all, "quota exceeded")
    within_quota(home, keep)
