"""The composition root: everything is made here, and handed to those who need it."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import signal
import sys
import time
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from bullpen_operator.cluster.access import NoClusterError, access
from bullpen_operator.cluster.fence import Fence, uptime
from bullpen_operator.cluster.kubernetes_cluster import KubernetesCluster
from bullpen_operator.cluster.lease import LeaseClient
from bullpen_operator.cluster.recorder import Recorder
from bullpen_operator.cluster.transport import AGENT
from bullpen_operator.engine.cache import Cache
from bullpen_operator.engine.elector import Elector, Timing
from bullpen_operator.engine.execute import Executor
from bullpen_operator.engine.leadership import Alone, Leadership, LeadershipLostError
from bullpen_operator.engine.pools import Pools
from bullpen_operator.engine.relist import Relist
from bullpen_operator.engine.secret_reader import secret_reader
from bullpen_operator.engine.sweep import Sweep
from bullpen_operator.queues.secrets import Locator
from bullpen_operator.serving.http import HttpServer, PortTaken
from bullpen_operator.serving.logs import log_to_stderr
from bullpen_operator.serving.metrics import Metrics
from bullpen_operator.settings import BadSettings, Settings, settings_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kubernetes.aio.client import Configuration

    from bullpen_operator.cluster.port import Kind, Raw
    from bullpen_operator.cluster.watch import Watch

log = logging.getLogger("bullpen_operator")

_STUCK_SECONDS = 60.0
"""Longer than the slowest honest turn of the router: a read of Secrets that times out."""


class _Stopped(Exception):
    """SIGTERM was dealt with."""


def main() -> None:
    """The command `bullpen-operator`: exit 0 on SIGTERM, 2 for settings that cannot be used, 1 for the rest, as when
    another replica took over.
    """
    try:
        settings = settings_from()
        log_to_stderr(settings.log_level, as_json=settings.log_json)
        asyncio.run(_main(settings))
    except (BadSettings, NoClusterError, PortTaken) as error:
        print(f"bullpen-operator: {error}".replace("\n", "\nbullpen-operator: "), file=sys.stderr)
        sys.exit(2)
    except LeadershipLostError as lost:
        log.error(lost)  # noqa: TRY400 - no failure of the code: a trace would say nothing
        sys.exit(1)


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await operate(settings, await access(settings.kubeconfig), stop=stop)
    except* LeadershipLostError as lost:
        raise lost.exceptions[0] from None


async def operate(settings: Settings, configuration: Configuration, *, stop: asyncio.Event) -> None:
    """Run the operator until `stop` is set. Raises LeadershipLostError, in a group, when another replica took over."""
    metrics = Metrics()
    fence = Fence()
    metrics.leads_while(fence.open)
    # A name may come back with another process behind it, which must not take itself for the one before.
    identity = f"{settings.pod_name}_{secrets.token_hex(4)}"
    async with (
        KubernetesCluster(
            configuration, fence=fence, on_request=metrics.requested, agent=agent_of(identity)
        ) as cluster,
        _leadership(
            settings,
            configuration,
            fence=fence,
            metrics=metrics,
            identity=identity,
            on_rewound=lambda: relist.rewound(),
        ) as leadership,
    ):
        cache = Cache(forgotten=lambda raw: pools.forget(raw))
        recorder = Recorder(cluster, instance=settings.pod_name)
        rewound = asyncio.Event()
        relist = Relist(
            cluster=cluster,
            cache=cache,
            namespaces=settings.namespaces,
            on_listed=metrics.listed,
            on_rewound=rewound.set,
        )
        executor = Executor(
            cluster=cluster,
            cache=cache,
            may_write=lambda: fence.open() and relist.sound,
            clock=time.time,
            outdated=relist.soon,
        )
        group = asyncio.TaskGroup()
        pools = Pools(
            cache=cache, executor=executor, recorder=recorder, meter=metrics, clock=time.time, spawn=group.create_task
        )
        sweep = Sweep(
            pools=pools,
            locator=Locator(secret_reader(cluster), in_cluster=settings.kubeconfig is None),
            meter=metrics,
            clock=time.time,
            tick=settings.tick_seconds,
            on_round_trip=metrics.round_trip,
        )

        def hear(kind: Kind, gone: bool, raw: Raw) -> None:
            metrics.heard(kind)
            (cache.remove if gone else cache.put)(kind, raw)

        server = HttpServer(
            port=settings.http_port,
            metrics=metrics,
            alive=lambda: "the sweep has stopped" if sweep.age() > _STUCK_SECONDS else None,
            ready=lambda: _not_ready(relist, leadership),
        )

        async def work() -> None:
            """Standbys watch too, so that whoever is next to lead knows the pools already; only the leader sweeps."""
            group.create_task(recorder.run(), name="recorder")
            group.create_task(relist.run(), name="relist")
            await relist.filled.wait()
            group.create_task(_watching(settings, hear, anew=rewound), name="watch")
            group.create_task(leadership.run(), name="leadership")
            await leadership.won.wait()
            relist.soon()  # a standby's watch may have been silent, and nobody would have noticed
            await sweep.run()

        try:
            async with server, group:
                scope = ",".join(settings.namespaces) or "cluster"
                log.info("started", extra={"http_port": server.port, "scope": scope})
                group.create_task(work(), name="work")
                await _end(stop, leadership)
        except* _Stopped:
            log.info("stopped")


def agent_of(identity: str) -> str:
    """The User-Agent of a replica, RFC 9110's product and comment: `bullpen-operator/1.2.0 (<holder identity>)`."""
    return f"{AGENT}/{version('bullpen')} ({re.sub(r'[^A-Za-z0-9._-]', '-', identity)})"


@asynccontextmanager
async def _leadership(
    settings: Settings,
    configuration: Configuration,
    *,
    fence: Fence,
    metrics: Metrics,
    identity: str,
    on_rewound: Callable[[], None],
) -> AsyncIterator[Leadership | Alone]:
    """By the Lease, or, without leader election, from the start."""
    if not settings.leader_election:
        yield Alone(fence=fence)
        return
    timing = Timing()
    client = LeaseClient(
        configuration,
        namespace=settings.pod_namespace,
        name=settings.lease_name,
        timeout=timing.retry,
        clock=time.time,
        on_request=metrics.requested,
        agent=agent_of(identity),
    )
    async with client:
        yield Leadership(
            lease=client,
            elector=Elector(identity=identity, timing=timing),
            fence=fence,
            clock=uptime,
            on_rewound=on_rewound,
        )


async def _end(stop: asyncio.Event, leadership: Leadership | Alone) -> None:
    """Wait for `stop`, hand over, and raise _Stopped: the way out of a task group."""
    await stop.wait()
    await leadership.resign()
    raise _Stopped


def _not_ready(relist: Relist, leadership: Leadership | Alone) -> str | None:
    if not relist.filled.is_set():
        return "the caches are not filled yet"
    return None if leadership.informed else "the API server has not yet said who leads"


async def _watching(settings: Settings, hear: Callable[[Kind, bool, Raw], None], *, anew: asyncio.Event) -> None:
    """Watch until cancelled. Kopf is imported now and on a thread: it would have held up the first lists."""
    module = await asyncio.to_thread(import_module, "bullpen_operator.cluster.watch")
    watch: Watch = module.Watch(kubeconfig=settings.kubeconfig, namespaces=settings.namespaces, hear=hear, anew=anew)
    await watch.run()
