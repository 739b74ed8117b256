"""A proxy in front of the API server, one for each process that is to be watched.

It writes down every request, of those that write also what the API server said, and can hold these back, as a process
does that is stopped between its last check and the send.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from bullpen_operator.cluster.access import access

_PASSED_ON = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_HANDED_BACK = ("Content-Encoding", "Content-Type")


@dataclass(frozen=True, slots=True)
class Write:
    """A request that writes, and its answer. Times are `time.monotonic()`."""

    method: str
    path: str
    body: str
    sent_at: float
    status: int
    answered_at: float

    @property
    def accepted(self) -> bool:
        return self.status < 300

    @property
    def lease_holder(self) -> str | None:
        """Whom it makes the holder of the Lease; None when it is about something else."""
        holder: str | None = json.loads(self.body)["spec"]["holderIdentity"] if "/leases/" in self.path else None
        return holder


@dataclass(frozen=True, slots=True)
class Read:
    """A request that reads, sent at that `time.monotonic()`."""

    path: str
    query: Mapping[str, str]
    sent_at: float

    @property
    def watches(self) -> bool:
        return self.query.get("watch") in ("1", "true")

    @property
    def lists(self) -> bool:
        """It asks for a page of a list: what is bounded by no name."""
        return "limit" in self.query


@dataclass(slots=True)
class Door:
    """`writes` in the order of their answers; `held` are the paths of those that wait. Dry runs are no writes."""

    kubeconfig: Path
    reads: list[Read] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    holds: Callable[[str, str], bool] = lambda method, path: False
    open: threading.Event = field(default_factory=threading.Event)

    def hold(self, holds: Callable[[str, str], bool]) -> None:
        """From now on keep back the writes of which `holds(method, path)`, until `release`."""
        self.open.clear()
        self.holds = holds

    def release(self) -> None:
        self.open.set()

    def accepted(self, *, since: float = 0.0) -> list[Write]:
        """What was sent since then and taken, but for the Lease."""
        return [w for w in self.writes if w.accepted and w.sent_at >= since and w.lease_holder is None]

    @property
    def watched(self) -> set[str]:
        """Of what kinds, by their plurals, watches were begun."""
        return {read.path.rpartition("/")[2] for read in list(self.reads) if read.watches}

    def led_at(self) -> float | None:
        """When the API server first made who is behind this door the holder of the Lease."""
        return next((w.answered_at for w in list(self.writes) if w.accepted and w.lease_holder), None)


@contextmanager
def doors(kubeconfig: str, folder: Path) -> Iterator[Callable[[str], Door]]:
    """Opens doors by name, on an event loop of a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="doors", daemon=True)
    thread.start()
    building = asyncio.run_coroutine_threadsafe(_Building.make(Path(kubeconfig), folder), loop).result(30)
    try:
        yield lambda name: asyncio.run_coroutine_threadsafe(building.door(name), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(building.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


class _Building:
    def __init__(self, upstream: str, session: aiohttp.ClientSession, folder: Path) -> None:
        self._upstream = upstream
        self._session = session
        self._folder = folder
        self._runners: list[web.AppRunner] = []

    @classmethod
    async def make(cls, kubeconfig: Path, folder: Path) -> _Building:
        configuration = await access(kubeconfig)
        tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        bearer = await configuration.get_api_key_with_prefix("BearerToken")
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=0),
            headers={"Authorization": bearer} if bearer else None,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=["Accept-Encoding"],  # whoever asks says what they can read
        )
        return cls(configuration.host, session, folder)

    async def door(self, name: str) -> Door:
        door = Door(self._folder / f"{name}.kubeconfig")

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._pass(door, request)

        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server = f"http://127.0.0.1:{runner.addresses[0][1]}"
        config = {
            "clusters": [{"name": "door", "cluster": {"server": server}}],
            "users": [{"name": "nobody", "user": {"token": "none"}}],
            "contexts": [{"name": "door", "context": {"cluster": "door", "user": "nobody"}}],
            "current-context": "door",
        }
        door.kubeconfig.write_text(json.dumps(config))
        return door

    async def close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        await self._session.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}  # requests of processes that were killed
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _pass(self, door: Door, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        writes = request.method != "GET" and "dryRun" not in request.query
        if request.method == "GET":
            door.reads.append(Read(request.path, dict(request.query), time.monotonic()))
        if writes and door.holds(request.method, request.path):
            door.held.append(request.path)
            while not door.open.is_set():  # noqa: ASYNC110 - an event of threads, which has no await
                await asyncio.sleep(0.02)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        sent_at = time.monotonic()
        url = URL(self._upstream + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            if writes:
                now = time.monotonic()
                door.writes.append(Write(request.method, request.path, body.decode(), sent_at, answer.status, now))
            shown = {name: answer.headers[name] for name in _HANDED_BACK if name in answer.headers}
            response = web.StreamResponse(status=answer.status, headers=shown)
            with suppress(ConnectionResetError):  # who asked is gone, or has given up
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            return response
