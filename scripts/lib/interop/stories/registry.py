"""The list of the shared stories."""

from ..client import Client, Story

SHARED = []


def shared(title, *needs, **more):
    """A decorator: the function is a story for every client that has these needs.

    It is called with the client's class and an empty home.
    """
    for need in needs:
        getattr(Client, need)

    def register(run):
        SHARED.append(Story(title, run, needs, **more))
        return run

    return register
