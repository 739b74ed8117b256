"""What goes on: events, workers, rates; on terminals of several widths, in pipes, and until Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from bullpen.protocol.keys import QueueKeys
from tests.integration.cli.conftest import Command
from tests.integration.cli.terminal import in_terminal
from tests.integration.worker.house import EXAMPLES, environment, serving


def test_events_from_an_id_on(bullpen: Command) -> None:
    bullpen("add", "q", "x", "--count", "2").ok()
    events = bullpen("tail", "q", "--from", "0-0", "--count", "4", "--json").ok().json
    assert [(event["event"], event["jobId"]) for event in events] == [
        ("added", "1"),
        ("waiting", "1"),
        ("added", "2"),
        ("waiting", "2"),
    ]
    after = bullpen("tail", "q", "--from", events[1]["id"], "--count", "1").ok().out
    assert after.split()[1:] == ["added", "2", "name=x"]
    some = ("--from", "0-0", "--event", "waiting", "--job", "2", "--count", "1", "--json")
    assert bullpen("tail", "q", *some).ok().json[0]["id"] == events[3]["id"]


def test_tail_ends_by_ctrl_c_with_130(bullpen: Command, redis_url: str) -> None:
    bullpen("add", "q", "x").ok()
    code, text = in_terminal(["tail", "q", "--from", "0-0"], redis_url, until="waiting")
    assert code == 130
    assert "Traceback" not in text


def test_a_reader_that_has_enough_ends_it_in_silence(bullpen: Command, redis_url: str) -> None:
    bullpen("add", "q", "x" * 200, "--count", "5000").ok()
    command = [sys.executable, "-m", "bullpen.cli", "inspect", "q", "--state", "waiting", "--limit", "5000", "--json"]
    process = subprocess.Popen(
        command, env=environment(redis_url), cwd=EXAMPLES, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["id"] == "1"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 1


async def test_workers_and_their_work(redis_url: str, tmp_path: Path, bullpen_process: Command) -> None:
    with serving("house_app:app", redis_url, tmp_path / "log", POD_NAME="pod-1") as worker:
        await worker.says("Worker ready")
        with redis.Redis.from_url(redis_url) as node:
            node.client_setname(QueueKeys("bull", "emails").client_name("render-box"))
            bullpen_process("add", "emails", "x", "--wait").ok()
            deadline = time.monotonic() + 20
            while True:  # the heartbeat that tells of the job comes within a second
                rows = bullpen_process("workers", "emails", "--json").ok().json
                if rows[0]["done"] or time.monotonic() > deadline:
                    break
            [look] = bullpen_process("top", "emails", "--once", "--json").ok().json
            text = bullpen_process("top", "emails", "--once").ok().out
        assert [(row["worker"], row["kind"], row["state"]) for row in rows] == [
            ("pod-1", "bullpen", "serving"),
            ("render-box", "node", "connected"),
        ]
        assert (rows[0]["slots"], rows[0]["busy"], rows[0]["done"]) == (10, 0, 1)
        assert look["queues"][0]["completed"] == 1
        assert [(row["worker"], row["kind"], row["busy"]) for row in look["workers"]] == [
            ("pod-1", "bullpen", 0),
            ("render-box", "node", None),
        ]
        assert re.search(r"render-box +emails +node +connected +- +-", text)
        assert bullpen_process("top", "--once").ok().lines[1].split()[:3] == ["QUEUE", "READY", "ACTIVE"]
        worker.signal(signal.SIGTERM)
        assert await worker.exit_code() == 0
    assert bullpen_process("workers", "emails").err == "no workers serve emails\n"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_tables_fit_the_terminal(bullpen: Command, redis_url: str, width: int) -> None:
    bullpen("add", "a-queue-with-a-long-name", "x" * 60, "--count", "3").ok()
    code, text = in_terminal(["inspect", "a-queue-with-a-long-name", "--state", "waiting"], redis_url, width=width)
    assert code == 0
    lines = re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()
    assert max(map(len, lines)) <= width
    assert "".join(text.split()).count("x") >= 180  # folded, not cut


def test_top_in_a_terminal_ends_by_ctrl_c(bullpen: Command, redis_url: str) -> None:
    bullpen("add", "q", "x").ok()
    code, text = in_terminal(["top", "--interval", "0.2"], redis_url, until="READY")
    assert code == 130
    assert "no workers" in text
    assert "Traceback" not in text


def test_a_silent_worker_is_told(bullpen_process: Command, raw: redis.Redis) -> None:
    old = {"instance": "i", "boot": "b", "slots": 1, "busy": 1, "done": 0, "failed": 0, "pod": "p", "at": 1000}
    raw.hset("bull:q:bullpen:workers", "i", json.dumps(old))
    [row] = bullpen_process("workers", "q", "--json").ok().json
    assert row["state"].startswith("silent for ")
