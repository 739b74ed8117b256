"""No-op job rate of one worker process: ours, PyPI bullmq and Node BullMQ, interleaved on one private Redis.

    python benchmarks/worker.py [--rounds 3] [--slots 1,10,100] [--peers bullpen,bullmq-py,node]

Each run serves a queue that is already full and times itself from its first tenth of jobs to its last job. The table
shows medians, CPU seconds of the worker for 1,000 jobs, and ratios, which is what to compare: the machine may be busy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from private_redis import redis_server

from bullpen.client.connection import Link
from bullpen.client.settings import RedisLocation
from bullpen.protocol import Call, QueueKeys
from bullpen.protocol.calls import add, read

HERE = Path(__file__).resolve().parent
NODE_MODULES = HERE.parent / "tests" / "conformance" / "node" / "node_modules"
QUEUE = "noop"
RUN_SECONDS = 120
# Jobs a run, by slots: some seconds for each peer.
JOBS = {
    "bullpen": {1: 10_000, 10: 30_000, 100: 50_000},
    "bullmq-py": {1: 4_000, 10: 6_000, 100: 6_000},
    "node": {1: 10_000, 10: 30_000, 100: 50_000},
}


async def fill(port: int, jobs: int) -> None:
    """An empty database with so many jobs waiting."""
    location = RedisLocation.parse(f"redis://127.0.0.1:{port}")
    keys = QueueKeys("bull", QUEUE)
    async with Link(location) as link:
        await link.run(Call(command=("FLUSHALL",), parse=bytes))
        for start in range(0, jobs, 1000):
            now = int(time.time() * 1000)
            count = min(1000, jobs - start)
            await asyncio.gather(*(link.run(add.add(keys, name="noop", data='{"n":1}', now=now)) for _ in range(count)))


async def completed(port: int) -> int:
    """How many jobs Redis has as completed."""
    async with Link(RedisLocation.parse(f"redis://127.0.0.1:{port}")) as link:
        return (await link.run(read.counts(QueueKeys("bull", QUEUE)))).completed


def run(peer: str, port: int, slots: int) -> dict[str, float]:
    """One run: what the worker says of itself, as `rate` (jobs/s), `cpu` (s for 1,000 jobs) and `rss` (MB)."""
    jobs = JOBS[peer].get(slots, 20_000)
    asyncio.run(fill(port, jobs))
    environment = {
        **os.environ,
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "BENCH_PORT": str(port),
        "BENCH_SLOTS": str(slots),
        "BENCH_JOBS": str(jobs),
        "BENCH_NODE_MODULES": str(NODE_MODULES),
        "PYTHONPATH": str(HERE),
    }
    serve = [sys.executable, "-m", "bullpen.cli", "serve", "worker_ours:app", "--log-level", "warning"]
    command = {
        "bullpen": [*serve, "--concurrency", str(slots)],
        "bullmq-py": [sys.executable, str(HERE / "worker_bullmq.py")],
        "node": ["node", str(HERE / "worker_node.mjs")],
    }[peer]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=RUN_SECONDS, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{peer} at {slots} slots ended with {done.returncode} and no result: {done.stdout[-500:]}")
    if peer == "bullpen" and (count := asyncio.run(completed(port))) != jobs:
        raise SystemExit(f"{peer} at {slots} slots completed {count} of {jobs} jobs")
    result: dict[str, float] = json.loads(lines[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", default="1,10,100")
    parser.add_argument("--peers", default="bullpen,bullmq-py,node")
    options = parser.parse_args()
    peers = options.peers.split(",")
    if "node" in peers and (shutil.which("node") is None or not (NODE_MODULES / "bullmq5").is_dir()):
        print(f"no Node peer: it needs node, and `npm ci` in {NODE_MODULES.parent}", file=sys.stderr)
        peers.remove("node")
    slots = [int(each) for each in options.slots.split(",")]
    results: dict[tuple[str, int], list[dict[str, float]]] = {}
    with redis_server() as port:
        for round_ in range(options.rounds):
            for count in slots:
                for peer in peers:
                    result = run(peer, port, count)
                    results.setdefault((peer, count), []).append(result)
                    print(
                        f"round {round_ + 1}: {peer} at {count} slots {result['rate']:,.0f}/s",
                        file=sys.stderr,
                        flush=True,
                    )
    show(results, slots, peers)


def show(results: dict[tuple[str, int], list[dict[str, float]]], slots: list[int], peers: list[str]) -> None:
    """Medians, and how our rate compares."""
    print(f"{'slots':>5}  {'worker':<10} {'jobs/s':>8} {'CPU s/1000':>10} {'RSS MB':>7}  ours is")
    for count in slots:
        median = {
            peer: {key: statistics.median(each[key] for each in results[peer, count]) for key in ("rate", "cpu", "rss")}
            for peer in peers
        }
        ours = median.get("bullpen")
        for peer, row in median.items():
            ratio = f"{ours['rate'] / row['rate']:.2f}x" if ours is not None and peer != "bullpen" else ""
            print(f"{count:>5}  {peer:<10} {row['rate']:>8,.0f} {row['cpu']:>10.3f} {row['rss']:>7.0f}  {ratio}")


if __name__ == "__main__":
    main()
