"""Stories about the commands that look at files of the server and change them."""

import hashlib
import json
import os
import stat

from ..checks import contains, equal, mode_of, names, same
from ..client import Failed
from ..home import TIME
from .client import Elsewhere


def lines(text):
    return text.splitlines()


@Elsewhere.story("look at files")
def look(client, home):
    """ls, stat, find, du, cat, tail and sum show what is on the disk."""
    text = "".join(f"line {number}\n" for number in range(1000)).encode()
    (home.disk / "d/sub").mkdir(parents=True)
    (home.disk / "d/text").write_bytes(text)
    (home.disk / "d/sub/large").write_bytes(os.urandom(200_000))
    os.utime(home.disk / "d/text", (TIME, TIME))
    (home.disk / "d/text").chmod(0o640)
    with client(home) as session:
        equal("ls", sorted(lines(session.command("ls", session.at("d")).out)), ["sub", "text"])
        row = next(line for line in lines(session.command("ls", "-l", session.at("d")).out) if "text" in line)
        contains("ls -l", row, str(len(text)), "2001")
        found = json.loads(session.command("stat", "--json", session.at("d/text")).out)
        equal("stat", (found["type"], found["size"], found["modified"]), ("file", len(text), TIME))
        if client.has_modes:
            equal("the mode", int(found["mode"], 8), 0o640)
            contains("ls -l", row, "-rw-r-----")
        contains("stat", session.command("stat", session.at("d/text")).out, f"size      {len(text)} bytes", "2001-02-03")
        listed = sorted(lines(session.command("find", session.at("d")).out))
        equal("find", listed, [home.wire(name) for name in ("d", "d/sub", "d/sub/large", "d/text")])
        listed = lines(session.command("find", session.at("d"), "-name", "*e*", "-type", "f", "-size", "+1K").out)
        equal("find with tests", sorted(listed), [home.wire("d/sub/large"), home.wire("d/text")])
        counted = json.loads(lines(session.command("du", "-s", "--json", session.at("d")).out)[-1])
        equal("du", (counted["bytes"], counted["files"]), (200_000 + len(text), 2))
        equal("cat", session.command("cat", session.at("d/text")).out.encode(), text)
        equal("tail", session.command("tail", "-n", "2", session.at("d/text")).out, "line 998\nline 999\n")


@Elsewhere.story("sum")
def sums(client, home):
    """Hashes are those of the files, or the command says that there are none."""
    stored = [home.stored(name, size) for name, size in {"empty": 0, "large": 2_000_017}.items()]
    with client(home) as session:
        said = session.command("sum", *(session.at(path.name) for path in stored), code=None)
        if client.proof == "sizes":
            equal("the exit code", said.code, 1)
            contains("the error", said.err, "cannot hash")
            equal("the output", said.out, "")
            return
        equal("the exit code", said.code, 0)
        expected = [hashlib.md5(path.read_bytes()).hexdigest() for path in stored]
        equal("the sums", [line.split()[0] for line in lines(said.out)], expected)


@Elsewhere.story("free space")
def free_space(client, home):
    with client(home) as session:
        said = session.command("df", "--json", session.at(), code=0 if client.has_room else 1)
    if not client.has_room:
        contains("the error", said.err, "does not say how much room there is")
        return
    found, room = json.loads(said.out), os.statvfs(home.disk)
    equal("the total", found["total_bytes"], room.f_blocks * room.f_frsize)
    if abs(found["free_bytes"] - room.f_bavail * room.f_frsize) > 1 << 30:
        raise Failed(f"{found['free_bytes']} bytes free, not about {room.f_bavail * room.f_frsize}")


