"""lftp, which pipelines requests and resumes interrupted transfers."""

from ..checks import equal, names, same, same_tree
from ..client import FILES_ONLY, BatchClient, Kept, run
from ..home import ODD_NAMES, QUOTES, SPACES, UTF8
from .openssh import key_changes_in, options, quoted, rekeying


class Lftp(BatchClient):
    """lftp, which runs ssh to connect."""

    name = "lftp"
    packages = {"lftp": "lftp", "ssh": "openssh-client"}
    # Its command line accepts UTF-8 only; other names are transferred with their directory.
    odd_names = (SPACES, QUOTES, UTF8)
    odd_names_in_trees = odd_names
    kept = Kept(on_put=("time",), on_get=("time",))
    kept_in_trees = FILES_ONLY

    @classmethod
    def version(cls):
        return run(["lftp", "--version"]).out.split("|")[1].split()[1]

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.log = home.local.parent / f"lftp-{home.user}.log"
        self.log.unlink(missing_ok=True)

    def run_lines(self, lines):
        more = []
        if "rekey_bytes" in self.settings:
            # ssh must not print messages, because they would end up in the SFTP stream.
            more = ["-v", "-E", str(self.log)]
        ssh = " ".join(["ssh", "-a", "-x", *more, *options(self.home, *rekeying(self.settings))])
        first = [
            "set cmd:fail-exit yes",
            "set net:max-retries 1",
            "set net:timeout 20",
            f'set sftp:connect-program "{ssh}"',
            f"open -u {self.home.user},none -p {self.home.port} sftp://127.0.0.1",
        ]
        command = ["lftp", "--norc", "-c", "; ".join([*first, *lines])]
        return run(command, cwd=self.home.local, env={"HOME": str(self.home.local.parent)})

    def put(self, local, name):
        self.line(f"put {quoted(local)} -o {quoted(name)}")

    replace = put
    put_kept = put

    def get(self, name, local):
        self.line(f"get {quoted(name)} -o {quoted(local)}")

    get_kept = get

    def resume_put(self, local, name):
        self.line(f"put -c {quoted(local)} -o {quoted(name)}")

    def resume_get(self, name, local):
        self.line(f"get -c {quoted(name)} -o {quoted(local)}")

    def put_many(self, locals_, directory):
        self.line(f"mput -O {quoted(directory)} {' '.join(map(quoted, locals_))}")

    def get_matching(self, pattern, local):
        self.line(f"mget -O {quoted(local)} {pattern}")

    def put_tree(self, local, name):
        self.line(f"mirror -R {quoted(local)} {quoted(name)}")

    def get_tree(self, name, local):
        self.line(f"mirror {quoted(name)} {quoted(local)}")

    def ls(self, directory):
        found = {}
        where = quoted(f"{directory}/") if directory else ""
        for line in self.answer(f"cls -1 --size --block-size=1 {where}").out.splitlines():
            size, name = line.split(maxsplit=1)
            found[name.rstrip("/").rsplit("/", 1)[-1]] = int(size)
        return found

    def mkdir(self, name):
        self.line(f"mkdir {quoted(name)}")

    def make_path(self, name):
        self.line(f"mkdir -p {quoted(name)}")

    def rmdir(self, name):
        self.line(f"rmdir {quoted(name)}")

    def remove(self, name):
        self.line(f"rm {quoted(name)}")

    def remove_matching(self, pattern):
        self.line(f"mrm {pattern}")

    def remove_tree(self, name):
        self.line(f"rm -r {quoted(name)}")

    def rename(self, old, new):
        self.line(f"mv {quoted(old)} {quoted(new)}")

    def chmod(self, name, mode):
        self.line(f"chmod {mode:o} {quoted(name)}")

    def symlink(self, target, name):
        self.line(f"ln -s {quoted(target)} {quoted(name)}")

    def key_changes(self):
        return key_changes_in(self.log.read_text(errors="replace"))


@Lftp.story("moves into a directory")
def moves(client, home):
    """Files that mmv moves to a directory keep their names."""
    local = home.sample("new")
    with client(home) as session:
        session.put(local, "new")
        session.make_path("q/w/e")
        session.rename("new", "q/w/e/moved")
        session.line("mmv q/w/e/moved q")
        session.rename("q/moved", "q/w/again")
    equal("the home", names(home.disk), ["q"])
    equal("the directory", names(home.disk / "q"), ["w"])
    same(home.disk / "q/w/again", local)


@Lftp.story("mirror up again")
def mirror_up(client, home):
    """mirror -R after changes: new files are uploaded, and removed files are deleted."""
    tree = home.tree("tree")
    with client(home) as session:
        session.put_tree(tree, "copy")
    (tree / "sub/more").unlink()
    home.sample("tree/sub/new", 70_000)
    with client(home) as session:
        session.line("mirror -R --delete --parallel=4 tree copy")
    same_tree(home.disk / "copy", tree)


@Lftp.story("mirror down again")
def mirror_down(client, home):
    tree = home.tree("tree")
    with client(home) as session:
        session.put_tree(tree, "copy")
        session.get_tree("copy", home.local / "back")
    home.stored("copy/sub/new", 70_000)
    (home.disk / "copy/one").unlink()
    with client(home) as session:
        session.line("mirror --delete --parallel=4 --use-pget-n=2 copy back")
    same_tree(home.local / "back", home.disk / "copy")


@Lftp.story("in pieces")
def in_pieces(client, home):
    """pget: several connections read parts of one file."""
    home.stored("large", 8_000_009)
    with client(home) as session:
        session.line("pget -n 4 large -o back")
    same(home.local / "back", home.disk / "large")


@Lftp.story("names without conversion")
def names_without_conversion(client, home):
    """Names are transferred unchanged, with any bytes."""
    for name in ODD_NAMES:
        home.sample(f"odd/{name}")
    with client(home) as session:
        session.line("set file:charset ISO-8859-1")
        session.line("set sftp:charset ISO-8859-1")
        session.put_tree(home.local / "odd", "odd")
        session.get_tree("odd", home.local / "back")
    same_tree(home.disk / "odd", home.local / "odd")
    same_tree(home.local / "back", home.local / "odd")
