"""Clients as the stories see them: a set of verbs.

The stories in stories/ use these verbs, and run with every client that has the verbs they need. A client is one file in
clients/: a subclass of Client that overrides the verbs that its program offers, and may add stories of its own about
special functions of this program.
"""

import os
import signal
import subprocess
from dataclasses import dataclass


class Failed(Exception):
    """The story failed; the text says why."""


class Refused(Failed):
    """The client reported an error; the text is its message."""


class Skipped(Exception):
    """The story cannot run here; the text says why."""


@dataclass
class Story:
    """Something that users do with a client, and the checks of its results."""

    title: str
    # The function, which is called with the client's class and an empty home.
    run: callable
    # The verbs and the facts that a client must have for this story.
    needs: tuple = ()
    # Options of `homeportd user add`.
    user: tuple = ()
    # Why the reference server cannot do this, if it cannot.
    only_ours: str = ""


@dataclass
class Attributes:
    """The result of `stat`: permission bits, size in bytes, modification time in seconds."""

    mode: int
    size: int
    mtime: int


@dataclass
class Room:
    """The result of `df`, in bytes."""

    total: int
    free: int


@dataclass
class Kept:
    """The attributes that a client keeps when it copies with attributes."""

    on_put: tuple = ("mode", "time")
    on_get: tuple = ("mode", "time")


# Facts about how a client keeps the attributes of whole directories.
NOTHING, FILES_ONLY, EVERYTHING = "nothing", "files only", "everything"


def run(command, *, stdin="", code=0, secs=120, env=None, cwd=None):
    """Runs a program to its end and returns its output; another exit code than `code` raises Refused.

    If the code is None, any exit code is accepted. A program that hangs is killed with its children, and the story
    fails.
    """
    command = [os.fspath(word) for word in command]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC", **(env or {})),
        cwd=cwd,
        start_new_session=True,
    )
    hung = False
    try:
        out, err = process.communicate(os.fsencode(stdin), secs)
    except subprocess.TimeoutExpired:
        hung = True
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    out, err = os.fsdecode(out), os.fsdecode(err)
    if hung or (code is not None and process.returncode != code):
        how = f"hung for {secs} s" if hung else f"exited with {process.returncode}, not {code}"
        script = f"\nit was given:\n{stdin.rstrip()}" if stdin else ""
        kind = Failed if hung else Refused
        raise kind(f"{' '.join(command)}\n{how}{script}\nit said:\n{(out + err).strip()[-3000:]}")
    return Said(out, err, process.returncode)


@dataclass
class Said:
    """The output and the exit code of a program."""

    out: str
    err: str
    code: int

    @property
    def all(self):
        return self.out + self.err


