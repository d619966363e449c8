"""curl and its library: SFTP and the old scp by libssh2.

Debian's command is one client; the other is a newer library from PyPI (pycurl), for what libssh2 has learned since.
"""

import os
from urllib.parse import quote

from .story import (
    BYTES,
    QUOTA,
    QUOTES,
    SPACES,
    UTF8,
    Client,
    Failed,
    contains,
    equal,
    half_local,
    half_stored,
    names,
    run,
    same,
    within_quota,
)


def url(home, name, scheme="sftp"):
    return f"{scheme}://127.0.0.1:{home.port}{quote(os.fsencode(home.wire(name)))}"


def host_key(home):
    return run(["ssh-keygen", "-lf", home.host_key]).out.split()[1].removeprefix("SHA256:")


class Command:
    """curl as a command."""

    def __init__(self, home):
        self.home = home
        self.words = ["curl", "-sS", "-g", "--hostpubsha256", host_key(home)]
        self.words += ["-u", f"{home.user}:", "--key", home.key, "--pubkey", f"{home.key}.pub"]

    def perform(self, *words):
        """What it printed, and the error that it told ("" if none)."""
        said = run([*self.words, *words], code=None, cwd=self.home.local)
        if said.code != 0 and not said.err:
            raise Failed(f"curl exited with {said.code} and said nothing")
        return said.out, said.err if said.code else ""

    def upload(self, local, address, resume=False, directories=False, mode=None):
        more = ["-C", "-"] if resume else []
        more += ["--ftp-create-dirs"] if directories else []
        more += ["--create-file-mode", f"{mode:04o}"] if mode else []
        return self.perform(*more, "-T", local, address)[1]

    def download(self, address, local, resume=False):
        return self.perform(*(["-C", "-"] if resume else []), "-o", local, address)[1]

    def list(self, address, names_only=False):
        return self.perform(*(["-l"] if names_only else []), address)

    def quote(self, address, commands):
        return self.perform(*[word for command in commands for word in ("-Q", command)], address, "-o", os.devnull)[1]


class Library:
    """libcurl as PyPI has it."""

    def __init__(self, home):
        self.home = home

    def perform(self, address, options, output=None):
        import pycurl

        curl = pycurl.Curl()
        said = bytearray()
        common = {
            "URL": address,
            "USERNAME": self.home.user,
            "SSH_PRIVATE_KEYFILE": str(self.home.key),
            "SSH_PUBLIC_KEYFILE": f"{self.home.key}.pub",
            "SSH_HOST_PUBLIC_KEY_SHA256": host_key(self.home),
            "TIMEOUT": 120,
        }
        if output is None:
            common["WRITEFUNCTION"] = said.extend
        try:
            for name, value in (common | options).items():
                curl.setopt(getattr(pycurl, name), value)
            if output is not None:
                curl.setopt(pycurl.WRITEDATA, output)
            curl.perform()
            return os.fsdecode(bytes(said)), ""
        except pycurl.error as error:
            return os.fsdecode(bytes(said)), str(error.args[1]) or f"error {error.args[0]}"
        finally:
            curl.close()

    def upload(self, local, address, resume=False, directories=False, mode=None):
        with open(local, "rb") as file:
            options = {"UPLOAD": 1, "READDATA": file, "INFILESIZE_LARGE": local.stat().st_size}
            options |= {"RESUME_FROM_LARGE": -1} if resume else {}
            options |= {"FTP_CREATE_MISSING_DIRS": 1} if directories else {}
            options |= {"NEW_FILE_PERMS": mode} if mode else {}
            # It moves to where it goes on.
            options["SEEKFUNCTION"] = lambda offset, whence: file.seek(offset, whence) and 0
            return self.perform(address, options)[1]

    def download(self, address, local, resume=False):
        with open(local, "ab" if resume else "wb") as file:
            options = {"RESUME_FROM_LARGE": local.stat().st_size} if resume else {}
            return self.perform(address, options, file)[1]

    def list(self, address, names_only=False):
        return self.perform(address, {"DIRLISTONLY": 1} if names_only else {})

    def quote(self, address, commands):
        return self.perform(address, {"QUOTE": list(commands)})[1]


def command_version():
    said = run(["curl", "--version"]).out
    contains("curl's protocols (hint: a curl with libssh2)", said, " sftp", " scp")
    return " ".join(word for word in said.split() if word.startswith(("libcurl/", "libssh2/")))


def library_version():
    import pycurl

    return " ".join(word for word in pycurl.version.split() if word.startswith(("libcurl/", "libssh2/")))


NEEDS = {"curl": "curl", "ssh-keygen": "openssh-client"}
command = Client("curl", command_version, NEEDS)
library = Client("libcurl", library_version, {"ssh-keygen": "openssh-client"})


def both(title, **more):
    """A decorator: a story of the command and of the library."""

    def keep(tell):
        command.story(title, **more)(lambda home: tell(home, Command(home)))
        library.story(title, **more)(lambda home: tell(home, Library(home)))
        return tell

    return keep


