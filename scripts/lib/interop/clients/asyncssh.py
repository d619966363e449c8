"""asyncssh: large blocks, copies on the server, and legacy scp both ways."""

import asyncio
import glob
import os
import shlex
import stat

import asyncssh

from ..checks import equal, kept, mentions, names, same, same_tree
from ..client import EVERYTHING, Attributes, Client, Room
from ..home import BYTES, ODD_NAMES, QUOTA, SIGNS, SPACES, UTF8, WITH_QUOTA, dated

# The time limit in seconds, so that a hang is a failure.
PATIENCE_SECS = 120


class Answering(asyncssh.SSHClient):
    """Answers the questions of keyboard-interactive, in one conversation."""

    def __init__(self, answers):
        self.answers = answers
        self.conversations = 0

    def kbdint_auth_requested(self):
        self.conversations += 1
        return "" if self.conversations == 1 else None

    def kbdint_challenge_received(self, _name, _instructions, _lang, prompts):
        return [next(answer for part, answer in self.answers.items() if part in prompt) for prompt, _echo in prompts]


class Changing(asyncssh.SSHClient):
    """Answers the request for a new password."""

    def __init__(self, old, new):
        self.passwords = old, new

    def password_change_requested(self, _prompt, _lang):
        return self.passwords


class Connection(Client):
    """A connection for SFTP or scp, whose event loop runs while a verb runs."""

    odd_names = ODD_NAMES
    kept_in_trees = EVERYTHING
    passwords = True
    questions = True
    changes_passwords = True
    certificates = True
    errors = (asyncssh.SFTPError, asyncssh.DisconnectError, OSError)

    @classmethod
    def version(cls):
        return asyncssh.__version__

    def __enter__(self):
        self.runner = asyncio.Runner()
        how = {"client_keys": [str(self.home.key)]}
        if password := self.settings.get("password"):
            how = {"client_keys": None, "password": password}
        if new := self.settings.get("new_password"):
            how |= {"client_factory": lambda: Changing(password, new), "preferred_auth": "password"}
        if answers := self.settings.get("answers"):
            how = {"client_factory": lambda: Answering(answers), "preferred_auth": "publickey,keyboard-interactive"}
            how["client_keys"] = [str(self.home.key)] if self.settings.get("with_key") else None
        if rekey_bytes := self.settings.get("rekey_bytes"):
            how["rekey_bytes"] = rekey_bytes
        self.connection = self.run(self.connect(**how))
        self.changes = []
        begin = self.connection._send_kexinit
        self.connection._send_kexinit = lambda: (self.changes.append(1), begin())
        return self

    async def connect(self, **how):
        known = ([str(self.home.host_key)], [], [])
        where = {"username": self.home.user, "known_hosts": known, "config": None, "agent_path": None}
        return await asyncssh.connect("127.0.0.1", self.home.port, **where, **how)

    def __exit__(self, *_):
        try:
            self.connection.close()
            self.run(self.connection.wait_closed())
        finally:
            self.runner.close()

    def run(self, awaited):
        async def in_time():
            return await asyncio.wait_for(awaited, PATIENCE_SECS)

        return self.runner.run(in_time())

    def key_changes(self):
        return len(self.changes)


