"""asyncssh: large blocks, copies on the server, and the old scp both ways."""

import asyncio
import glob
import os
import shlex
from contextlib import asynccontextmanager

from .story import (
    BYTES,
    MODE,
    QUOTA,
    QUOTES,
    REKEY_FILE,
    SIGNS,
    SPACES,
    TIME,
    UTF8,
    Client,
    Failed,
    contains,
    dated,
    equal,
    half_stored,
    kept,
    names,
    rekeyed,
    same,
    same_tree,
    within_quota,
)


def version():
    import asyncssh as library

    return library.__version__


asyncssh = Client("asyncssh", version)
# A hang is a failure.
PATIENCE_SECS = 120


def story(title, **more):
    """A decorator: a story that is told by a coroutine, to a home and a connection."""

    def keep(tell):
        async def connect_and_tell(home):
            async with connection(home) as connected:
                await tell(home, connected)

        asyncssh.story(title, **more)(lambda home: asyncio.run(asyncio.wait_for(connect_and_tell(home), PATIENCE_SECS)))
        return tell

    return keep


@asynccontextmanager
async def connection(home, **more):
    import asyncssh as library

    how = {"client_keys": [str(home.key)], "known_hosts": ([str(home.host_key)], [], []), "config": None}
    async with library.connect("127.0.0.1", home.port, username=home.user, agent_path=None, **how, **more) as connected:
        yield connected


@story("whole files")
async def whole_files(home, connected):
    async with connected.start_sftp_client() as sftp:
        for name, size in {"empty": 0, "one": 1, "large": 5_000_017}.items():
            local = home.sample(name, size)
            await sftp.put(local, home.wire(name))
            await sftp.get(home.wire(name), home.local / "back")
            same(home.disk / name, local)
            same(home.local / "back", local)


@story("block sizes")
async def block_sizes(home, connected):
    """From small ones to the largest that the server says it takes, many under way at once."""
    local = home.sample("large", 9_000_001)
    async with connected.start_sftp_client() as sftp:
        for block in (1000, 16_384, 65_536, sftp.limits.max_write_len, -1):
            await sftp.put(local, home.wire("large"), block_size=block, max_requests=128)
            same(home.disk / "large", local)
            await sftp.get(home.wire("large"), home.local / "back", block_size=block, max_requests=128)
            same(home.local / "back", local)
            (home.disk / "large").unlink()
        equal("the limits", (sftp.limits.max_read_len, sftp.limits.max_write_len), (261_120, 261_120))


@story("copies on the server")
async def remote_copy(home, connected):
    path = dated(home.stored("one", 3_000_001))
    async with connected.start_sftp_client() as sftp:
        equal("whether the server can copy", sftp.supports_remote_copy, True)
        await sftp.copy(home.wire("one"), home.wire("two"), preserve=True, remote_only=True)
        same(home.disk / "two", path)
        kept(home.disk / "two")
        home.stored("target", 100)
        source = await sftp.open(home.wire("one"), "rb")
        target = await sftp.open(home.wire("target"), "r+b")
        await sftp.remote_copy(source, target, 1000, 500_000, 50)
        await source.close()
        await target.close()
    equal("the size of what took a part", (home.disk / "target").stat().st_size, 500_050)
    same((home.disk / "target").read_bytes()[50:], path.read_bytes()[1000:501_000])


@story("resume")
async def resume(home, connected):
    local = home.sample("whole", 3_000_001)
    part, other = half_stored(home, local, "up"), half_stored(home, local, "seek")
    rest = local.read_bytes()[len(part) :]
    async with connected.start_sftp_client() as sftp:
        async with sftp.open(home.wire("up"), "ab") as file:
            await file.write(rest)
        async with sftp.open(home.wire("seek"), "r+b") as file:
            await file.write(rest, offset=len(other))
        async with sftp.open(home.wire("up"), "rb") as file:
            same(await file.read(-1, offset=1_000_000), (part + rest)[1_000_000:])
    same(home.disk / "up", part + rest)
    same(home.disk / "seek", other + rest)


