"""Transfers of files: whole ones, parts of them, several at once."""

from ..checks import equal, mentions, names, same
from ..client import Failed, Skipped
from .registry import shared

SIZES = {"empty": 0, "one": 1, "large": 5_000_017}
# The size of the file for resuming, of which half exists already with one different byte.
RESUMED = 3_000_001


@shared("whole files", "put", "get")
def whole_files(client, home):
    with client(home) as session:
        for name, size in SIZES.items():
            session.put(home.sample(name, size), name)
            session.get(name, home.local / f"{name}.back")
    for name in SIZES:
        same(home.disk / name, home.local / name)
        same(home.local / f"{name}.back", home.local / name)


@shared("a shorter file over a longer one", "replace")
def shorter_over_longer(client, home):
    home.stored("file", SIZES["large"])
    with client(home) as session:
        session.replace(home.sample("short", 1), "file")
    same(home.disk / "file", home.local / "short")


@shared("list", "ls")
def listed(client, home):
    sizes = {"a.txt": 10, "b.txt": 2_000_000, "c.log": 0}
    for name, size in sizes.items():
        home.stored(name, size)
        home.stored(f"d/{name}", size)
    with client(home) as session:
        equal("the listing of a directory", session.ls("d"), sizes)
        found = session.ls("")
    equal("the listing of the home", {name: found.get(name) for name in sizes}, sizes)
    equal("its names", sorted(found), sorted([*sizes, "d"]))


@shared("long listing", "ls")
def long_listing(client, home):
    """Lists more names than fit into one reply."""
    for number in range(1500):
        home.stored(f"d/file {number:04}", number % 10)
    with client(home) as session:
        found = session.ls("d")
    equal("the names", sorted(found), names(home.disk / "d"))
    equal("the sizes", {found[f"file {number:04}"] - number % 10 for number in range(1500)}, {0})


@shared("resume an upload", "resume_put")
def resume_upload(client, home):
    whole = home.sample("whole", RESUMED)
    part = home.half_stored(whole, "up")
    with client(home) as session:
        session.resume_put(whole, "up")
    same(home.disk / "up", part + whole.read_bytes()[len(part) :])


@shared("resume a download", "resume_get")
def resume_download(client, home):
    whole = home.stored("whole", RESUMED)
    part = home.half_local(whole, "down")
    with client(home) as session:
        session.resume_get("whole", home.local / "down")
    same(home.local / "down", part + whole.read_bytes()[len(part) :])


@shared("several files", "put_many")
def several_files(client, home):
    sent = [home.sample(name) for name in ("a b.txt", "b.txt", "c.log")]
    (home.disk / "d").mkdir()
    with client(home) as session:
        session.put_many(sent, "d")
    equal("the directory", names(home.disk / "d"), [path.name for path in sent])
    for path in sent:
        same(home.disk / "d" / path.name, path)


@shared("files by a pattern", "get_matching")
def files_by_pattern(client, home):
    for name in ("a b.txt", "b.txt", "c.log"):
        home.stored(f"d/{name}")
    back = home.local / "back"
    back.mkdir()
    with client(home) as session:
        session.get_matching("d/*.txt", back)
    equal("what the pattern brought", names(back), ["a b.txt", "b.txt"])
    for name in names(back):
        same(back / name, home.disk / "d" / name)


@shared("download what is not there", "get")
def download_nothing(client, home):
    back = home.local / "back"
    with client(home) as session:
        mentions("the error", session.refused("get", "nothing", back), client.missing_words)
    if back.exists() and (back.stat().st_size or not client.leaves_empty_files):
        raise Failed(f"there is a file of {back.stat().st_size} bytes here now")
    equal("the home", names(home.disk), [])


@shared("upload to where no directory is", "put")
def upload_nowhere(client, home):
    if client.makes_directories:
        raise Skipped("it makes the directories that are missing")
    local = home.sample("one")
    with client(home) as session:
        mentions("the error", session.refused("put", local, "no/where"), client.missing_words)
    equal("the home", names(home.disk), [])
    equal("the files here", names(home.local), ["one"])