@Elsewhere.story("change files")
def change(client, home):
    """mkdir, touch, cp, mv, rm and rmdir."""
    text = home.stored("text", 300_000)
    home.stored("d/one", 10)
    home.stored("d/sub/two", 0)
    os.utime(text, (TIME, TIME))
    with client(home) as session:
        session.command("mkdir", "-p", session.at("q/w/e"))
        # rclone does not mind.
        session.command("mkdir", session.at("q"), code=None)
        session.command("touch", session.at("new"), session.at("text"))
        equal("the size", (home.disk / "new").stat().st_size, 0)
        if abs((home.disk / "text").stat().st_mtime - (home.disk / "new").stat().st_mtime) > 60:
            raise Failed("touch has not changed the time")
        session.command("cp", session.at("text"), session.at("copy"))
        same(home.disk / "copy", text)
        session.command("cp", "-r", session.at("d"), session.at("copies"))
        same(home.disk / "copies/one", home.disk / "d/one")
        same(home.disk / "copies/sub/two", b"")
        session.command("cp", "-n", session.at("d/one"), session.at("copy"))
        same(home.disk / "copy", text)
        session.command("mv", session.at("copy"), session.at("q/w/moved"))
        same(home.disk / "q/w/moved", text)
        session.command("rmdir", session.at("q/w/e"))
        session.command("rmdir", session.at("q"), code=1)
        session.command("rm", session.at("new"))
        session.command("rm", session.at("d"), code=1)
        session.command("rm", "-r", "-f", session.at("d"), session.at("copies"), session.at("q"))
    equal("the home", names(home.disk), ["text"])


@Elsewhere.story("modes", needs=("has_modes",))
def modes(client, home):
    home.stored("d/file", 10).chmod(0o644)
    (home.disk / "d").chmod(0o755)
    with client(home) as session:
        session.command("chmod", "600", session.at("d/file"))
        equal("the mode", oct(mode_of(home.disk / "d/file")), oct(0o600))
        session.command("chmod", "-R", "u+x,go=rX", session.at("d"))
    equal("the modes", [oct(mode_of(home.disk / name)) for name in ("d", "d/file")], [oct(0o755), oct(0o755)])


@Elsewhere.story("make links", needs=("has_links",))
def make_links(client, home):
    home.stored("file", 10)
    with client(home) as session:
        session.command("ln", "-s", "file", session.at("link"))
        equal("the target", os.readlink(home.disk / "link"), "file")
        if not client.lstat_follows:
            found = json.loads(session.command("stat", "--json", session.at("link")).out)
            equal("stat", (found["type"], found["target"]), ("link", "file"))
        shown = session.command("cat", session.at("link")).out
        equal("what it points to", os.fsencode(shown), (home.disk / "file").read_bytes())
        session.command("rm", session.at("link"))
    equal("the home", names(home.disk), ["file"])


@Elsewhere.story("remove links", needs=("has_links",))
def remove_links(client, home):
    """What links point to is never removed."""
    for name in ("outside/file", "outside/sub/file", "tree/file"):
        home.stored(name, 10)
    os.symlink(home.disk / "outside", home.disk / "tree/link")
    os.symlink(home.disk / "outside", home.disk / "link")
    os.symlink(home.disk / "outside/file", home.disk / "file")
    with client(home) as session:
        session.command("rm", "-r", "-f", session.at("tree"), session.at("link"), session.at("file"))
    equal("the home", names(home.disk), ["outside"])
    equal("what the links pointed to", names(home.disk / "outside"), ["file", "sub"])
    equal("what is in it", names(home.disk / "outside/sub"), ["file"])


@Elsewhere.story("links that the server does not have", needs=("lacks_links",))
def no_links(client, home):
    home.stored("file", 10)
    with client(home) as session:
        said = session.command("ln", "-s", "file", session.at("link"), code=1)
        contains("the error", said.err, "link")
    equal("the home", names(home.disk), ["file"])


@Elsewhere.story("the shell")
def shell(client, home):
    """Lines of a script, with patterns."""
    for name in ("a.txt", "b.txt", "c"):
        home.stored(name, 10)
    new = home.sample("new", 5000)
    with client(home) as session:
        script = ["mkdir d", "cd d", "put new", "mv new moved", "cd ..", "rm *.txt", "get d/moved back", "ls -l", "pwd"]
        session.start([session.at()], stdin="".join(f"{line}\n" for line in script))
    same(home.disk / "d/moved", new)
    same(home.local / "back", new)
    equal("the home", names(home.disk), ["c", "d"])
    equal("the kind", stat.S_ISDIR((home.disk / "d").stat().st_mode), True)
