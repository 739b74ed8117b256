"""`bullpen` as people run it: its lines, its error lines and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from bullpen import App
from bullpen.cli import main
from tests.integration.redis_server import RedisServer, free_port
from tests.integration.worker.house import EXAMPLES, environment, serving

NO_INTEGER = "Input should be a valid integer, unable to parse string as an integer"


def bullpen(*arguments: str, cwd: Path = EXAMPLES, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bullpen.cli", *arguments]
    variables = environment("redis://127.0.0.1:1", **environ)
    return subprocess.run(command, env=variables, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)


async def test_the_log_lines_people_know(app: App, redis_url: str, tmp_path: Path) -> None:
    videos = app.queue("video-generation")
    with serving("house_app:app", redis_url, tmp_path / "log", "--queue", "video-generation") as process:
        await process.says("Worker ready")
        job = await videos.add("quick", {"n": 21}, job_id="a")
        assert await job.result(timeout=10) == {"doubled": 42}
        failing = await videos.add("quick", {"n": "x"}, job_id="b")
        await process.says("Job b failed")
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert await failing.state() == "failed"
    timed = [re.sub(r"\((<1|\d+)ms\)", "(…ms)", line) for line in process.lines]
    assert timed == [
        "INFO  [WorkerService] Worker ready",
        "INFO  [VideoWorker] Job a started",
        "INFO  [VideoWorker] Job a progress: 50%",
        "INFO  [VideoWorker] Job a: half way",
        "INFO  [VideoWorker] Job a completed (…ms)",
        "INFO  [VideoWorker] Job b started",
        f"ERROR [VideoWorker] Job b failed (…ms): data does not fit dict: n: {NO_INTEGER}",
        "INFO  [WorkerService] Stopping: no new jobs, up to 30s for 0 running",
        "INFO  [WorkerService] Worker stopped",
    ]


async def test_a_worker_whose_jobs_add_jobs_ends_in_silence(app: App, redis_url: str, tmp_path: Path) -> None:
    with serving("house_app:app", redis_url, tmp_path / "log", "--log-level", "warning") as process:
        job = await app.queue("video-generation").add("add", "x")
        later = await job.result(timeout=20)
        assert await app.queue("emails").get(later).result(timeout=20) == "x"
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert process.output == ""


async def test_json_lines_carry_the_job(app: App, redis_url: str, tmp_path: Path) -> None:
    with serving("house_app:app", redis_url, tmp_path / "log", LOG_FORMAT="json") as process:
        job = await app.queue("video-generation").add("quick", {"n": 1})
        await process.says("completed")
    lines = [json.loads(line) for line in process.lines]
    assert [line["msg"] for line in lines[:2]] == ["Worker ready", f"Job {job.id} started"]
    assert {line["logger"] for line in lines[1:]} == {"VideoWorker"}
    for line in lines[1:]:
        assert (line["queue"], line["jobId"], line["name"], line["attempt"]) == ("video-generation", job.id, "quick", 1)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return str(reply.read(), "utf-8")


async def test_probes_and_metrics_of_a_process(app: App, redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    with serving("house_app:app", redis_url, tmp_path / "log", METRICS_PORT=str(port)) as process:
        await process.says("Worker ready")
        await app.queue("video-generation").add("quick", {"n": 1})
        await process.says("completed")
        for path in ("startedz", "livez", "readyz"):
            assert await asyncio.to_thread(get, f"http://127.0.0.1:{port}/{path}") == "ok\n"
        text = await asyncio.to_thread(get, f"http://127.0.0.1:{port}/metrics")
    assert 'bullpen_worker_jobs_total{name="quick",outcome="completed",queue="video-generation"} 1.0' in text
    assert 'bullpen_worker_slots{queue="emails"} 10.0' in text


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The command in this process, for what ends before a worker would start: its exit code and error output."""

    def run(*arguments: str, cwd: Path = EXAMPLES, **environ: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(os, "environ", environment("redis://127.0.0.1:1", **environ))
        monkeypatch.chdir(cwd)
        for module in ("mine", "house_app"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        output = capsys.readouterr()
        assert output.out == ""
        return int(str(ended.value.code)), output.err

    return run


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param((), "no app named: give it as module:attribute", id="no app"),
        pytest.param(("house_app",), "app 'house_app': write it as module:attribute", id="no attribute"),
        pytest.param(("house_app.py:app",), "is a file, not a module; write house_app:… without '.py'", id="a file"),
        pytest.param(("nowhere:app",), "app 'nowhere:app': there is no module 'nowhere' in ", id="no such module"),
        pytest.param(
            ("house_app:nope",), "module 'house_app' has no 'nope'; its apps are house_app:app", id="no such name"
        ),
        pytest.param(
            ("house_app:videos",), "'videos' is a Queue, not a bullpen.App; the module's apps are", id="no App"
        ),
    ],
)
def test_an_app_named_wrongly_is_one_line_and_exit_2(
    said: Callable[..., tuple[int, str]], arguments: tuple[str, ...], text: str
) -> None:
    code, error = said("check", *arguments, "--no-redis")
    assert (code, len(error.splitlines())) == (2, 1)
    assert text in error


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("REDIS_URL", "redis:/typo", "REDIS_URL: Redis URL "),
        ("REDIS_URL_FILE", "/nowhere", "REDIS_URL_FILE=/nowhere: cannot be read"),
        ("MODE", "web", "MODE=web: must be worker"),
        ("QUEUE_CONCURRENCY", "ten", "QUEUE_CONCURRENCY=ten: must be a whole number"),
        ("METRICS_PORT", "http", "METRICS_PORT=http: must be a whole number"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_2(
    said: Callable[..., tuple[int, str]], variable: str, value: str, text: str
) -> None:
    code, error = said("serve", "house_app:app", **{variable: value})
    assert (code, len(error.splitlines())) == (2, 1)
    assert error.startswith(f"bullpen: {text}")


def test_a_bad_option_exits_2(said: Callable[..., tuple[int, str]]) -> None:
    code, error = said("serve", "house_app:app", "--concurrency", "0")
    assert code == 2
    assert "Invalid value for '--concurrency'" in error


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1 / 0", "importing 'mine' raised ZeroDivisionError: division by zero (mine.py, line 1)"),
        ("import nowhere_at_all", "module 'mine' imports 'nowhere_at_all', which is not installed"),
        ("import sys; sys.exit('no key')", "importing 'mine' raised SystemExit: no key"),
        ("app = oops", "importing 'mine' raised NameError: name 'oops' is not defined"),
        ("def (", "importing 'mine' raised SyntaxError: invalid syntax (mine.py, line 1)\n"),
        ("from bullpen import App\napp = App()\napp.queue('a:b')", "queue name 'a:b' contains ':'"),
        ("from bullpen import App\napp = App()\nq = app.queue('a')", "the app's queues (a) have no jobs"),
    ],
)
def test_an_app_that_cannot_be_had_is_one_line_and_exit_2(
    said: Callable[..., tuple[int, str]], tmp_path: Path, source: str, text: str
) -> None:
    (tmp_path / "mine.py").write_text(source)
    code, error = said("check", "mine:app", "--no-redis", cwd=tmp_path)
    assert (code, len(error.splitlines())) == (2, 1)
    assert text in error
    assert "Traceback" in said("check", "mine:app", "--no-redis", "--debug", cwd=tmp_path)[1]


