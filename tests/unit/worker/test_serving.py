from __future__ import annotations

import io
import json
import logging
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bullpen import ConfigurationError
from bullpen.runtime.served import log_name
from bullpen.runtime.tally import Histogram, Outcome, Tally
from bullpen.runtime.usage import Used
from bullpen.serving.logs import JsonFormat, TextFormat, configure
from bullpen.serving.metrics import exposition
from bullpen.serving.probes import ProbeServer

if TYPE_CHECKING:
    from collections.abc import Iterator


def record(level: int, message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("bullpen.VideoWorker", level, __file__, 1, message, (), None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.INFO, "INFO  [VideoWorker] Job 123 started"),
        (logging.WARNING, "WARN  [VideoWorker] Job 123 started"),
        (logging.ERROR, "ERROR [VideoWorker] Job 123 started"),
        (logging.DEBUG, "DEBUG [VideoWorker] Job 123 started"),
    ],
)
def test_a_text_line(level: int, line: str) -> None:
    assert TextFormat().format(record(level, "Job 123 started")) == line


def test_a_json_line() -> None:
    made = record(logging.INFO, "Job 7 started", queue="videos", job_id="7", job_name="render", attempt=2)
    made.created = 1_700_000_000.25
    assert json.loads(JsonFormat().format(made)) == {
        "ts": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "VideoWorker",
        "msg": "Job 7 started",
        "queue": "videos",
        "jobId": "7",
        "name": "render",
        "attempt": 2,
    }


def test_a_line_that_is_no_unicode_is_written_escaped() -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="utf-8")
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    logger.handlers[:] = []  # configure closes what it finds
    try:
        configure(form="text", level="info", stream=stream)
        logging.getLogger("bullpen.VideoWorker").info("Job id-\udcff started")
    finally:
        logger.handlers[:] = before
        logger.setLevel(level)
    assert written.getvalue() == b"INFO  [VideoWorker] Job id-\\udcff started\n"


def test_a_json_line_stays_one_line_with_a_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormat())
    logger = logging.Logger("elsewhere")  # not of the tree, so that nothing else hears it
    logger.addHandler(handler)
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logger.exception("it failed")
    assert stream.getvalue().count("\n") == 1
    assert "second" in json.loads(stream.getvalue())["error"]


@pytest.mark.parametrize(
    ("queue", "name"),
    [
        ("video-generation", "VideoWorker"),
        ("emails", "EmailsWorker"),
        ("send_mail", "SendWorker"),
        ("imageResize", "ImageResizeWorker"),
        ("{tag}", "TagWorker"),
        ("--", "--Worker"),
    ],
)
def test_a_queues_logger_is_its_first_word(queue: str, name: str) -> None:
    assert log_name(queue) == name


def test_a_histogram_puts_a_bound_into_its_own_bucket() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 2.0):
        histogram.observe(value)
    assert histogram.counts == [2, 1, 1]
    assert histogram.total == pytest.approx(2.65)


class Queue:
    """One queue's counts, as the metrics see them."""

    queue, slots, busy, stuck, redis_errors = "videos", 10, 3, 1, 2
    lock_losses, reclaimed = 1, 4

    def oldest_job_seconds(self) -> float:
        return 4.5

    def tallies(self) -> list[Tally]:
        tally = Tally("render")
        tally.count(Outcome.COMPLETED, seconds=0.2)
        tally.waits.observe(61)
        tally.count(Outcome.FAILED, seconds=0.2)
        tally.waits.observe(0)
        return [tally]


@contextmanager
def serving(**wrong: str) -> Iterator[str]:
    probes = {f"/{name}": (lambda name=name: wrong.get(name)) for name in ("livez", "readyz", "startedz")}
    server = ProbeServer(
        0,
        probes=probes,
        metrics=exposition(lambda: [Queue()], lambda: Used(cpu=1.5, rss=4096, processes=3)),
        host="::1",
    )
    server.start()
    try:
        yield f"http://[::1]:{server.port}"
    finally:
        server.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_probes_say_what_is_wrong() -> None:
    with serving(readyz="still starting") as url:
        assert get(f"{url}/livez") == (200, "ok\n")
        assert get(f"{url}/readyz") == (503, "still starting\n")
        assert get(f"{url}/startedz?verbose") == (200, "ok\n")
        assert get(f"{url}/other")[0] == 404


def test_a_client_that_hangs_up_is_no_news(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("::1", port), timeout=5) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            assert client.recv(1024).startswith(b"HTTP/1.1 200")
            # Closed by a reset, as health checks of load balancers do.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        deadline = time.monotonic() + 10
        while any("process_request_thread" in each.name for each in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert capfd.readouterr().err == ""


def test_metrics_are_read_when_asked() -> None:
    with serving() as url:
        status, text = get(f"{url}/metrics")
    assert status == 200
    lines = text.splitlines()
    for line in (
        'bullpen_worker_jobs_total{name="render",outcome="completed",queue="videos"} 1.0',
        'bullpen_worker_jobs_total{name="render",outcome="failed",queue="videos"} 1.0',
        'bullpen_worker_job_duration_seconds_bucket{le="0.25",name="render",queue="videos"} 2.0',
        'bullpen_worker_job_duration_seconds_count{name="render",queue="videos"} 2.0',
        'bullpen_worker_job_wait_seconds_bucket{le="+Inf",name="render",queue="videos"} 2.0',
        'bullpen_worker_job_wait_seconds_bucket{le="60.0",name="render",queue="videos"} 1.0',
        'bullpen_worker_slots{queue="videos"} 10.0',
        'bullpen_worker_busy{queue="videos"} 3.0',
        'bullpen_worker_oldest_job_seconds{queue="videos"} 4.5',
        'bullpen_worker_stuck_jobs{queue="videos"} 1.0',
        'bullpen_worker_redis_errors_total{queue="videos"} 2.0',
        'bullpen_worker_lock_losses_total{queue="videos"} 1.0',
        'bullpen_worker_reclaimed_jobs_total{queue="videos"} 4.0',
        "bullpen_worker_cpu_seconds_total 1.5",
        "bullpen_worker_resident_bytes 4096.0",
        "bullpen_worker_processes 3.0",
    ):
        assert line in lines


def test_a_port_in_use_is_a_configuration_error() -> None:
    with serving() as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(
            ConfigurationError, match=f"METRICS_PORT={port}: cannot listen .*in use.*choose a free port"
        ):
            ProbeServer(port, probes={}, metrics=lambda: b"")
