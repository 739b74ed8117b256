"""The Lease (coordination.k8s.io/v1) by which the replicas agree on who writes."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from bullpen_operator.cluster.port import FIELD_MANAGER, ClusterError
from bullpen_operator.cluster.transport import AGENT, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from kubernetes.aio.client import Configuration

    from bullpen_operator.cluster.port import Raw

_API = "coordination.k8s.io/v1"
_WATCH_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What the Lease says. No holder: "". `duration` in seconds; `transitions` counts the changes of holder."""

    version: str
    holder: str = ""
    duration: float = 0.0
    transitions: int = 0
    acquired: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """What the Lease is to say, on exactly the version it was decided on; "": there must be none yet."""

    version: str
    holder: str
    duration: int
    transitions: int
    acquired: str | None
    """None: from now on."""


class LeaseClient:
    """Reads, watches and replaces one Lease; each call but the watch takes at most `timeout` seconds. `agent` as in
    `Transport`.

    On connections of its own, so that a renewal never waits behind other requests.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        namespace: str,
        name: str,
        timeout: float,
        clock: Callable[[], float],
        on_request: Callable[[str, str, int], None],
        agent: str = AGENT,
    ) -> None:
        self._transport = Transport(configuration, timeout=timeout, concurrency=4, on_request=on_request, agent=agent)
        self._namespace = namespace
        self._name = name
        self._clock = clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, traceback)

    def __str__(self) -> str:
        return f"{self._namespace}/{self._name}"

    async def read(self) -> Lease | None:
        """The Lease, None when there is none. Raises ClusterError."""
        try:
            return _lease(await self._transport.call("GET", "leases", self._path(self._name)))
        except ClusterError as error:
            if error.gone:
                return None
            raise

    async def watch(self, version: str) -> AsyncGenerator[Lease | None]:
        """What becomes of it after `version`; None: it was deleted. Raises ClusterError; ends at times by itself."""
        # By its name: the selector is what RBAC compares with resourceNames.
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={self._name}",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with aclosing(self._transport.lines("leases", self._path(), query=query)) as events:
            async for event in events:
                if event["type"] == "ERROR":  # 410 Gone, most of the time
                    status = event["object"]
                    code, message = int(status.get("code") or 0), str(status.get("message"))
                    raise ClusterError(status=code, reason="WatchEnded", message=message)
                yield None if event["type"] == "DELETED" else _lease(event["object"])

    async def put(self, bid: Bid) -> Lease:
        """Replace it, or make it; the answer is what it became. Raises ClusterError, `conflict` when it has changed.

        A PUT makes what is missing, so that all of it can be granted by name, which a POST has none of.
        """
        now = _micro_time(self._clock())
        metadata = {"name": self._name, "namespace": self._namespace}
        body = {
            "apiVersion": _API,
            "kind": "Lease",
            "metadata": metadata | ({"resourceVersion": bid.version} if bid.version else {}),
            "spec": {
                "holderIdentity": bid.holder,
                "leaseDurationSeconds": bid.duration,
                "leaseTransitions": bid.transitions,
                "acquireTime": bid.acquired or now,
                "renewTime": now,
            },
        }
        path = self._path(self._name)
        return _lease(
            await self._transport.call("PUT", "leases", path, query={"fieldManager": FIELD_MANAGER}, body=body)
        )

    def _path(self, *name: str) -> str:
        return "/".join(("/apis", _API, "namespaces", self._namespace, "leases", *name))


def _lease(raw: Raw) -> Lease:
    spec = raw.get("spec") or {}
    return Lease(
        version=raw["metadata"]["resourceVersion"],
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        acquired=spec.get("acquireTime"),
    )


def _micro_time(now: float) -> str:
    """MicroTime always with its six digits: one without a fraction is refused with 400."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
