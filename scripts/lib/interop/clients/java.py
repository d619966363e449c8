"""Clients in Java: Apache MINA SSHD, which uses md5-hash, and JSch. Their programs are in programs/java/."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from ...tools import TARGET, quiet
from ..checks import equal, mentions, same
from ..home import ODD_NAMES, QUOTA, WITH_QUOTA
from ..scripted import FilesAndRoom

SOURCE = Path(__file__).parents[1] / "programs/java"
BUILT = TARGET / "interop/java"


class JavaClient(FilesAndRoom):
    """A client in Java, whose program is a class in programs/java."""

    packages = {"mvn": "maven", "javac": "default-jdk-headless"}
    extra = True
    odd_names = ODD_NAMES
    leaves_empty_files = True
    # The class of the program, and the library whose version is reported.
    program, library = "", ""

    @classmethod
    def build(cls):
        """Compiles the programs, and downloads the libraries of pom.xml."""
        jars = BUILT / "jars"
        newest = max(path.stat().st_mtime for path in SOURCE.rglob("*") if path.is_file())
        if jars.is_dir() and jars.stat().st_mtime > newest:
            return
        goals = ["compile", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        # Otherwise, an old version of a library would stay beside the new one.
        for jar in jars.glob("*.jar"):
            jar.unlink()
        hint = "hint: the libraries come from Maven Central, which must be reached once"
        quiet(["mvn", "-q", "-B", *goals], hint, cwd=SOURCE)
        os.utime(jars)

    @classmethod
    def version(cls):
        pattern = rf"<artifactId>{cls.library}</artifactId>\s*<version>([^<]+)"
        return re.search(pattern, (SOURCE / "pom.xml").read_text())[1]

    def known_host(self):
        """Returns the host key in the form that the program needs."""
        raise NotImplementedError

    def classes(self):
        return f"{BUILT / 'classes'}:{BUILT / 'jars'}/*"

    def command(self):
        quick = ["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
        where = ["127.0.0.1", str(self.home.port), self.home.user, self.home.key, self.known_host()]
        rekey = [str(self.settings["rekey_bytes"])] if "rekey_bytes" in self.settings else []
        return ["java", *quick, "-cp", self.classes(), self.program, *where, *rekey]

    def __enter__(self):
        self.latin1 = False
        return super().__enter__()

    def put(self, local, name):
        """Java cannot open local files whose names are not in its encoding."""
        if not str(local).isascii():
            local = shutil.copy(local, self.home.local.parent / "plain")
        super().put(local, name)

    def path(self, name):
        """Names that are not UTF-8 need another charset; all other names are the same bytes in it."""
        if not self.latin1 and not name.isprintable():
            self.latin1 = True
            self.step("charset", "ISO-8859-1")
        return super().path(name)


class Mina(JavaClient):
    """Apache MINA SSHD."""

    name = "MINA SSHD"
    program, library = "Mina", "sshd-sftp"
    hashes_only_ours = "OpenSSH's server has no check-file"

    def known_host(self):
        return self.home.fingerprint

    def resume_put(self, local, name):
        self.step("append", local, self.path(name))

    def rename_over(self, old, new):
        self.step("posix-rename", self.path(old), self.path(new))

    def truncate(self, name, size):
        self.step("truncate", self.path(name), size)

    def copy(self, old, new):
        self.step("copy", self.path(old), self.path(new))

    def hash(self, name, algorithm):
        return self.step("check", self.path(name), "name", algorithm, 0, 0, 0).split()[1]

    def key_changes(self):
        return int(self.step("keys"))


class Jsch(JavaClient):
    """JSch, as maintained by its second author."""

    name = "JSch"
    program, library = "Jsch", "jsch"
    passwords = True
    questions = True

    def known_host(self):
        return self.home.known_hosts()

    def environment(self):
        if answers := self.settings.get("answers"):
            lines = "".join(f"{question}\t{answer}\n" for question, answer in answers.items())
            return {"ANSWERS": lines, "WITH_KEY": "1" if self.settings.get("with_key") else ""}
        return {"PASSWORD": self.settings["password"]} if "password" in self.settings else {}

    def path(self, name):
        """Returns a name escaped for the patterns of JSch."""
        return re.sub(r"([*?\\])", r"\\\1", super().path(name))

    def resume_put(self, local, name):
        self.step("put-resume", local, self.path(name))

    def resume_get(self, name, local):
        self.step("get-resume", self.path(name), local)

    def hardlink(self, old, new):
        self.step("hardlink", self.path(old), self.path(new))


NO_HASHES = "OpenSSH's server has no md5-hash and no check-file"


@Mina.story("md5-hash", only_ours=NO_HASHES)
def mina_md5(client, home):
    """md5-hash by name and by handle: whole files, ranges, beyond the end, and the quick check that avoids a long
    hash."""
    data = home.stored("one", 1_000_003).read_bytes()
    home.stored("empty", 0)
    (home.disk / "d").mkdir()
    rows = [
        ("one", 0, 0, "", data),
        ("one", 1000, 500_000, "", data[1000:501_000]),
        ("one", 10, 5_000_000, "", data[10:]),
        ("one", 0, 0, "right", data),
        ("one", 5, 100_000, "right", data[5:100_005]),
        ("one", 0, 0, "wrong", None),
        ("empty", 0, 0, "", b""),
    ]
    with client(home) as session:
        for name, start, length, quick, part in rows:
            for how in ("name", "handle"):
                answer = session.step("md5", session.path(name), how, start, length, quick)
                expected = "" if part is None else hashlib.md5(part).hexdigest()
                equal(f"md5 of {name} by {how} from {start}, {length} bytes, {quick!r}", answer, expected)
        error = session.refused("step", "md5", session.path("nothing"), "name", "0", "0", "")
        mentions("the error", error, client.missing_words)
        session.refused("step", "md5", session.path("d"), "name", "0", "0", "")


@Mina.story("check-file", only_ours=NO_HASHES)
def mina_check(client, home):
    """check-file by name and by handle: the first common algorithm, whole files, ranges, blocks."""
    data = home.stored("one", 1_000_003).read_bytes()
    home.stored("empty", 0)
    rows = [("one", algorithm, 0, 0, 0) for algorithm in client.hash_algorithms]
    rows += [
        ("one", "crc32,sha256,md5", 0, 0, 0),
        ("one", "sha1", 1000, 500_000, 0),
        ("one", "sha1", 999_999, 0, 0),
        ("one", "md5", 0, 0, 256),
        ("one", "sha256", 7, 300_000, 65_536),
        ("empty", "sha256", 0, 0, 0),
    ]
    with client(home) as session:
        for name, algorithms, start, length, block in rows:
            part = (data if name == "one" else b"")[start : start + length if length else None]
            algorithm = next(word for word in algorithms.split(",") if word != "crc32")
            blocks = [part[at : at + block] for at in range(0, len(part), block)] if block else [part]
            hashes = [hashlib.new(algorithm, piece).hexdigest() for piece in blocks]
            for how in ("name", "handle"):
                answer = session.step("check", session.path(name), how, algorithms, start, length, block)
                equal(f"{algorithms} of {name} by {how} from {start}", answer, " ".join([algorithm, *hashes]))
        session.refused("step", "check", session.path("one"), "name", "crc32", "0", "0", "0")
        session.refused("step", "check", session.path("one"), "handle", "md5", "0", "0", "255")


@Mina.story("space-available", user=WITH_QUOTA["user"], only_ours="OpenSSH's server has no space-available")
def mina_space(client, home):
    with client(home) as session:
        session.put(home.sample("one", QUOTA // 4), "one")
        said = session.step("space", session.path(""))
    equal("the user's bytes and those unused", said, f"{QUOTA} {QUOTA - QUOTA // 4}")


@Jsch.story("new keys")
def jsch_rekey(client, home):
    """JSch rekeys on request, not by the number of bytes."""
    local = home.sample("large", 5_000_000)
    with client(home) as session:
        session.step("rekey")
        session.put(local, "large")
        session.step("rekey")
        session.get("large", home.local / "back")
        session.step("rekey")
        equal("the listing", session.ls(""), {"large": 5_000_000})
    same(home.disk / "large", local)
    same(home.local / "back", local)
