"""Clients without curve25519, GCM or encrypt-then-MAC, and OpenSSH's limited to what such clients have.

They are told to a server with `[ssh] policy = "compatible"`, the last one to one with the default.
"""

import os
import re
from pathlib import Path

from .openssh import NEEDS, batch, changes, options, version
from .story import PASSWORD, REKEY_FILE, Client, equal, names, rekeyed, run, same

SOURCE = Path(__file__).parent / "old"
JSCH = "/usr/share/java/jsch.jar"
PHPSECLIB = "/usr/share/php/phpseclib3/autoload.php"
NET_SFTP = "/usr/share/doc/ruby-net-sftp/copyright"

# The jar knows a version of its own.
jsch = Client(
    "JSch 0.1",
    lambda: debian("libjsch-java"),
    {JSCH: "libjsch-java", "javac": "default-jdk-headless"},
    policy="compatible",
    extra=True,
)
ruby = Client(
    "net-ssh",
    lambda: debian("ruby-net-ssh"),
    {NET_SFTP: "ruby-net-sftp", "ruby": "ruby"},
    policy="compatible",
)
php = Client(
    "phpseclib",
    lambda: debian("php-phpseclib3"),
    {PHPSECLIB: "php-phpseclib3", "php": "php-cli"},
    policy="compatible",
)
limited = Client("sftp, as old ones", version, NEEDS, policy="compatible")
strict = Client("sftp, as strict ones", version, NEEDS)


def debian(package):
    """The version of a package, as Debian numbers it."""
    return run(["dpkg-query", "-W", "-f", "${Version}", package]).out.split(":")[-1].split("-")[0]


def everyday(home, command, kex=""):
    """What their users do: files there and back, a directory, a rename, a mode, a link, a listing, a removal."""
    local = home.sample("one", 3_000_001)
    env = {"PASSWORD": PASSWORD, **({"KEX": kex} if kex else {})}
    said = run([*command, str(home.port), home.user, str(home.local)], env=env).out
    same(home.disk / "one", local)
    same(home.local / "back", local)
    same(home.disk / "d/three", local)
    equal("the home", names(home.disk), ["d", "link", "one"])
    equal("the mode", oct((home.disk / "d/three").stat().st_mode & 0o7777), "0o640")
    equal("the link on the disk", os.readlink(home.disk / "link"), "one")
    equal("what it read of the link", re.findall("^link (.*)", said, re.M), ["one"])
    equal("the size behind the link", re.findall("^size (.*)", said, re.M), ["3000001"])
    listed = [name for name in re.findall("^name (.*)", said, re.M) if name not in (".", "..")]
    equal("what it listed", listed, ["three"])
    equal("what it said of what is gone", re.findall("^gone (.*)", said, re.M), ["2"])


@jsch.story("everyday", only_ours="OpenSSH's server refuses its key exchanges or its signatures")
def jsch_everyday(home):
    everyday(home, ["java", "-cp", JSCH, SOURCE / "Old.java"])


def by_its_own_choice_and_limited(client, command, *kex_methods):
    only = "the reference server takes no passwords"
    for kex in ("", *kex_methods):
        title = f"everyday, {kex}" if kex else "everyday"
        client.story(title, only_ours=only)(lambda home, kex=kex: everyday(home, command, kex))


OLD_KEX = ("ecdh-sha2-nistp256", "diffie-hellman-group14-sha256")
by_its_own_choice_and_limited(ruby, ["ruby", SOURCE / "old.rb"], *OLD_KEX)
by_its_own_choice_and_limited(
    php,
    ["php", "-d", "include_path=/usr/share/php", SOURCE / "old.php"],
    *OLD_KEX,
    "diffie-hellman-group16-sha512",
)


def with_options(home, *limits):
    """Both ways, with new keys under way."""
    home.sample("large", REKEY_FILE)
    # LogLevel is set for the first time it is named.
    command = ["sftp", "-v", "-b", "-", "-o", "LogLevel=DEBUG1", *options(home, "RekeyLimit=1M", *limits)]
    said = run([*command, "-P", str(home.port), home.at], stdin="put large\nget large back\n", cwd=home.local)
    same(home.disk / "large", home.local / "large")
    same(home.local / "back", home.local / "large")
    rekeyed(changes(said.err), said.err)
    batch(home, "ls -l", more=limits)


CTR = ("Ciphers=aes256-ctr", "MACs=hmac-sha2-256")
LIMITS = {
    "nistp256": ("KexAlgorithms=ecdh-sha2-nistp256", "HostKeyAlgorithms=ecdsa-sha2-nistp256"),
    "group14-sha256": ("KexAlgorithms=diffie-hellman-group14-sha256",),
    "aes256-ctr with hmac-sha2-256": CTR,
}
for title, limits in LIMITS.items():
    limited.story(title, only_ours="" if limits == CTR else "the reference server has one host key")(
        lambda home, limits=limits: with_options(home, *limits)
    )
strict.story("aes256-ctr with hmac-sha2-256")(lambda home: with_options(home, *CTR))
