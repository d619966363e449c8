"""paramiko, with all that it asks of a server beyond files."""

import hashlib
import os
import stat
import time
from contextlib import contextmanager
from functools import partial

from ..tools import make_key
from .story import (
    BYTES,
    MODE,
    PASSWORD,
    QUOTA,
    QUOTES,
    REKEY_FILE,
    SPACES,
    TIME,
    UTF8,
    Client,
    Failed,
    contains,
    equal,
    half_stored,
    kept,
    names,
    rekeyed,
    same,
    within_quota,
)


def version():
    import paramiko as library

    return library.__version__


paramiko = Client("paramiko", version, {"ssh-keygen": "openssh-client"})
# Below the 30 s after which it gives a sign-in up.
SIGN_IN_SECS = 10
KEYS_ONLY = "the reference knows keys only"


def load(path):
    from paramiko import Ed25519Key

    return Ed25519Key.from_private_key_file(str(path))


def connected(home, **how):
    """A client that has signed in, by default with the key."""
    from paramiko import RejectPolicy, SSHClient

    client = SSHClient()
    # It reads known_hosts: the server's key is the only one in it.
    kind, key = home.host_key.read_text().split()[:2]
    known = home.local.parent / "known_hosts"
    known.write_text(f"[127.0.0.1]:{home.port} {kind} {key}\n")
    client.load_host_keys(str(known))
    client.set_missing_host_key_policy(RejectPolicy())
    how = how or {"pkey": load(home.key)}
    client.connect("127.0.0.1", home.port, home.user, allow_agent=False, look_for_keys=False, **how)
    return client


@contextmanager
def session(home, **how):
    """An SFTP session of its own."""
    with connected(home, **how) as client, client.open_sftp() as sftp:
        # A hang is a failure.
        sftp.get_channel().settimeout(60)
        yield sftp


def fails(what, call, *words):
    """Calls what has to fail with an error of the server's that has these words."""
    try:
        call()
    except OSError as error:
        contains(what, str(error), *words)
        return
    raise Failed(f"{what}: no error")


@paramiko.story("refused key then password", user=("--require", "password"), only_ours=KEYS_ONLY)
def refused_key_then_password(home):
    stranger = make_key(home.local / "stranger")
    begun = time.monotonic()
    connected(home, pkey=load(stranger), password=PASSWORD).close()
    if time.monotonic() - begun > SIGN_IN_SECS:
        raise Failed("the sign-in took as long as a time-out")


@paramiko.story("two factors", user=("--require", "publickey,password"), only_ours=KEYS_ONLY)
def two_factors(home):
    from paramiko import Transport

    connected(home, pkey=load(home.key), password=PASSWORD).close()
    with Transport(("127.0.0.1", home.port)) as transport:
        transport.start_client(timeout=SIGN_IN_SECS)
        if "password" not in transport.auth_publickey(home.user, load(home.key)) or transport.is_authenticated():
            raise Failed("the key alone was enough")


@paramiko.story("whole files")
def whole_files(home):
    with session(home) as sftp:
        for name, size in {"empty": 0, "one": 1, "large": 5_000_017}.items():
            local = home.sample(name, size)
            sftp.put(str(local), home.wire(name))
            sftp.get(home.wire(name), str(home.local / "back"))
            same(home.disk / name, local)
            same(home.local / "back", local)


@paramiko.story("prefetch")
def prefetch(home):
    """All of a large file is asked for at once; then some of it, out of order."""
    path = home.stored("large", 64 << 20)
    data = path.read_bytes()
    with session(home) as sftp:
        sftp.get(home.wire("large"), str(home.local / "back"), prefetch=True)
        same(home.local / "back", path)
        with sftp.open(home.wire("large")) as file:
            chunks = [(50_000_000, 40_000), (0, 1), (len(data) - 5, 100), (7_000_001, 1_000_000), (0, 0)]
            for (offset, length), got in zip(chunks, file.readv(chunks), strict=True):
                same(got, data[offset : offset + length])


@paramiko.story("pipelined writes")
def pipelined(home):
    local = home.sample("large", 10_000_003)
    with session(home) as sftp, sftp.open(home.wire("large"), "wb") as file, open(local, "rb") as source:
        file.set_pipelined(True)
        while block := source.read(32_768):
            file.write(block)
    same(home.disk / "large", local)


