"""PuTTY's psftp and pscp, which speaks SFTP (-sftp) or the old protocol (-scp)."""

import os
import shlex

from ...tools import quiet
from ..checks import equal, mentions, mode_of, names, same
from ..client import BatchClient, Client, Kept, long_listing, run
from ..device import run_answering
from ..home import BYTES, ODD_NAMES, QUOTES, SIGNS, SPACES, UTF8

PACKAGES = {"psftp": "putty-tools", "pscp": "putty-tools", "puttygen": "putty-tools"}


def putty_version():
    return run(["psftp", "-V"]).out.split("\n")[0].split()[-1]


def options(home, settings):
    """Returns the options against prompts; settings without an option are in a saved session."""
    words = ["-batch", "-noagent", "-hostkey", home.fingerprint, "-P", str(home.port)]
    if "password" in settings:
        secret = home.local.parent / "password"
        secret.write_text(settings["password"])
        return [*words, "-pwfile", str(secret)]
    key = home.key.with_suffix(".ppk")
    if not key.exists():
        quiet(["puttygen", home.key, "-O", "private", "-o", key], "hint: apt-get install putty-tools")
    words += ["-i", str(key)]
    if settings.get("certificate"):
        words += ["-cert", f"{home.key}-cert.pub"]
    if "rekey_bytes" not in settings:
        return words
    sessions = home.local.parent / ".putty/sessions"
    sessions.mkdir(parents=True, exist_ok=True)
    (sessions / "rekey").write_text(f"RekeyBytes={settings['rekey_bytes']}\nProtocol=ssh\n")
    return ["-load", "rekey", "-v", *words]


def run_putty(home, command):
    """Runs a program of PuTTY, which keeps its settings in the user's home."""
    return run(command, cwd=home.local, env={"HOME": str(home.local.parent)})


def key_changes_in(log):
    """Returns how often PuTTY rekeyed after the first key exchange."""
    return log.count("nitiating key re-exchange")


def quoted(name):
    """Returns a name quoted for the command line of psftp, in which quotes are doubled."""
    return '"' + os.fspath(name).replace('"', '""') + '"'


def literal(name):
    """Returns a name escaped for the patterns of PuTTY."""
    return "".join(f"\\{sign}" if sign in "\\*?[]" else sign for sign in name)


