"""The write port against an HTTP server: what it sends, and what it makes of each kind of answer."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from bullpen_operator.cluster.fence import Fence
from bullpen_operator.cluster.kubernetes_cluster import KubernetesCluster
from bullpen_operator.cluster.port import ClusterError, Kind
from bullpen_operator.main import agent_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

OPEN = Fence()
OPEN.extend(math.inf)
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "video", "namespace": "media"}}


class ApiServer:
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], str, Any]] = []
        self.answers: list[web.Response] = []
        self.hang = asyncio.Event()
        self.hangs = False
        self.counted: list[tuple[str, str, int]] = []
        self.agents: set[str] = set()

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if text else None
        self.requests.append((request.method, request.path, dict(request.query), request.content_type, body))
        self.agents.add(request.headers["User-Agent"])
        if self.hangs:
            await self.hang.wait()
        return self.answers.pop(0) if self.answers else web.json_response({"kind": "Deployment"})


@pytest.fixture
async def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[KubernetesCluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as server:
        configuration = Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")

        def count(verb: str, resource: str, code: int) -> None:
            api.counted.append((verb, resource, code))

        async with KubernetesCluster(configuration, fence=OPEN, timeout=0.5, on_request=count) as made:
            yield made
        api.hang.set()


async def test_an_apply_is_forced_by_our_one_field_manager(api: ApiServer, cluster: KubernetesCluster) -> None:
    await cluster.apply_deployment(DEPLOYMENT)
    await cluster.apply_deployment(DEPLOYMENT, dry_run=True)
    path = "/apis/apps/v1/namespaces/media/deployments/video"
    by = {"fieldManager": "bullpen-operator", "force": "true"}
    assert api.requests == [
        ("PATCH", path, by, "application/apply-patch+yaml", DEPLOYMENT),
        ("PATCH", path, by | {"dryRun": "All"}, "application/apply-patch+yaml", DEPLOYMENT),
    ]


async def test_a_scale_carries_the_version_it_was_decided_on(api: ApiServer, cluster: KubernetesCluster) -> None:
    await cluster.scale_deployment(namespace="media", name="video", replicas=3, resource_version="17")
    ((method, _, _, content_type, body),) = api.requests
    assert (method, content_type) == ("PATCH", "application/merge-patch+json")
    assert body == {"metadata": {"resourceVersion": "17"}, "spec": {"replicas": 3}}


async def test_an_annotation_is_for_exactly_the_pod_it_was_decided_on(
    api: ApiServer, cluster: KubernetesCluster
) -> None:
    await cluster.annotate_pod(
        namespace="media", name="video-1", uid="u-1", resource_version="17", annotations={"a": "1", "b": None}
    )
    ((method, path, _, content_type, body),) = api.requests
    assert (method, path, content_type) == (
        "PATCH",
        "/api/v1/namespaces/media/pods/video-1",
        "application/merge-patch+json",
    )
    assert body == {"metadata": {"uid": "u-1", "resourceVersion": "17", "annotations": {"a": "1", "b": None}}}


@pytest.mark.parametrize(
    ("kind", "path", "selector"),
    [
        (Kind.POD, "/api/v1/namespaces/media/pods", "bullpen.dev/pool"),
        (Kind.SCALER, "/apis/autoscaling/v2/namespaces/media/horizontalpodautoscalers", None),
    ],
)
async def test_pods_are_listed_by_their_label(
    api: ApiServer, cluster: KubernetesCluster, kind: Kind, path: str, selector: str | None
) -> None:
    api.answers = [web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})]
    await cluster.list_all(kind, namespace="media")
    ((_, asked, query, _, _),) = api.requests
    assert (asked, query.get("labelSelector")) == (path, selector)


async def test_a_status_is_for_one_version_of_one_uid(api: ApiServer, cluster: KubernetesCluster) -> None:
    await cluster.apply_status(
        namespace="media", name="video", uid="u-1", resource_version="17", status={"replicas": 0}
    )
    ((_, path, _, content_type, body),) = api.requests
    assert path == "/apis/bullpen.dev/v1alpha1/namespaces/media/workerpools/video/status"
    assert content_type == "application/apply-patch+yaml"
    assert body["metadata"] == {"namespace": "media", "name": "video", "uid": "u-1", "resourceVersion": "17"}
    assert body["status"] == {"replicas": 0}


async def test_a_long_list_is_read_page_by_page(api: ApiServer, cluster: KubernetesCluster) -> None:
    pages = [
        {"metadata": {"resourceVersion": "9", "continue": "next"}, "items": [{"n": 1}, {"n": 2}]},
        {"metadata": {"resourceVersion": "9"}, "items": [{"n": 3}]},
    ]
    api.answers = [web.json_response(page) for page in pages]
    listing = await cluster.list_all(Kind.DEPLOYMENT, namespace=None)
    assert ([item["n"] for item in listing.items], listing.resource_version) == ([1, 2, 3], "9")
    selector = "app.kubernetes.io/managed-by=bullpen-operator"
    assert [query.get("continue") for _, _, query, _, _ in api.requests] == [None, "next"]
    assert {query["labelSelector"] for _, _, query, _, _ in api.requests} == {selector}


async def test_a_secret_is_decoded(api: ApiServer, cluster: KubernetesCluster) -> None:
    api.answers = [web.json_response({"data": {"url": base64.b64encode(b"redis://redis").decode()}})]
    assert await cluster.read_secret(namespace="media", name="bullpen-redis") == {"url": b"redis://redis"}


def status(code: int, reason: str, message: str) -> Callable[[], web.Response]:
    return lambda: web.json_response({"kind": "Status", "reason": reason, "message": message}, status=code)


REFUSALS: dict[str, tuple[Callable[[], web.Response], int, str, bool]] = {
    "an invalid object": (status(422, "Invalid", "spec is invalid"), 422, "spec is invalid", False),
    "a missing permission": (status(403, "Forbidden", "may not patch"), 403, "may not patch", False),
    "a stale version": (status(409, "Conflict", "was modified"), 409, "was modified", False),
    "an object that is not there": (status(404, "NotFound", "not found"), 404, "not found", False),
    "too many requests": (status(429, "TooManyRequests", "later"), 429, "later", True),
    "trouble in the server": (status(500, "InternalError", "etcd is away"), 500, "etcd is away", True),
    "a proxy's page": (lambda: web.Response(status=502, text="<html>"), 502, "HTTP 502", True),
    "an answer that is no JSON": (lambda: web.Response(text="hello"), 0, "no JSON", True),
}


@pytest.mark.parametrize("row", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_keeps_the_servers_own_words(
    api: ApiServer, cluster: KubernetesCluster, row: tuple[Callable[[], web.Response], int, str, bool]
) -> None:
    answer, code, words, retryable = row
    api.answers = [answer()]
    with pytest.raises(ClusterError, match=words) as caught:
        await cluster.apply_deployment(DEPLOYMENT)
    assert (caught.value.status, caught.value.retryable) == (code, retryable)
    assert len(api.requests) == 1, "nothing is repeated here: the engine decides anew"


CALLS: dict[str, Callable[[KubernetesCluster], Awaitable[Any]]] = {
    "list": lambda cluster: cluster.list_all(Kind.POOL, namespace="media"),
    "find": lambda cluster: cluster.find_deployment(namespace="media", name="video"),
    "apply": lambda cluster: cluster.apply_deployment(DEPLOYMENT),
    "scale": lambda cluster: cluster.scale_deployment(namespace="m", name="v", replicas=1, resource_version="1"),
    "pod": lambda cluster: cluster.annotate_pod(namespace="m", name="v", uid="u", resource_version="1", annotations={}),
    "status": lambda cluster: cluster.apply_status(namespace="m", name="v", uid="u", resource_version="1", status={}),
    "secret": lambda cluster: cluster.read_secret(namespace="m", name="s"),
    "event": lambda cluster: cluster.create_event({"metadata": {"namespace": "m"}}),
    "series": lambda cluster: cluster.patch_event(namespace="m", name="e", patch={}),
    "budget": lambda cluster: cluster.write_budget({"metadata": {"namespace": "m", "name": "v"}}),
    "no budget": lambda cluster: cluster.delete_budget(namespace="m", name="v", uid="u", resource_version="1"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_every_call_gives_up_in_time(
    api: ApiServer, cluster: KubernetesCluster, call: Callable[[KubernetesCluster], Awaitable[Any]]
) -> None:
    api.hangs = True
    async with asyncio.timeout(20):
        with pytest.raises(ClusterError, match=r"no answer within 0\.5 s") as caught:
            await call(cluster)
    assert caught.value.retryable
    assert [code for _, _, code in api.counted] == [0]


async def test_nobody_listening_is_no_answer() -> None:
    configuration = Configuration()
    configuration.host = "http://127.0.0.1:1"
    async with KubernetesCluster(configuration, fence=OPEN, on_request=lambda *_: None) as nowhere:
        with pytest.raises(ClusterError) as caught:
            await nowhere.find_deployment(namespace="media", name="video")
    assert caught.value.status == 0


async def test_a_token_that_cannot_be_read_again_is_an_error_of_the_call(tmp_path: Path) -> None:
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    authority.write_text("not looked at")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "9"}
    loader = InClusterConfigLoader(str(token), str(authority), environ=environment)  # type: ignore[no-untyped-call]
    loader._token_refresh_period = timedelta(0)
    configuration = Configuration()
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    configuration.ssl_ca_cert = None
    token.write_text("")
    async with KubernetesCluster(configuration, fence=OPEN, on_request=lambda *_: None) as cluster:
        with pytest.raises(ClusterError, match="Token file") as caught:
            await cluster.list_all(Kind.POOL, namespace=None)
    assert caught.value.retryable


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def host(api: ApiServer) -> AsyncIterator[Configuration]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as server:
        configuration = Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        yield configuration
        api.hang.set()


async def test_reads_and_writes_say_which_replica_they_are_from(api: ApiServer, host: Configuration) -> None:
    api.answers = [web.json_response({"items": []}), web.json_response(DEPLOYMENT)]
    agent = agent_of("one pod_1f")
    async with KubernetesCluster(host, fence=OPEN, on_request=lambda *_: None, agent=agent) as cluster:
        await cluster.find_deployment(namespace="media", name="video")
        await cluster.apply_deployment(DEPLOYMENT)
    assert api.agents == {f"bullpen-operator/{version('bullpen')} (one-pod_1f)"}


WRITES = {name: call for name, call in CALLS.items() if name not in ("list", "find", "secret")}


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES.keys())
async def test_who_does_not_hold_the_lease_sends_no_write(
    api: ApiServer, host: Configuration, call: Callable[[KubernetesCluster], Awaitable[Any]]
) -> None:
    async with KubernetesCluster(host, fence=Fence(), on_request=lambda *_: None) as cluster:
        with pytest.raises(ClusterError, match="not sent, this operator does not hold the Lease") as caught:
            await call(cluster)
        assert caught.value.retryable
        api.answers = [web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})]
        await cluster.list_all(Kind.POOL, namespace=None)
    assert [method for method, *_ in api.requests] == ["GET"], "reading is free"


async def test_a_lease_that_ends_while_a_write_waits_for_its_connection_stops_it(
    api: ApiServer, host: Configuration
) -> None:
    time = Time()
    fence = Fence(time)
    fence.extend(106.0)
    async with KubernetesCluster(host, fence=fence, concurrency=1, on_request=lambda *_: None) as cluster:
        api.hangs = True
        listing = asyncio.create_task(cluster.list_all(Kind.POOL, namespace=None))
        async with asyncio.timeout(20):
            while not api.requests:  # noqa: ASYNC110 - the list has the only slot now
                await asyncio.sleep(0.005)
        writing = asyncio.create_task(cluster.apply_deployment(DEPLOYMENT))
        await asyncio.sleep(0)
        time.now = 106.0
        api.hang.set()
        with pytest.raises(ClusterError, match="not sent"):
            await writing
        await asyncio.wait([listing])
        listing.exception()
    assert [method for method, *_ in api.requests] == ["GET"]


async def test_an_answer_is_waited_for_no_longer_than_the_lease_lasts(api: ApiServer, host: Configuration) -> None:
    fence = Fence(Time())
    fence.extend(100.25)
    api.hangs = True
    async with KubernetesCluster(host, fence=fence, on_request=lambda *_: None) as cluster:
        with pytest.raises(ClusterError, match=r"no answer within 0\.25 s"):
            await cluster.apply_deployment(DEPLOYMENT)
