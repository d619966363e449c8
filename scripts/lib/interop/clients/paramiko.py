"""paramiko, including requests about hashes and channels."""

import hashlib
import os
import stat
import time
from functools import partial

import paramiko

from ...tools import make_key
from ..checks import contains, equal, kept, names, same
from ..client import Attributes, Client, Failed
from ..home import ODD_NAMES, PASSWORD, QUOTES, SPACES, TIME, UTF8, WITH_QUOTA

# The time limit in seconds, below the 30 s after which paramiko gives up a sign-in.
SIGN_IN_SECS = 25
# The time limit in seconds, so that a hang is a failure.
PATIENCE_SECS = 60
KEYS_ONLY = "the reference knows keys only"


def load(path, certificate=False):
    """Returns a key, with the certificate beside it if that is wanted."""
    key = paramiko.Ed25519Key.from_private_key_file(str(path))
    if certificate:
        key.load_certificate(f"{path}-cert.pub")
    return key


def sign_in(home, **how):
    """Returns a connection; `how` has the credentials as arguments for paramiko."""
    connection = paramiko.SSHClient()
    connection.load_host_keys(str(home.known_hosts()))
    connection.set_missing_host_key_policy(paramiko.RejectPolicy())
    connection.connect("127.0.0.1", home.port, home.user, allow_agent=False, look_for_keys=False, **how)
    return connection


def sign_in_answering(home, answers, with_key=False):
    """Returns a connection that has answered the server's questions, after the key if that is wanted."""

    def handler(_title, _instructions, prompts):
        return [next(answer for part, answer in answers.items() if part in prompt) for prompt, _echo in prompts]

    transport = paramiko.Transport(("127.0.0.1", home.port))
    try:
        transport.start_client(timeout=SIGN_IN_SECS)
        if with_key and "keyboard-interactive" not in transport.auth_publickey(home.user, load(home.key)):
            raise Failed("after the key, the server asks nothing")
        transport.auth_interactive(home.user, handler)
        if not transport.is_authenticated():
            raise paramiko.AuthenticationException("the answers are not enough")
    except BaseException:
        transport.close()
        raise
    connection = paramiko.SSHClient()
    connection._transport = transport
    return connection


class Paramiko(Client):
    """paramiko's SFTPClient."""

    name = "paramiko"
    packages = {"ssh-keygen": "openssh-client"}
    odd_names = ODD_NAMES
    # Names that are not UTF-8 can be passed as bytes, but not be listed.
    odd_names_listed = (SPACES, QUOTES, UTF8)
    odd_names_hashed = ODD_NAMES
    passwords = True
    questions = True
    certificates = True
    leaves_empty_files = True
    # paramiko pipelines WRITEs and ignores their status; it notices that the size is wrong.
    quota_words = ("size mismatch",)
    hashes_only_ours = "OpenSSH's server has no check-file"
    errors = (OSError, paramiko.SSHException)

    @classmethod
    def version(cls):
        return paramiko.__version__

    def __enter__(self):
        password = self.settings.get("password")
        if answers := self.settings.get("answers"):
            self.connection = sign_in_answering(self.home, answers, self.settings.get("with_key"))
        else:
            certificate = self.settings.get("certificate", False)
            how = {"password": password} if password else {"pkey": load(self.home.key, certificate)}
            self.connection = sign_in(self.home, **how)
        self.changes = []
        if "rekey_bytes" in self.settings:
            transport = self.connection.get_transport()
            transport.packetizer.REKEY_BYTES = self.settings["rekey_bytes"]
            begin = transport._send_kex_init
            transport._send_kex_init = lambda: (self.changes.append(1), begin())
        self.sftp = self.connection.open_sftp()
        self.sftp.get_channel().settimeout(PATIENCE_SECS)
        return self

    def __exit__(self, *_):
        self.sftp.close()
        self.connection.close()

    def wire(self, name):
        """Returns bytes for names that are not UTF-8, and text for others."""
        name = self.home.wire(name)
        return name if name.isprintable() else os.fsencode(name)

    def put(self, local, name):
        self.sftp.put(str(local), self.wire(name))

    replace = put

    def get(self, name, local):
        self.sftp.get(self.wire(name), str(local))

    def resume_put(self, local, name):
        with open(local, "rb") as source, self.sftp.open(self.wire(name), "ab") as file:
            source.seek(file.stat().st_size)
            file.write(source.read())

    def resume_get(self, name, local):
        with open(local, "ab") as target, self.sftp.open(self.wire(name)) as file:
            file.seek(target.tell())
            target.write(file.read())

    def ls(self, directory):
        return {entry.filename: entry.st_size for entry in self.sftp.listdir_attr(self.wire(directory))}

    def mkdir(self, name):
        self.sftp.mkdir(self.wire(name))

    def rmdir(self, name):
        self.sftp.rmdir(self.wire(name))

    def remove(self, name):
        self.sftp.remove(self.wire(name))

    def rename(self, old, new):
        self.sftp.rename(self.wire(old), self.wire(new))

    def rename_over(self, old, new):
        self.sftp.posix_rename(self.wire(old), self.wire(new))

    def stat(self, name):
        found = self.sftp.stat(self.wire(name))
        return Attributes(stat.S_IMODE(found.st_mode), found.st_size, found.st_mtime)

    def chmod(self, name, mode):
        self.sftp.chmod(self.wire(name), mode)

    def set_time(self, name, secs):
        self.sftp.utime(self.wire(name), (secs, secs))

    def truncate(self, name, size):
        self.sftp.truncate(self.wire(name), size)

    def symlink(self, target, name):
        self.sftp.symlink(target, self.wire(name))

    def readlink(self, name):
        return self.sftp.readlink(self.wire(name))

    def hash(self, name, algorithm):
        with self.sftp.open(self.wire(name)) as file:
            return file.check(algorithm).hex()

    def key_changes(self):
        return len(self.changes)


