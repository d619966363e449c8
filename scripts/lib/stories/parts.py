"""The parts of the stories of machines, in their order. Each leaves a server that works."""

from . import notify_reload, package, restore

PARTS = [
    package.install,
    package.judge_the_unit,
    package.serve_a_user,
    package.write_to_the_journal,
    package.rotate_the_logs,
    package.reload,
    restore.restore_on_another_machine,
    package.replace_a_host_key,
    package.scan_for_viruses,
    package.ask_a_directory,
    package.restart,
    package.find_the_port_taken,
    package.hang,
    package.stand_behind_haproxy,
    package.show_metrics,
    package.be_read_by_fail2ban,
    package.upgrade,
    package.purge,
]

# What is gone through on a machine of another release of Debian, with nothing but the package and a newer systemd.
OTHER_PARTS = [
    package.install,
    package.serve_a_user,
    package.write_to_the_journal,
    package.rotate_the_logs,
    package.reload,
    notify_reload.reload_by_notification,
    package.restart,
    package.upgrade,
    package.purge,
]
