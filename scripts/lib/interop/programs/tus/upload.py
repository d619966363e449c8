"""Uploads a file with tuspy, and remembers the upload in a file, so that another process can go on with it.

    upload.py URL FILE PATH MEMORY STOP_AFTER

TOKEN is in the environment. The process kills itself when STOP_AFTER bytes have been sent; 0 lets it finish. It prints the
number of bytes at which it began. Each piece has its digest.
"""

import os
import signal
import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage


def main(url, file, path, memory, stop_after):
    client = TusClient(url, headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    uploader = client.uploader(
        file,
        chunk_size=1 << 20,
        metadata={"path": path, "filename": path},
        store_url=True,
        url_storage=FileStorage(memory),
        upload_checksum=True,
        retries=3,
        retry_delay=1,
    )
    print(f"began at {uploader.offset}", flush=True)
    if uploader.get_file_size() == 0:
        uploader.upload_chunk()
    while uploader.offset < uploader.get_file_size():
        if 0 < int(stop_after) <= uploader.offset:
            os.kill(os.getpid(), signal.SIGKILL)
        uploader.upload_chunk()
    print("done")


main(*sys.argv[1:])