def fails(what, call, *words):
    """Calls a function that has to fail with a message of the server that contains these words."""
    try:
        call()
    except OSError as error:
        contains(what, str(error), *words)
        return
    raise Failed(f"{what}: no error")


@Paramiko.story("refused key then password", user=("--require", "password"), only_ours=KEYS_ONLY)
def refused_key_then_password(_client, home):
    stranger = make_key(home.local / "stranger")
    begun = time.monotonic()
    sign_in(home, pkey=load(stranger), password=PASSWORD).close()
    if time.monotonic() - begun > SIGN_IN_SECS:
        raise Failed("the sign-in took as long as a time-out")


@Paramiko.story("two factors", user=("--require", "publickey,password"), only_ours=KEYS_ONLY)
def two_factors(_client, home):
    sign_in(home, pkey=load(home.key), password=PASSWORD).close()
    with paramiko.Transport(("127.0.0.1", home.port)) as transport:
        transport.start_client(timeout=SIGN_IN_SECS)
        if "password" not in transport.auth_publickey(home.user, load(home.key)) or transport.is_authenticated():
            raise Failed("the key alone was enough")


@Paramiko.story("prefetch")
def prefetch(client, home):
    """Requests all of a large file at once, and then parts of it out of order."""
    path = home.stored("large", 64 << 20)
    data = path.read_bytes()
    with client(home) as session:
        session.sftp.get(home.wire("large"), str(home.local / "back"), prefetch=True)
        same(home.local / "back", path)
        with session.sftp.open(home.wire("large")) as file:
            chunks = [(50_000_000, 40_000), (0, 1), (len(data) - 5, 100), (7_000_001, 1_000_000), (0, 0)]
            for (offset, length), got in zip(chunks, file.readv(chunks), strict=True):
                same(got, data[offset : offset + length])


@Paramiko.story("pipelined writes")
def pipelined(client, home):
    local = home.sample("large", 10_000_003)
    with client(home) as session, session.sftp.open(home.wire("large"), "wb") as file, open(local, "rb") as source:
        file.set_pipelined(True)
        while block := source.read(32_768):
            file.write(block)
    same(home.disk / "large", local)


@Paramiko.story("resume at an offset")
def resume_at_offset(client, home):
    local = home.sample("whole", 3_000_001)
    data, part = local.read_bytes(), home.half_stored(local, "seek")
    with client(home) as session:
        with session.sftp.open(home.wire("seek"), "r+b") as file:
            file.seek(file.stat().st_size)
            file.write(data[len(part) :])
        with session.sftp.open(home.wire("seek"), "rb") as file:
            file.seek(2_000_001)
            same(file.read(), data[2_000_001:])
    same(home.disk / "seek", part + data[len(part) :])


@Paramiko.story("list with attributes")
def listed_with_attributes(client, home):
    for number in range(700):
        home.stored(f"d/file {number:03}", number)
    (home.disk / "d/sub").mkdir()
    with client(home) as session:
        ways = {
            "listdir_attr": session.sftp.listdir_attr(home.wire("d")),
            "listdir_iter": list(session.sftp.listdir_iter(home.wire("d"))),
        }
    for way, entries in ways.items():
        equal(way, sorted(entry.filename for entry in entries), names(home.disk / "d"))
        for entry in entries:
            found = (home.disk / "d" / entry.filename).stat()
            equal(f"{way}: mode", oct(entry.st_mode), oct(found.st_mode))
            equal(f"{way}: time", entry.st_mtime, int(found.st_mtime))
            if stat.S_ISREG(found.st_mode):
                equal(f"{way}: size", entry.st_size, found.st_size)
                contains(f"{way}: long name", str(entry.longname), f" {found.st_size} ", entry.filename)


