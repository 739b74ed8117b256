"""A ledger of job starts and ends, kept outside Redis by a process of its own.

Demo and cluster tests need a witness that neither Redis nor the workers can talk over: the ledger prints one line for
each start and each end it hears of, stamped with its own clock. A start without an end by the same pod is a job that
was cut off.

As a server: `python -m ledger 7000`. In a job: `async with ledger.entry(job_id, attempt): …` (does nothing unless
`LEDGER` names a server, as `host:port`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TIMEOUT_SECONDS = 10.0


@asynccontextmanager
async def entry(job_id: str, attempt: int) -> AsyncIterator[None]:
    """Write `start` before the block and `end` after it, whether it succeeded or raised; not when it was cancelled.

    Raises:
        OSError, TimeoutError: the ledger cannot be reached; the job must not run unwitnessed.
    """
    address = os.environ.get("LEDGER")
    if not address:
        yield
        return
    queue = f"{os.environ.get('QUEUE_PREFIX', '')}:{os.environ.get('QUEUE_NAME', '')}"
    pod = os.environ.get("POD_NAME", socket.gethostname())
    note = {"queue": queue, "job": job_id, "attempt": attempt, "pod": pod}
    await _write(address, {"event": "start", **note})
    try:
        yield
    except Exception:
        await _write(address, {"event": "end", **note})
        raise
    else:
        await _write(address, {"event": "end", **note})


async def _write(address: str, record: dict[str, object]) -> None:
    """One record, acknowledged: what the ledger did not write down has not happened."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(json.dumps(record).encode() + b"\n")
            if await reader.readline() != b"ok\n":
                raise ConnectionError(f"the ledger at {address} did not acknowledge {record}")
        finally:
            writer.close()


async def _hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async for line in reader:
            print(json.dumps({**json.loads(line), "at": time.time()}), flush=True)
            writer.write(b"ok\n")
            await writer.drain()
    except ConnectionError:
        print(f"lost {writer.get_extra_info('peername')}", file=sys.stderr, flush=True)
    finally:
        writer.close()


async def _serve(port: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with await asyncio.start_server(_hear, "0.0.0.0", port):  # noqa: S104 - a pod's only door
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
