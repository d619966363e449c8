"""The life of the Debian package on a machine, from its installation to its purge.

Each function is a part of one story, in the order of parts.py; each leaves a server that works.
"""

import json
import time

from ..tools import wait_for
from .guide import blocks
from .machine import Failed

CONFIG = "/etc/homeport/homeportd.toml"
AUDIT = "/var/log/homeport/audit.log"
DROP_IN = "/etc/systemd/system/homeport.service.d/story.conf"

# Opens connections one after the other until standard input is closed. Each must get the identification line, except for
# one that the old server has accepted just when it was told to stop, and cuts as it does all that have not signed in. A
# refused connection ends it with an error; otherwise it prints how many there were.
KNOCK = """
import select, socket, sys
count = cut = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    with socket.create_connection(("127.0.0.1", 2222), timeout=60) as stream:
        line = stream.recv(64)
    cut += line == b""
    assert cut <= 1 and (not line or line.startswith(b"SSH-2.0-")), line
    count += 1
print(count)
"""

# Holds the port, as another program would.
HOLD = 'import socket, sys; s = socket.create_server(("0.0.0.0", 2222)); print("held", flush=True); sys.stdin.read()'


def expect(condition, what):
    if not condition:
        raise Failed(what)


def show(machine, name, unit="homeport.service"):
    """Returns a property of a unit."""
    return machine.run("systemctl", "show", unit, "-p", name, "--value").strip()


def is_active(machine):
    return machine.try_run("systemctl", "is-active", "homeport.service").stdout.strip() == "active"


def wait_for_journal(machine, words, *options):
    """Waits until the server's unit has logged this: the journal may be late."""
    wait_for(f"{words!r} in the journal", lambda: words in machine.journal(*options))


def sftp(machine, batch, user="alice", port=2222, bind="127.0.0.1"):
    """Runs a batch of OpenSSH's sftp from this local address."""
    options = ["StrictHostKeyChecking=accept-new", f"BindAddress={bind}", f"Port={port}", "IdentityFile=/root/key"]
    words = [word for option in options for word in ("-o", option)]
    return machine.try_run("sftp", "-q", "-b", "-", *words, f"{user}@127.0.0.1", text=batch)


def transfer(machine, **options):
    """Uploads a file and fetches it again."""
    machine.run("rm", "-f", "/root/back")
    done = sftp(machine, "put /root/file file\nget file /root/back\n", **options)
    expect(done.returncode == 0, f"sftp: {done.stdout}{done.stderr}\n{machine.journal('-n', '20')}")
    machine.run("cmp", "/root/file", "/root/back")


def install(machine, packages):
    machine.run("dpkg", "-i", packages["first"])
    expect(is_active(machine), machine.try_run("systemctl", "status", "homeport.service").stdout)
    for unit in ("homeport.service", "homeport.socket"):
        expect(machine.run("systemctl", "is-enabled", unit).strip() == "enabled", f"{unit} is not enabled")
    keys = machine.run("homeportd", "hostkey", "list")
    expect("ssh-ed25519 SHA256:" in keys, keys)
    checked = machine.run("homeportd", "check")
    expect(": 0 errors, 0 warnings" in checked, checked)
    wait_for_journal(machine, "the sandbox is in force")
    log = machine.journal()
    expect("WARN" not in log, log)
    for page in ("homeportd", "homeport", "homeportd-reload"):
        machine.run("test", "-s", f"/usr/share/man/man1/{page}.1.gz")
    machine.run("bash", "-n", "/usr/share/bash-completion/completions/homeportd")


def judge_the_unit(machine, _):
    said = machine.try_run("systemd-analyze", "verify", "/lib/systemd/system/homeport.service").stderr
    expect("homeport" not in said, said)
    # The threshold is in tenths: an exposure of at most 2.0.
    machine.run("systemd-analyze", "security", "--no-pager", "--threshold=20", "homeport.service")


def serve_a_user(machine, _):
    machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key")
    machine.run("dd", "if=/dev/urandom", "of=/root/file", "bs=1M", "count=8", "status=none")
    machine.run("homeportd", "user", "add", "alice", "--quota", "100MiB", "--key", "/root/key.pub")
    transfer(machine)
    shown = json.loads(machine.run("homeportd", "user", "show", "alice", "--json"))
    expect(shown["home"] == "/srv/homeport/alice", shown)
    wait_for("the status", lambda: "serving 0 sessions" in show(machine, "StatusText"))


