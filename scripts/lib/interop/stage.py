"""The servers for stories: our server, or the machine's own sshd as the reference."""

import functools
import shutil

from ..servers import Homeport, Sshd
from ..tools import make_key
from .client import Skipped
from .home import PASSWORD, Home, emptied


class Ours:
    """homeportd with its default settings, except for the policy and the age of passwords. Each story has a user of its
    own."""

    def __init__(self, work, binary, policy="default"):
        self.work = work
        self.key = make_key(work / "key")
        directory = work / "server"
        directory.mkdir()
        self.running = Homeport(directory, binary, self.key, policy)
        config = self.running.config
        # Passwords are not that old, unless a story says so.
        config.write_text(config.read_text().replace('max_age = "never"', 'max_age = "1d"'))
        self.users = 0

    def __enter__(self):
        self.running.__enter__()
        return self

    def __exit__(self, *_):
        self.running.stop()

    def server(self):
        return self.running

    def home(self, story, _client):
        server = self.running
        self.users += 1
        user = f"user{self.users}"
        server.add(user, *story.user, password=PASSWORD)
        disk = server.home(user)
        disk.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Home(
            user=user,
            port=server.port,
            key=self.key,
            host_key=server.directory / "hostkeys/ssh_host_ed25519_key.pub",
            disk=disk,
            prefix="/",
            local=emptied(self.work / "local"),
            ours=True,
            admin=server.admin,
            expire_password=functools.partial(server.expire_password, user),
        )


class Reference:
    """The machine's sshd and sftp-server, with a directory in place of the home of its only user.

    A correct story succeeds here even if our server does not support it yet, and a story that fails only on ours shows
    a fault of our server.
    """

    def __init__(self, work):
        self.work = work
        self.key = make_key(work / "key")
        self.disk = emptied(work / "home")
        command = work / "command"
        # The user's real home is not used for tests.
        command.write_text(f'#!/bin/sh\nHOME="{self.disk}"\nexport HOME\ncd && exec sh -c "$SSH_ORIGINAL_COMMAND"\n')
        command.chmod(0o755)
        self.sshd = Sshd(
            work / "sshd",
            self.key,
            f"ForceCommand {command}",
            # The limit covers a client that opens a connection for each verb.
            "MaxStartups 100",
            sftp="/usr/lib/openssh/sftp-server",
        )

    def __enter__(self):
        self.sshd.__enter__()
        return self

    def __exit__(self, *_):
        self.sshd.stop()

    def server(self):
        return self.sshd

    def home(self, story, client):
        if why := client.only_ours or story.only_ours:
            raise Skipped(why)
        for path in self.disk.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return Home(
            user=self.sshd.user,
            port=self.sshd.port,
            key=self.key,
            host_key=self.sshd.host_key.with_suffix(".pub"),
            disk=self.disk,
            prefix=f"{self.disk}/",
            local=emptied(self.work / "local"),
            ours=False,
        )
