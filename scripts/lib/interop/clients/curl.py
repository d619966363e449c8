"""curl and its library: SFTP and legacy scp by libssh2.

One client is Debian's command, the other one a newer library from PyPI (pycurl) with a newer libssh2.
"""

import os
from urllib.parse import quote

import pycurl

from ..checks import contains, equal, names, same
from ..client import Client, Failed, Refused, long_listing, run
from ..device import Device
from ..home import ODD_NAMES, PASSWORD, QUOTES, SPACES, UTF8


class Curl(Client):
    """The common part of command and library, which use SFTP for URLs that begin with sftp."""

    scheme = "sftp"
    odd_names = ODD_NAMES
    odd_names_listed = (SPACES, QUOTES, UTF8)
    passwords = True
    leaves_empty_files = True
    # Which part of the server's message reaches the user depends on the direction.
    missing_words = ()
    quota_words = ()

    def url(self, name):
        return f"{self.scheme}://127.0.0.1:{self.home.port}{quote(os.fsencode(self.home.wire(name)))}"

    def upload(self, local, name, resume=False, directories=False, mode=None):
        raise NotImplementedError

    def download(self, name, local, resume=False):
        raise NotImplementedError

    def show(self, directory, names_only=False):
        """Prints a listing of a directory."""
        raise NotImplementedError

    def command(self, *words):
        """Runs a command on the server without a transfer."""
        raise NotImplementedError

    def quoted(self, name):
        """Returns a name quoted for these commands."""
        return '"' + self.home.wire(name).replace("\\", "\\\\").replace('"', '\\"') + '"'

    def put(self, local, name):
        self.upload(local, name)

    replace = put

    def get(self, name, local):
        self.download(name, local)


class SftpCurl(Curl):
    """The verbs that need SFTP."""

    def resume_put(self, local, name):
        self.upload(local, name, resume=True)

    def resume_get(self, name, local):
        self.download(name, local, resume=True)

    def ls(self, directory):
        return long_listing(self.show(f"{directory}/" if directory else ""))

    def mkdir(self, name):
        self.command("mkdir", self.quoted(name))

    def rmdir(self, name):
        self.command("rmdir", self.quoted(name))

    def remove(self, name):
        self.command("rm", self.quoted(name))

    def rename(self, old, new):
        self.command("rename", self.quoted(old), self.quoted(new))

    def chmod(self, name, mode):
        self.command(f"chmod {mode:o}", self.quoted(name))

    def symlink(self, target, name):
        self.command("symlink", self.quoted(target), self.quoted(name))


class Command(Curl):
    """The command curl of Debian."""

    packages = {"curl": "curl"}

    @classmethod
    def version(cls):
        said = run(["curl", "--version"]).out
        contains("curl's protocols (hint: a curl with libssh2)", said, " sftp", " scp")
        return versions(said)

    def perform(self, *words):
        """Runs curl, and returns its output."""
        password = self.settings.get("password", "")
        key = ["-u", f"{self.home.user}:{password}"]
        if not password or self.settings.get("with_key"):
            key += ["--key", self.home.key, "--pubkey", f"{self.home.key}.pub"]
        host_key = self.home.fingerprint.removeprefix("SHA256:")
        return run(["curl", "-sS", "-g", "--hostpubsha256", host_key, *key, *words], cwd=self.home.local).out

    def upload(self, local, name, resume=False, directories=False, mode=None):
        more = ["-C", "-"] if resume else []
        more += ["--ftp-create-dirs"] if directories else []
        more += ["--create-file-mode", f"{mode:04o}"] if mode else []
        self.perform(*more, "-T", local, self.url(name))

    def download(self, name, local, resume=False):
        self.perform(*(["-C", "-"] if resume else []), "-o", local, self.url(name))

    def show(self, directory, names_only=False):
        return self.perform(*(["-l"] if names_only else []), self.url(directory))

    def command(self, *words):
        self.perform("-Q", " ".join(words), self.url(""), "-o", os.devnull)