@story("directories")
async def directories(home, connected):
    tree = home.tree("tree")
    async with connected.start_sftp_client() as sftp:
        await sftp.put(tree, home.wire("tree"), recurse=True, preserve=True)
        await sftp.get(home.wire("tree"), home.local / "back", recurse=True, preserve=True)
        same_tree(home.disk / "tree", tree, attributes=True)
        same_tree(home.local / "back", tree, attributes=True)
        found = sorted(await sftp.glob(home.wire("tree/s*/*re")))
        equal("what a pattern finds", found, [home.wire("tree/sub/more")])
        await sftp.rmtree(home.wire("tree"))
    equal("the home", names(home.disk), [])


@story("rename and remove")
async def rename_and_remove(home, connected):
    old = home.stored("old").read_bytes()
    home.stored("new", 10)
    async with connected.start_sftp_client() as sftp:
        await sftp.posix_rename(home.wire("old"), home.wire("new"))
        same(home.disk / "new", old)
        await sftp.makedirs(home.wire("d/e"))
        await sftp.rename(home.wire("new"), home.wire("d/e/moved"))
        same(home.disk / "d/e/moved", old)
        await sftp.link(home.wire("d/e/moved"), home.wire("hard"))
        equal("links of one file", (home.disk / "hard").stat().st_nlink, 2)
        # Which comes first, target or link, it judges by the server's banner.
        await sftp.symlink("d/e", home.wire("soft"))
        equal("the link on the disk", os.readlink(home.disk / "soft"), "d/e")
        equal("the link", await sftp.readlink(home.wire("soft")), "d/e")
        await sftp.remove(home.wire("d/e/moved"))
        await sftp.rmdir(home.wire("d/e"))
        equal("the directory", sorted(await sftp.listdir(home.wire("d"))), [".", ".."])
    equal("the home", names(home.disk), ["d", "hard", "soft"])


@story("times and modes")
async def times_and_modes(home, connected):
    path = home.stored("one", 10)
    async with connected.start_sftp_client() as sftp:
        await sftp.chmod(home.wire("one"), MODE)
        await sftp.utime(home.wire("one"), (TIME, TIME))
        kept(path)
        await sftp.truncate(home.wire("one"), 3)
        equal("the size", path.stat().st_size, 3)
        await sftp.get(home.wire("one"), home.local / "back", preserve=True)
    same(home.local / "back", path)


@story("statvfs")
async def statvfs(home, connected):
    disk = os.statvfs(home.disk)
    async with connected.start_sftp_client() as sftp:
        found = await sftp.statvfs(home.wire(""))
    near = disk.f_frsize * disk.f_bavail
    if not 0.9 * near < found.frsize * found.bavail < 1.1 * near:
        raise Failed(f"statvfs says {found}; the disk has {near} bytes free")


@story("scp")
async def scp(home, connected):
    import asyncssh as library

    tree = home.tree("tree")
    one = dated(home.sample("one", 3_000_001))
    await library.scp(one, (connected, home.wire("one")), preserve=True)
    kept(home.disk / "one")
    await library.scp((connected, "one"), home.local / "back", preserve=True)
    same(home.disk / "one", one)
    same(home.local / "back", one)
    kept(home.local / "back")
    await library.scp(tree, (connected, "."), recurse=True, preserve=True)
    await library.scp((connected, "tree"), home.local / "tree2", recurse=True, preserve=True)
    same_tree(home.disk / "tree", tree, attributes=True)
    same_tree(home.local / "tree2", tree, attributes=True)
    # From the server to itself, by way of the client.
    await library.scp((connected, "one"), (connected, "again"))
    same(home.disk / "again", one)


