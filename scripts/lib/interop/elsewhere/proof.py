"""Stories about hashes that are not those of the file: commands that see other files, and servers that lie.

A hash that is not to be trusted never fails a good transfer, and never proves a bad one.
"""

import hashlib
import os

from ..checks import contains, equal, names, same
from ..client import Failed

SIZES = {"one": 1, "small": 4096, "more": 5000, "large": 600_000}


def other(data):
    """Returns other bytes of the same length."""
    return bytes(255 - byte for byte in data[:1]) + data[1:]


def another_file_of_this_name(client, home):
    """Commands find a file under the same path that has other bytes."""
    local = {name: home.sample(name, size) for name, size in SIZES.items()}
    for name, path in local.items():
        (home.stage.outside / name).write_bytes(other(path.read_bytes()))
    with client(home) as session:
        session.transfer("put", *local.values(), session.at()).is_proven("sizes")
        (home.local / "back").mkdir()
        session.transfer("get", *map(session.at, local), home.local / "back").is_proven("sizes")
        again = session.transfer("put", *local.values(), session.at())
        equal("a second run", again.all("result"), ["same"])
        session.changes(home.local, session.at("synced"))
        session.command("check", home.local / "back", session.at("synced/back"))
    for name, path in local.items():
        same(home.disk / name, path)
        same(home.local / "back" / name, path)


def some_files_are_the_same(client, home):
    """Commands find some files with the same bytes, and others with other bytes."""
    local = {f"{number:02}": home.sample(f"{number:02}", 3000 + number) for number in range(12)}
    for number, path in enumerate(local.values()):
        data = path.read_bytes()
        (home.stage.outside / path.name).write_bytes(other(data) if number % 2 else data)
    (home.local / "back").mkdir()
    with client(home) as session:
        sent = session.transfer("put", *local.values(), session.at())
        fetched = session.transfer("get", *map(session.at, local), home.local / "back")
        session.transfer("put", "--overwrite", *local.values(), session.at())
    for transfer in (sent, fetched):
        equal("what fails", (transfer.summary["sent"], transfer.summary["failed"]), (12, 0))
    for name, path in local.items():
        same(home.disk / name, path)
        same(home.local / "back" / name, path)


def a_proof_of_another_file(client, home):
    """Commands find the right bytes, while the file of the SFTP server has other ones."""
    whole = home.sample("whole", 900_000)
    data = whole.read_bytes()
    (home.stage.outside / "whole").write_bytes(data)
    (home.disk / "whole").write_bytes(other(data))
    with client(home) as session:
        conflict = session.transfer("put", whole, session.at("whole"), code=4)
        contains("the error", conflict.ends["whole"]["error"], "other content is there")
        same(home.disk / "whole", other(data))
        (home.disk / "whole").write_bytes(other(data)[:400_000])
        conflict = session.transfer("put", whole, session.at("whole"), code=4)
        contains("the error", conflict.ends["whole"]["error"], "not its beginning")
        (home.disk / "whole").write_bytes(other(data))
        said = session.command("check", home.local, session.at(), code=None)
        if said.code == 0 and "hash" not in said.all:
            raise Failed(f"check takes different files for the same: {said.all}")
        said = session.command("sum", session.at("whole"), code=None)
        if hashlib.md5(data).hexdigest() in said.out:
            raise Failed(f"sum prints the hash of another file: {said.out}")
        session.transfer("put", "--overwrite", whole, session.at("whole"))
    same(home.disk / "whole", data)


def transfers(session, home):
    """Sends and fetches files, and returns both transfers. Each checks the bytes."""
    local = {name: home.sample(name, size) for name, size in SIZES.items()}
    (home.local / "back").mkdir(exist_ok=True)
    for path in (home.local / "back").iterdir():
        path.unlink()
    sent = session.transfer("put", "--overwrite", *local.values(), session.at())
    fetched = session.transfer("get", *map(session.at, local), home.local / "back")
    for name, path in local.items():
        same(home.disk / name, path)
        same(home.local / "back" / name, path)
    return sent, fetched


# The lies about the output of md5sum that are no proof, and those that are harmless.
USELESS = ("wrong digests", "short digests", "long digests", "empty inputs", "no names", "silence")
HARMLESS = ("reversed lines", "a greeting")
# The lies in replies to md5-hash that cannot be hashes. The client asks commands instead.
IMPOSSIBLE = ("a short hash by extension", "a long hash by extension", "no hash by extension",
              "the hash of nothing by extension")


def transfers_under(lies, session, home):
    """Yields each transfer under each lie, with the lie."""
    for lie in lies:
        home.stage.lies(lie)
        for transfer in transfers(session, home):
            yield lie, transfer


def commands_that_lie(client, home):
    """Wrong digests never fail a transfer if the client finds out that the commands say nothing about its files."""
    with client(home) as session:
        for _, transfer in transfers_under(USELESS, session, home):
            transfer.is_proven("sizes")
        for _, transfer in transfers_under(HARMLESS, session, home):
            transfer.is_proven("md5")


def commands_that_mix(client, home):
    """Answers for some files only, or for the wrong ones: no file fails, whatever is proven."""
    with client(home) as session:
        for lie, transfer in transfers_under(("every second line", "swapped digests"), session, home):
            equal(f"what fails by {lie}", transfer.summary["failed"], 0)


def extensions_that_lie(client, home):
    """Replies that cannot be hashes are no answer, and commands are asked."""
    with client(home) as session:
        for _, transfer in transfers_under(IMPOSSIBLE, session, home):
            transfer.is_proven("md5")


def lies_that_look_true(client, home):
    """A wrong hash that looks right cannot be told from damage: it fails, nothing is lost, and --verify=never goes on."""
    with client(home) as session:
        for lie in ("a wrong hash by extension", "wrong digests of whole files"):
            home.stage.lies(lie)
            local = home.sample("file", 600_000)
            sent = session.transfer("put", "--overwrite", local, session.at("file"), code=5)
            contains("the error", sent.ends["file"]["error"], "VERIFICATION FAILED")
            stored = home.stored("stored", 600_000)
            fetched = session.transfer("get", session.at("stored"), home.local / "fetched", code=5)
            contains("the error", fetched.ends["fetched"]["error"], "VERIFICATION FAILED")
            if (home.local / "fetched").exists():
                raise Failed("a file that is not verified has its name")
            session.transfer("get", "--verify=never", "--overwrite", session.at("stored"), home.local / "fetched")
            same(home.local / "fetched", stored)
            session.transfer("put", "--verify=never", "--overwrite", local, session.at("file"))
            same(home.disk / "file", local)
            os.unlink(home.local / "fetched")
    equal("the home", names(home.disk), ["file", "stored"])


CONFINED = {
    "commands see another file of this name": another_file_of_this_name,
    "commands see some files that are the same": some_files_are_the_same,
    "commands prove another file": a_proof_of_another_file,
}
LYING = {
    "commands that lie": commands_that_lie,
    "commands that mix up files": commands_that_mix,
    "extensions that lie": extensions_that_lie,
    "lies that look true": lies_that_look_true,
}
