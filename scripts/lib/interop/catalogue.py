"""All clients and all stories, as they are found in clients/ and stories/."""

import importlib
import pkgutil

from . import clients, stories
from .client import Client
from .stories.registry import SHARED


def load(package):
    """Imports the modules of a package, in the order of their names."""
    found = pkgutil.iter_modules(package.__path__)
    return [importlib.import_module(f"{package.__name__}.{module.name}") for module in found]


load(stories)
# A class without a name is a base of others, and one that a module imports belongs to another module.
CLIENTS = [
    value
    for module in load(clients)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Client) and value.name and value.__module__ == module.__name__
]


def stories_of(client):
    """What is told to a client: the shared stories that it can be told, its own, and what it does not offer.

    The last is a dictionary: for each title, the needs that the client does not meet.
    """
    told, missing = [], {}
    for story in SHARED if client.shared_stories else ():
        if lacking := [need for need in story.needs if not client.offers(need)]:
            missing[story.title] = lacking
        else:
            told.append(story)
    for base in reversed(client.__mro__):
        told += base.__dict__.get("own_stories", ()) if client.shared_stories or base is client else ()
    return told, missing