@story("names")
async def odd_names(home, connected):
    async with connected.start_sftp_client() as sftp:
        for name in (SPACES, QUOTES, UTF8, BYTES):
            local = home.sample(name)
            wire = os.fsencode(home.wire(name))
            await sftp.put(local, wire)
            await sftp.rename(wire, wire + b"2")
            await sftp.get(wire + b"2", home.local / "back")
            same(home.disk / f"{name}2", local)
            same(home.local / "back", local)
        found = sorted(set(await sftp.listdir(os.fsencode(home.wire("")))) - {b".", b".."})
        equal("the listing", found, sorted(os.fsencode(name) for name in names(home.disk)))


async def sent_by_scp(home, connected, name, wire):
    import asyncssh as library

    local = home.sample(name)
    # It looks for patterns in names on its own side too.
    await library.scp(glob.escape(os.fsencode(local)), (connected, os.fsencode(wire)))
    await library.scp((connected, os.fsencode(wire)), home.local / "back")
    same(home.disk / name, local)
    same(home.local / "back", local)


@story("names by scp")
async def odd_names_by_scp(home, connected):
    """The path goes into the command, and OpenSSH's server hands it to a shell: users quote it."""
    for name in (SPACES, QUOTES, UTF8, BYTES):
        await sent_by_scp(home, connected, name, shlex.quote(name))


@story("names by scp as they are", only_ours="OpenSSH's server hands them to a shell")
async def names_as_they_are(home, connected):
    """Where there is no shell, nothing but a quotation mark or a backslash needs to be quoted."""
    for name in (SPACES, SIGNS, UTF8, BYTES):
        await sent_by_scp(home, connected, name, name)


@asyncssh.story("new keys under way")
def rekey(home):
    local = home.sample("large", REKEY_FILE)

    async def tell():
        async with connection(home, rekey_bytes=1 << 20) as connected:
            changes, begin = [], connected._send_kexinit
            connected._send_kexinit = lambda: (changes.append(1), begin())
            async with connected.start_sftp_client() as sftp:
                await sftp.put(local, home.wire("large"))
                # By what it sends; it does not count what comes.
                rekeyed(len(changes))
                await sftp.get(home.wire("large"), home.local / "back")

    asyncio.run(asyncio.wait_for(tell(), PATIENCE_SECS))
    same(home.disk / "large", local)
    same(home.local / "back", local)


async def fails(what, call, *words):
    """Awaits what has to fail with an error that has these words."""
    import asyncssh as library

    try:
        await call
    except (library.SFTPError, OSError) as error:
        contains(what, str(error), *words)
        return
    raise Failed(f"{what}: no error")


WITH_QUOTA = {"user": ("--quota", str(QUOTA)), "only_ours": "OpenSSH's server has no quotas"}


@story("over quota", **WITH_QUOTA)
async def over_quota(home, connected):
    keep, large = home.sample("keep", QUOTA // 4), home.sample("large", 2 * QUOTA)
    async with connected.start_sftp_client() as sftp:
        await sftp.put(keep, home.wire("keep"))
        await fails("the upload", sftp.put(large, home.wire("large")), "quota exceeded")
        within_quota(home, keep)
        await sftp.remove(home.wire("large"))
        # Four more of these do not fit, whoever makes them.
        for number in range(3):
            await sftp.copy(home.wire("keep"), home.wire(f"keep{number}"), remote_only=True)
        await fails("the copy", sftp.copy(home.wire("keep"), home.wire("more"), remote_only=True), "quota exceeded")
        within_quota(home, keep)
        found = await sftp.statvfs(home.wire(""))
        equal("the size and what is free", (found.frsize * found.blocks, found.bavail), (QUOTA, 0))


@story("over quota by scp", **WITH_QUOTA)
async def over_quota_by_scp(home, connected):
    import asyncssh as library

    keep, large = home.sample("keep", QUOTA // 4), home.sample("large", 2 * QUOTA)
    await library.scp(keep, (connected, "keep"))
    await fails("the upload", library.scp(large, (connected, "large")), "quota exceeded")
    within_quota(home, keep)