@paramiko.story("resume")
def resume(home):
    local = home.sample("whole", 3_000_001)
    part = half_stored(home, local, "up")
    other = half_stored(home, local, "seek")
    with session(home) as sftp, open(local, "rb") as source:
        source.seek(len(part))
        with sftp.open(home.wire("up"), "ab") as file:
            file.write(source.read())
        source.seek(len(part))
        with sftp.open(home.wire("seek"), "r+b") as file:
            file.seek(file.stat().st_size)
            file.write(source.read())
        with sftp.open(home.wire("up"), "rb") as file:
            file.seek(2_000_001)
            same(file.read(), local.read_bytes()[2_000_001:])
    same(home.disk / "up", part + local.read_bytes()[len(part) :])
    same(home.disk / "seek", other + local.read_bytes()[len(other) :])


@paramiko.story("list")
def listed(home):
    for number in range(700):
        home.stored(f"d/file {number:03}", number)
    (home.disk / "d/sub").mkdir()
    with session(home) as sftp:
        ways = {
            "listdir_attr": sftp.listdir_attr(home.wire("d")),
            "listdir_iter": list(sftp.listdir_iter(home.wire("d"))),
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


@paramiko.story("rename and remove")
def rename_and_remove(home):
    old, new = home.stored("old").read_bytes(), home.stored("new").read_bytes()
    with session(home) as sftp:
        fails("rename over a file", lambda: sftp.rename(home.wire("old"), home.wire("new")))
        same(home.disk / "new", new)
        sftp.posix_rename(home.wire("old"), home.wire("new"))
        same(home.disk / "new", old)
        sftp.mkdir(home.wire("d"), 0o750)
        sftp.symlink("d", home.wire("link"))
        equal("the link", sftp.readlink(home.wire("link")), "d")
        equal("the link on the disk", os.readlink(home.disk / "link"), "d")
        sftp.rename(home.wire("new"), home.wire("d/moved"))
        same(home.disk / "d/moved", old)
        sftp.remove(home.wire("d/moved"))
        sftp.rmdir(home.wire("d"))
        sftp.remove(home.wire("link"))
        fails("a second removal", lambda: sftp.remove(home.wire("link")), "No such file")
    equal("the home", names(home.disk), [])


@paramiko.story("times and modes")
def times_and_modes(home):
    path = home.stored("one", 10)
    with session(home) as sftp:
        sftp.chmod(home.wire("one"), MODE)
        sftp.utime(home.wire("one"), (TIME, TIME))
        found = sftp.stat(home.wire("one"))
        equal("what stat says", (stat.S_IMODE(found.st_mode), found.st_mtime), (MODE, TIME))
        kept(path)
        sftp.truncate(home.wire("one"), 3)
        equal("the size", path.stat().st_size, 3)
        with sftp.open(home.wire("one"), "r+") as file:
            file.chmod(0o600)
            file.utime((TIME + 1, TIME + 1))
        kept(path, 0o600, TIME + 1)


def hashed(algorithm, data):
    return hashlib.new(algorithm, data).digest()


@paramiko.story("hashes", only_ours="OpenSSH's server has no check-file")
def hashes(home):
    """SFTPFile.check(): a whole file, ranges of it, and a hash for each block."""
    path = home.stored("one", 1_000_003)
    data = path.read_bytes()
    home.stored("empty", 0)
    with session(home) as sftp:
        for algorithm in ("md5", "sha1", "sha256", "sha512"):
            of = partial(hashed, algorithm)
            with sftp.open(home.wire("one")) as file:
                equal(f"{algorithm} of it all", file.check(algorithm), of(data))
                equal(f"{algorithm} of a range", file.check(algorithm, 1000, 500_000), of(data[1000:501_000]))
                equal(f"{algorithm} to the end", file.check(algorithm, 999_999), of(data[999_999:]))
                equal(f"{algorithm} past the end", file.check(algorithm, 10, 5_000_000), of(data[10:]))
                # As many hashes as a reply surely holds.
                for block in (1024, 65_536, 300_000):
                    expected = b"".join(of(data[at : at + block]) for at in range(0, len(data), block))
                    equal(f"{algorithm} of blocks of {block}", file.check(algorithm, 0, 0, block), expected)
                ranged = b"".join(of(data[at : min(at + 4096, 20_007)]) for at in range(7, 20_007, 4096))
                equal(f"{algorithm} of a range's blocks", file.check(algorithm, 7, 20_000, 4096), ranged)
            with sftp.open(home.wire("empty")) as file:
                equal(f"{algorithm} of nothing", file.check(algorithm), of(b""))
        with sftp.open(home.wire("one")) as file:
            least = b"".join(hashlib.md5(data[at : at + 256]).digest() for at in range(0, len(data), 256))
            equal("md5 of the smallest blocks", file.check("md5", 0, 0, 256), least)
            equal("the first algorithm that is known", file.check("crc32,sha1,md5"), hashlib.sha1(data).digest())
            fails("an unknown algorithm", lambda: file.check("crc32"))
            fails("a block that is too small", lambda: file.check("md5", 0, 0, 255))
            equal("md5 after the errors", file.check("md5"), hashlib.md5(data).digest())


@paramiko.story("names")
def odd_names(home):
    with session(home) as sftp:
        for name in (SPACES, QUOTES, UTF8):
            renamed(home, sftp, name, home.wire(name), home.wire(f"{name}2"))
        equal("the listing", sorted(sftp.listdir(home.wire(""))), names(home.disk))
        # What is no UTF-8 can be named in bytes, but not be listed.
        renamed(home, sftp, BYTES, os.fsencode(home.wire(BYTES)), os.fsencode(home.wire(f"{BYTES}2")))


def renamed(home, sftp, name, wire, moved):
    """Sends a file by one name, fetches it by another."""
    local = home.sample(name)
    sftp.put(str(local), wire)
    sftp.rename(wire, moved)
    sftp.get(moved, str(home.local / "back"))
    same(home.disk / f"{name}2", local)
    same(home.local / "back", local)


@paramiko.story("many channels")
def many_channels(home):
    """One connection for all, far more of them than may be open at once."""
    expected = hashlib.md5(home.stored("one").read_bytes()).hexdigest()
    with connected(home) as client:
        for _ in range(60):
            _in, out, _err = client.exec_command("md5sum one", timeout=60)
            equal("what the server printed", out.read().decode(), f"{expected}  one\n")
            equal("its exit status", out.channel.recv_exit_status(), 0)
            with client.open_sftp() as sftp:
                equal("the listing", sftp.listdir(home.wire("")), ["one"])


@paramiko.story("new keys under way")
def rekey(home):
    local = home.sample("large", REKEY_FILE)
    with connected(home) as client:
        transport = client.get_transport()
        transport.packetizer.REKEY_BYTES = 1 << 20
        changes, begin = [], transport._send_kex_init
        transport._send_kex_init = lambda: (changes.append(1), begin())
        with client.open_sftp() as sftp:
            sftp.get_channel().settimeout(60)
            sftp.put(str(local), home.wire("large"))
            rekeyed(len(changes))
            changes.clear()
            sftp.get(home.wire("large"), str(home.local / "back"))
            rekeyed(len(changes))
    same(home.disk / "large", local)
    same(home.local / "back", local)


@paramiko.over_quota
def over_quota(home):
    keep = home.sample("keep", QUOTA // 4)
    large = home.sample("large", 2 * QUOTA)
    with session(home) as sftp:
        sftp.put(str(keep), home.wire("keep"))
        # It writes without waiting, and forgets what was answered; it sees that the size is wrong.
        fails("the upload", lambda: sftp.put(str(large), home.wire("large")), "size mismatch")
        within_quota(home, keep)
        with sftp.open(home.wire("large"), "ab") as file:
            fails("the write", lambda: file.write(b"more"), "quota exceeded")
        fits = home.sample("fits", QUOTA // 2)
        sftp.remove(home.wire("large"))
        sftp.put(str(fits), home.wire("fits"))
    same(home.disk / "fits", fits)
    within_quota(home, keep)