class Client:
    """A client that is signed in to one home; used as a context manager.

    A verb that a subclass does not override is not offered by that client. Names of files on the server are relative
    to the home. Downloaded files do not exist on the client's side before.
    """

    # The name in the report; a class without one is a base of others.
    name = ""
    # The command or file that it needs, and the Debian package that contains it.
    packages = {}
    # True if it needs npm, Maven or /dev/fuse: such clients run with --all only.
    extra = False
    # The `[ssh] policy` of the server for this client.
    policy = "default"
    # Why the reference server cannot serve this client, if it cannot.
    only_ours = ""
    # False for a variant of another client, which runs only its own stories.
    shared_stories = True
    # The server for its stories, a class like those in stage.py, if it is not homeportd.
    stage = None

    # Facts about the client, which stories need. An empty one counts as not offered.
    # The odd names (see home.py) that the client accepts from its user; those that it transfers with their directory;
    # those that its listing shows unchanged; those whose hash it can request.
    odd_names = ()
    odd_names_in_trees = ()
    odd_names_listed = ()
    odd_names_hashed = ()
    kept = Kept()
    kept_in_trees = NOTHING
    # Whether it can sign in with a password from a script.
    passwords = False
    # Whether a script can answer the questions of keyboard-interactive.
    questions = False
    # Whether it answers the request for a new password, by the method `password`.
    changes_passwords = False
    # Whether it signs in with a key, not with a password.
    has_key = True
    # Whether it knows certificates of users.
    certificates = False
    # The algorithms of `hash`, and why the reference server does not support them, if it does not.
    hash_algorithms = ("md5", "sha1", "sha256", "sha512")
    hashes_only_ours = ""
    # Its messages, in lower case, for a missing file and for an upload over the quota: one of these words.
    missing_words = ("no such file",)
    quota_words = ("quota exceeded",)
    # False if it ignores the status of its WRITEs, so that it reports no error.
    reports_failed_writes = True
    # True if a failed download leaves an empty file.
    leaves_empty_files = False
    # True if an upload creates missing directories.
    makes_directories = False
    # The directions in which `key_changes` can count.
    counted_key_changes = ("put", "get")
    # Exceptions of a library that mean the same as Refused.
    errors = ()

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        cls.own_stories = []

    @classmethod
    def version(cls):
        """The version in the report; raises Skipped where the client cannot run at all."""
        raise NotImplementedError

    @classmethod
    def build(cls):
        """Builds the client before the first story."""

    @classmethod
    def story(cls, title, **more):
        """A decorator: the function is a story of this client and of its subclasses alone."""

        def register(run):
            cls.own_stories.append(Story(title, run, **more))
            return run

        return register

    @classmethod
    def offers(cls, need):
        """Whether the client has a verb, or a fact that is not empty."""
        own, base = getattr(cls, need), getattr(Client, need, None)
        return own is not base if callable(base) else bool(own)

    def __init__(self, home, **settings):
        """`settings`: rekey_bytes (change keys after so many bytes), password (sign in with it, not with the key),
        answers (to the questions of keyboard-interactive, each by a part of the question), with_key (before the
        answers), new_password (in place of `password`, which has expired), certificate (whether a certificate lies
        beside the key, as KEY-cert.pub)."""
        self.home = home
        self.settings = settings

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.finish()

    def finish(self):
        """Returns when all verbs so far have taken effect; a client that collects its commands sends them now."""

    def refused(self, verb, *words):
        """Calls a verb that has to fail, and returns the client's message."""
        self.finish()
        try:
            getattr(self, verb)(*words)
            self.finish()
        except (Refused, *self.errors) as error:
            return str(error)
        raise Failed(f"{verb} {' '.join(map(os.fspath, words))}: no error, as if all were well")

    # The verbs: files.

    def put(self, local, name):
        """Uploads a file to a name that does not exist."""
        raise NotOffered(self, "put")

    def replace(self, local, name):
        """Uploads a file over another one."""
        raise NotOffered(self, "replace")

    def get(self, name, local):
        """Downloads a file."""
        raise NotOffered(self, "get")

    def put_kept(self, local, name):
        """Uploads a file with the attributes in `kept.on_put`."""
        raise NotOffered(self, "put_kept")

    def get_kept(self, name, local):
        """Downloads a file with the attributes in `kept.on_get`."""
        raise NotOffered(self, "get_kept")

    def resume_put(self, local, name):
        """Completes a file on the server from its current size."""
        raise NotOffered(self, "resume_put")

    def resume_get(self, name, local):
        """Completes a local file from its current size."""
        raise NotOffered(self, "resume_get")

    def put_many(self, locals_, directory):
        """Uploads several files by one command into a directory."""
        raise NotOffered(self, "put_many")

    def get_matching(self, pattern, local):
        """Downloads the files that match a pattern into a directory here."""
        raise NotOffered(self, "get_matching")

    # Directories.

    def put_tree(self, local, name):
        """Uploads a directory with its contents; `kept_in_trees` says which attributes are kept."""
        raise NotOffered(self, "put_tree")

    def get_tree(self, name, local):
        """Downloads a directory with its contents."""
        raise NotOffered(self, "get_tree")

    def ls(self, directory):
        """The names in a directory ("" is the home) and their sizes, as a dictionary."""
        raise NotOffered(self, "ls")

    def mkdir(self, name):
        raise NotOffered(self, "mkdir")

    def make_path(self, name):
        """Creates a directory and its parents, some of which may exist."""
        raise NotOffered(self, "make_path")

    def rmdir(self, name):
        raise NotOffered(self, "rmdir")

    def remove(self, name):
        raise NotOffered(self, "remove")

    def remove_matching(self, pattern):
        raise NotOffered(self, "remove_matching")

    def remove_tree(self, name):
        raise NotOffered(self, "remove_tree")

    def rename(self, old, new):
        """Renames a file or a directory to a name that does not exist."""
        raise NotOffered(self, "rename")

    def rename_over(self, old, new):
        """Renames a file to the name of another one, which it replaces."""
        raise NotOffered(self, "rename_over")

    # Attributes and links.

    def stat(self, name):
        """The Attributes of a file."""
        raise NotOffered(self, "stat")

    def chmod(self, name, mode):
        raise NotOffered(self, "chmod")

    def set_time(self, name, secs):
        """Sets the modification time."""
        raise NotOffered(self, "set_time")

    def truncate(self, name, size):
        raise NotOffered(self, "truncate")

    def symlink(self, target, name):
        raise NotOffered(self, "symlink")

    def readlink(self, name):
        raise NotOffered(self, "readlink")

    def hardlink(self, old, new):
        raise NotOffered(self, "hardlink")

    def copy(self, old, new):
        """Copies a file."""
        raise NotOffered(self, "copy")

    # The server.

    def hash(self, name, algorithm):
        """The hash of a file in hexadecimal digits, computed by the server."""
        raise NotOffered(self, "hash")

    def df(self):
        """The Room in the home."""
        raise NotOffered(self, "df")

    def key_changes(self):
        """How often the keys were changed since the sign-in, where `rekey_bytes` was set."""
        raise NotOffered(self, "key_changes")


class NotOffered(Failed):
    """A story calls a verb that it does not name among its needs."""

    def __init__(self, client, verb):
        super().__init__(f"{client.name} does not offer {verb}, and the story does not say that it needs it")


class BatchClient(Client):
    """A client that is given its commands in advance, as lines.

    Verbs without a result are collected; one run of the program executes them when a result is needed, or at the end.
    """

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.lines = []

    def run_lines(self, lines):
        """Runs the program with these lines, and returns its output as Said. The first line that fails ends it."""
        raise NotImplementedError

    def line(self, text):
        self.lines.append(text)

    def answer(self, text):
        """Returns the output of this line, which ends the batch."""
        self.line(text)
        return self.finish()

    def finish(self):
        lines, self.lines = self.lines, []
        return self.run_lines(lines) if lines else None


def long_listing(text):
    """The names and sizes in lines as `ls -l` prints them; `.` and `..` are left out."""
    found = {}
    for line in text.splitlines():
        words = line.split(maxsplit=8)
        if len(words) == 9 and line[0] in "-dlbcps" and words[4].isdecimal():
            name = words[8].rsplit("/", 1)[-1]
            found |= {} if name in (".", "..") else {name: int(words[4])}
    return found
