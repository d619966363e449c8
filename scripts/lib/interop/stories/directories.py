"""Directories: copied with their contents, created, renamed, removed."""

from ..checks import equal, mentions, names, same, same_tree
from ..client import EVERYTHING, NOTHING
from .registry import shared


@shared("directories", "put_tree", "get_tree")
def directories(client, home):
    tree = home.tree("tree")
    with client(home) as session:
        session.put_tree(tree, "copy")
        session.get_tree("copy", home.local / "back")
    how = {"attributes": client.kept_in_trees != NOTHING, "directory_times": client.kept_in_trees == EVERYTHING}
    same_tree(home.disk / "copy", tree, **how)
    same_tree(home.local / "back", tree, **how)


@shared("many small files", "put_tree", "get_tree")
def many_small_files(client, home):
    for number in range(400):
        home.sample(f"many/{number % 20}/{number}", number)
    with client(home) as session:
        session.put_tree(home.local / "many", "many")
        session.get_tree("many", home.local / "back")
    same_tree(home.disk / "many", home.local / "many")
    same_tree(home.local / "back", home.local / "many")


@shared("make directories", "mkdir")
def make_directories(client, home):
    with client(home) as session:
        session.mkdir("d")
        session.mkdir("d/e")
    equal("the home", names(home.disk), ["d"])
    equal("the directory", names(home.disk / "d"), ["e"])


@shared("make a path", "make_path")
def make_path(client, home):
    """Missing parent directories are created, and existing ones are accepted."""
    home.stored("q/file", 10)
    with client(home) as session:
        session.make_path("q/w/e")
    equal("the directory that was there", names(home.disk / "q"), ["file", "w"])
    equal("the new one", names(home.disk / "q/w"), ["e"])


@shared("rename", "rename")
def rename(client, home):
    """Renames a file into a directory, and then the directory."""
    data = home.stored("old").read_bytes()
    (home.disk / "d").mkdir()
    with client(home) as session:
        session.rename("old", "d/new")
        session.rename("d", "moved")
    equal("the home", names(home.disk), ["moved"])
    equal("the directory", names(home.disk / "moved"), ["new"])
    same(home.disk / "moved/new", data)


@shared("rename over a file", "rename_over")
def rename_over(client, home):
    data = home.stored("d/new").read_bytes()
    home.stored("old", 10)
    with client(home) as session:
        session.rename_over("d/new", "old")
    same(home.disk / "old", data)
    equal("the directory", names(home.disk / "d"), [])


@shared("remove", "remove")
def remove(client, home):
    for name in ("gone", "stays", "d/gone"):
        home.stored(name, 10)
    with client(home) as session:
        session.remove("gone")
        session.remove("d/gone")
        mentions("the error", session.refused("remove", "gone"), client.missing_words)
    equal("the home", names(home.disk), ["d", "stays"])
    equal("the directory", names(home.disk / "d"), [])


@shared("remove a directory", "rmdir")
def remove_directory(client, home):
    home.stored("full/file", 10)
    (home.disk / "empty").mkdir()
    with client(home) as session:
        session.rmdir("empty")
        session.refused("rmdir", "full")
    equal("the home", names(home.disk), ["full"])
    equal("the directory that is not empty", names(home.disk / "full"), ["file"])


@shared("remove by a pattern", "remove_matching")
def remove_by_pattern(client, home):
    for name in ("a.txt", "b.txt", "c.log"):
        home.stored(name, 10)
    with client(home) as session:
        session.remove_matching("*.txt")
    equal("the home", names(home.disk), ["c.log"])


@shared("remove with all that is in it", "remove_tree")
def remove_tree(client, home):
    for name in ("tree/file", "tree/sub/file", "stays"):
        home.stored(name, 10)
    (home.disk / "tree/sub/none").mkdir()
    with client(home) as session:
        session.remove_tree("tree")
    equal("the home", names(home.disk), ["stays"])
