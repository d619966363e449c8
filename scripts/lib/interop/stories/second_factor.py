"""Signing in with one-time codes, which the server asks for by keyboard-interactive."""

from ..checks import same
from ..client import Failed, Refused
from ..device import Device
from ..home import PASSWORD
from .registry import shared

ONLY_OURS = "the reference server has no one-time codes"
PASSWORD_QUESTION, CODE_QUESTION = "assword:", "erification code:"


def upload(client, home, name, **settings):
    with client(home, **settings) as session:
        session.put(home.sample(name), name)
    same(home.disk / name, home.local / name)


@shared("password and code", "put", "questions", only_ours=ONLY_OURS)
def password_and_code(client, home):
    device = Device(home)

    def answers(code):
        return {PASSWORD_QUESTION: PASSWORD, CODE_QUESTION: code}

    code = device.code()
    upload(client, home, "one", answers=answers(code))
    upload(client, home, "two", answers=answers(device.recovery_codes[0]))
    # Each is taken once.
    for used in (code, device.recovery_codes[0]):
        try:
            upload(client, home, "three", answers=answers(used))
        except (Refused, *client.errors):
            continue
        raise Failed("a code was taken twice")


@shared("key and code", "put", "questions", user=("--require", "publickey,totp"), only_ours=ONLY_OURS)
def key_and_code(client, home):
    device = Device(home)
    upload(client, home, "one", with_key=True, answers={CODE_QUESTION: device.code()})


ALL = ("--require", "publickey,password,totp")


@shared("key, password and code", "put", "questions", user=ALL, only_ours=ONLY_OURS)
def all_three(client, home):
    device = Device(home)
    answers = {PASSWORD_QUESTION: PASSWORD, CODE_QUESTION: device.code()}
    upload(client, home, "one", with_key=True, answers=answers)


@shared("key beside a second factor", "put", "has_key", only_ours=ONLY_OURS)
def key_alone(client, home):
    """A key is enough unless the operator requires more, so scripts go on."""
    Device(home)
    upload(client, home, "one")
