"""sshfs: the home as a local directory, with the file operations of programs."""

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from ...tools import wait_for
from ..checks import equal, mode_of, names, same, same_tree
from ..client import EVERYTHING, Attributes, Client, Failed, Room, Skipped, run
from ..home import ODD_NAMES, QUOTA, TIME, WITH_QUOTA
from .openssh import key_changes_in, options, rekeying


class Sshfs(Client):
    """The home as a local directory during the session."""

    name = "sshfs"
    packages = {"sshfs": "sshfs", "fusermount3": "fuse3", "ssh": "openssh-client", "git": "git"}
    extra = True
    odd_names = (*ODD_NAMES, "back\\slash", "line\nbreak")
    odd_names_in_trees = odd_names
    odd_names_listed = odd_names
    kept_in_trees = EVERYTHING
    # sshfs maps the server's failure to one of these.
    quota_words = ("input/output error", "not permitted")
    errors = (OSError,)

    @classmethod
    def version(cls):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise Skipped("no /dev/fuse here")
        return run(["sshfs", "--version"]).out.split()[2]

    def __enter__(self):
        home = self.home
        self.mount = Path(tempfile.mkdtemp(prefix="mount-", dir=home.local.parent))
        self.log, self.ssh_log = home.local.parent / "sshfs.log", home.local.parent / "sshfs-ssh.log"
        self.ssh_log.unlink(missing_ok=True)
        # sshfs passes -F and -i to ssh by options. ssh must not print messages, because they would end up in the SFTP
        # stream.
        ssh = f"ssh -v -E {self.ssh_log} -F none -i {home.key}"
        words = options(home, *rekeying(self.settings))
        mount_options = [word for flag, word in zip(words, words[1:], strict=False) if flag == "-o"]
        mount_options += [f"ssh_command={ssh}", "cache=no", "dir_cache=no"]
        command = ["sshfs", "-f", "-p", str(home.port), *[word for option in mount_options for word in ("-o", option)]]
        with open(self.log, "wb") as log:
            command += [f"{home.at}:{home.wire('')}", self.mount]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for("mounting", self.mounted)
        except Exception:
            self.__exit__(None)
            raise
        return self

    def mounted(self):
        if self.process.poll() is not None:
            raise Failed(f"sshfs has ended: {self.log.read_text()}")
        return os.path.ismount(self.mount)

    def __exit__(self, *_):
        run(["fusermount3", "-u", self.mount], code=None)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
        self.mount.rmdir()

    def put(self, local, name):
        shutil.copyfile(local, self.mount / name)

    replace = put

    def get(self, name, local):
        shutil.copyfile(self.mount / name, local)

    def put_kept(self, local, name):
        shutil.copy2(local, self.mount / name)

    def get_kept(self, name, local):
        shutil.copy2(self.mount / name, local)

    def resume_put(self, local, name):
        with open(local, "rb") as source, open(self.mount / name, "ab") as target:
            source.seek(target.tell())
            shutil.copyfileobj(source, target)

    def put_tree(self, local, name):
        run(["cp", "-a", local, self.mount / name])

    def get_tree(self, name, local):
        run(["cp", "-a", self.mount / name, local])

    def ls(self, directory):
        return {path.name: path.lstat().st_size for path in (self.mount / directory).iterdir()}

    def mkdir(self, name):
        (self.mount / name).mkdir()

    def make_path(self, name):
        (self.mount / name).mkdir(parents=True, exist_ok=True)

    def rmdir(self, name):
        (self.mount / name).rmdir()

    def remove(self, name):
        (self.mount / name).unlink()

    def remove_tree(self, name):
        shutil.rmtree(self.mount / name)

    def rename(self, old, new):
        os.rename(self.mount / old, self.mount / new)

    rename_over = rename

    def stat(self, name):
        found = (self.mount / name).stat()
        return Attributes(stat.S_IMODE(found.st_mode), found.st_size, int(found.st_mtime))

    def chmod(self, name, mode):
        (self.mount / name).chmod(mode)

    def set_time(self, name, secs):
        os.utime(self.mount / name, (secs, secs))

    def truncate(self, name, size):
        os.truncate(self.mount / name, size)

    def symlink(self, target, name):
        os.symlink(target, self.mount / name)

    def readlink(self, name):
        return os.readlink(self.mount / name)

    def hardlink(self, old, new):
        os.link(self.mount / old, self.mount / new)

    def df(self):
        disk = os.statvfs(self.mount)
        return Room(disk.f_frsize * disk.f_blocks, disk.f_frsize * disk.f_bavail)

    def key_changes(self):
        return key_changes_in(self.ssh_log.read_text(errors="replace"))