class Library(Curl):
    """The library libcurl of PyPI."""

    errors = (pycurl.error,)

    @classmethod
    def version(cls):
        return versions(pycurl.version)

    def perform(self, name, options, output=None):
        curl = pycurl.Curl()
        said = bytearray()
        common = {
            "URL": self.url(name),
            "USERNAME": self.home.user,
            "SSH_HOST_PUBLIC_KEY_SHA256": self.home.fingerprint.removeprefix("SHA256:"),
            "TIMEOUT": 120,
        }
        password = self.settings.get("password")
        if password:
            common["PASSWORD"] = password
        if not password or self.settings.get("with_key"):
            common |= {"SSH_PRIVATE_KEYFILE": str(self.home.key), "SSH_PUBLIC_KEYFILE": f"{self.home.key}.pub"}
        if output is None:
            common["WRITEFUNCTION"] = said.extend
        try:
            for option, value in (common | options).items():
                curl.setopt(getattr(pycurl, option), value)
            if output is not None:
                curl.setopt(pycurl.WRITEDATA, output)
            curl.perform()
            return os.fsdecode(bytes(said))
        finally:
            curl.close()

    def upload(self, local, name, resume=False, directories=False, mode=None):
        with open(local, "rb") as file:
            options = {"UPLOAD": 1, "READDATA": file, "INFILESIZE_LARGE": local.stat().st_size}
            options |= {"RESUME_FROM_LARGE": -1} if resume else {}
            options |= {"FTP_CREATE_MISSING_DIRS": 1} if directories else {}
            options |= {"NEW_FILE_PERMS": mode} if mode else {}
            # curl seeks to the offset at which it continues.
            options["SEEKFUNCTION"] = lambda offset, whence: file.seek(offset, whence) and 0
            self.perform(name, options)

    def download(self, name, local, resume=False):
        with open(local, "ab" if resume else "wb") as file:
            self.perform(name, {"RESUME_FROM_LARGE": local.stat().st_size} if resume else {}, file)

    def show(self, directory, names_only=False):
        return self.perform(directory, {"DIRLISTONLY": 1} if names_only else {})

    def command(self, *words):
        self.perform("", {"QUOTE": [os.fsencode(" ".join(words))]})


def versions(text):
    return " ".join(word for word in text.split() if word.startswith(("libcurl/", "libssh2/")))


class SftpCommand(SftpCurl, Command):
    name = "curl"


class SftpLibrary(SftpCurl, Library):
    name = "libcurl"


class ScpCommand(Command):
    """scp by the command. libssh2 ignores the server's message after the last byte."""

    name = "curl scp"
    scheme = "scp"
    reports_failed_writes = False


class ScpLibrary(Library):
    """scp by the newer library."""

    name = "libcurl scp"
    scheme = "scp"
    reports_failed_writes = False


@SftpCurl.story("names only")
def names_only(client, home):
    for name in ("a.txt", "b.txt", "c.log"):
        home.stored(f"d/{name}", 10)
    with client(home) as session:
        listed = session.show("d/", names_only=True).split()
    equal("the names", sorted(set(listed) - {".", ".."}), names(home.disk / "d"))


@SftpCurl.story("new directories")
def new_directories(client, home):
    """curl creates each directory, including existing ones."""
    local = home.sample("one")
    (home.disk / "a").mkdir()
    with client(home) as session:
        session.upload(local, "a/b/c/one", directories=True)
        session.upload(local, "a/b/c/two", directories=True, mode=0o600)
    same(home.disk / "a/b/c/one", local)
    same(home.disk / "a/b/c/two", local)
    equal("the mode", oct((home.disk / "a/b/c/two").stat().st_mode & 0o7777), "0o600")
    equal("the home", names(home.disk), ["a"])


@SftpCurl.story("the errors of commands")
def failed_command(client, home):
    with client(home) as session:
        contains("the error", session.refused("remove", "nothing"), "No such file")
    equal("the home", names(home.disk), [])


NO_CODES = "the reference server has no one-time codes"


@SftpCurl.story("a key, and a code in place of the password", user=("--require", "publickey,totp"), only_ours=NO_CODES)
def key_and_code(client, home):
    """curl answers each question with its password, so a code can take its place after a key."""
    local = home.sample("one")
    with client(home, with_key=True, password=Device(home).code()) as session:
        session.put(local, "one")
    same(home.disk / "one", local)


@SftpCurl.story("a password and a code are one too many", only_ours=NO_CODES)
def password_and_code(client, home):
    """curl has one answer for all questions, so it cannot give both. It is refused, and does not hang."""
    device = Device(home)
    for answer in (PASSWORD, device.code()):
        try:
            with client(home, password=answer) as session:
                session.put(home.sample("one"), "one")
        except (Refused, *client.errors):
            continue
        raise Failed("one answer was enough")
    equal("the home", names(home.disk), [])