@Paramiko.story("rename never replaces")
def rename_never_replaces(client, home):
    """RENAME of version 3 never replaces a file; only posix-rename does."""
    home.stored("old")
    data = home.stored("new").read_bytes()
    with client(home) as session:
        fails("rename over a file", lambda: session.rename("old", "new"))
        same(home.disk / "new", data)
        session.symlink("d", "link")
        session.remove("link")
        fails("a second removal", lambda: session.remove("link"), "No such file")
    equal("the home", names(home.disk), ["new", "old"])


@Paramiko.story("attributes of an open file")
def attributes_of_open_file(client, home):
    path = home.stored("one", 10)
    with client(home) as session, session.sftp.open(home.wire("one"), "r+") as file:
        file.chmod(0o600)
        file.utime((TIME + 1, TIME + 1))
    kept(path, 0o600, TIME + 1)


def hashed(algorithm, data):
    return hashlib.new(algorithm, data).digest()


@Paramiko.story("hashes of parts", only_ours="OpenSSH's server has no check-file")
def hashes_of_parts(client, home):
    """SFTPFile.check(): a whole file, ranges of it, and a hash for each block."""
    data = home.stored("one", 1_000_003).read_bytes()
    home.stored("empty", 0)
    with client(home) as session:
        for algorithm in client.hash_algorithms:
            of = partial(hashed, algorithm)
            with session.sftp.open(home.wire("one")) as file:
                equal(f"{algorithm} of it all", file.check(algorithm), of(data))
                equal(f"{algorithm} of a range", file.check(algorithm, 1000, 500_000), of(data[1000:501_000]))
                equal(f"{algorithm} to the end", file.check(algorithm, 999_999), of(data[999_999:]))
                equal(f"{algorithm} past the end", file.check(algorithm, 10, 5_000_000), of(data[10:]))
                # The number of hashes that fit into a reply in any case.
                for block in (1024, 65_536, 300_000):
                    expected = b"".join(of(data[at : at + block]) for at in range(0, len(data), block))
                    equal(f"{algorithm} of blocks of {block}", file.check(algorithm, 0, 0, block), expected)
                ranged = b"".join(of(data[at : min(at + 4096, 20_007)]) for at in range(7, 20_007, 4096))
                equal(f"{algorithm} of a range's blocks", file.check(algorithm, 7, 20_000, 4096), ranged)
            with session.sftp.open(home.wire("empty")) as file:
                equal(f"{algorithm} of nothing", file.check(algorithm), of(b""))
        with session.sftp.open(home.wire("one")) as file:
            least = b"".join(hashlib.md5(data[at : at + 256]).digest() for at in range(0, len(data), 256))
            equal("md5 of the smallest blocks", file.check("md5", 0, 0, 256), least)
            equal("the first algorithm that is known", file.check("crc32,sha1,md5"), hashlib.sha1(data).digest())
            fails("an unknown algorithm", lambda: file.check("crc32"))
            fails("a block that is too small", lambda: file.check("md5", 0, 0, 255))
            equal("md5 after the errors", file.check("md5"), hashlib.md5(data).digest())


@Paramiko.story("many channels")
def many_channels(client, home):
    """Many channels of one connection, one after the other, more than may be open at once."""
    expected = hashlib.md5(home.stored("one").read_bytes()).hexdigest()
    with client(home) as session:
        for _ in range(60):
            _in, out, _err = session.connection.exec_command("md5sum one", timeout=PATIENCE_SECS)
            equal("what the server printed", out.read().decode(), f"{expected}  one\n")
            equal("its exit status", out.channel.recv_exit_status(), 0)
            with session.connection.open_sftp() as sftp:
                equal("the listing", sftp.listdir(home.wire("")), ["one"])


@Paramiko.story("a write over quota", **WITH_QUOTA)
def write_over_quota(client, home):
    """The WRITE over the quota gets an error that says so."""
    keep, large = home.quota_files()
    with client(home) as session:
        session.put(keep, "keep")
        session.refused("put", large, "large")
        with session.sftp.open(home.wire("large"), "ab") as file:
            fails("the write", lambda: file.write(b"more"), "quota exceeded")
