"""`bullpen replay` and `advise` on what a real queue keeps of its past."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis
import yaml

from bullpen import App
from bullpen_operator.cli.manifest import checked
from tests.integration.cli.conftest import Command
from tests.integration.worker.house import serving

QUEUE = "video-generation"
MANIFEST = """
apiVersion: v1
kind: Service
---
apiVersion: bullpen.dev/v1alpha1
kind: WorkerPool
metadata: {name: video}
spec:
  queue: video-generation
  prefix: PREFIX
  image: i
  app: a:b
  concurrency: 3
  redis: {url: redis://r}
  scaling: {maxReplicas: 4, waitObjective: {seconds: 20}}
"""


async def _worked(url: str, log: Path, *jobs: tuple[str, object, bool], prefix: str = "bull") -> None:
    """A queue whose worker has done these jobs; the last of each says whether it was removed."""
    async with App(redis=url, prefix=prefix) as app:
        queue = app.queue(QUEUE)
        for name, data, removed in jobs:
            await queue.add(name, data, remove_on_complete=removed)
    with serving("house_app:app", url, log, "--burst", QUEUE_PREFIX=prefix) as worker:
        assert await worker.exit_code(seconds=60) == 0


def worked(url: str, log: Path, *jobs: tuple[str, object, bool], prefix: str = "bull") -> None:
    """The same; the command wants an event loop of its own."""
    asyncio.run(_worked(url, log, *jobs, prefix=prefix))


def test_jobs_that_are_kept_and_jobs_that_were_removed_are_one_history(
    bullpen: Command, redis_url: str, tmp_path: Path, raw: redis.Redis
) -> None:
    kept = [("async-sleep", 0.3, False)] * 12
    worked(redis_url, tmp_path / "log", *kept, *[("async-sleep", 0.3, True)] * 8, ("quick", {"n": "x"}, False))
    assert raw.zcard(f"bull:{QUEUE}:completed") == 12

    said = bullpen("replay", "--queue", QUEUE)
    assert said.ok().lines[0].startswith(f"{QUEUE}: 21 jobs in ")
    assert said.lines[1].startswith("jobs: half of them ran 3")
    assert "note:" not in said.out
    rows = bullpen("replay", "--queue", QUEUE, "--json", "--fixed", "2").ok().json
    assert [row["policy"] for row in rows] == ["bullpen", "KEDA, 5 waiting a pod", "2 pods, always", "as it really was"]
    assert rows[0]["interrupted"] == 0
    assert rows[2]["peak"] == 2
    assert rows[3]["podHours"] is None

    raw.delete(f"bull:{QUEUE}:events")
    said = bullpen("replay", "--queue", QUEUE)
    assert said.lines[0].startswith(f"{QUEUE}: 13 jobs in ")
    assert "note: older jobs are not kept" in said.out


def test_the_newest_jobs_of_many(bullpen: Command, redis_url: str, tmp_path: Path) -> None:
    worked(redis_url, tmp_path / "log", *[("quick", {"n": n}, False) for n in range(30)])
    said = bullpen("replay", "--queue", QUEUE, "--jobs", "10")
    assert " 10 jobs in " in said.ok().lines[0]


def test_a_manifest_gives_queue_prefix_and_settings_and_options_win(
    bullpen: Command, redis_url: str, tmp_path: Path
) -> None:
    worked(redis_url, tmp_path / "log", *[("quick", {"n": n}, False) for n in range(5)], prefix="other")
    file = tmp_path / "pool.yaml"
    file.write_text(MANIFEST.replace("PREFIX", "other"))
    said = bullpen("replay", "-f", str(file))
    assert said.ok().lines[2] == "pool: 99 % are to start within 20s; 0 to 4 pods of 3 jobs, started in 8 s"
    said = bullpen("replay", "-f", str(file), "--max-pods", "9", "--objective", "5", "--pod-start", "2")
    assert said.ok().lines[2] == "pool: 99 % are to start within 5s; 0 to 9 pods of 3 jobs, started in 2 s"


def test_advice_is_a_spec_that_the_api_server_takes(bullpen: Command, redis_url: str, tmp_path: Path) -> None:
    worked(redis_url, tmp_path / "log", *[("async-sleep", 0.2, False)] * 30)
    said = bullpen("advise", "--queue", QUEUE).ok()
    spec = yaml.safe_load(said.out)["spec"]
    assert spec["scaling"]["waitObjective"] == {"seconds": 30}
    assert spec["drain"] == {"seconds": 30}
    checked({"queue": QUEUE, "image": "i", "redis": {"url": "redis://r"}, **spec}, name="advice")
    [found] = bullpen("advise", "--queue", QUEUE, "--objective", "7", "--json").ok().json
    assert found["objective"] == 7
    assert {each["field"] for each in found["advice"]} >= {"concurrency", "drain.seconds", "scaling.maxReplicas"}


CSV = "time,duration\n2026-03-02T08:00:00Z,2\n1772438410,1.5\n1772438420000,1m30s\n"


def test_a_file_of_times_and_durations_is_a_history(bullpen: Command, tmp_path: Path) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text(CSV)
    said = bullpen("replay", "--csv", str(file)).ok()
    assert said.lines[0] == f"{file}: 3 jobs in 1m 50s, from 2026-03-02 08:00:00 UTC"
    assert "as it really was" not in said.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no row"),
        ("time,duration\n", "has no row"),
        ("2026-03-02T08:00:00Z\n", "line 1: '2026-03-02T08:00:00Z' has one column"),
        ("1,2\nyesterday,2\n", "line 2: 'yesterday' is no time"),
        ("1,2\n-5,2\n", "line 2: '-5' is no time"),
        ("1,2\nnan,2\n", "line 2: 'nan' is no time"),
        ("1,soon\n", "line 1, duration: 'soon' is no duration"),
        ("1,-3\n", "line 1, duration"),
    ],
)
def test_a_bad_row_is_named(bullpen: Command, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text(text)
    said = bullpen("replay", "--csv", str(file))
    assert (said.code, said.out) == (2, "")
    assert words in said.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "no history is named: give a queue with --queue, or a file with --csv"),
        (("--queue", "q", "--csv", "f"), 2, "both --queue and --csv are given"),
        (("--queue", "nothing"), 1, "no queue 'nothing'"),
        (("--queue", "fresh"), 1, "keeps no job that ended"),
        (("--csv", "/nowhere"), 2, "cannot read /nowhere"),
        (
            ("-f", "pool.yaml", "--queue", "other"),
            2,
            "has 0 WorkerPools for the queue 'other'; the queues of its pools: video",
        ),
        (("-f", "bad.yaml", "--queue", "q"), 2, "concurrency is below 1: give the number of jobs"),
        (("-f", "broken.yaml", "--queue", "q"), 2, "is no YAML"),
        (("-f", "typed.yaml", "--queue", "q"), 2, "spec.concurrency: input should be a valid integer"),
        (
            ("--queue", "fresh", "--min-pods", "5", "--max-pods", "2"),
            2,
            "scaling.minReplicas is above scaling.maxReplicas",
        ),
        (("--queue", "fresh", "--percentile", "100"), 2, "scaling.waitObjective.percentile is not in 50 to 99"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)
def test_what_cannot_be_played_is_said(
    bullpen: Command, tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    bullpen("add", "fresh", "x").ok()
    pool = "kind: WorkerPool\nspec: {queue: %s, image: i, redis: {url: 'redis://r'}, concurrency: %s}\n"
    (tmp_path / "pool.yaml").write_text(MANIFEST)
    (tmp_path / "bad.yaml").write_text(pool % ("q", 0))
    (tmp_path / "typed.yaml").write_text(pool % ("q", "many"))
    (tmp_path / "broken.yaml").write_text("a: [")
    places = [str(tmp_path / word) if word.endswith(".yaml") else word for word in options]
    said = bullpen("replay", *places)
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert said.err.count("\n") == 1
