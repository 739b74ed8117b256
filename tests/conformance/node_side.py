"""Node BullMQ as a side: one Node process per BullMQ generation, spoken to in JSON lines (node/driver.mjs)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.sides import PREFIX, QUEUE, Refused, Side, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NODE_DIRECTORY: Final = Path(__file__).parent / "node"
PACKAGES: Final = {5: "bullmq5", 6: "bullmq6"}
REPLY_SECONDS: Final = 30.0
LINE_LIMIT: Final = 64 * 1024 * 1024  # one reply may list every job of a queue


class NodeFailed(Exception):
    """The Node process could not be started, ended, or did not answer."""


def installed_version(generation: int) -> str:
    """Return the exact version of one BullMQ generation in node_modules; `NodeFailed` when it is missing."""
    manifest = NODE_DIRECTORY / "node_modules" / PACKAGES[generation] / "package.json"
    try:
        return str(json.loads(manifest.read_text())["version"])
    except FileNotFoundError as error:
        raise NodeFailed(
            f"{PACKAGES[generation]} is not installed; run `npm ci --prefix tests/conformance/node`"
        ) from error


@dataclass
class NodeDriver:
    """A running driver process; requests may overlap, replies are matched by id."""

    generation: int
    process: asyncio.subprocess.Process
    reader: asyncio.Task[None] = field(init=False)
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=count)

    @classmethod
    async def start(cls, generation: int, *, port: int, db: int) -> NodeDriver:
        installed_version(generation)
        command = ["node", "driver.mjs", PACKAGES[generation], str(port), str(db)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=NODE_DIRECTORY,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT,
            )
        except FileNotFoundError as error:
            raise NodeFailed("node is not on PATH; install Node.js 20 or newer") from error
        driver = cls(generation, process)
        ready = await asyncio.wait_for(driver._line(), REPLY_SECONDS)
        if ready != {"ready": PACKAGES[generation]}:
            raise NodeFailed(f"the driver of {PACKAGES[generation]} began with {ready!r}; its stderr has the cause")
        driver.reader = asyncio.create_task(driver._read(), name=f"replies of {PACKAGES[generation]}")
        return driver

    async def request(self, op: str, now: int | None, args: Mapping[str, Any]) -> Any:
        """Run one operation in Node; its reply, or `Refused` with Node's message and code."""
        assert self.process.stdin is not None
        if self.reader.done():
            raise NodeFailed(f"{PACKAGES[self.generation]} ended with exit code {self.process.returncode}")
        request_id = next(self.ids)
        future = self.waiting[request_id] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": request_id, "op": op, "now": now, "args": args})
        self.process.stdin.write(line.encode() + b"\n")
        try:
            reply = await asyncio.wait_for(future, REPLY_SECONDS)
        except TimeoutError as error:
            raise NodeFailed(f"{PACKAGES[self.generation]} has not answered {line} in {REPLY_SECONDS} s") from error
        finally:
            self.waiting.pop(request_id, None)
        if "error" in reply:
            raise Refused(f"{op}: {reply['error']['message']}", code=reply["error"]["code"])
        return reply["ok"]

    async def close(self) -> None:
        """End the process by closing its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 10)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise NodeFailed(f"{PACKAGES[self.generation]} did not end when its stdin closed") from None
        finally:
            await self.reader

    async def _line(self) -> Any:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            code = await self.process.wait()
            raise NodeFailed(f"{PACKAGES[self.generation]} ended with exit code {code}; its stderr has the cause")
        return json.loads(line)

    async def _read(self) -> None:
        try:
            while True:
                reply = await self._line()
                # A reply nobody waits for any more belongs to a request that timed out.
                if (future := self.waiting.pop(reply["id"], None)) and not future.done():
                    future.set_result(reply)
        except NodeFailed as end:
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(end)
            self.waiting.clear()


@dataclass
class NodeSide(Side):
    """BullMQ's own behaviour."""

    driver: NodeDriver = field(kw_only=True)

    async def perform(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        plain = {
            key: value.for_node() if isinstance(value, WorkerOptions) else value for key, value in arguments.items()
        }
        return await self.driver.request(operation, self.now, plain)

    async def open(self) -> None:
        await self.driver.request("open", self.now, {"prefix": PREFIX, "queue": QUEUE})

    async def close(self) -> None:
        await self.driver.request("close", self.now, {})