def write_to_the_journal(machine, _):
    lines = machine.run("journalctl", "-u", "homeport.service", "-o", "json", "--no-pager", "_COMM=homeportd")
    records = [json.loads(line) for line in lines.splitlines()]
    listening = [record for record in records if "listening on" in str(record["MESSAGE"])]
    expect(len(listening) >= 2, f"{records}")
    expect(all(record["PRIORITY"] == "6" for record in listening), f"{listening}")
    expect(not any(str(record["MESSAGE"]).startswith("<") for record in records), f"{records}")


def rotate_the_logs(machine, _):
    before = machine.read(AUDIT)
    expect('"event":"signed_in"' in before, before)
    machine.run("logrotate", "-f", "/etc/logrotate.d/homeport")
    # Lines that were written meanwhile may follow.
    expect(machine.read(f"{AUDIT}.1").startswith(before), "the rotated log is another")
    transfer(machine)
    wait_for("events in the new log", lambda: '"event":"signed_in"' in machine.read(AUDIT))
    mode = machine.run("stat", "-c", "%a %U", AUDIT).strip()
    expect(mode == "600 homeport", mode)


def reload(machine, _):
    good = machine.read(CONFIG)
    pid = show(machine, "MainPID")
    machine.write(CONFIG, good.replace("\nhandles = 1024", "\nhandles = 512"))
    said = machine.run("homeportd", "reload")
    expect("new connections use changes in [limits]" in said, said)
    machine.write(CONFIG, good.replace("\ndrain_secs = 30", "\ndrain_secs = 20"))
    machine.run("systemctl", "reload", "homeport.service")
    wait_for_journal(machine, "changes in [server] need a restart", "-n", "20")
    # A broken file keeps the server and its settings as they were, and systemd says that the reload has failed.
    machine.write(CONFIG, good.replace("\nhandles = 1024", '\nhandles = "many"'))
    machine.fails("systemctl", "reload", "homeport.service")
    wait_for_journal(machine, '"handles" in [limits]', "-n", "20")
    expect(is_active(machine) and show(machine, "MainPID") == pid, "the server is another one")
    transfer(machine)
    machine.write(CONFIG, good)
    machine.run("systemctl", "reload", "homeport.service")
    expect(is_active(machine), "a reload is not over")


def knocking(machine, what, during):
    """Opens connections all the time while `during` runs; none may be refused."""
    knocker = machine.start("python3", "-c", KNOCK)
    try:
        time.sleep(0.5)
        during()
        time.sleep(0.5)
        output, errors = knocker.communicate(input="", timeout=120)
    finally:
        knocker.kill()
    expect(knocker.returncode == 0, f"{what}: a connection was refused: {errors}")
    expect(int(output) > 10, f"{what}: only {output} connections")


def restart(machine, _):
    pid = show(machine, "MainPID")
    knocking(machine, "restart", lambda: machine.run("systemctl", "restart", "homeport.service"))
    expect(show(machine, "MainPID") != pid, "the server has not restarted")
    transfer(machine)


def find_the_port_taken(machine, _):
    machine.run("systemctl", "stop", "homeport.socket", "homeport.service")
    holder = machine.start("python3", "-c", HOLD)
    try:
        expect(holder.stdout.readline() == "held\n", "the port cannot be held")
        machine.fails("systemctl", "start", "homeport.service")
        wait_for_journal(machine, "another program listens there", "-n", "50")
    finally:
        holder.communicate(input="", timeout=30)
    # systemd tries again and again, and then gives up. Without the socket unit, the server opens its sockets itself.
    machine.run("systemctl", "stop", "homeport.service")
    machine.run("systemctl", "reset-failed", "homeport.service")
    machine.run("systemctl", "start", "homeport.service")
    transfer(machine)
    machine.run("systemctl", "stop", "homeport.service")
    machine.run("systemctl", "start", "homeport.socket", "homeport.service")


