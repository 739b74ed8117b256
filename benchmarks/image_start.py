"""From the start of a container of the worker image to its first claim of a job, and to the job's end.

    python benchmarks/image_start.py [--image bullpen/quickstart:dev] [--rounds 7] [--cpus 2]

Needs the Docker engine of `hack/cluster`, which `python3 hack/cluster build quickstart redis` starts, with the images.
The job waits before the container is made. Docker says when the container's process began, Redis when the job was
claimed (`processedOn`), both by this machine's clock. Exits 1 when the median is above 1.0 s.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import uuid
from datetime import datetime
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from figures import Figure, show

from bullpen import App
from hack.cluster import engine
from hack.cluster.app_images import REDIS
from hack.cluster.places import Places

NAME = f"bullpen-start-{uuid.uuid4().hex[:8]}"
PATIENCE = 30.0


def docker(*words: str) -> str:
    found = engine.find(Places.of(os.environ))
    if found is None:
        sys.exit("no Docker engine answers: python3 hack/cluster build quickstart redis")
    command = ["docker", *words]
    done = subprocess.run(command, env={**os.environ, **found.env}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


async def start(image: str, *, address: str, cpus: float) -> float:
    """Seconds from the start of the container's process to the claim."""
    async with App(redis=f"redis://{address}") as app:
        queue = app.queue("video-generation")
        job = await queue.add("generate", {"userId": "u", "scriptId": "s", "seconds": 0})
        name = f"{NAME}-{job.id}"
        words = ("--name", name, "--network", NAME, "--cpus", str(cpus), "-e", f"REDIS_URL=redis://{NAME}-redis")
        docker("run", "--detach", "-e", "MODE=worker", "-e", "QUEUE_CONCURRENCY=10", *words, image)
        try:
            await job.result(timeout=PATIENCE)
            began = datetime.fromisoformat(docker("inspect", "--format", "{{.State.StartedAt}}", name)[:26] + "+00:00")
            claimed = (await job.record()).processed_on
        finally:
            docker("rm", "--force", name)
    assert claimed is not None
    return claimed / 1000 - began.timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image", default="bullpen/quickstart:dev")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cpus", type=float, default=2)
    options = parser.parse_args()
    docker("network", "create", NAME)
    try:
        server = ("redis-server", "--protected-mode", "no", "--save", "")
        docker("run", "--detach", "--network", NAME, "--name", f"{NAME}-redis", "-p", "127.0.0.1::6379", REDIS, *server)
        address = docker("port", f"{NAME}-redis", "6379").splitlines()[0]
        times = [
            asyncio.run(start(options.image, address=address, cpus=options.cpus)) for _ in range(options.rounds + 1)
        ]
    finally:
        docker("rm", "--force", f"{NAME}-redis")
        docker("network", "rm", NAME)
    median, worst = statistics.median(times[1:]), max(times[1:])  # the first reads the image from disk
    said = f"{median:.2f} s (first {times[0]:.2f} s, worst after it {worst:.2f} s)"
    figure = Figure("start of the container to its first claim", said, "<= 1.0 s", median <= 1.0)
    print(show([figure]))
    if not figure.met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
