"""Type=notify-reload, which systemd has since 253: it sends SIGHUP, and waits for the server's words."""

from ..tools import wait_for
from .package import CONFIG, DROP_IN, expect, is_active, show, transfer


def reload_by_notification(machine, _):
    good = machine.read(CONFIG)
    # With the unit's ExecReload=, which systemd runs besides, a broken file is a failed reload; without, only the log
    # says so. It keeps the server as it is in both cases.
    for drop_in, fails in (("Type=notify-reload\n", True), ("Type=notify-reload\nExecReload=\n", False)):
        machine.write(DROP_IN, f"[Service]\n{drop_in}")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "homeport.service")
        expect(show(machine, "Type") == "notify-reload", "this systemd does not know it")
        pid = show(machine, "MainPID")
        reloaded(machine, good.replace("\nhandles = 1024", "\nhandles = 512"), "the configuration was read again")
        broken = good.replace("\nhandles = 1024", '\nhandles = "many"')
        reloaded(machine, broken, '"handles" in [limits]', fails)
        reloaded(machine, good, "the configuration was read again")
        expect(is_active(machine) and show(machine, "MainPID") == pid, "the server is another one")
        transfer(machine)
    machine.run("rm", DROP_IN)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "homeport.service")


def reloaded(machine, config, says, fails=False):
    """Has systemd reload the server with this configuration, and waits until its log says this."""
    machine.write(CONFIG, config)
    before = machine.journal().count(says)
    if fails:
        machine.fails("systemctl", "reload", "homeport.service")
    else:
        machine.run("systemctl", "reload", "homeport.service")
    wait_for(says, lambda: machine.journal().count(says) > before)
