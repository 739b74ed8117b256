"""Apps without an event loop, against a real server."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from bullpen import App as AsyncApp
from bullpen import ConfigurationError, Event, Flow, JobFailed, JobMissing, NewJob, Retry, WrongState
from bullpen.client.sync import SyncLink
from bullpen.protocol import JobState, QueueKeys
from bullpen.protocol.calls import work
from bullpen.protocol.location import RedisLocation
from bullpen.protocol.replies import JobRecord
from bullpen.sync import App, Queue
from tests.integration import tls
from tests.integration.client.desk import completed, failed
from tests.integration.redis_server import RedisServer, free_port

PATIENCE = 20.0
# Nothing may be left open. The child of a fork does leave what is its parent's.
STRICT = ("-W", "error")
KEYS = QueueKeys("bull", "videos")


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    with App(redis=redis_url) as opened:
        yield opened


@pytest.fixture
def videos(app: App) -> Queue:
    return app.queue("videos")


class Hands:
    """A worker that does one job when it is told to."""

    def __init__(self, location: RedisLocation) -> None:
        self._link = SyncLink(location)

    def do(self, value: str | None) -> str:
        """Completes a job with this JSON, or fails it; its id."""
        now = int(time.time() * 1000)
        [claimed] = self._link.run(work.work(KEYS, now=now, tokens=["t"])).claimed
        finish = failed(claimed) if value is None else completed(claimed, value)
        self._link.run(work.work(KEYS, now=now, finishes=[finish]))
        return claimed.job.id


@pytest.fixture
def hands(location: RedisLocation) -> Hands:
    return Hands(location)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_job_is_added_looked_at_and_changed(videos: Queue) -> None:
    job = videos.add("render", {"text": "ü"}, delay="1h")
    state: JobState = job.state()  # the types are those of `bullpen`, as mypy sees here
    record: JobRecord = job.record()
    assert (state, record.data, record.delay) == ("delayed", {"text": "ü"}, 3_600_000)
    assert (job.queue.name, job.id, repr(job)) == ("videos", "1", "Job('1', queue='videos')")
    job.promote()
    job.update_data([1])
    job.change_priority(3)
    found = videos.get_job(job.id)
    assert found is not None
    assert (found.record().data, found.state()) == ([1], "prioritized")
    assert videos.counts().prioritized == 1
    job.remove()
    assert videos.get_job(job.id) is None
    assert videos.get("ghost").state() == "unknown"
    with pytest.raises(TypeError):
        videos.add("render", dellay="1h")  # type: ignore[call-arg]


def test_jobs_are_added_in_bulk_and_made_in_the_callers_thread(videos: Queue) -> None:
    makers: set[int] = set()

    def made(count: int) -> Iterator[NewJob]:
        for number in range(count):
            makers.add(threading.get_ident())
            yield NewJob("render", number)

    assert [job.id for job in videos.add_bulk(made(3))] == ["1", "2", "3"]
    assert [job.id for job in videos.add_each(made(1201))] == [str(number) for number in range(4, 1205)]
    assert makers == {threading.get_ident()}
    assert [record.data for record in videos.jobs("waiting", start=1201, end=-1)] == [1198, 1199, 1200]

    def broken(count: int) -> Iterator[NewJob]:
        yield from made(count)
        yield NewJob("render", priority=-1)

    with pytest.raises(ConfigurationError, match="job 2 of the bulk"):
        videos.add_bulk(broken(2))
    assert videos.counts().waiting == 1204
    added = videos.add_each(broken(700))
    assert len([next(added) for _ in range(700)]) == 700
    with pytest.raises(ConfigurationError, match="job 700 of the bulk"):
        next(added)
    assert videos.counts().waiting == 1904


def test_errors_are_those_of_the_async_api(videos: Queue) -> None:
    with pytest.raises(ConfigurationError, match="data of job 'render'"):
        videos.add("render", {"x": object()})
    with pytest.raises(JobMissing):
        videos.get("ghost").progress()
    with pytest.raises(WrongState, match="not delayed"):
        videos.add("render").promote()
    with pytest.raises(ConfigurationError, match="must be the id of an event"):
        videos.events(after="yesterday")
    assert videos.counts().waiting == 1


def test_a_result_is_waited_for(videos: Queue, hands: Hands) -> None:
    with pytest.raises(TimeoutError, match=r"did not end within 0\.05 s"):
        videos.add("render", job_id="slow").result(timeout="50ms")
    with ThreadPoolExecutor(3) as threads:
        jobs = [videos.get("slow"), *(videos.add("render", retry=Retry(attempts=1)) for _ in range(2))]
        results = [threads.submit(job.result, timeout=PATIENCE) for job in jobs]
        until(lambda: sum(result.running() for result in results) == 3, "all wait")
        assert [hands.do(value) for value in ('{"n":1}', '"x"', None)] == ["slow", "2", "3"]
        assert [result.result(PATIENCE) for result in results[:2]] == [{"n": 1}, "x"]
        with pytest.raises(JobFailed, match="boom"):
            results[2].result(PATIENCE)


def test_many_threads_share_one_connection(app: App, raw: Any, redis_server: RedisServer) -> None:
    def add(number: int) -> str:
        return app.queue(f"q{number % 4}").add("render", number).id

    before = raw.info("stats")["total_connections_received"]
    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(add, range(400)))
    assert sorted(map(int, ids)) == sorted([*range(1, 101)] * 4)
    assert raw.info("stats")["total_connections_received"] == before + 1


def test_events_are_an_iteration(videos: Queue) -> None:
    videos.add("render")
    with videos.events() as events:
        videos.add("render", delay=5)
        found: list[Event] = [next(events), next(events)]
    assert [f"{event.kind} {event.job_id}" for event in found] == ["added 2", "delayed 2"]
    assert events.position == found[-1].id
    with videos.events(after="0-0") as events:
        kinds = []
        for event in events:
            kinds.append(event.kind)
            if event.job_id == "2":
                break
        assert kinds == ["added", "waiting", "added"]
        events.close()
        assert next(events).kind == "delayed"  # on from where it was


def test_closing_ends_an_iteration_that_waits(app: App, videos: Queue, raw: Any) -> None:
    events = videos.events()
    with ThreadPoolExecutor(1) as threads:
        following = threads.submit(lambda: [event.kind for event in events])
        until(lambda: raw.info("clients")["blocked_clients"] == 1, "it waits in Redis")
        with pytest.raises(RuntimeError, match="are being read already"):
            next(events)
        app.close()
        assert following.result(PATIENCE) == []
    assert videos.add("render").state() == "waiting"


def test_a_flow_is_added_and_read_back(app: App, videos: Queue) -> None:
    drawn = Flow(queue=app.queue("images"), name="draw", job_id="draw")
    added = app.flow(Flow(queue=videos, name="merge", job_id="merge", children=[drawn]))
    assert (added.job.id, [child.job.id for child in added.children]) == ("merge", ["draw"])
    more = app.flow(Flow(queue="videos", name="sound", job_id="sound"), parent=added.job)
    assert app.get_flow(added.job, depth=1).children == ()
    read = app.get_flow(added.job)
    assert sorted((child.job.queue.name, child.job.id) for child in read.children) == [
        ("images", "draw"),
        ("videos", "sound"),
    ]
    assert added.job.children_counts().unprocessed == 2
    assert app.job_at("bull:videos:sound").state() == more.job.state()
    with pytest.raises(ConfigurationError, match="is not under the prefix 'bull' of this app"):
        app.job_at("other:videos:sound")


def test_schedules_and_upkeep(videos: Queue) -> None:
    job = videos.schedule("nightly", cron="0 3 * * *", tz="Europe/Berlin", data={"n": 1})
    assert job.state() == "delayed"
    assert [scheduler.id for scheduler in videos.schedulers()] == ["nightly"]
    assert videos.unschedule("nightly")
    videos.pause()
    videos.set_concurrency(3)
    assert (videos.settings().paused, videos.settings().concurrency) == (True, 3)
    videos.add("render")
    assert [record.name for record in videos.jobs("waiting")] == ["render"]
    assert videos.drain() == 1
    videos.obliterate()
    assert videos.workers() == ()


async def test_it_works_inside_a_running_loop_and_beside_it(redis_url: str) -> None:
    """An app on two loops at a time: here, and in the thread of its facade."""
    async with AsyncApp(redis=redis_url) as app:
        job = await app.queue("videos").add("render")
        assert app.sync.queue("videos").get(job.id).state() == "waiting"
        app.sync.close()
        assert await job.state() == "waiting"


def test_a_refused_login_is_told(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("requirepass", "right")
    with App(redis=own_redis.url) as app, pytest.raises(ConfigurationError, match="refused the login"):
        app.queue("videos").add("render")


def test_threads_left_behind_by_tests_end(app: App, videos: Queue) -> None:
    videos.counts()
    assert "bullpen-sync" in [thread.name for thread in threading.enumerate()]
    app.close()
    assert "bullpen-sync" not in [thread.name for thread in threading.enumerate() if thread.is_alive()]


def script(text: str, url: str, *flags: str) -> str:
    """What a program says; it must end by itself, with code 0 and without a word to stderr."""
    command = [sys.executable, *flags, "-c", textwrap.dedent(text), url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_a_program_ends_though_nobody_closes_anything(redis_url: str) -> None:
    said = script(
        """
        import sys, threading
        from bullpen import App
        from bullpen.errors import ConnectionLost

        app = App(redis=sys.argv[1]).sync
        videos = app.queue("videos")
        job = videos.add("render")
        reading = videos.events(after="0-0")
        next(reading)
        waiting = threading.Event()

        def wait():
            waiting.set()
            try:
                job.result()
            except ConnectionLost as lost:
                print(lost, flush=True)

        threading.Thread(target=wait, daemon=True).start()
        waiting.wait()
        videos.counts()
        print(job.id)
        """,
        redis_url.replace("127.0.0.1", "localhost"),
        *STRICT,
    )
    assert said.splitlines()[0] == "1"


def test_a_program_whose_redis_is_gone_ends_too(redis_url: str) -> None:
    script(
        """
        import sys, threading
        from bullpen import ConnectionLost
        from bullpen.sync import App

        videos = App(redis="redis://127.0.0.1:1").queue("videos")
        begun = threading.Event()

        def add():
            begun.set()
            try:
                videos.add("render")
            except ConnectionLost:
                pass

        threading.Thread(target=add, daemon=True).start()
        begun.wait()
        """,
        redis_url,
        *STRICT,
    )


# As gunicorn does it with preload_app: the app is used, events are read, a thread calls all the while.
FORKING = """
import os, sys, threading
from bullpen.sync import App