def well(error):
    """What cannot go wrong did not."""
    if error:
        raise Failed(f"curl said: {error.strip()}")


def whole(scheme):
    def tell(home, curl):
        for name, size in {"empty": 0, "one": 1, "large": 5_000_017}.items():
            local = home.sample(name, size)
            well(curl.upload(local, url(home, name, scheme)))
            well(curl.download(url(home, name, scheme), home.local / "back"))
            same(home.disk / name, local)
            same(home.local / "back", local)
        # A shorter file over a longer one.
        well(curl.upload(home.local / "one", url(home, "large", scheme)))
        same(home.disk / "large", home.local / "one")

    return tell


both("whole files")(whole("sftp"))
both("whole files by scp")(whole("scp"))


@both("list")
def listed(home, curl):
    sizes = {"a.txt": 10, "b.txt": 2_000_000, "c.log": 0}
    for name, size in sizes.items():
        home.stored(f"d/{name}", size)
    out, error = curl.list(url(home, "d/"))
    well(error)
    lines = [line.split() for line in out.splitlines() if line.startswith("-rw")]
    equal("the listing's sizes", {line[-1]: int(line[4]) for line in lines}, sizes)
    out, error = curl.list(url(home, "d/"), names_only=True)
    well(error)
    equal("the names", sorted(set(out.split()) - {".", ".."}), sorted(sizes))


@both("resume")
def resume(home, curl):
    local = home.sample("whole", 3_000_001)
    part = half_stored(home, local, "up")
    rest = half_local(home, local, "down")
    home.stored("whole").write_bytes(local.read_bytes())
    well(curl.upload(local, url(home, "up"), resume=True))
    well(curl.download(url(home, "whole"), home.local / "down", resume=True))
    same(home.disk / "up", part + local.read_bytes()[len(part) :])
    same(home.local / "down", rest + local.read_bytes()[len(rest) :])


@both("new directories")
def new_directories(home, curl):
    """It makes each of them, those too that are there."""
    local = home.sample("one")
    (home.disk / "a").mkdir()
    well(curl.upload(local, url(home, "a/b/c/one"), directories=True))
    well(curl.upload(local, url(home, "a/b/c/two"), directories=True, mode=0o600))
    same(home.disk / "a/b/c/one", local)
    same(home.disk / "a/b/c/two", local)
    equal("the mode", oct((home.disk / "a/b/c/two").stat().st_mode & 0o7777), "0o600")
    if not curl.upload(local, url(home, "no/where")):
        raise Failed("curl says that it uploaded into a directory that is not there")
    equal("the home", names(home.disk), ["a"])


@both("rename and remove")
def rename_and_remove(home, curl):
    path = home.stored("old")
    data = path.read_bytes()
    home.stored("gone")
    at = home.wire
    well(
        curl.quote(
            url(home, ""),
            [
                f"mkdir {at('d')}",
                f"rename {at('old')} {at('d/new')}",
                f"chmod 640 {at('d/new')}",
                f"symlink {at('d/new')} {at('link')}",
                f"rm {at('gone')}",
                f"mkdir {at('e')}",
                f"rmdir {at('e')}",
            ],
        )
    )
    equal("the home", names(home.disk), ["d", "link"])
    same(home.disk / "d/new", data)
    equal("the mode", oct((home.disk / "d/new").stat().st_mode & 0o7777), "0o640")
    equal("the link", os.readlink(home.disk / "link"), at("d/new"))
    contains("the error", curl.quote(url(home, ""), [f"rm {at('nothing')}"]), "No such file")


@both("names")
def odd_names(home, curl):
    for name in (SPACES, QUOTES, UTF8, BYTES):
        local = home.sample(name)
        for scheme in ("sftp", "scp"):
            address = url(home, f"{scheme} {name}", scheme)
            well(curl.upload(local, address))
            well(curl.download(address, home.local / "back"))
            same(home.disk / f"{scheme} {name}", local)
            same(home.local / "back", local)


WITH_QUOTA = {"user": ("--quota", str(QUOTA)), "only_ours": "OpenSSH's server has no quotas"}


@both("over quota", **WITH_QUOTA)
def over_quota(home, curl):
    keep, large = home.sample("keep", QUOTA // 4), home.sample("large", 2 * QUOTA)
    well(curl.upload(keep, url(home, "keep")))
    if not curl.upload(large, url(home, "large")):
        raise Failed("curl says that all of it was uploaded")
    within_quota(home, keep)


@both("over quota by scp", **WITH_QUOTA)
def over_quota_by_scp(home, curl):
    """libssh2 does not look at what the server says after the last byte: no server can make curl tell its user."""
    keep, large = home.sample("keep", QUOTA // 4), home.sample("large", 2 * QUOTA)
    well(curl.upload(keep, url(home, "keep", "scp")))
    curl.upload(large, url(home, "large", "scp"))
    within_quota(home, keep)
    if (home.disk / "large").exists() and (home.disk / "large").stat().st_size >= 2 * QUOTA:
        raise Failed("all of it was stored")
