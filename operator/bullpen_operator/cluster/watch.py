"""The watch edge: kopf keeps the watches alive, a handler only hands on what it hears.

No timers, daemons, indexes or change handlers: each of them costs tasks or PATCHes per object; `on.event`
costs neither and writes nothing.

Kopf runs on a thread with an event loop of its own. Embedded in ours it would replace our signal handlers (it
leaves them alone outside the main thread) and, when it ends, cancel every task created after it, ours
included.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import kopf

from bullpen_operator.cluster.access import access
from bullpen_operator.cluster.kubernetes_cluster import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bullpen_operator.cluster.port import Kind, Raw

log = logging.getLogger(__name__)

_LOGIN_MINUTES = 10  # a service account's token is renewed on disk long before it expires
_STOP_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Watch:
    """Watches pools, what they own, their pods, and autoscalers in the namespaces (none: in all of them).

    `hear(kind, gone, object)` is called on the event loop that awaits `run`, in the order of events for each
    object. When `anew` is set, all begins with new lists.
    """

    def __init__(
        self,
        *,
        kubeconfig: Path | None,
        namespaces: Sequence[str],
        hear: Callable[[Kind, bool, Raw], None],
        anew: asyncio.Event | None = None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._namespaces = namespaces
        self._hear = hear
        self._anew = anew or asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled. When kopf gives up (the API server refused it for too long), it is started
        anew.
        """
        pause = _FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._anew.clear()
            error = await self._watch_once()
            if self._anew.is_set():
                continue
            if loop.time() - started > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            log.warning("the watch ended and is started again in about %.0f s: %s", pause, error or "no error")
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _watch_once(self) -> BaseException | None:
        """Run kopf on its thread until it ends; stop it on cancellation or to begin anew, for at most _STOP_SECONDS."""
        ours = asyncio.get_running_loop()
        theirs = asyncio.new_event_loop()
        stop = asyncio.Event()
        ended: asyncio.Future[BaseException | None] = ours.create_future()

        def body() -> None:
            error: BaseException | None = None
            try:
                with asyncio.Runner(loop_factory=lambda: theirs) as runner:
                    runner.run(self._kopf(ours, stop))
            except BaseException as caught:  # noqa: BLE001 - handed to the loop that waits for this thread
                error = caught
            if not ours.is_closed():
                ours.call_soon_threadsafe(_resolve, ended, error)

        # A daemon: if kopf hangs while it stops, the process ends all the same; there is nothing here to
        # save.
        threading.Thread(target=body, name="watch", daemon=True).start()
        to_begin_anew = asyncio.create_task(self._anew.wait())
        try:
            await asyncio.wait((ended, to_begin_anew), return_when=asyncio.FIRST_COMPLETED)
            return ended.result() if ended.done() else None
        finally:
            to_begin_anew.cancel()
            if not ended.done():
                theirs.call_soon_threadsafe(stop.set)
                await asyncio.wait([ended], timeout=_STOP_SECONDS)

    async def _kopf(self, ours: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        registry = kopf.OperatorRegistry()  # a bare one: no login handlers but ours
        kopf.on.login(registry=registry)(self._login)
        for kind, served in SERVED.items():
            resource = (served.group, served.version, served.plural)
            kopf.on.event(*resource, registry=registry, id=served.plural)(self._handler(kind, ours))
        # It warns on each start that it leaves the signals alone, which is why it is here.
        logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
        await kopf.operator(
            registry=registry,
            settings=settings(),
            # Its own default asks for the user's name, which a container's numeric user does not have.
            identity="bullpen-operator",  # type: ignore[arg-type]  # a NewType that kopf does not export
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=list(self._namespaces),
            stop_flag=stop,
        )

    def _handler(self, kind: Kind, ours: asyncio.AbstractEventLoop) -> Any:
        async def heard(event: Any, **_: Any) -> None:
            # A coroutine, though it awaits nothing: kopf runs plain functions on a thread pool.
            ours.call_soon_threadsafe(self._hear, kind, event["type"] == "DELETED", event["object"])

        return heard

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        configuration = await access(self._kubeconfig)
        bearer = await configuration.get_api_key_with_prefix("BearerToken")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            token=bearer.split(" ", 1)[-1] if bearer else None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            expiration=datetime.now(UTC) + timedelta(minutes=_LOGIN_MINUTES),
        )


def settings() -> kopf.OperatorSettings:
    """Kopf as a watcher and nothing else: it scans nothing, posts nothing, leaves no trace on objects."""
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.process.ultimate_exiting_timeout = None  # it would SIGKILL the process it is a guest in
    chosen.networking.request_timeout = 30
    # Its own pauses grow to 34 s, for which the API server may be back already; each attempt is a line in the log.
    chosen.networking.error_backoffs = (1, 1, 2, 3, 5) + (8,) * 100
    chosen.queueing.exit_timeout = 0.2
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 310
    chosen.watching.inactivity_timeout = 70  # the API server sends a bookmark each minute (KEP-956)
    chosen.watching.chunk_size = 500
    for served in SERVED.values():
        if served.selector:
            chosen.watching.label_selectors[served.group, served.plural] = served.selector
    return chosen


def _resolve(future: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not future.done():
        future.set_result(error)
