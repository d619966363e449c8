"""The receivers of the hooks: a program that succeeds, one that fails for a while, and an address that does too.

Each receiver keeps what it was told successfully, in the order in which it was told it.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EVENTS = ("uploaded", "renamed", "removed")
# Beyond the number of attempts that fail here, so that no event is set aside.
RETRIES = 20

# The shell's own commands are enough, because a process for each event costs the most.
PROGRAM = """#!/bin/sh
if [ -e '{failing}' ]; then
    echo failed >> '{refused}'
    exit 1
fi
IFS= read -r event
printf '%s\\n' "$event" >> '{told}'
"""


class Receivers:
    """All receivers. `fail` and `recover` begin and end a time in which two of them fail."""

    def __init__(self, directory):
        directory.mkdir()
        self.directory = directory
        self.failing = directory / "failing"
        self.programs = {"steady": directory / "never", "failing": self.failing}
        for name, flag in self.programs.items():
            program = directory / name
            lines = {"failing": flag, "refused": self.path(name, "refused"), "told": self.path(name, "told")}
            program.with_suffix(".sh").write_text(PROGRAM.format(**lines))
            program.with_suffix(".sh").chmod(0o755)
        self.posted, self.refused_posts = [], 0
        self.lock = threading.Lock()
        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.listener.daemon_threads = True
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def path(self, name, what):
        return self.directory / f"{name}.{what}"

    def handler(self):
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with receivers.lock:
                    fails = receivers.failing.exists()
                    if fails:
                        receivers.refused_posts += 1
                    else:
                        receivers.posted.append(json.loads(body))
                self.send_response(500 if fails else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def config(self):
        """Returns the part of the configuration that names the receivers."""
        on = json.dumps(EVENTS)
        targets = [f'command = [{json.dumps(str(self.directory / name))[:-1]}.sh"]' for name in self.programs]
        targets.append(f'url = "http://127.0.0.1:{self.listener.server_port}/"')
        return "".join(f"\n[[hooks]]\non = {on}\n{target}\nretries = {RETRIES}\n" for target in targets)

    def fail(self):
        self.failing.touch()

    def recover(self):
        self.failing.unlink(missing_ok=True)

    def told(self):
        """Returns for each receiver the events that it was told, in their order."""
        found = {"the webhook": list(self.posted)}
        for name in self.programs:
            path = self.path(name, "told")
            lines = path.read_text().splitlines() if path.exists() else []
            found[f"the {name} program"] = [json.loads(line) for line in lines]
        return found

    def refused(self):
        """Returns how many attempts the failing program and the webhook have refused."""
        path = self.path("failing", "refused")
        return len(path.read_text().splitlines()) if path.exists() else 0, self.refused_posts

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()
