"""The rights that the chart grants are those that the code uses: what the adapter asks, against the golden roles.

Every coroutine of the port is called, with arguments made from its signature, so that a new one is looked at unasked.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from bullpen_operator.cluster.fence import Fence
from bullpen_operator.cluster.kubernetes_cluster import KubernetesCluster
from bullpen_operator.cluster.lease import Bid, LeaseClient
from bullpen_operator.cluster.port import Cluster, ClusterError, Kind
from hack.stage.kubectl import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

GOLDEN = ROOT / "tests/unit/chart/golden"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
METADATA = {"namespace": "media", "name": "video"}
MADE: dict[str, list[Any]] = {
    "str": ["video"],
    "str | None": ["media", None],
    "int": [1],
    "bool": [False, True],
    "Kind": list(Kind),
    # With a version and without: an object that is there is written otherwise than one that is to be made.
    "Raw": [{"metadata": METADATA}, {"metadata": {**METADATA, "resourceVersion": "1"}}],
}
"""Values to try for a parameter, by its annotation; a mapping of any kind is tried empty."""

Right = tuple[str, str, str]
"""API group, resource (with its subresource) and verb, as RBAC names them."""


def rights(request: web.Request) -> Iterator[Right]:
    """What the API server would look for in the roles (its RequestInfo, from method and path)."""
    parts = request.path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, named = "/".join(rest[::2]), len(rest) > 1
    if request.method != "GET":
        yield group, resource, VERBS[request.method]
        if request.method == "PUT":
            yield group, resource, "create"  # of a Lease: what is not there is made, by its name
    else:
        yield group, resource, "get" if named else "watch" if "watch" in request.query else "list"
    if request.content_type == "application/apply-patch+yaml" and "/" not in resource:
        yield group, resource, "create"  # what is not there is made, and that right is asked for then


class Recorder:
    """An API server that finds nothing, takes everything, and keeps which rights were needed."""

    def __init__(self) -> None:
        self.needed: set[Right] = set()

    async def handle(self, request: web.Request) -> web.Response:
        self.needed.update(rights(request))
        return web.json_response({"metadata": {"resourceVersion": "1", **METADATA}, "items": []})


@pytest.fixture
async def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def configuration(recorder: Recorder) -> AsyncIterator[Configuration]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", recorder.handle)
    async with TestServer(app) as server:
        made = Configuration()
        made.host = str(server.make_url("")).rstrip("/")
        yield made


def coroutines() -> list[str]:
    return [name for name, member in vars(Cluster).items() if inspect.iscoroutinefunction(member)]


def arguments(name: str) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Every way to call a coroutine of the port."""
    parameters = list(inspect.signature(getattr(Cluster, name)).parameters.values())[1:]
    for values in itertools.product(*(values_of(parameter) for parameter in parameters)):
        given = list(zip(parameters, values, strict=True))
        by_name = {each.name: value for each, value in given if each.kind is each.KEYWORD_ONLY}
        yield [value for each, value in given if each.name not in by_name], by_name


def values_of(parameter: inspect.Parameter) -> list[Any]:
    annotation = str(parameter.annotation)
    return [{}] if annotation.startswith("Mapping") else MADE[annotation]


async def used(recorder: Recorder, configuration: Configuration) -> set[Right]:
    fence = Fence()
    fence.extend(math.inf)
    async with KubernetesCluster(configuration, fence=fence, on_request=lambda *_: None) as cluster:
        for name in coroutines():
            for positional, by_name in arguments(name):
                await getattr(cluster, name)(*positional, **by_name)
        before, recorder.needed = recorder.needed, set()
        for kind in Kind:
            await cluster.list_all(kind, namespace=None)
        # What is listed is watched, too (test_watch sees the watches themselves).
        watched = {(group, resource, "watch") for group, resource, _ in recorder.needed}
    await use_lease(configuration)
    return before | watched | recorder.needed


async def use_lease(configuration: Configuration) -> None:
    async with LeaseClient(
        configuration, namespace="ops", name="bullpen", timeout=5, clock=time.time, on_request=lambda *_: None
    ) as lease:
        with contextlib.suppress(ClusterError, KeyError):  # the answers are no Lease's
            await lease.read()
        with contextlib.suppress(ClusterError, KeyError):
            await lease.put(Bid(version="", holder="one", duration=10, transitions=0, acquired=None))
        with contextlib.suppress(ClusterError, KeyError):
            async for _ in lease.watch("1"):
                break


def granted(scope: str) -> set[Right]:
    roles = [
        item for item in yaml.safe_load_all((GOLDEN / f"{scope}.yaml").read_text()) if item["kind"].endswith("Role")
    ]
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("scope", ["cluster", "namespace"])
async def test_each_right_that_is_used_is_granted_and_each_that_is_granted_is_used(
    recorder: Recorder, configuration: Configuration, scope: str
) -> None:
    """After a change of the port: charts/bullpen/templates/_names.tpl (`bullpen.rules`), then `make goldens`."""
    needed, given = await used(recorder, configuration), granted(scope)

    assert sorted(needed - given) == [], "used, but the chart does not grant it"
    assert sorted(given - needed) == [], "granted, but nothing uses it"


def test_the_port_is_looked_at_whole() -> None:
    assert len(coroutines()) >= 8
    assert "read_secret" in coroutines()