class Asyncssh(Connection):
    """asyncssh's SFTPClient."""

    name = "asyncssh"
    odd_names_in_trees = ODD_NAMES
    odd_names_listed = ODD_NAMES
    # asyncssh does not count received bytes.
    counted_key_changes = ("put",)

    def __enter__(self):
        super().__enter__()
        self.sftp = self.run(self.connection.start_sftp_client())
        return self

    def wire(self, name):
        return os.fsencode(self.home.wire(name))

    def put(self, local, name):
        self.run(self.sftp.put(local, self.wire(name)))

    replace = put

    def get(self, name, local):
        self.run(self.sftp.get(self.wire(name), local, follow_symlinks=True))

    def put_kept(self, local, name):
        self.run(self.sftp.put(local, self.wire(name), preserve=True))

    def get_kept(self, name, local):
        self.run(self.sftp.get(self.wire(name), local, preserve=True))

    def resume_put(self, local, name):
        async def append():
            size = await self.sftp.getsize(self.wire(name))
            async with self.sftp.open(self.wire(name), "ab") as file:
                await file.write(local.read_bytes()[size:])

        self.run(append())

    def resume_get(self, name, local):
        async def read_rest():
            async with self.sftp.open(self.wire(name), "rb") as file:
                return await file.read(-1, offset=local.stat().st_size)

        rest = self.run(read_rest())
        with open(local, "ab") as target:
            target.write(rest)

    def put_many(self, locals_, directory):
        self.run(self.sftp.put(list(locals_), self.wire(directory)))

    def get_matching(self, pattern, local):
        self.run(self.sftp.mget(self.wire(pattern), local))

    def put_tree(self, local, name):
        self.run(self.sftp.put(local, self.wire(name), recurse=True, preserve=True))

    def get_tree(self, name, local):
        self.run(self.sftp.get(self.wire(name), local, recurse=True, preserve=True))

    def ls(self, directory):
        entries = self.run(self.sftp.readdir(self.wire(directory)))
        found = {os.fsdecode(entry.filename): entry.attrs.size for entry in entries}
        return {name: size for name, size in found.items() if name not in (".", "..")}

    def mkdir(self, name):
        self.run(self.sftp.mkdir(self.wire(name)))

    def make_path(self, name):
        self.run(self.sftp.makedirs(self.wire(name)))

    def rmdir(self, name):
        self.run(self.sftp.rmdir(self.wire(name)))

    def remove(self, name):
        self.run(self.sftp.remove(self.wire(name)))

    def remove_tree(self, name):
        self.run(self.sftp.rmtree(self.wire(name)))

    def rename(self, old, new):
        self.run(self.sftp.rename(self.wire(old), self.wire(new)))

    def rename_over(self, old, new):
        self.run(self.sftp.posix_rename(self.wire(old), self.wire(new)))

    def stat(self, name):
        found = self.run(self.sftp.stat(self.wire(name)))
        return Attributes(stat.S_IMODE(found.permissions), found.size, found.mtime)

    def chmod(self, name, mode):
        self.run(self.sftp.chmod(self.wire(name), mode))

    def set_time(self, name, secs):
        self.run(self.sftp.utime(self.wire(name), (secs, secs)))

    def truncate(self, name, size):
        self.run(self.sftp.truncate(self.wire(name), size))

    def symlink(self, target, name):
        self.run(self.sftp.symlink(target, self.wire(name)))

    def readlink(self, name):
        return os.fsdecode(self.run(self.sftp.readlink(self.wire(name))))

    def hardlink(self, old, new):
        self.run(self.sftp.link(self.wire(old), self.wire(new)))

    def copy(self, old, new):
        self.run(self.sftp.copy(self.wire(old), self.wire(new), remote_only=True))

    def df(self):
        found = self.run(self.sftp.statvfs(self.wire("")))
        return Room(found.frsize * found.blocks, found.frsize * found.bavail)


@Asyncssh.story("block sizes")
def block_sizes(client, home):
    """Block sizes from small ones to the largest that the server announces, with many requests under way."""
    local = home.sample("large", 9_000_001)
    with client(home) as session:
        limits = session.sftp.limits
        for block in (1000, 16_384, 65_536, limits.max_write_len, -1):
            session.run(session.sftp.put(local, home.wire("large"), block_size=block, max_requests=128))
            same(home.disk / "large", local)
            session.run(session.sftp.get(home.wire("large"), home.local / "back", block_size=block, max_requests=128))
            same(home.local / "back", local)
            (home.disk / "large").unlink()
        equal("the limits", (limits.max_read_len, limits.max_write_len), (261_120, 261_120))


@Asyncssh.story("copies of parts")
def copies_of_parts(client, home):
    path = dated(home.stored("one", 3_000_001))
    home.stored("target", 100)
    with client(home) as session:
        equal("whether the server can copy", session.sftp.supports_remote_copy, True)
        session.run(session.sftp.copy(home.wire("one"), home.wire("two"), preserve=True, remote_only=True))
        same(home.disk / "two", path)
        kept(home.disk / "two")

        async def copy_part():
            source = await session.sftp.open(home.wire("one"), "rb")
            target = await session.sftp.open(home.wire("target"), "r+b")
            await session.sftp.remote_copy(source, target, 1000, 500_000, 50)
            await source.close()
            await target.close()

        session.run(copy_part())
    equal("the size of what took a part", (home.disk / "target").stat().st_size, 500_050)
    same((home.disk / "target").read_bytes()[50:], path.read_bytes()[1000:501_000])