def hang(machine, _):
    machine.write(DROP_IN, "[Service]\nWatchdogSec=6\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "homeport.service")
    # More than the watchdog's time.
    time.sleep(8)
    pid = show(machine, "MainPID")
    expect(show(machine, "NRestarts") == "0", "the watchdog has bitten a server that lives")
    machine.run("kill", "-STOP", pid)
    wait_for("the watchdog", lambda: is_active(machine) and show(machine, "MainPID") != pid)
    transfer(machine)
    machine.run("rm", DROP_IN)
    machine.run("systemctl", "daemon-reload")


HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend first
    bind 127.0.0.1:2201
    default_backend first
backend first
    server s 127.0.0.1:2222 send-proxy check inter 200ms
frontend second
    bind 127.0.0.1:2202
    default_backend second
backend second
    option tcp-check
    tcp-check expect string SSH-2.0-
    server s 127.0.0.1:2222 send-proxy-v2 check check-send-proxy inter 200ms
"""


def stand_behind_haproxy(machine, _):
    machine.write(DROP_IN, "[Service]\nEnvironment=HOMEPORT_SERVER_PROXY_FROM=127.0.0.1\n")
    machine.write("/root/haproxy.cfg", HAPROXY)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "homeport.service")
    since = len(machine.read(AUDIT))
    machine.run("haproxy", "-D", "-p", "/run/haproxy.pid", "-f", "/root/haproxy.cfg")
    for port, client in ((2201, "127.0.0.7"), (2202, "127.0.0.8")):
        transfer(machine, port=port, bind=client)
        wait_for(client, lambda client=client: f'"peer":"{client}:' in machine.read(AUDIT)[since:])
    # Health checks go on all the time; each would be a line.
    time.sleep(2)
    events = machine.read(AUDIT)[since:]
    expect('"event":"refused"' not in events, events)
    # An address that is not a proxy may not send a header.
    header = r"""import socket; s = socket.create_connection(("127.0.0.1", 2222), source_address=("127.0.0.9", 0))
s.sendall(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2222\r\n"); s.recv(64)"""
    machine.run("python3", "-c", header)
    wait_for("the refusal", lambda: '"peer":"127.0.0.9:' in machine.read(AUDIT)[since:])
    expect('"peer":"192.0.2.1' not in machine.read(AUDIT), "a claim was believed")
    machine.run("kill", machine.read("/run/haproxy.pid").strip())
    machine.run("rm", DROP_IN)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "homeport.service")


# Prints a page of the metrics, or the status and the reason.
FETCH = """
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen("http://127.0.0.1:9822" + sys.argv[1], timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def show_metrics(machine, _):
    machine.write(DROP_IN, "[Service]\nEnvironment=HOMEPORT_METRICS_LISTEN=127.0.0.1:9822\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "homeport.service")
    transfer(machine)

    def fetch(path):
        return machine.run("python3", "-c", FETCH, path)

    wait_for("the free space", lambda: 'homeport_disk_free_bytes{root="/srv/homeport"}' in fetch("/metrics"))
    page = fetch("/metrics")
    expect('homeport_transfers_total{direction="up",result="ok"} 1\n' in page, page)
    expect("process_open_fds " in page and "process_cpu_seconds_total " in page, page)
    expect(fetch("/healthz").strip() == "ok" and fetch("/readyz").strip() == "ready", fetch("/readyz"))
    rules = "/usr/share/homeport/prometheus/homeport.rules.yml"
    machine.run("promtool", "check", "rules", rules)
    machine.run("sh", "-c", f"python3 -c '{FETCH}' /metrics | grep . | promtool check metrics")
    json.loads(machine.read("/usr/share/homeport/grafana/homeport.json"))
    status = json.loads(machine.run("homeportd", "top", "--json"))["status"]
    expect({"path", "free_bytes", "total_bytes"} <= set(status["places"][0]), status)
    # A restart behind the socket of SFTP opens the port of the metrics again.
    machine.run("systemctl", "restart", "homeport.service")
    wait_for("the metrics", lambda: "homeport_sessions 0" in fetch("/metrics"))
    machine.run("rm", DROP_IN)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "homeport.service")


def replace_a_host_key(machine, _):
    def hostkey(command):
        changed = json.loads(machine.run("homeportd", "hostkey", command, "--json"))
        expect(changed["changed"] and changed["confirmed"], f"{command}: {changed}")
        return changed["key"]["fingerprint"]

    new = hostkey("rotate")
    # OpenSSH's client learns the new key, and so is not warned of it.
    transfer(machine)
    expect(hostkey("retire") == new, "another key is in use")
    transfer(machine)
    expect(hostkey("remove") != new, "the new key was removed")
    transfer(machine)
    expect(new in machine.run("ssh-keygen", "-lf", "/root/.ssh/known_hosts"), "the client knows another key")


# The machine of the guide is this one.
SSH_CONFIG = """
Host files.example.org
    HostName 127.0.0.1
    Port 2222
    IdentityFile /root/key
    StrictHostKeyChecking accept-new
"""


LDAPWHOAMI = ("ldapwhoami", "-x", "-H", "ldap://127.0.0.1:3890")


def scan_for_viruses(machine, _):
    """Does what the page about virus scanning says, with clamd and one signature."""
    page = "virus-scanning.md"
    config = machine.read(CONFIG)
    machine.run("homeportd", "user", "add", "calvin", "--key", "/root/key.pub")
    machine.write("/root/.ssh/config", SSH_CONFIG)
    (program,) = blocks(page, "")
    machine.write("/root/homeport-scan", program)
    machine.write(CONFIG, config + "".join(blocks(page, "toml")))
    # The packages are on this machine already, of which the other one is a copy.
    lines = "".join(blocks(page, "sh")).splitlines()
    script = "\n".join(line for line in lines if not line.startswith("apt-get "))
    machine.run("sh", "-e", "-c", f"cd /root\n{script}")

    def events(name):
        found = [json.loads(line) for line in machine.read(AUDIT).splitlines()]
        return [event for event in found if event["event"] == name]

    wait_for("a held file", lambda: events("held"))
    wait_for("a published file", lambda: events("published"))
    held, published = events("held")[0], events("published")[0]
    expect(held["path"] == "/in/eicar.txt" and held["reason"] == "Eicar-Test.UNOFFICIAL FOUND", held)
    expect(published["to"] == "/clean/letter.txt", published)
    machine.run("cmp", "/root/letter.txt", "/srv/homeport/calvin/clean/letter.txt")
    machine.fails("test", "-e", "/srv/homeport/calvin/clean/eicar.txt")

    # Without clamd nothing is decided.
    machine.run("systemctl", "stop", "clamav-daemon.socket", "clamav-daemon.service")
    expect(sftp(machine, "put /root/letter.txt in/late.txt\n", user="calvin").returncode == 0, "the upload has failed")

    def waiting():
        return json.loads(machine.run("homeportd", "hooks", "list", "--json"))

    wait_for("a failed attempt", lambda: waiting()[0]["attempts"] > 0)
    machine.run("systemctl", "start", "clamav-daemon.socket", "clamav-daemon.service")
    wait_for("the pause", lambda: not waiting() or retried(machine, waiting()))
    wait_for("the late file", lambda: len(events("published")) == 2)
    expect(len(events("held")) == 1, events("held"))
    machine.write(CONFIG, config)
    machine.run("homeportd", "reload")
    machine.run("systemctl", "stop", "clamav-daemon.socket", "clamav-daemon.service")


def ask_a_directory(machine, _):
    """Does what the page about outside users says, with a directory of its own."""
    page = "external-users.md"
    config = machine.read(CONFIG)
    slapd, entries = [block for block in blocks(page, "") if "dc=example,dc=org" in block and "uri=" not in block]
    machine.write("/root/slapd.conf", slapd)
    machine.write("/root/users.ldif", entries)
    machine.write("/root/askpass", '#!/bin/sh\nprintf "%s\\n" "$SECRET"\n')
    machine.run("chmod", "700", "/root/askpass")
    # The section is in the configuration of the package already.
    (settings,) = blocks(page, "toml")
    machine.write(CONFIG, replaced_section(config, "[auth.external]", settings))
    # The packages are on this machine already, of which the other one is a copy.
    lines = "".join(blocks(page, "sh")).splitlines()
    script = "\n".join(line for line in lines if not line.startswith("apt-get "))
    machine.run("sh", "-e", "-c", f"cd /root\n{script}")
    wait_for("the directory", lambda: machine.try_run(*LDAPWHOAMI).returncode == 0)

    def signs_in(user, password):
        batch = "put /root/file file\nls\n"
        options = ["Port=2222", "BatchMode=no", "NumberOfPasswordPrompts=1", "PubkeyAuthentication=no"]
        options += ["StrictHostKeyChecking=accept-new"]
        words = [word for option in options for word in ("-o", option)]
        asked = ("SSH_ASKPASS=/root/askpass", "SSH_ASKPASS_REQUIRE=force", f"SECRET={password}")
        command = ("sftp", "-q", *words, "-b", "-", f"{user}@127.0.0.1")
        return machine.try_run(*command, text=batch, env=asked).returncode == 0

    expect(signs_in("carol", "correct horse"), "carol cannot sign in")
    expect(not signs_in("carol", "battery staple"), "carol may sign in with another one's password")
    expect(not signs_in("mallory", "correct horse"), "a stranger may sign in")
    shown = json.loads(machine.run("homeportd", "user", "show", "carol", "--json"))
    expect(shown["source"] == "external" and shown["quota_bytes"] == 10 << 20, shown)
    checked = machine.try_run("homeportd", "check", "--sockets-held")
    expect("[auth.external]:" not in checked.stdout + checked.stderr, checked.stdout + checked.stderr)

    # Without the directory nobody of it signs in.
    machine.run("systemctl", "stop", "homeport-trial")
    expect(not signs_in("carol", "correct horse"), "carol may sign in without the directory")

    def codes():
        # The last line may be half written.
        whole = machine.read(AUDIT).rpartition("\n")[0]
        return {json.loads(line).get("code") for line in whole.splitlines()}

    wait_for("both refusals in the audit log", lambda: codes() >= {"external_refused", "external_failed"})
    machine.write(CONFIG, config)
    machine.run("systemctl", "restart", "homeport")


def replaced_section(config, header, section):
    """Returns the text of a configuration with another section in place of the one that has this header."""
    before, behind = config.split(f"\n{header}\n", 1)
    rest = behind.find("\n[")
    return f"{before}\n{section}{behind[rest:] if rest >= 0 else ''}"


def retried(machine, waiting):
    """Has an event tried again at once, unless it is being tried."""
    return machine.try_run("homeportd", "hooks", "retry", waiting[0]["id"]).returncode == 0


def be_read_by_fail2ban(machine, _):
    expect(sftp(machine, "ls\n", user="mallory").returncode != 0, "a stranger may sign in")
    wait_for("the denial", lambda: '"user":"mallory"' in machine.read(AUDIT))
    said = machine.run("fail2ban-regex", AUDIT, "/etc/fail2ban/filter.d/homeport.conf", "--print-all-matched")
    expect('"user":"mallory"' in said, said)
    expect('"event":"signed_in"' not in said, said)


def upgrade(machine, packages):
    pid = show(machine, "MainPID")
    edited = machine.read(CONFIG).replace("\ndrain_secs = 30", "\ndrain_secs = 20")
    machine.write(CONFIG, edited)
    knocking(machine, "upgrade", lambda: machine.run("dpkg", "-i", packages["second"]))
    expect(is_active(machine) and show(machine, "MainPID") != pid, "the upgrade has not restarted the server")
    expect(machine.read(CONFIG) == edited, "the upgrade has replaced the configuration")
    transfer(machine)


def purge(machine, packages):
    keys = machine.run("homeportd", "hostkey", "list")
    machine.run("dpkg", "--purge", "homeport")
    machine.run("cmp", "/root/file", "/srv/homeport/alice/file")
    for gone in ("/etc/homeport", "/var/log/homeport", "/usr/bin/homeportd", "/lib/systemd/system/homeport.service"):
        machine.fails("test", "-e", gone)
    machine.fails("systemctl", "is-active", "homeport.socket")
    # A later installation is the same server, with the same users.
    machine.run("dpkg", "-i", packages["second"])
    expect(machine.run("homeportd", "hostkey", "list") == keys, "the host keys have changed")
    transfer(machine)