def test_an_app_without_an_event_loop_is_served_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from bullpen.sync import App\napp = App()\n@app.queue('videos').job()\ndef anything(data): ..."
    )
    checked = bullpen("check", "mine:app", "--no-redis", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "videos" in checked.stdout


def test_serve_says_the_same_of_an_app_and_of_a_queue(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0")
    broken = bullpen("serve", "mine:app", cwd=tmp_path)
    unknown = bullpen("serve", "house_app:app", QUEUE_NAME="videoz")
    assert (broken.returncode, unknown.returncode) == (2, 2)
    assert (broken.stdout, unknown.stdout) == ("", "")
    assert broken.stderr == (
        "bullpen: app 'mine:app': importing 'mine' raised ZeroDivisionError: division by zero (mine.py, line 1)\n"
    )
    assert unknown.stderr == (
        "bullpen: QUEUE_NAME=videoz: the app has no such queue (it has emails, video-generation); correct the name\n"
    )


def test_a_port_in_use_is_one_line_and_exit_2() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = bullpen("serve", "house_app:app", METRICS_PORT=str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"bullpen: METRICS_PORT={port}: cannot listen (")


def test_a_refused_login_and_a_missing_permission_are_one_line_without_the_password(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", "--requirepass", "right-secret")
    server.start()
    try:
        wrong = bullpen("serve", "house_app:app", REDIS_URL=f"redis://:wrong-secret@127.0.0.1:{server.port}")
        with redis.Redis(port=server.port, password="right-secret") as admin:
            admin.execute_command("ACL", "SETUSER", "poor", "on", ">poor-secret", "~*", "+@read", "+@connection")
        poor = bullpen("serve", "house_app:app", REDIS_URL=f"redis://poor:poor-secret@127.0.0.1:{server.port}")
    finally:
        server.stop()
    assert (wrong.returncode, poor.returncode) == (2, 2)
    assert "refused the login" in wrong.stderr
    assert "does not allow" in poor.stderr
    for done in (wrong, poor):
        assert "secret" not in done.stderr + done.stdout
        assert len(done.stderr.splitlines()) == 1


async def test_a_redis_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    with serving("house_app:app", server.url, tmp_path / "log") as process:
        await process.says("trying again until Redis answers")
        assert "Worker ready" not in process.output
        server.start()
        try:
            await process.says("Worker ready")
            process.signal(signal.SIGTERM)
            assert await process.exit_code() == 0
        finally:
            server.stop()


async def test_a_worker_without_redis_can_be_stopped(tmp_path: Path) -> None:
    with serving("house_app:app", f"redis://127.0.0.1:{free_port()}", tmp_path / "log") as process:
        await process.says("trying again until Redis answers")
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0


def test_check_prints_queues_and_jobs() -> None:
    done = bullpen("check", "house_app:app", "--no-redis")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "queue video-generation" in lines
    assert "  job quick: house_app.quick, async, data: dict" in lines
    assert "  job thread-sleep: house_app.thread_sleep, thread, data: float" in lines
    assert "  job (every other name): house_app.anything, async" in lines


def test_the_app_may_come_from_the_environment(said: Callable[..., tuple[int, str]]) -> None:
    assert bullpen("check", "--no-redis", BULLPEN_APP="house_app:app").returncode == 0
    assert "nowhere:app" in said("check", "nowhere:app", "--no-redis", BULLPEN_APP="house_app:app")[1]


def test_help_and_version() -> None:
    help_ = bullpen("serve", "--help")
    assert help_.returncode == 0
    assert "[MODULE:APP]" in help_.stdout
    assert bullpen("--version").stdout.startswith("bullpen, version ")
    assert bullpen("nonsense").returncode == 2
