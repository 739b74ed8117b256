"""`examples/video` as it stands: real workers, real pictures, a fault in one image, and stages that are run again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from bullpen import App, FlowJobs
from tests.integration.worker.house import Process, serving, until

EXAMPLE = Path(__file__).parents[3] / "examples" / "video"
SMALL = {"title": "Two small words", "scenes": 4, "framesPerScene": 5, "width": 64, "height": 36}


@pytest.fixture
def workers(redis_url: str, tmp_path: Path) -> Iterator[list[Process]]:
    """Two workers on one directory."""
    with ExitStack() as stack:
        settings = {"PYTHONPATH": str(EXAMPLE), "VIDEO_DIR": str(tmp_path), "PYTHONWARNINGS": "error"}
        yield [
            stack.enter_context(
                serving("pipeline:app", redis_url, tmp_path / f"log-{n}", "--concurrency", "2", **settings)
            )
            for n in range(2)
        ]


async def rendered(url: str, **settings: object) -> tuple[dict[str, object], FlowJobs]:
    """The movie of one job, and the jobs that made it."""
    async with App(redis=url) as app:
        job = await app.queue("video-generation").add("generate", {**SMALL, **settings})
        return await job.result(timeout="60s"), await app.get_flow(job)


def jobs_of(tree: FlowJobs) -> dict[str, object]:
    found: dict[str, object] = {tree.job.id.partition(".")[2] or "generate": tree.job}
    for child in tree.children:
        found |= jobs_of(child)
    return found


async def test_a_video_is_made_in_four_stages(redis_url: str, workers: list[Process], tmp_path: Path) -> None:
    movie, tree = await rendered(redis_url)
    path = tmp_path / str(movie["file"])
    with Image.open(path) as opened:
        assert (opened.format, opened.size) == ("WEBP", (64, 36))
        assert opened.n_frames == movie["frames"] == 20  # type: ignore[attr-defined]
    assert {each.name for each in path.parent.iterdir()} == {
        "script.json",
        *(f"image-{n:02}.png" for n in range(4)),
        "chunk-00.webp",
        "chunk-01.webp",
        "movie.webp",
    }
    assert jobs_of(tree).keys() == {
        "generate",
        "merge",
        *(f"chunk-{n}" for n in range(2)),
        *(f"image-{n}" for n in range(4)),
    }


async def test_each_stage_reports_its_progress_to_the_end(redis_url: str, workers: list[Process]) -> None:
    async with App(redis=redis_url) as app, app.queue("video-generation").events() as events:
        job = await app.queue("video-generation").add("generate", SMALL)
        seen: dict[str, list[int]] = {}
        async with asyncio.timeout(60):
            async for event in events:
                if event.kind == "progress":
                    seen.setdefault(str(event.job_id), []).append(json.loads(event.fields["data"]))
                if event.kind == "completed" and event.job_id == job.id:
                    break
    assert len(seen) == 8
    for reports in seen.values():
        assert len(reports) > 1
        assert reports == sorted(reports)
        assert reports[-1] == 100


async def test_an_image_that_fails_is_drawn_again_and_no_other(redis_url: str, workers: list[Process]) -> None:
    movie, tree = await rendered(redis_url, failScene=2)
    assert movie["frames"] == 20
    async with App(redis=redis_url) as app:
        records = {
            job_id: await app.queue("video-generation").get(f"{tree.job.id}.image-{job_id}").record()
            for job_id in range(4)
        }
    assert {number: record.attempts_made for number, record in records.items()} == {0: 1, 1: 1, 2: 2, 3: 1}


async def test_a_stage_that_is_run_again_finds_its_file(redis_url: str, workers: list[Process], tmp_path: Path) -> None:
    movie, _ = await rendered(redis_url)
    folder = (tmp_path / str(movie["file"])).parent
    (folder / "movie.webp").unlink()
    (folder / "chunk-01.webp").unlink()
    before = {each.name: each.stat().st_mtime_ns for each in folder.iterdir()}
    again, _ = await rendered(redis_url)
    assert again == movie
    after = {each.name: each.stat().st_mtime_ns for each in folder.iterdir()}
    assert after.keys() - before.keys() == {"movie.webp", "chunk-01.webp"}
    assert {name: after[name] for name in before} == before


async def test_a_killed_worker_leaves_no_half_files_under_real_names(
    redis_url: str, workers: list[Process], tmp_path: Path
) -> None:
    large = {**SMALL, "width": 960, "height": 540, "scenes": 6}
    async with App(redis=redis_url) as app:
        job = await app.queue("video-generation").add("generate", large)
        await until(lambda: any(tmp_path.glob("*/.half-*")), "a stage writes")
        workers[0].kill()
        workers[1].kill()
        assert await job.state() != "completed"
    check_whole(tmp_path)


def check_whole(directory: Path) -> None:
    for each in directory.glob("*/[!.]*.png"):
        with Image.open(each) as opened:
            opened.load()


def test_the_command_makes_one_and_says_where_it_is(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE / "run.py"), "A word", "--scenes", "2", "--fail-scene", "1"]
    environment = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "VIDEO_DIR")}
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "images drawn anew: 1" in lines[-2]
    assert Path(lines[-1]).is_relative_to(tmp_path)
    assert Path(lines[-1]).stat().st_size > 1000