@Sshfs.story("copies and archives")
def copies(client, home):
    """cp -a and tar keep contents, modes, times and links."""
    tree = home.tree("tree")
    with client(home) as session:
        mount = session.mount
        run(["cp", "-a", tree, mount / "copy"])
        os.symlink("sub/block", tree / "the soft one")
        os.link(tree / "one", tree / "hard")
        # sshfs sets the time and the owner of a link on its target, which must exist before.
        os.utime(tree / "the soft one", (TIME, TIME), follow_symlinks=False)
        os.utime(tree, (TIME, TIME))
        run(["cp", "-a", f"{tree}/.", mount / "copy"])
        same_tree(home.disk / "copy", tree, attributes=True)
        run(["cp", "-a", mount / "copy", home.local / "back"])
        same_tree(home.local / "back", tree, attributes=True)
        run(["tar", "-C", home.local, "--sort=name", "-cf", mount / "a.tar", "tree"])
        (mount / "unpacked").mkdir()
        run(["tar", "-C", mount / "unpacked", "-xf", mount / "a.tar"])
        same_tree(home.disk / "unpacked/tree", tree, attributes=True)
        run(["diff", "-r", tree, mount / "unpacked/tree"])
        run(["rm", "-r", mount / "copy", mount / "unpacked"])
    equal("the home", names(home.disk), ["a.tar"])


@Sshfs.story("changes in place")
def changes_in_place(client, home):
    """Writes at several offsets, at and beyond the end; truncation, and a file that is removed while it is open."""
    model = bytearray(home.stored("one", 500_000).read_bytes())
    with client(home) as session:
        mount = session.mount
        with open(mount / "one", "r+b", buffering=0) as file:
            for offset, size in ((0, 10), (4095, 2), (131_071, 70_000), (499_999, 5), (700_000, 100)):
                data = os.urandom(size)
                os.pwrite(file.fileno(), data, offset)
                model.extend(bytes(max(0, offset + size - len(model))))
                model[offset : offset + size] = data
            os.fsync(file.fileno())
            same(home.disk / "one", bytes(model))
            os.ftruncate(file.fileno(), 300_000)
            del model[300_000:]
        os.truncate(mount / "one", 310_000)
        model.extend(bytes(10_000))
        with open(mount / "one", "ab") as file:
            file.write(b"the end")
        same(home.disk / "one", bytes(model + b"the end"))
        same((mount / "one").read_bytes(), bytes(model + b"the end"))
        with open(mount / "open", "w+b", buffering=0) as file:
            (mount / "open").unlink()
            file.write(b"still here")
            file.seek(0)
            same(file.read(), b"still here")
    equal("the home", names(home.disk), ["one"])


@Sshfs.story("directories that cannot be removed")
def stubborn_directories(client, home):
    home.stored("moved/c/new", 10)
    with client(home) as session:
        for name, error in {"moved": OSError, "nothing": FileNotFoundError}.items():
            try:
                session.rmdir(name)
            except error:
                continue
            raise Failed(f"{name} was removed")
    equal("the home", names(home.disk), ["moved"])


@Sshfs.story("mode of a new file")
def mode_of_a_new_file(client, home):
    with client(home) as session:
        os.close(os.open(session.mount / "new", os.O_CREAT | os.O_WRONLY, 0o600))
    equal("the mode", oct(mode_of(home.disk / "new")), "0o600")


@Sshfs.story("git")
def git(client, home):
    """git, which locks, links, renames over existing files, and reads what it has just written."""
    tree = home.tree("tree")
    who = ["-c", "user.name=calvin", "-c", "user.email=calvin@example.org", "-c", "safe.directory=*"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        run(["git", *who, *words], cwd=tree)
    with client(home) as session:
        mount = session.mount
        run(["git", *who, "clone", "-q", "--bare", tree, mount / "repository"])
        run(["git", *who, "clone", "-q", "--no-hardlinks", mount / "repository", mount / "work"])
        (mount / "work/new").write_text("new\n")
        run(["git", *who, "add", "-A"], cwd=mount / "work")
        run(["git", *who, "commit", "-q", "-m", "more"], cwd=mount / "work")
        run(["git", *who, "push", "-q"], cwd=mount / "work")
        run(["git", *who, "gc", "-q"], cwd=mount / "repository")
    # The check is on the server's disk, not through the mount.
    said = run(["git", *who, "fsck", "--full", "--strict"], cwd=home.disk / "repository").all
    if "error" in said or "missing" in said:
        raise Failed(f"git fsck says: {said}")
    equal(
        "the commits",
        run(["git", *who, "log", "--format=%s"], cwd=home.disk / "repository").out.split(),
        ["more", "first"],
    )
    equal("the work tree", run(["git", *who, "status", "--porcelain"], cwd=home.disk / "work").out, "")


@Sshfs.story("statvfs of a full home", **WITH_QUOTA)
def full_home(client, home):
    """A write over the quota has filled the home; removing files frees space in the same session."""
    keep, large = home.quota_files()
    with client(home) as session:
        session.put(keep, "keep")
        session.refused("put", large, "large")
        equal("the room", session.df(), Room(QUOTA, 0))
        session.remove("large")
        session.put(keep, "again")
    same(home.disk / "again", keep)
