"""The Lease over HTTP: what is sent, and what is made of each answer."""

from __future__ import annotations

import json
import re
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from bullpen_operator.cluster.lease import Bid, Lease, LeaseClient
from bullpen_operator.cluster.port import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATH = "/apis/coordination.k8s.io/v1/namespaces/ops/leases"
MISSING = {"kind": "Status", "reason": "NotFound", "message": 'leases "bullpen" not found'}
NOW = 1_700_000_000.0


def raw(holder: str | None = "a_1", version: str = "7", **spec: Any) -> dict[str, Any]:
    known = {"holderIdentity": holder, "leaseDurationSeconds": 10, "leaseTransitions": 3, "acquireTime": "then"}
    return {"kind": "Lease", "metadata": {"name": "bullpen", "resourceVersion": version}, "spec": known | spec}


@asynccontextmanager
async def served(*answers: tuple[int, list[Any]]) -> AsyncIterator[tuple[LeaseClient, list[tuple[Any, ...]]]]:
    """A client, the requests it made, and the answers it gets: a status, and JSON lines."""
    left, requests = list(answers), list[tuple[Any, ...]]()

    async def handle(request: web.Request) -> web.Response:
        text = await request.text()
        requests.append((request.method, request.path, dict(request.query), json.loads(text) if text else None))
        status, lines = left.pop(0)
        return web.Response(status=status, body=b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        configuration = Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        async with LeaseClient(
            configuration,
            namespace="ops",
            name="bullpen",
            timeout=10,
            clock=lambda: NOW,
            on_request=lambda *_: None,
        ) as client:
            yield client, requests


async def test_a_bid_carries_its_version_and_times_with_fractions() -> None:
    bid = Bid(version="7", holder="b_1", duration=10, transitions=4, acquired=None)
    async with served((200, [raw("b_1", "8")])) as (client, requests):
        assert (await client.put(bid)).version == "8"
    ((method, path, query, body),) = requests
    assert (method, path, query) == ("PUT", f"{PATH}/bullpen", {"fieldManager": "bullpen-operator"})
    assert body["metadata"] == {"name": "bullpen", "namespace": "ops", "resourceVersion": "7"}
    assert body["spec"] == {
        "holderIdentity": "b_1",
        "leaseDurationSeconds": 10,
        "leaseTransitions": 4,
        "acquireTime": "2023-11-14T22:13:20.000000Z",
        "renewTime": "2023-11-14T22:13:20.000000Z",
    }


async def test_a_renewal_keeps_since_when_it_is_held() -> None:
    bid = Bid(version="7", holder="b_1", duration=10, transitions=4, acquired="then")
    async with served((200, [raw()])) as (client, requests):
        await client.put(bid)
    assert requests[0][3]["spec"]["acquireTime"] == "then"


async def test_a_first_bid_makes_the_lease_and_replaces_none() -> None:
    bid = Bid(version="", holder="b_1", duration=10, transitions=1, acquired=None)
    async with served((201, [raw()])) as (client, requests):
        await client.put(bid)
    assert "resourceVersion" not in requests[0][3]["metadata"]


READ: dict[str, tuple[dict[str, Any], Lease]] = {
    "held": (raw(), Lease(version="7", holder="a_1", duration=10, transitions=3, acquired="then")),
    "given up": (raw(""), Lease(version="7", holder="", duration=10, transitions=3, acquired="then")),
    "made by hand": ({"metadata": {"resourceVersion": "7"}}, Lease(version="7")),
}


@pytest.mark.parametrize("row", READ.values(), ids=READ.keys())
async def test_what_the_lease_says(row: tuple[dict[str, Any], Lease]) -> None:
    answer, lease = row
    async with served((200, [answer])) as (client, _):
        assert await client.read() == lease


async def test_a_lease_that_is_not_there_is_none_and_any_other_trouble_is_told() -> None:
    async with served((404, [MISSING]), (403, [{"message": "forbidden"}])) as (client, _):
        assert await client.read() is None
        with pytest.raises(ClusterError, match="forbidden"):
            await client.read()


async def test_a_watch_tells_changes_and_the_end_of_the_lease() -> None:
    events = [{"type": "MODIFIED", "object": raw(version="8")}, {"type": "DELETED", "object": raw(version="9")}]
    async with served((200, events)) as (client, requests):
        heard = [lease async for lease in client.watch("7")]
    assert [lease and lease.version for lease in heard] == ["8", None]
    ((method, path, query, _),) = requests
    assert (method, path) == ("GET", PATH)
    assert (query["watch"], query["resourceVersion"]) == ("1", "7")
    assert query["fieldSelector"] == "metadata.name=bullpen"


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
ENDS: dict[str, tuple[int, list[Any], str]] = {
    "a version that is too old": (200, [GONE], "too old resource version"),
    "a refusal": (403, [{"reason": "Forbidden", "message": "may not watch"}], "may not watch"),
    "a server that has not begun": (429, [{"message": "storage is (re)initializing"}], "storage is (re)initializing"),
}


@pytest.mark.parametrize("row", ENDS.values(), ids=ENDS.keys())
async def test_a_watch_that_cannot_go_on_says_why(row: tuple[int, list[Any], str]) -> None:
    status, lines, words = row
    async with served((status, lines)) as (client, _), aclosing(client.watch("7")) as watch:
        with pytest.raises(ClusterError, match=re.escape(words)):
            await anext(watch)
