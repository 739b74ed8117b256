"""The watch edge: the real kopf on its thread, against an API server of a few routes."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bullpen_operator.cluster.port import Kind, Raw
from bullpen_operator.cluster.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


POOLS = ("bullpen.dev", "v1alpha1", "workerpools", "WorkerPool")
DEPLOYMENTS = ("apps", "v1", "deployments", "Deployment")
SCALERS = ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
CRDS = ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
SERVED = [POOLS, DEPLOYMENTS, SCALERS, CRDS]
WATCHED = ("workerpools", "deployments", "pods", "horizontalpodautoscalers")
CORE = [("namespaces", "Namespace"), ("events", "Event"), ("pods", "Pod")]


def described(plural: str, kind: str, *, namespaced: bool = True) -> Raw:
    verbs = ["get", "list", "watch", "patch", "create"]
    return {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": namespaced, "verbs": verbs}


def raw(name: str, version: int) -> Raw:
    metadata = {"name": name, "namespace": "media", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {}}


def group(name: str, version: str) -> Raw:
    preferred = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [preferred], "preferredVersion": preferred}


DISCOVERY: dict[str, Raw] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {"resources": [described(*each) for each in CORE]},
    "/apis": {"groups": [group(*each[:2]) for each in SERVED]},
    **{f"/apis/{name}/{version}": {"resources": [described(*rest)]} for name, version, *rest in SERVED},
}


class ApiServer:
    """Discovery, lists, and watches that tests feed. Every request is kept, with its query."""

    def __init__(self) -> None:
        self.listed: dict[str, list[Raw]] = {plural: [] for plural in WATCHED}
        self.feeds: dict[str, asyncio.Queue[Raw | None]] = {plural: asyncio.Queue() for plural in self.listed}
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        known = DISCOVERY.get(request.path)
        if known is not None:
            return web.json_response(known)
        plural = request.path.rsplit("/", 1)[-1]
        self.requests.append((request.method, request.path, dict(request.query)))
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "100"}, "items": self.listed[plural]})
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await self.feeds[plural].get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response


class Ear:
    """What the watch told, and on which thread."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[Kind, bool, str]] = asyncio.Queue()
        self.threads: set[int] = set()

    def __call__(self, kind: Kind, gone: bool, found: Raw) -> None:
        self.threads.add(threading.get_ident())
        self.heard.put_nowait((kind, gone, found["metadata"]["name"]))

    async def next(self) -> tuple[Kind, bool, str]:
        async with asyncio.timeout(30):
            return await self.heard.get()


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def kubeconfig(api: ApiServer, tmp_path: Path) -> AsyncIterator[Path]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as server:
        cluster = {"name": "c", "cluster": {"server": str(server.make_url("")).rstrip("/")}}
        content: dict[str, Any] = {
            "clusters": [cluster],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(content))
        yield path
        for feed in api.feeds.values():
            feed.put_nowait(None)


async def test_what_is_listed_added_and_deleted_is_heard_on_our_own_loop(api: ApiServer, kubeconfig: Path) -> None:
    api.listed["workerpools"] = [raw("video", 90)]
    ear = Ear()
    task = asyncio.create_task(Watch(kubeconfig=kubeconfig, namespaces=["media"], hear=ear).run())
    assert await ear.next() == (Kind.POOL, False, "video")
    api.feeds["deployments"].put_nowait({"type": "ADDED", "object": raw("video", 101)})
    assert await ear.next() == (Kind.DEPLOYMENT, False, "video")
    api.feeds["workerpools"].put_nowait({"type": "DELETED", "object": raw("video", 102)})
    assert await ear.next() == (Kind.POOL, True, "video")
    assert ear.threads == {threading.get_ident()}
    await stop(task)