@Asyncssh.story("resume at an offset")
def resume_at_offset(client, home):
    local = home.sample("whole", 3_000_001)
    part = home.half_stored(local, "seek")
    rest = local.read_bytes()[len(part) :]
    with client(home) as session:

        async def write_rest():
            async with session.sftp.open(home.wire("seek"), "r+b") as file:
                await file.write(rest, offset=len(part))

        session.run(write_rest())
    same(home.disk / "seek", part + rest)


@Asyncssh.story("patterns in directories")
def patterns(client, home):
    home.stored("tree/sub/more", 10)
    home.stored("tree/sub/less", 10)
    with client(home) as session:
        found = session.run(session.sftp.glob(home.wire("tree/s*/*re")))
        equal("what a pattern finds", sorted(found), [home.wire("tree/sub/more")])


@Asyncssh.story("copies over quota", **WITH_QUOTA)
def copies_over_quota(client, home):
    keep = home.quota_files()[0]
    with client(home) as session:
        session.put(keep, "keep")
        # Four more copies exceed the quota.
        for number in range(3):
            session.copy("keep", f"keep{number}")
        mentions("the error", session.refused("copy", "keep", "more"), client.quota_words)
        equal("the room", session.df(), Room(QUOTA, 0))
    equal("the copies", {path.stat().st_size for path in home.disk.glob("keep*")}, {QUOTA // 4})


class AsyncsshScp(Connection):
    """asyncssh's scp. Its paths go into the command, and OpenSSH's server hands them to a shell: they are quoted."""

    name = "asyncssh scp"
    odd_names_in_trees = ODD_NAMES
    counted_key_changes = ("put",)

    def scp(self, source, target, **how):
        self.run(asyncssh.scp(source, target, **how))

    def at(self, name):
        return (self.connection, os.fsencode(shlex.quote(name)))

    def put(self, local, name):
        # asyncssh also expands patterns in local names.
        self.scp(glob.escape(os.fsencode(local)), self.at(name))

    def replace(self, local, name):
        """Replaces a file by its absolute path."""
        self.scp(glob.escape(os.fsencode(local)), self.at(self.home.wire(name)))

    def get(self, name, local):
        self.scp(self.at(name), local)

    def put_kept(self, local, name):
        self.scp(local, self.at(name), preserve=True)

    def get_kept(self, name, local):
        self.scp(self.at(name), local, preserve=True)

    def put_many(self, locals_, directory):
        self.scp(list(locals_), self.at(directory))

    def get_matching(self, pattern, local):
        self.scp((self.connection, pattern), local)

    def put_tree(self, local, name):
        self.scp(local, self.at(name), recurse=True, preserve=True)

    def get_tree(self, name, local):
        self.scp(self.at(name), local, recurse=True, preserve=True)


@AsyncsshScp.story("into the home")
def into_the_home(client, home):
    """A file that is sent to a directory keeps its name."""
    tree = home.tree("tree")
    with client(home) as session:
        session.scp(tree, (session.connection, "."), recurse=True, preserve=True)
    same_tree(home.disk / "tree", tree, attributes=True)
    equal("the home", names(home.disk), ["tree"])


@AsyncsshScp.story("server to server")
def server_to_server(client, home):
    """The client copies from one server path to another through itself."""
    path = home.stored("one", 3_000_001)
    with client(home) as session:
        session.scp((session.connection, "one"), (session.connection, "again"))
    same(home.disk / "again", path)


@AsyncsshScp.story("names as they are", only_ours="OpenSSH's server hands them to a shell")
def names_as_they_are(client, home):
    """Without a shell, only quotation marks and backslashes need to be quoted."""
    with client(home) as session:
        for name in (SPACES, SIGNS, UTF8, BYTES):
            local, back = home.sample(name), home.local / "back"
            remote = (session.connection, os.fsencode(name))
            session.scp(glob.escape(os.fsencode(local)), remote)
            session.scp(remote, back)
            same(home.disk / name, local)
            same(back, local)
