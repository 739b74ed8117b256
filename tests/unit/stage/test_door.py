"""The proxy in front of the API server: what it passes on, and what it writes down."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yaml import safe_load

from hack.stage.door import doors

LARGE = {"items": ["x" * 1000] * 1000}


async def _upstream() -> web.AppRunner:
    """Compresses for those who can read it, as the API server does with large answers."""

    async def answer(_: web.Request) -> web.Response:
        response = web.json_response(LARGE)
        response.enable_compression()
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def _kubeconfig(folder: Path, runner: web.AppRunner) -> str:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
        "users": [{"name": "u", "user": {"token": "none"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path = folder / "upstream.kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


@pytest.mark.parametrize("encoding", ["gzip, deflate", "identity"])
async def test_answers_come_through_as_they_were_asked_for(tmp_path: Path, encoding: str) -> None:
    runner = await _upstream()
    opened = doors(_kubeconfig(tmp_path, runner), tmp_path)
    open_door = await asyncio.to_thread(opened.__enter__)
    try:
        door = await asyncio.to_thread(open_door, "one")
        server = safe_load(door.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server}/apis/pools?limit=500", headers={"Accept-Encoding": encoding}) as answer,
        ):
            assert await answer.json() == LARGE
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)
        await runner.cleanup()
    assert [(read.path, read.lists, read.watches) for read in door.reads] == [("/apis/pools", True, False)]
