"""The operator's port and its log lines."""

from __future__ import annotations

import json
import logging
import socket
import sys

import aiohttp
import pytest

from bullpen_operator.serving.http import HttpServer, PortTaken
from bullpen_operator.serving.logs import JsonLines, TextLines
from bullpen_operator.serving.metrics import Metrics


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_the_probes_say_why_not() -> None:
    trouble: dict[str, str | None] = {"alive": None, "ready": "the caches are not filled yet"}
    server = HttpServer(port=0, metrics=Metrics(), alive=lambda: trouble["alive"], ready=lambda: trouble["ready"])
    async with server:
        assert await get(server.port, "/livez") == (200, "ok\n")
        assert await get(server.port, "/readyz") == (503, "the caches are not filled yet\n")
        trouble.update(alive="the sweep has stopped", ready=None)
        assert await get(server.port, "/livez") == (503, "the sweep has stopped\n")
        assert await get(server.port, "/readyz") == (200, "ok\n")
        assert "bullpen_sweep_lag_seconds" in (await get(server.port, "/metrics"))[1]


async def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"HTTP_PORT={port} cannot be used: Address already in use"):
            async with HttpServer(port=port, metrics=Metrics(), alive=lambda: None, ready=lambda: None):
                pass


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("bullpen_operator.x", logging.INFO, __file__, 1, "%d → %d", (0, 4), None)
    made.__dict__.update(extra)
    return made


def test_a_json_line_holds_the_message_and_what_the_call_added() -> None:
    line = json.loads(JsonLines().format(record(pool="video", decision={"to": 4})))
    assert (line["msg"], line["level"], line["pool"], line["decision"]) == ("0 → 4", "info", "video", {"to": 4})
    assert line["ts"].endswith("+00:00")


def test_an_error_stays_on_one_json_line() -> None:
    made = record()
    try:
        raise ValueError("broken")
    except ValueError:
        made.exc_info = sys.exc_info()
    text = JsonLines().format(made)
    assert "\n" not in text
    assert "ValueError: broken" in json.loads(text)["error"]


def test_a_text_line_is_for_people() -> None:
    assert TextLines().format(record(pool="video")).endswith("info    0 → 4 pool=video")


def test_who_leads_is_asked_at_each_scrape() -> None:
    metrics, holds = Metrics(), [False]
    metrics.leads_while(lambda: holds[0])
    assert "bullpen_operator_leader 0.0" in metrics.exposition().decode()
    holds[0] = True
    assert "bullpen_operator_leader 1.0" in metrics.exposition().decode()
