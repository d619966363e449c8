"""Signing in with certificates of users."""

from dataclasses import replace

from ...tools import make_key, quiet
from ..checks import same
from ..client import Failed, Refused
from ..home import emptied
from .registry import shared


def sign(authority, key, principal, validity):
    """Makes a certificate, which lies beside the key."""
    words = ["ssh-keygen", "-q", "-s", authority, "-I", "story", "-n", principal, "-V", validity, f"{key}.pub"]
    quiet(words, "hint: apt-get install openssh-client")


@shared("a certificate", "put", "certificates", only_ours="the reference server trusts no authority")
def certificate(client, home):
    """The key alone is unknown to the server; its certificate is accepted for its principal while it is valid."""
    directory = emptied(home.local.parent / "certified")
    authority, key = make_key(directory / "authority"), make_key(directory / "key")
    line = directory / "authority.line"
    line.write_text("cert-authority " + authority.with_suffix(".pub").read_text())
    home.admin("user", "key", "add", home.user, line)
    certified = replace(home, key=key)
    local = home.sample("one")
    sign(authority, key, home.user, "-5m:+1h")
    with client(certified, certificate=True) as session:
        session.put(local, "one")
    same(home.disk / "one", local)
    for principal, validity in ((home.user, "20200101:20200102"), ("somebody", "-5m:+1h")):
        sign(authority, key, principal, validity)
        try:
            with client(certified, certificate=True) as session:
                session.put(local, "two")
        except (Refused, *client.errors):
            continue
        raise Failed(f"a certificate for {principal} in {validity} was accepted")
