"""An SSH server by asyncssh that may lie about hashes: server.py ROOT HOST_KEY AUTHORIZED_KEYS LIE.

ROOT is the root directory of its SFTP, while its commands see the whole machine. LIE is a file with the name of a lie,
which is read at each sign-in and at each command: one of COMMAND_LIES or EXTENSION_LIES, or nothing for the truth.
"""

import asyncio
import hashlib
import re
import sys
from pathlib import Path

import asyncssh
from asyncssh import sftp

ROOT, HOST_KEY, AUTHORIZED_KEYS, LIE = sys.argv[1:]
LINE = re.compile(rb"(\\?)([0-9a-f]{32})( [ *])(.*)")
EMPTY = b"d41d8cd98f00b204e9800998ecf8427e"


def changed(digits):
    """Returns other digits of the same length."""
    return digits.translate(bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0"))


def each(change):
    """A lie about every line of md5sum, with its digits replaced."""
    return lambda _, lines: [LINE.sub(lambda line: line[1] + change(line[2]) + line[3] + line[4], line) for line in lines]


def about_whole_files(command, lines):
    """Only the hashes of beginnings, which the client asks for to find out whether it can trust commands, are true."""
    return lines if b"head" in command else each(changed)(command, lines)


def swapped(_, lines):
    """The digests of one command are in the reverse order, while the names are not."""
    digests = [line[1:33] if line[:1] == b"\\" else line[:32] for line in lines]
    return [LINE.sub(lambda line, own=own: line[1] + own + line[3] + line[4], line)
            for line, own in zip(lines, reversed(digests), strict=True)]


# What becomes of the command and of the lines that it has printed.
COMMAND_LIES = {
    "wrong digests": each(changed),
    "wrong digests of whole files": about_whole_files,
    "short digests": each(lambda digits: digits[:31]),
    "long digests": each(lambda digits: digits + b"0a"),
    "empty inputs": each(lambda _: EMPTY),
    "reversed lines": lambda _, lines: lines[::-1],
    "swapped digests": swapped,
    "no names": lambda _, lines: [line.split(b"  ")[0] for line in lines],
    "every second line": lambda _, lines: lines[::2],
    "a greeting": lambda _, lines: [b"Welcome! All hashes are free today:", b"", *lines],
    "silence": lambda *_: [],
}
# What becomes of the MD5 in replies to md5-hash.
EXTENSION_LIES = {
    "a wrong hash by extension": lambda digest: digest[::-1],
    "a short hash by extension": lambda digest: digest[:15],
    "a long hash by extension": lambda digest: digest + b"0123",
    "no hash by extension": lambda _: b"",
    "the hash of nothing by extension": lambda _: bytes.fromhex(EMPTY.decode()),
}


def lie():
    return Path(LIE).read_text().strip()


class Reply:
    """The body of a reply, which asyncssh encodes."""

    def __init__(self, body):
        self.body = body

    def encode(self, _version):
        return self.body


async def md5_hash(handler, packet):
    """Replies to md5-hash with the MD5 of a range, changed by the lie."""
    path, offset, length = packet.get_string(), packet.get_uint64(), packet.get_uint64()
    packet.get_string()
    with open(handler._server.map_path(path), "rb") as file:
        file.seek(offset)
        data = file.read(length or -1)
    digest = EXTENSION_LIES[lie()](hashlib.md5(data).digest())
    return Reply(asyncssh.packet.String("md5-hash") + asyncssh.packet.String(digest))


HONEST = list(sftp.SFTPServerHandler._extensions)
sftp.SFTPServerHandler._packet_handlers[b"md5-hash"] = md5_hash
sftp.SFTPHandler._return_types[b"md5-hash"] = sftp.FXP_EXTENDED_REPLY


def serve_files(channel):
    """Begins a session of SFTP, with the extensions that the lie needs."""
    offered = [(b"md5-hash", b"1")] if lie() in EXTENSION_LIES else []
    sftp.SFTPServerHandler._extensions = HONEST + offered
    return asyncssh.SFTPServer(channel, chroot=None if ROOT == "/" else ROOT.encode())


async def run_command(process):
    """Runs a command, and prints what the lie has made of its output."""
    command = process.command or "exit 1"
    pipes = {"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    shell = await asyncio.create_subprocess_exec("sh", "-c", command.encode(errors="surrogateescape"), cwd="/", **pipes)
    out, err = await shell.communicate()
    change = COMMAND_LIES.get(lie(), lambda _, lines: lines)
    lines = change(command.encode(errors="surrogateescape"), out.split(b"\n")[:-1])
    process.stdout.write(b"".join(line + b"\n" for line in lines))
    process.stderr.write(err)
    process.exit(shell.returncode)


async def main():
    server = await asyncssh.create_server(
        asyncssh.SSHServer,
        "127.0.0.1",
        0,
        server_host_keys=[HOST_KEY],
        authorized_client_keys=AUTHORIZED_KEYS,
        sftp_factory=serve_files,
        process_factory=run_command,
        encoding=None,
    )
    print(f"listening on 127.0.0.1:{server.get_port()}", flush=True)
    await server.wait_closed()


asyncio.run(main())
