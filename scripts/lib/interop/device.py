"""The device of a user with one-time codes (RFC 6238), and programs that ask for codes on a terminal."""

import base64
import fcntl
import hashlib
import hmac
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time

from .client import Failed, Refused, Said

STEP_SECS = 30


class Device:
    """A user's second factor, as `homeportd user totp enroll` has printed it."""

    def __init__(self, home):
        shown = json.loads(home.admin("user", "totp", "enroll", home.user, "--json"))
        self.secret = base64.b32decode(shown["secret"])
        self.recovery_codes = shown["recovery_codes"]

    def code(self):
        """Returns the code of this moment, which the server takes once."""
        digest = hmac.new(self.secret, struct.pack(">q", int(time.time()) // STEP_SECS), hashlib.sha1).digest()
        offset = digest[-1] & 15
        number = struct.unpack_from(">I", digest, offset)[0] & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"


def run_answering(command, answers, *, stdin="", secs=60, env=None, cwd=None):
    """Runs a program with a terminal of its own, on which each question is answered once; its other streams are pipes.

    `answers` has for a part of each question what is typed. Another exit code than 0 raises Refused.
    """
    command = [os.fspath(word) for word in command]
    terminal, slave = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})),
        cwd=cwd,
        preexec_fn=take_terminal,
    )
    said = []
    typing = threading.Thread(target=type_answers, args=(terminal, dict(answers), said), daemon=True)
    typing.start()
    try:
        out, err = process.communicate(os.fsencode(stdin), secs)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Failed(f"{' '.join(command)}\nhung for {secs} s; on its terminal: {''.join(said)!r}") from None
    finally:
        # As long as it is open here, reading the terminal does not end while the program has not opened it yet.
        os.close(slave)
        typing.join(5)
        os.close(terminal)
    out, err = os.fsdecode(out), os.fsdecode(err)
    if process.returncode != 0:
        raise Refused(f"{' '.join(command)}\nexited with {process.returncode}\n{out}{err}{''.join(said)}")
    return Said(out, err, process.returncode)


def type_answers(terminal, answers, said):
    """Answers the questions that appear on a terminal, until it is closed. One that is asked again ends the program."""
    questions = list(answers)
    seen = ""
    while True:
        try:
            text = os.fsdecode(os.read(terminal, 4096))
        except OSError:
            return
        if not text:
            return
        said.append(text)
        seen += text
        for question in [question for question in questions if question in seen]:
            seen = seen.split(question, 1)[1]
            answer = answers.pop(question, None)
            os.write(terminal, b"\x03" if answer is None else os.fsencode(answer) + b"\n")
