"""All clients and all stories of the modules in clients/ and stories/."""

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
# Classes without a name are base classes, and imported classes belong to another module.
CLIENTS = [
    value
    for module in load(clients)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Client) and value.name and value.__module__ == module.__name__
]


def stories_of(client):
    """Returns the stories of a client, shared and its own, and those that it does not support.

    The second value maps the titles of the latter to the needs that the client does not meet.
    """
    stories = [*SHARED] if client.shared_stories else []
    for base in reversed(client.__mro__):
        # A variant does not run the stories of the client of which it is one.
        if getattr(base, "shared_stories", None) == client.shared_stories:
            stories += base.__dict__.get("own_stories", ())
    supported, missing = [], {}
    for story in stories:
        if lacking := [need for need in story.needs if not client.offers(need)]:
            missing[story.title] = lacking
        else:
            supported.append(story)
    return supported, missing
