"""Make one video from end to end, and tell what happens: a Redis of its own, two workers, one job.

    python examples/video/run.py ["A title"] [--scenes 6] [--fail-scene 3] [--workers 2] [--out DIRECTORY]

With REDIS_URL set it uses that Redis, and the workers that serve it beside its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS = 120.0


@contextmanager
def started(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block runs; it is asked to end, and then waited for."""
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis on a free port, with nothing in it; gives its URL."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not on the PATH: install Redis, or name one that runs by REDIS_URL")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bullpen-video-") as directory:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""]
        with started(command, stdout=subprocess.DEVNULL) as server:
            while server.poll() is None:
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}"


async def render(options: argparse.Namespace) -> int:
    """Add the job, print the events until it has ended."""
    import files
    import pipeline as example  # reads the environment, which main has completed

    video = example.Video(title=options.title, scenes=options.scenes, fail_scene=options.fail_scene)
    known = " (its files are there already)" if video.folder.exists() else ""
    print(f"{video.title!r}: {video.scenes} scenes{known}, into {video.folder}", flush=True)
    begun = time.monotonic()
    async with example.app as app, example.videos.events() as events:
        job = await example.videos.add("generate", video)
        async with asyncio.timeout(SECONDS):
            async for event in events:
                name = _stage(event.job_id or "", job.id)
                if name and (what := _told(event.kind, event.fields)):
                    print(f"{time.monotonic() - begun:6.2f} s  {name:<10} {what}", flush=True)
                if event.job_id == job.id and event.kind in ("completed", "failed"):
                    break
        if await job.state() == "failed":
            print(f"failed: {(await job.record()).failed_reason}", file=sys.stderr)
            return 1
        movie = example.Movie.model_validate(await job.result())
        attempts = {
            each.id: (await each.record()).attempts_made
            for chunk in (await app.get_flow(job)).children[0].children
            for each in [leaf.job for leaf in chunk.children]
        }
    again = sum(count > 1 for count in attempts.values())
    print(f"{movie.frames} frames, {movie.seconds:.1f} s, {movie.bytes / 1000:,.0f} kB; images drawn anew: {again}")
    print(files.root() / movie.file)
    return 0


def _stage(job_id: str, root: str) -> str:
    return "generate" if job_id == root else job_id.removeprefix(f"{root}.") if job_id.startswith(f"{root}.") else ""


def _told(kind: str, fields: Mapping[str, str]) -> str:
    """What an event is to a reader; most are of no interest."""
    if kind == "progress":
        return f"{fields.get('data', '')} %"
    if kind in ("active", "completed"):
        return {"active": "starts", "completed": "done"}[kind]
    if kind == "delayed":
        return "failed, is tried again"
    return f"FAILED: {fields.get('failedReason', '')}" if kind == "failed" else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("title", nargs="?", default="Jobs that run in the background")
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--fail-scene", type=int, default=None, help="the first attempt to draw this scene fails")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("VIDEO_DIR") or "videos"))
    options = parser.parse_args()
    os.environ["VIDEO_DIR"] = str(options.out.resolve())
    with ExitStack() as stack:
        if not os.environ.get("REDIS_URL"):
            os.environ["REDIS_URL"] = stack.enter_context(redis_server())
        serve = [sys.executable, "-m", "bullpen.cli", "serve", "pipeline:app", "--log-level", "warning"]
        env = {**os.environ, "QUEUE_CONCURRENCY": "2"}
        for _ in range(options.workers):
            stack.enter_context(started(serve, cwd=HERE, env=env))
        return asyncio.run(render(options))


if __name__ == "__main__":
    sys.exit(main())
