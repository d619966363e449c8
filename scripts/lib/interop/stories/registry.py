"""The list of the shared stories."""

from ..client import Client, Story

SHARED = []


def shared(title, *needs, **more):
    """A decorator: the function is a story for every client that has these needs.

    It is called with the client's class and an empty home.
    """
    for need in needs:
        getattr(Client, need)

    def keep(tell):
        SHARED.append(Story(title, tell, needs, **more))
        return tell

    return keep
