"""ssh2-sftp-client for Node, the library of many deployment tools. Its program is in programs/node/."""

import json
import shutil
from pathlib import Path

from ...tools import TARGET, quiet
from ..checks import equal, mentions, same, within_quota
from ..client import Room
from ..home import QUOTA, QUOTES, SPACES, UTF8, WITH_QUOTA
from ..scripted import FilesAndRoom
from ..stories.files import SIZES

SOURCE = Path(__file__).parents[1] / "programs/node"
BUILT = TARGET / "interop/node"
LIBRARY = "ssh2-sftp-client"


class Node(FilesAndRoom):
    """ssh2-sftp-client."""

    name = LIBRARY
    packages = {"node": "nodejs", "npm": "npm"}
    extra = True
    # Its names are text, so it cannot use names that are not UTF-8.
    odd_names = (SPACES, QUOTES, UTF8)
    odd_names_in_trees = odd_names
    odd_names_listed = odd_names
    passwords = True
    leaves_empty_files = True
    # `put` reports no quota error; fastPut does, and has a story of its own.
    reports_failed_writes = False

    @classmethod
    def build(cls):
        """Installs the packages of package.json when it has changed."""
        BUILT.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / "interop.mjs", BUILT / "interop.mjs")
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
        packages = [BUILT / "node_modules" / name / "package.json" for name in (LIBRARY, "ssh2")]
        library, ssh2 = [json.loads(path.read_text())["version"] for path in packages]
        return f"{library} ssh2/{ssh2}"

    def command(self):
        fingerprint = self.home.fingerprint.removeprefix("SHA256:")
        return ["node", BUILT / "interop.mjs", str(self.home.port), self.home.user, self.home.key, fingerprint]

    def environment(self):
        return {"PASSWORD": self.settings["password"]} if "password" in self.settings else {}

    def resume_put(self, local, name):
        self.step("append", local, self.path(name))

    def put_tree(self, local, name):
        self.step("uploadDir", local, self.path(name))

    def get_tree(self, name, local):
        local.mkdir()
        self.step("downloadDir", self.path(name), local)

    def make_path(self, name):
        self.step("make-path", self.path(name))

    def remove_tree(self, name):
        self.step("remove-tree", self.path(name))

    def rename_over(self, old, new):
        self.step("posix-rename", self.path(old), self.path(new))

    def hardlink(self, old, new):
        self.step("hardlink", self.path(old), self.path(new))

    def copy(self, old, new):
        self.step("copy", self.path(old), self.path(new))


@Node.story("fast transfers")
def fast_transfers(client, home):
    """fastPut and fastGet, with many requests under way."""
    with client(home) as session:
        for name, size in SIZES.items():
            local = home.sample(name, size)
            session.step("fastPut", local, session.path(name))
            session.step("fastGet", session.path(name), home.local / f"{name}.back")
    for name in SIZES:
        same(home.disk / name, home.local / name)
        same(home.local / f"{name}.back", home.local / name)


@Node.story("a fast upload over quota", **WITH_QUOTA)
def fast_upload_over_quota(client, home):
    """fastPut fills the home, and reports that the quota is exceeded."""
    keep, large = home.quota_files()
    with client(home) as session:
        session.put(keep, "keep")
        mentions("the error", session.refused("step", "fastPut", large, session.path("large")), client.quota_words)
        within_quota(home, keep)
        equal("the room", session.df(), Room(QUOTA, 0))
