"""The files of the container image, as a container runtime would use them: read-only, as a user without any rights."""

import os
import socket
import subprocess
import time

from ..tools import ROOT, free_port, listens, quiet, wait_for

# Becomes PID 1 of nothing but a mount name space, in which the tree is read-only except for its volume.
ENTER = """
mount --bind "$1" "$1"
mount --bind "$2" "$1/var/lib/homeport"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
tree=$1
shift 2
exec chroot --userspec=10001:10001 "$tree" /usr/bin/homeportd -c /etc/homeport/homeportd.toml "$@"
"""


def story(binaries, work):
    """Returns whether it has passed."""
    began = time.monotonic()
    work.mkdir()
    tree, volume = work / "tree", work / "volume"
    quiet([ROOT / "packaging/container/tree", tree, "--binaries", binaries], "hint: ldd and strip are needed")
    volume.mkdir(mode=0o700)
    subprocess.run(["chown", "10001:10001", volume], check=True)
    port = free_port()
    environment = {"HOMEPORT_SERVER_LISTEN": f"127.0.0.1:{port}", "HOMEPORT_SERVICE_HOST": "10.0.0.1"}

    def command(*words):
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", ENTER, "sh", tree, volume, *words]

    for words, text in ((["init"], ""), (["user", "add", "calvin", "--password-stdin"], "a long password")):
        done = subprocess.run(command(*words), input=text, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            print(f"container: {words[0]}: FAILED\n{done.stdout}{done.stderr}")
            return False
    # As from a secret of Kubernetes: the keys belong to root, and the server's group may read them.
    for key in (volume / "hostkeys").iterdir():
        os.chown(key, 0, 10001)
        key.chmod(0o440)
    log = work / "log"
    with open(log, "wb") as errors:
        server = subprocess.Popen(command("serve"), env=environment, stderr=errors, stdin=subprocess.DEVNULL)
    try:
        wait_for("the server in the container", lambda: listens(port))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
            line = stream.recv(64)
        owner = (volume / "data/homeport.db").stat().st_uid
        server.terminate()
        ended = server.wait(timeout=30)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"container: FAILED: {error}\n{log.read_text()}")
        return False
    finally:
        server.kill()
        server.wait()
    said = log.read_text()
    # What Kubernetes puts into the environment is one warning.
    right = line.startswith(b"SSH-2.0-") and owner == 10001 and ended == 0
    right = right and said.count("WARN") == 1 and "HOMEPORT_SERVICE_HOST" in said
    print(f"container: {'ok' if right else 'FAILED'}, {time.monotonic() - began:.1f} s")
    if not right:
        print(f"line {line}, owner {owner}, exit code {ended}\n{said}")
    return right
