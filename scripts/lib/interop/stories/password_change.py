"""A password that has expired, which is changed at the sign-in by the method `password` (RFC 4252, section 8)."""

from ..checks import same
from ..home import PASSWORD
from .registry import shared

NEW_PASSWORD = "quiet rivers of cheese"


def upload(client, home, name, **settings):
    with client(home, **settings) as session:
        session.put(home.sample(name), name)
    same(home.disk / name, home.local / name)


@shared("an expired password", "put", "changes_passwords", only_ours="the reference server changes no passwords")
def expired_password(client, home):
    home.expire_password()
    upload(client, home, "one", password=PASSWORD, new_password=NEW_PASSWORD)
    if client.passwords:
        upload(client, home, "two", password=NEW_PASSWORD)
    # Another change shows that the password is the new one.
    home.expire_password()
    upload(client, home, "three", password=NEW_PASSWORD, new_password=PASSWORD)