async def test_only_what_is_ours_is_asked_for_and_nothing_is_written(api: ApiServer, kubeconfig: Path) -> None:
    api.listed["workerpools"] = [raw("video", 90)]
    ear = Ear()
    task = asyncio.create_task(Watch(kubeconfig=kubeconfig, namespaces=["media"], hear=ear).run())
    await ear.next()
    api.feeds["deployments"].put_nowait({"type": "ADDED", "object": raw("video", 101)})
    await ear.next()
    api.feeds["pods"].put_nowait({"type": "ADDED", "object": raw("video-1", 102)})
    assert await ear.next() == (Kind.POD, False, "video-1")
    api.feeds["horizontalpodautoscalers"].put_nowait({"type": "ADDED", "object": raw("hpa", 103)})
    assert await ear.next() == (Kind.SCALER, False, "hpa")
    selectors = {path.split("/")[-1]: query.get("labelSelector") for _, path, query in api.requests}
    assert selectors == {
        "workerpools": None,
        "deployments": "app.kubernetes.io/managed-by=bullpen-operator",
        "pods": "bullpen.dev/pool",
        "horizontalpodautoscalers": None,
    }
    assert {method for method, _, _ in api.requests} == {"GET"}
    await stop(task)


async def test_a_watch_whose_version_is_too_old_begins_with_a_new_list(api: ApiServer, kubeconfig: Path) -> None:
    api.listed["workerpools"] = [raw("video", 90)]
    ear = Ear()
    task = asyncio.create_task(Watch(kubeconfig=kubeconfig, namespaces=["media"], hear=ear).run())
    assert await ear.next() == (Kind.POOL, False, "video")
    api.listed["workerpools"] = [raw("video", 90), raw("audio", 150)]
    expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 100 (140)"}
    api.feeds["workerpools"].put_nowait({"type": "ERROR", "object": expired})
    while await ear.next() != (Kind.POOL, False, "audio"):
        pass
    await stop(task)


async def test_a_watch_whose_connection_ends_goes_on_where_it_was(api: ApiServer, kubeconfig: Path) -> None:
    api.listed["workerpools"] = [raw("video", 90)]
    ear = Ear()
    task = asyncio.create_task(Watch(kubeconfig=kubeconfig, namespaces=["media"], hear=ear).run())
    assert await ear.next() == (Kind.POOL, False, "video")
    api.feeds["workerpools"].put_nowait(None)
    api.feeds["workerpools"].put_nowait({"type": "ADDED", "object": raw("audio", 150)})
    while await ear.next() != (Kind.POOL, False, "audio"):
        pass
    await stop(task)


async def test_all_begins_with_new_lists_when_asked_though_the_watches_are_silent(
    api: ApiServer, kubeconfig: Path
) -> None:
    api.listed["workerpools"] = [raw("video", 90)]
    ear, anew = Ear(), asyncio.Event()
    task = asyncio.create_task(Watch(kubeconfig=kubeconfig, namespaces=["media"], hear=ear, anew=anew).run())
    assert await ear.next() == (Kind.POOL, False, "video")
    for name in ("audio", "text"):
        api.listed["workerpools"] = [raw(name, 60)]
        anew.set()
        while await ear.next() != (Kind.POOL, False, name):
            pass
    await stop(task)


async def test_our_signal_handlers_and_tasks_are_left_alone(api: ApiServer, kubeconfig: Path) -> None:
    api.listed["workerpools"] = [raw("video", 90)]
    ear, loop = Ear(), asyncio.get_running_loop()
    signalled = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, signalled.set)
    try:
        task = asyncio.create_task(Watch(kubeconfig=kubeconfig, namespaces=["media"], hear=ear).run())
        await ear.next()
        bystander = asyncio.create_task(asyncio.Event().wait())
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await signalled.wait()
        await stop(task)
        assert not bystander.done()
        bystander.cancel()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def stop(task: asyncio.Task[None]) -> None:
    """Cancelled, it ends in bounded time, and its thread with it."""
    task.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(10):
        while any(thread.name == "watch" for thread in threading.enumerate()):  # noqa: ASYNC110 - threads have no event
            await asyncio.sleep(0.01)