app = App(redis=sys.argv[1])
videos = app.queue("videos")
videos.add("render", job_id="first")
events = videos.events(after="0-0").__enter__()
assert next(events).kind == "added"
stopped = threading.Event()
calls = []

def call():
    while not stopped.is_set():
        calls.append(videos.counts().waiting)

busy = threading.Thread(target=call)
busy.start()
children = []
for number in range(5):
    child = os.fork()
    if child == 0:
        stopped.set()
        assert videos.add("render", job_id=f"child-{number}").state() == "waiting"
        assert next(events).kind == "waiting"
        with app:
            assert videos.get("first").state() == "waiting"
        sys.exit(0)
    children.append(child)
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 5
videos.add("render", job_id="last")
while next(events).job_id != "last":
    pass
so_far = len(calls)
for _ in range(100):
    videos.counts()
stopped.set()
busy.join()
assert len(calls) > so_far
print(videos.counts().waiting)
"""


def test_after_a_fork_parent_and_child_go_on_with_connections_of_their_own(redis_url: str, raw: Any) -> None:
    before = raw.info("stats")["total_connections_received"]
    assert script(FORKING, redis_url) == "7\n"
    # Six processes with a connection for commands and one for events each: none was lost by a fork.
    assert raw.info("stats")["total_connections_received"] == before + 12


def test_a_fork_says_no_farewell_on_the_parents_tls_connections(tmp_path: Path) -> None:
    path, port = tls.certificate(tmp_path), free_port()
    server = RedisServer(tmp_path / "redis", *tls.tls_options(path, port))
    server.start()
    try:
        with redis.Redis(port=server.port) as client:
            before = client.info("stats")["total_connections_received"]
            assert script(FORKING, f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={path}") == "7\n"
            assert client.info("stats")["total_connections_received"] == before + 12
    finally:
        server.stop()
