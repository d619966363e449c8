"""Clients of tus 1.0, the protocol of resumable uploads over HTTP: tus-js-client for Node, and tuspy. Their programs are in
programs/tus/."""

import json
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ...tools import TARGET, quiet
from ..checks import equal, same
from ..client import Client, Failed, Refused, run
from ..home import UTF8, Home
from ..stage import Ours

SOURCE = Path(__file__).parents[1] / "programs/tus"
BUILT = TARGET / "interop/tus"
LIBRARY = "tus-js-client"
MIB = 1 << 20


@dataclass
class WebHome(Home):
    """A home that is reached over HTTP."""

    # The address of uploads, and a token of the user.
    url: str = ""
    token: str = ""


class OverHttp(Ours):
    """homeportd with the web page."""

    def __init__(self, work):
        super().__init__(work, shutil.which("homeportd"))
        with open(self.running.config, "a", encoding="utf-8") as config:
            config.write('\n[web]\nlisten = ["127.0.0.1:0"]\n')

    def home(self, story, client):
        home = super().home(story, client)
        served = re.search(r"the web page is on (http://\S+?)/\s", self.running.log())
        token = home.admin("token", "add", home.user, "--scope", "files").splitlines()[-1].strip()
        return WebHome(**vars(home), url=f"{served[1]}/api/v1/uploads", token=token)


class TusClient(Client):
    """A client of tus, whose program sends one file."""

    stage = OverHttp
    shared_stories = False
    has_key = False

    def program(self):
        """Returns the command of the program, without its arguments."""
        raise NotImplementedError

    def upload(self, local, name, stop_after=0):
        """Uploads a file, or goes on with it, and returns the number of bytes at which it began. The program is killed when
        so many bytes have been sent."""
        words = [self.home.url, local, f"/{name}", self.home.local / "memory", str(stop_after)]
        code = -signal.SIGKILL if stop_after else 0
        said = run([*self.program(), *words], code=code, env={"TOKEN": self.home.token})
        if not (began := re.search(r"^began at (\d+)$", said.out, re.MULTILINE)):
            raise Failed(f"it does not say where it began: {said.all}")
        return int(began[1])


class TusJs(TusClient):
    """tus-js-client for Node, the client of most web pages."""

    name = LIBRARY
    packages = {"node": "nodejs", "npm": "npm"}
    extra = True

    @classmethod
    def build(cls):
        """Installs the packages of package.json when it has changed."""
        BUILT.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / "upload.mjs", BUILT / "upload.mjs")
        wanted, built = (SOURCE / "package.json").read_bytes(), BUILT / "package.json"
        if built.exists() and built.read_bytes() == wanted and (BUILT / "node_modules").is_dir():
            return
        built.write_bytes(wanted)
        npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts"]
        try:
            quiet(npm, "hint: the packages come from npm's registry, which must be reached once", cwd=BUILT)
        except SystemExit:
            built.unlink()
            raise

    @classmethod
    def version(cls):
        return json.loads((BUILT / "node_modules" / LIBRARY / "package.json").read_text())["version"]

    def program(self):
        return ["node", BUILT / "upload.mjs"]


class Tuspy(TusClient):
    """tuspy, the client for Python, which sends a digest with each piece."""

    name = "tuspy"

    @classmethod
    def version(cls):
        return version("tuspy")

    def program(self):
        return [sys.executable, SOURCE / "upload.py"]


def nothing_left(home):
    """Checks that no part of an upload lies in the home."""
    equal("what is left of uploads", [path.name for path in home.disk.rglob(".homeport-upload-*")], [])


@TusClient.story("an upload in pieces that is interrupted and resumed by other processes")
def interrupted(client, home):
    local = home.sample("film", 20 * MIB)
    stops = [3 * MIB + 4096, 7 * MIB, 12 * MIB + 1, 16 * MIB]
    with client(home) as tus:
        before = -1
        for stop in stops:
            began = tus.upload(local, UTF8, stop)
            if not before < began <= stop:
                raise Failed(f"it began at {began}, after {before}, and stops at {stop}")
            before = began
            if (home.disk / UTF8).exists():
                raise Failed("the file has its name before it is whole")
        began = tus.upload(local, UTF8)
        if began < 15 * MIB:
            raise Failed(f"it began at {began}, although 16 MiB had been sent")
    same(home.disk / UTF8, local)
    nothing_left(home)


@TusClient.story("files of every size")
def sizes(client, home):
    with client(home) as tus:
        for size in [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB]:
            local = home.sample(f"size-{size}", size)
            tus.upload(local, local.name)
            same(home.disk / local.name, local)
    nothing_left(home)


@TusClient.story("a name that is taken")
def taken(client, home):
    local, stored = home.sample("new", 2 * MIB), home.stored("name")
    old = stored.read_bytes()
    with client(home) as tus:
        try:
            tus.upload(local, "name")
        except Refused as error:
            message = str(error)
        else:
            raise Failed("no error, as if all were well")
    equal("the file that was there", stored.read_bytes(), old)
    # The file was sent once, and waits for a decision.
    equal("parts", len([*home.disk.glob(".homeport-upload-*")]), 1)
    if "409" not in message and "423" not in message:
        raise Failed(f"the message does not say why: {message}")
    os.remove(stored)
