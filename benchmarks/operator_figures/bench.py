"""One run: pools are added until there are so many, and what the operator costs is measured at each number."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from private_redis import redis_server

from bullpen.client.connection import Link
from bullpen.protocol.location import RedisLocation
from bullpen_operator.cluster.kubernetes_cluster import SERVED
from bullpen_operator.cluster.transport import Transport
from hack.stage.door import Door, doors
from hack.stage.kubectl import ROOT, Kubectl, until
from operator_figures import pools
from operator_figures.changes import Changes, changes
from operator_figures.fake_nodes import fake_nodes, template
from operator_figures.process import Operator
from operator_figures.steady import OBJECTS, Steady, requests
from operator_figures.wakes import wakes
from operator_figures.watching import transport

QUIET_SECONDS = 65.0
"""Numbers that changed are written once a minute: what comes later than that was not brought about before."""
TELL_SECONDS = 30.0
REMOVAL_SECONDS = 1800
_WATCHED = frozenset([*(served.plural for served in SERVED.values()), "leases"])


@dataclass(frozen=True, slots=True)
class Plan:
    """How long the steady time and that of the recorded requests are, how many wakes and starts are measured."""

    seconds: float
    request_seconds: float
    wakes: int
    starts: int


@dataclass(slots=True)
class Bench:
    """What a run stands on, and the operator that runs now."""

    kubectl: Kubectl
    folder: Path
    transport: Transport
    changes: Changes
    link: Link
    redis_port: int
    load: subprocess.Popen[str]
    open_door: Callable[[str], Door]
    plan: Plan
    operator: Operator | None = None
    made: int = 0

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def start(self, kubeconfig: Path | None = None) -> tuple[Operator, float]:
        """The next operator, and after how many seconds its caches were filled."""
        self.operator = Operator(
            kubeconfig or Path(self.kubectl.kubeconfig), self.kubectl.namespace, self.folder / "operator.log"
        )
        return self.operator, self.operator.await_ready()

    def stop(self) -> float:
        operator, self.operator = self.operator, None
        return 0.0 if operator is None else operator.stop()

    async def measure(self, count: int) -> dict[str, Any]:
        """Everything, with so many pools."""
        say(f"{count} pools: the operator starts, and those that are missing are made")
        operator, _ = await asyncio.to_thread(self.start)
        begun = time.monotonic()
        await self._grow(count)
        figures: dict[str, Any] = {"rest s": round(await self._rest(count) - begun, 1)}
        say(f"{count} pools: at rest after {figures['rest s']:.0f} s; the steady time, {self.plan.seconds:.0f} s")
        steady = Steady(operator, self.changes, self.redis_port, count)
        figures["steady"] = await steady.figures(self.plan.seconds)
        say(f"{count} pools: {self.plan.starts} starts, and {self.plan.request_seconds:.0f} s behind a proxy")
        figures |= await self._restarts()
        figures["requests"] = await self._requests(count)
        if self.plan.wakes:
            say(f"{count} pools: {self.plan.wakes} wakes")
            await asyncio.to_thread(self.start)
            figures["wake"] = await wakes(self.link, self.changes, pools=count, count=self.plan.wakes)
            await asyncio.to_thread(self.stop)
        return figures

    async def _grow(self, count: int) -> None:
        new = range(self.made, count)
        await pools.seed(self.link, new)
        assert self.load.stdin is not None
        self.load.stdin.write(f"{count}\n")
        self.load.stdin.flush()
        run = self.kubectl.namespace
        await pools.create(self.transport, run, new, redis_url=self.redis_url, template=template(run))
        self.made = max(self.made, count)

    async def _rest(self, count: int) -> float:
        """Wait until only jobs come and go; when that was. Raises SystemExit when it does not come to that."""
        begun = told = time.monotonic()
        patience = 600 + count
        while (why := self.changes.unsettled(count, quiet=QUIET_SECONDS)) is not None:
            now = time.monotonic()
            self._check()
            if now - begun > patience:
                raise SystemExit(f"{count} pools did not come to rest within {patience} s: {why}")
            if now - told > TELL_SECONDS:
                told = now
                say(f"{count} pools: waiting since {now - begun:.0f} s: {why}")
            await asyncio.sleep(1)
        return time.monotonic()

    def _check(self) -> None:
        if self.operator is not None:
            self.operator.check()
        if self.load.poll() is not None:
            raise SystemExit(f"the load program ended with {self.load.returncode}")

    async def _restarts(self) -> dict[str, Any]:
        stops, starts = [], []
        for _ in range(self.plan.starts):
            stops.append(await asyncio.to_thread(self.stop))
            starts.append((await asyncio.to_thread(self.start))[1])
        return {
            "start to filled caches s": round(statistics.median(starts), 2),
            "SIGTERM to the end s": round(statistics.median(stops), 2),
        }

    async def _requests(self, count: int) -> dict[str, Any]:
        """Behind a proxy that writes down what is asked; nothing else, because the way to it is not encrypted."""
        await asyncio.to_thread(self.stop)
        door = self.open_door(f"door-{count}")
        begun = time.monotonic()
        await asyncio.to_thread(self.start, door.kubeconfig)
        await asyncio.to_thread(until, lambda: door.watched >= _WATCHED, "all watches to have begun", within=60)
        rested = await self._rest(count)
        restarted = self.changes.written(since=begun, until=rested, kinds=OBJECTS)
        idle = sum(each.pool is None or not pools.is_active(each.pool) for each in restarted)
        since = time.monotonic()
        await asyncio.sleep(self.plan.request_seconds)
        figures = requests(door, since=since, until=time.monotonic())
        await asyncio.to_thread(self.stop)
        return {"writes to idle pools by a restart": idle, **figures}


def say(line: str) -> None:
    """Progress, on standard error: standard output has the figures."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


@asynccontextmanager
async def opened(kubectl: Kubectl, folder: Path, plan: Plan) -> AsyncIterator[Bench]:
    """All that a run needs; all of it is removed in the end."""
    async with AsyncExitStack() as stack:
        port = stack.enter_context(redis_server())
        url = f"redis://127.0.0.1:{port}/0"
        stack.enter_context(fake_nodes(kubectl, kubectl.namespace, folder))
        stack.enter_context(_namespace(kubectl))
        heard = await stack.enter_async_context(changes(Path(kubectl.kubeconfig), kubectl.namespace))
        bench = Bench(
            kubectl=kubectl,
            folder=folder,
            transport=await stack.enter_async_context(transport(Path(kubectl.kubeconfig))),
            changes=heard,
            link=await stack.enter_async_context(Link(RedisLocation.parse(url))),
            redis_port=port,
            load=stack.enter_context(_load(kubectl, url)),
            open_door=stack.enter_context(doors(kubectl.kubeconfig, folder)),
            plan=plan,
        )
        stack.callback(bench.stop)
        yield bench


@contextmanager
def _namespace(kubectl: Kubectl) -> Iterator[None]:
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    kubectl("create", "namespace", kubectl.namespace)
    try:
        yield
    finally:
        say("removing the pools and what they own")
        timeout = f"--timeout={REMOVAL_SECONDS}s"
        kubectl("delete", "namespace", kubectl.namespace, timeout, timeout=REMOVAL_SECONDS + 30)


@contextmanager
def _load(kubectl: Kubectl, url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("load.py")), f"--redis-url={url}"]
    command += [f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={kubectl.namespace}"]
    load = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, process_group=0)
    try:
        yield load
    finally:
        load.terminate()
        load.wait(20)
