"""A backup of the machine's server is restored on another machine, where the package is installed and homes lie elsewhere.

The commands on the other machine are those of the page about backups.
"""

import json
import subprocess

from ..tools import wait_for
from .guide import blocks
from .machine import Machine
from .package import CONFIG, expect

USER = "susie"
PASSWORD = "a long password of hers"
PRINT_PASSWORD = f"#!/bin/sh\necho '{PASSWORD}'\n"

# Fails on the machine where the event happens, and is repaired on the other one.
HOOK = '\n[[hooks]]\non = ["uploaded"]\nmatch = "/in/**"\ncommand = ["/usr/local/bin/arrived"]\n'
ARRIVED = "#!/bin/sh\ncat >> /var/lib/homeport/arrived\n"

BACKUP = "/var/backups/homeport-2026-11-30"
# The directory of homes on the other machine, as the page has it.
HOMES = "/mnt/files"


def by_password(machine, batch):
    """Runs a batch of OpenSSH's sftp, which signs in by the password and accepts no unknown host key."""
    machine.write("/root/print-password", PRINT_PASSWORD)
    machine.run("chmod", "700", "/root/print-password")
    options = ["StrictHostKeyChecking=yes", "PubkeyAuthentication=no", "NumberOfPasswordPrompts=1", "Port=2222"]
    words = [word for option in options for word in ("-o", option)]
    asked = ["SSH_ASKPASS=/root/print-password", "SSH_ASKPASS_REQUIRE=force"]
    # -b means that nobody can be asked, so it is taken back.
    return machine.try_run(
        "sftp", "-q", "-o", "BatchMode=no", "-b", "-", *words, f"{USER}@127.0.0.1", text=batch, env=asked
    )


def waiting(machine):
    """Returns the events that wait for hooks."""
    return json.loads(machine.run("homeportd", "hooks", "list", "--json"))


def usage(machine):
    """Returns the bytes, the files and the limit of the user, once the home has been measured."""
    machine.run("homeportd", "quota", "scan", USER)
    shown = json.loads(machine.run("homeportd", "quota", "show", USER, "--json"))
    expect(shown["usage_exact"], shown)
    return [shown[name] for name in ("used_bytes", "used_files", "quota_bytes")]


def restore_on_another_machine(machine, packages):
    config = machine.read(CONFIG)
    machine.run("homeportd", "user", "add", USER, "--quota", "20MiB", "--password-stdin", text=PASSWORD)
    machine.write("/usr/local/bin/arrived", "#!/bin/sh\nexit 1\n")
    machine.run("chmod", "755", "/usr/local/bin/arrived")
    machine.write(CONFIG, config + HOOK)
    machine.run("systemctl", "restart", "homeport.service")
    done = by_password(machine, "mkdir in\nput /root/file in/letter\n")
    expect(done.returncode == 0, f"sftp: {done.stderr}")
    (event,) = wait_for("the event", lambda: waiting(machine))
    before = usage(machine)
    keys = machine.run("homeportd", "hostkey", "list")
    machine.run("homeportd", "backup", BACKUP)

    with Machine() as other:
        for path in (packages["first"], BACKUP):
            copy(machine, other, path)
        other.run("dpkg", "-i", packages["first"])
        copy(machine, other, "/srv/homeport", HOMES)
        other.write("/usr/local/bin/arrived", ARRIVED)
        other.run("chmod", "755", "/usr/local/bin/arrived")
        (commands,) = blocks("backup.md", "sh", "On a machine with the package")
        said = other.run("sh", "-e", "-c", commands)
        expect(": 0 errors, 0 warnings" in said, said)

        expect(other.run("homeportd", "hostkey", "list") == keys, "the host keys are others")
        # The clients know the host key already.
        copy(machine, other, "/root/.ssh/known_hosts")
        done = by_password(other, "get in/letter /root/letter\n")
        expect(done.returncode == 0, f"sftp: {done.stdout}{done.stderr}")
        copy(machine, other, "/root/file")
        other.run("cmp", "/root/file", "/root/letter")
        expect(usage(other) == before, f"{usage(other)} instead of {before}")
        refused = by_password(other, "put /root/file a\nput /root/file b\n")
        expect(refused.returncode != 0 and "quota" in refused.stderr, f"{refused.stderr}")
        wait_for("the event to be told", lambda: not waiting(other))
        told = json.loads(other.read("/var/lib/homeport/arrived"))
        expect((told["delivery"], told["path"]) == (event["id"], "/in/letter"), f"{told} instead of {event}")

    machine.write(CONFIG, config)
    machine.run("systemctl", "restart", "homeport.service")
    for entry in waiting(machine):
        machine.run("homeportd", "hooks", "drop", entry["id"])
    machine.run("homeportd", "user", "remove", USER)


def copy(machine, other, path, to=None):
    """Copies a file or directory to another machine, with its owners by number."""
    to = to or path
    other.run("mkdir", "-p", to.rsplit("/", 1)[0])
    subprocess.run(["cp", "-a", inside(machine, path), inside(other, to)], check=True)


def inside(machine, path):
    """Returns the path by which this machine reaches a file of another one that runs."""
    return f"/proc/{machine.pid}/root{path}"
