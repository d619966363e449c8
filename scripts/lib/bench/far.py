"""A distant link: a proxy on the loopback address that forwards every byte after a fixed delay.

Small kernels lack netem, and a namespace needs root; this needs neither. The delayed bytes are bounded
by what both ends have under way, so it shows what windows of SSH and requests of SFTP do to a far link, not TCP's own.
"""

import asyncio
import multiprocessing
import socket
import time

CHUNK = 1 << 20


async def hand_on(reader, writer, delay):
    """One direction: each piece leaves when it is old enough."""
    pieces = asyncio.Queue()

    async def send():
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0, due - time.monotonic()))
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    sending = asyncio.create_task(send())
    try:
        while piece := await reader.read(CHUNK):
            pieces.put_nowait((time.monotonic() + delay, piece))
    except ConnectionError:
        pass
    pieces.put_nowait((time.monotonic() + delay, b""))
    try:
        await sending
    except ConnectionError:
        pass


async def serve(port, delay, listening):
    async def connection(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
        for end in (writer, back):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.transport.set_write_buffer_limits(high=64 << 20)
        await asyncio.gather(hand_on(reader, back, delay), hand_on(there, writer, delay))

    server = await asyncio.start_server(connection, sock=listening, limit=CHUNK)
    async with server:
        await server.serve_forever()


class Far:
    """A context manager that runs the proxy; `port` is the port of the proxy."""

    def __init__(self, port, round_trip_secs):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.target, self.delay = port, round_trip_secs / 2

    def run(self):
        asyncio.run(serve(self.target, self.delay, self.listening))

    def __enter__(self):
        # The proxy is a process of its own, so that it does not compete for this process's interpreter.
        self.process = multiprocessing.get_context("fork").Process(target=self.run, daemon=True)
        self.process.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
        self.listening.close()
