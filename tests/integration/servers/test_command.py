"""The command line on a cluster and behind Sentinel."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.integration.servers.cluster import Cluster
from tests.integration.servers.council import Council
from tests.integration.worker.house import EXAMPLES, environment


def bullpen(url: str, *arguments: str) -> list[dict[str, object]]:
    """Its JSON lines."""
    command = [sys.executable, "-m", "bullpen.cli", *arguments, "--json"]
    done = subprocess.run(
        command, env=environment(url), cwd=EXAMPLES, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_queues_are_found_on_all_masters(cluster: Cluster) -> None:
    names = [f"{{cli-{number}}}" for number in range(6)]
    for name in names:
        bullpen(cluster.url, "add", name, "x")
    found = bullpen(cluster.url, "inspect")
    assert [row["queue"] for row in found if str(row["queue"]).startswith("{cli-")] == names
    assert bullpen(cluster.url, "inspect", names[0], "1")[0]["state"] == "waiting"
    assert bullpen(cluster.url, "top", names[0], "--once")[0]["queues"]


def test_behind_sentinel(council: Council) -> None:
    bullpen(council.url, "add", "q", "x")
    assert [row["queue"] for row in bullpen(council.url, "inspect")] == ["q"]
    assert bullpen(council.url, "check", "typed_app:app")[0]["redis"]
