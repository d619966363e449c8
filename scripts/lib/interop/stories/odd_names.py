"""Names with spaces, quotation marks, special characters of patterns and shells, non-ASCII characters, and bytes that
are not UTF-8."""

from ..checks import equal, names, same, same_tree
from .registry import shared


@shared("names", "put", "get", "odd_names")
def odd_names(client, home):
    with client(home) as session:
        for number, name in enumerate(client.odd_names):
            session.put(home.sample(name), name)
            session.get(name, home.local / f"back{number}")
    for number, name in enumerate(client.odd_names):
        same(home.disk / name, home.local / name)
        same(home.local / f"back{number}", home.local / name)
    equal("the home", names(home.disk), sorted(client.odd_names))


@shared("names that are renamed", "rename", "odd_names")
def odd_names_renamed(client, home):
    data = {name: home.stored(name).read_bytes() for name in client.odd_names}
    with client(home) as session:
        for name in client.odd_names:
            session.rename(name, f"{name}2")
    equal("the home", names(home.disk), sorted(f"{name}2" for name in client.odd_names))
    for name in client.odd_names:
        same(home.disk / f"{name}2", data[name])


@shared("names that are removed", "remove", "odd_names")
def odd_names_removed(client, home):
    """Files that the name would match as a pattern are not removed."""
    for name in (*client.odd_names, "its *a b", "i"):
        home.stored(name, 10)
    with client(home) as session:
        for name in client.odd_names:
            session.remove(name)
    equal("the home", names(home.disk), ["i", "its *a b"])


@shared("names in directories", "put_tree", "get_tree", "odd_names_in_trees")
def odd_names_in_trees(client, home):
    """Names that the client finds and sends by itself."""
    for name in client.odd_names_in_trees:
        home.sample(f"odd/{name}")
        home.sample(f"odd/sub {name}/{name}", 10)
    with client(home) as session:
        session.put_tree(home.local / "odd", "odd")
        session.get_tree("odd", home.local / "back")
    same_tree(home.disk / "odd", home.local / "odd")
    same_tree(home.local / "back", home.local / "odd")


@shared("names in a listing", "ls", "odd_names_listed")
def odd_names_listed(client, home):
    sizes = {name: 10 + number for number, name in enumerate(client.odd_names_listed)}
    for name, size in sizes.items():
        home.stored(f"d/{name}", size)
    with client(home) as session:
        equal("the listing", session.ls("d"), sizes)
