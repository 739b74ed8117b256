"""The composition root: everything is made here, and handed to those who need it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING

from bullpen_operator.cluster.access import NoClusterError, access
from bullpen_operator.cluster.kubernetes_cluster import KubernetesCluster
from bullpen_operator.cluster.recorder import Recorder
from bullpen_operator.engine.cache import Cache
from bullpen_operator.engine.execute import Executor
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
    from collections.abc import Callable

    from kubernetes.aio.client import Configuration

    from bullpen_operator.cluster.port import Kind, Raw
    from bullpen_operator.cluster.watch import Watch

log = logging.getLogger("bullpen_operator")

_STUCK_SECONDS = 60.0
"""Longer than the slowest honest turn of the router: a read of Secrets that times out."""


def main() -> None:
    """The command `bullpen-operator`: exit 0 on SIGTERM, 2 for settings that cannot be used, 1 for the rest."""
    try:
        settings = settings_from()
        log_to_stderr(settings.log_level, as_json=settings.log_json)
        asyncio.run(_main(settings))
    except (BadSettings, NoClusterError, PortTaken) as error:
        print(f"bullpen-operator: {error}".replace("\n", "\nbullpen-operator: "), file=sys.stderr)
        sys.exit(2)


async def _main(settings: Settings) -> None:
    operator = asyncio.create_task(operate(settings, await access(settings.kubeconfig)), name="operator")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, operator.cancel)
    try:
        await operator
    except asyncio.CancelledError:
        log.info("stopped")


async def operate(settings: Settings, configuration: Configuration) -> None:
    """Run the operator until cancelled."""
    metrics = Metrics()
    metrics.leads(True)  # there is no other that could
    async with KubernetesCluster(configuration, on_request=metrics.requested) as cluster:
        cache = Cache(forgotten=lambda raw: pools.forget(raw))
        recorder = Recorder(cluster, instance=settings.pod_name)
        executor = Executor(cluster=cluster, cache=cache, may_write=lambda: True, clock=time.time)
        group = asyncio.TaskGroup()
        pools = Pools(
            cache=cache, executor=executor, recorder=recorder, meter=metrics, clock=time.time, spawn=group.create_task
        )
        relist = Relist(cluster=cluster, cache=cache, namespaces=settings.namespaces, on_listed=metrics.listed)
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
            ready=lambda: None if relist.filled.is_set() else "the caches are not filled yet",
        )
        async with server, group:
            log.info("started", extra={"http_port": server.port, "scope": ",".join(settings.namespaces) or "cluster"})
            group.create_task(recorder.run(), name="recorder")
            group.create_task(relist.run(), name="relist")
            await relist.filled.wait()
            group.create_task(_watching(settings, hear), name="watch")
            await sweep.run()


async def _watching(settings: Settings, hear: Callable[[Kind, bool, Raw], None]) -> None:
    """Watch until cancelled. Kopf is imported now and on a thread: it would have held up the first lists."""
    module = await asyncio.to_thread(import_module, "bullpen_operator.cluster.watch")
    watch: Watch = module.Watch(kubeconfig=settings.kubeconfig, namespaces=settings.namespaces, hear=hear)
    await watch.run()
