"""`bullpen pool top` on a terminal."""

from __future__ import annotations

from pathlib import Path

from tests.integration.cli.terminal import in_terminal
from tests.unit.cli.api_server import ApiServer
from tests.unit.cli.test_pools import pool


def test_pools_are_shown_live_until_ctrl_c(tmp_path: Path, redis_url: str) -> None:
    api = ApiServer()
    api.put(pool("video"))
    with api.serving(tmp_path) as kubeconfig:
        words = ["pool", "top", "--interval", "0.5", "--kubeconfig", str(kubeconfig)]
        code, seen = in_terminal(words, redis_url, until="media/video", width=140)
    assert code == 130
    assert "Ctrl-C ends" in seen
    assert "LIMITED BY" in seen
    assert "Traceback" not in seen
