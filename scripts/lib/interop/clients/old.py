"""Clients of Debian without curve25519, GCM or encrypt-then-MAC. Their programs are in programs/old/.

They connect to a server with `[ssh] policy = "compatible"`, and sign in with a password.
"""

from pathlib import Path

from ..checks import equal
from ..client import run
from ..home import ODD_NAMES, PASSWORD, QUOTES, SPACES, UTF8
from ..scripted import Files
from ..stories.server import everyday
from .java import BUILT, Jsch

SOURCE = Path(__file__).parents[1] / "programs/old"
OLD_KEX = ("ecdh-sha2-nistp256", "diffie-hellman-group14-sha256")


class OldClient(Files):
    """A client of the server with the policy "compatible"."""

    policy = "compatible"
    only_ours = "the reference server takes no passwords"
    has_key = False
    odd_names = ODD_NAMES
    odd_names_listed = ODD_NAMES
    # The Debian package of the library.
    library = ""

    @classmethod
    def version(cls):
        """Returns the version number of the Debian package."""
        return run(["dpkg-query", "-W", "-f", "${Version}", cls.library]).out.split(":")[-1].split("-")[0]

    def environment(self):
        kex = self.settings.get("kex")
        return {"PASSWORD": PASSWORD, **({"KEX": kex} if kex else {})}


class NetSsh(OldClient):
    """Ruby's net-sftp."""

    name = "net-ssh"
    library = "ruby-net-ssh"
    packages = {"/usr/share/doc/ruby-net-sftp/copyright": "ruby-net-sftp", "ruby": "ruby"}
    leaves_empty_files = True
    # The library reports the name of the status, not the server's message.
    quota_words = ("failure",)

    def command(self):
        return ["ruby", SOURCE / "old.rb", str(self.home.port), self.home.user]


class Phpseclib(OldClient):
    """phpseclib for PHP."""

    name = "phpseclib"
    library = "php-phpseclib3"
    packages = {"/usr/share/php/phpseclib3/autoload.php": "php-phpseclib3", "php": "php-cli"}
    leaves_empty_files = True

    def command(self):
        path = "include_path=/usr/share/php"
        return ["php", "-d", path, SOURCE / "old.php", str(self.home.port), self.home.user]

    def resume_put(self, local, name):
        self.step("put-resume", local, self.path(name))

    def make_path(self, name):
        self.step("make-path", self.path(name))

    def remove_tree(self, name):
        self.step("remove-tree", self.path(name))

    def truncate(self, name, size):
        self.step("truncate", self.path(name), size)


def everyday_by(kex):
    """Returns the everyday story with one key exchange, and with a link, because clients differ in the order of SYMLINK
    arguments."""

    def run(client, home):
        everyday(client, home, kex=kex)
        with client(home, kex=kex) as session:
            session.symlink("one", "link")
            equal("what it reads of the link", session.readlink("link"), "one")
            equal("the size behind the link", session.stat("link").size, 3_000_001)

    return run


for method in OLD_KEX:
    NetSsh.story(f"everyday, {method}")(everyday_by(method))
for method in (*OLD_KEX, "diffie-hellman-group16-sha512"):
    Phpseclib.story(f"everyday, {method}")(everyday_by(method))


class OldJsch(Jsch):
    """JSch 0.1.55, the last release of its first author, as Debian's library, with the program for its successor."""

    name = "JSch 0.1"
    policy = "compatible"
    only_ours = "OpenSSH's server refuses its key exchanges or its signatures"
    odd_names = (SPACES, QUOTES, UTF8)
    packages = {**Jsch.packages, "/usr/share/java/jsch.jar": "libjsch-java"}

    @classmethod
    def version(cls):
        return run(["dpkg-query", "-W", "-f", "${Version}", "libjsch-java"]).out.split(":")[-1].split("-")[0]

    def classes(self):
        return f"{BUILT / 'classes'}:/usr/share/java/jsch.jar"

    def known_host(self):
        """The library does not support the type of our host key."""
        return ""

    def environment(self):
        return {"PASSWORD": PASSWORD}