class Psftp(BatchClient):
    """PuTTY's sftp, which takes its commands from a file."""

    name = "psftp"
    packages = PACKAGES
    odd_names = ODD_NAMES
    odd_names_listed = (SPACES, QUOTES, UTF8)
    passwords = True
    questions = True
    changes_passwords = True
    certificates = True

    @classmethod
    def version(cls):
        return putty_version()

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.log = ""

    def run_answering(self, script, answers):
        # Without -batch, it asks on the terminal. Without -i, it has no key.
        words = options(self.home, {} if self.settings.get("with_key") else {"password": "unused"})
        words = [word for word in words if word not in ("-batch", "-pwfile", str(self.home.local.parent / "password"))]
        env = {"HOME": str(self.home.local.parent)}
        return run_answering(["psftp", *words, "-b", script, self.home.at], answers, cwd=self.home.local, env=env)

    def change_password(self, script, new):
        """Answers the request for a new password on the terminal. A saved session switches keyboard-interactive off."""
        sessions = self.home.local.parent / ".putty/sessions"
        sessions.mkdir(parents=True, exist_ok=True)
        (sessions / "password").write_text("AuthKI=0\nProtocol=ssh\n")
        words = ["-load", "password", "-noagent", "-hostkey", self.home.fingerprint, "-P", str(self.home.port)]
        answers = {
            "'s password: ": self.settings["password"],
            # Nothing means the one that was typed before.
            "Current password": "",
            "Enter new password": new,
            "Confirm new password": new,
        }
        env = {"HOME": str(self.home.local.parent)}
        return run_answering(["psftp", *words, "-b", script, self.home.at], answers, cwd=self.home.local, env=env)

    def run_lines(self, lines):
        script = self.home.local.parent / "batch"
        script.write_bytes("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
        if answers := self.settings.get("answers"):
            return self.run_answering(script, answers)
        if new := self.settings.get("new_password"):
            return self.change_password(script, new)
        said = run_putty(self.home, ["psftp", *options(self.home, self.settings), "-b", script, self.home.at])
        self.log += said.all
        return said

    def put(self, local, name):
        self.line(f"put {quoted(local)} {quoted(name)}")

    replace = put

    def get(self, name, local):
        self.line(f"get {quoted(name)} {quoted(local)}")

    def resume_put(self, local, name):
        self.line(f"reput {quoted(local)} {quoted(name)}")

    def resume_get(self, name, local):
        self.line(f"reget {quoted(name)} {quoted(local)}")

    def put_many(self, locals_, directory):
        self.line(f"cd {quoted(directory)}")
        self.line(f"mput {' '.join(map(quoted, locals_))}")
        self.line("cd")

    def get_matching(self, pattern, local):
        self.line(f"lcd {quoted(local)}")
        self.line(f"mget {pattern}")
        self.line(f"lcd {quoted(self.home.local)}")

    def put_tree(self, local, name):
        self.line(f"put -r {quoted(local)} {quoted(name)}")

    def get_tree(self, name, local):
        self.line(f"get -r {quoted(name)} {quoted(local)}")

    def ls(self, directory):
        return long_listing(self.answer(f"ls {quoted(literal(directory))}" if directory else "ls").out)

    def mkdir(self, name):
        self.line(f"mkdir {quoted(name)}")

    def rmdir(self, name):
        self.line(f"rmdir {quoted(literal(name))}")

    def remove(self, name):
        self.line(f"rm {quoted(literal(name))}")

    def remove_matching(self, pattern):
        self.line(f"rm {pattern}")

    def rename(self, old, new):
        self.line(f"mv {quoted(literal(old))} {quoted(new)}")

    def chmod(self, name, mode):
        self.line(f"chmod {mode:o} {quoted(literal(name))}")

    def key_changes(self):
        return key_changes_in(self.log)


@Psftp.story("modes in letters")
def modes_in_letters(client, home):
    path = home.stored("one", 10)
    path.chmod(0o640)
    with client(home) as session:
        session.line("chmod u=rw,go-rwx one")
    equal("the mode", oct(mode_of(path)), "0o600")


@Psftp.story("moves in a directory")
def moves(client, home):
    """After cd, names are relative to the new directory."""
    local = home.sample("new")
    with client(home) as session:
        for line in ("put new", "mkdir d", "mv new d/moved", "cd d", "mv moved again"):
            session.line(line)
    equal("the home", names(home.disk), ["d"])
    same(home.disk / "d/again", local)


class Pscp(Client):
    """PuTTY's scp over either protocol."""

    packages = PACKAGES
    protocol = ""
    odd_names = ODD_NAMES
    # PuTTY does not set the modes of downloaded files.
    kept = Kept(on_get=("time",))

    @classmethod
    def version(cls):
        return putty_version()

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.log = ""

    def pscp(self, *words):
        said = run_putty(self.home, ["pscp", self.protocol, *options(self.home, self.settings), *words])
        self.log += said.all
        return said

    def at(self, name):
        return f"{self.home.at}:{name}"

    def target(self, name):
        return name

    def source(self, name):
        return literal(name)

    def put(self, local, name):
        self.pscp(local, self.at(self.target(name)))

    replace = put

    def get(self, name, local):
        """Downloads a file by its absolute path."""
        self.pscp(self.at(self.source(self.home.wire(name))), local)

    def put_kept(self, local, name):
        self.pscp("-p", local, self.at(name))

    def get_kept(self, name, local):
        self.pscp("-p", self.at(name), local)

    def put_many(self, locals_, directory):
        self.pscp(*locals_, self.at(directory))

    def get_matching(self, pattern, local):
        self.pscp("-unsafe", self.at(pattern), local)

    def put_tree(self, local, name):
        """The uploaded directory keeps its local name."""
        (self.home.local / "up").mkdir(exist_ok=True)
        os.symlink(local, self.home.local / "up" / name)
        self.pscp("-r", f"up/{name}", self.at(""))

    def get_tree(self, name, local):
        """A download goes into an existing directory, so it is moved afterwards."""
        arrived = self.home.local / "arrived"
        arrived.mkdir()
        self.pscp("-r", self.at(name), arrived)
        (arrived / name).rename(local)

    def key_changes(self):
        return key_changes_in(self.log)


class SftpPscp(Pscp):
    """PuTTY's scp with SFTP, which can list."""

    name = "pscp -sftp"
    protocol = "-sftp"
    odd_names_listed = (SPACES, QUOTES, UTF8)

    def ls(self, directory):
        return long_listing(self.pscp("-ls", self.at(directory)).out)


class ScpPscp(Pscp):
    """PuTTY's scp without SFTP: the path is part of a command, which OpenSSH's server passes to a shell."""

    name = "pscp -scp"
    protocol = "-scp"

    def target(self, name):
        return shlex.quote(name)

    source = target


@ScpPscp.story("no listing", only_ours="OpenSSH's server runs a shell")
def no_listing(client, home):
    """Without SFTP, pscp lists by `ls -la`, which the server does not support."""
    home.stored("a.txt", 10)
    with client(home) as session:
        mentions("the error", session.refused("pscp", "-ls", session.at("")), ("no shell",))


@ScpPscp.story("names as they are", only_ours="OpenSSH's server hands them to a shell")
def names_as_they_are(client, home):
    """Without a shell, only quotation marks and backslashes need to be quoted."""
    with client(home) as session:
        for name in (SPACES, SIGNS, UTF8, BYTES):
            local, back = home.sample(name), home.local / "back"
            session.pscp(local, session.at(name))
            session.pscp(session.at(name), back)
            same(home.disk / name, local)
            same(back, local)
            back.unlink()
