"""The simulated cluster beside a real one: the same jobs, the same pool, waits and pod-seconds of both.

    python benchmarks/calibration.py [--namespace bullpen-calibration] [--log FILE] [--only bulks,bursts,step]

Each workload runs on the cluster of `hack/cluster` (images quickstart and redis), from zero pods and back to zero,
under the operator of this checkout as a process outside. What its pods cost is counted by a watch, from each pod's
creation to its end; what its jobs waited is read from their records. Then `bullpen replay` plays the recorded jobs,
given the mean time that pods of all workloads took from creation to ready, which is all that is fitted. Exits 1 when
p95 of the waits or the pod-seconds differ by more than 15 %.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from real_pool import QUEUE, Jobs, Lives, Place, place, until

SLOTS = 5
MOST_PODS = 12
ALLOWED = 0.15
PATIENCE_SECONDS = 900.0


def bulks(chance: random.Random) -> Jobs:
    """Two bulks from zero: 200 jobs of 6 s, each time at once."""
    return [(at, 6.0) for at in (0.0, 240.0) for _ in range(200)]


def bursts(chance: random.Random) -> Jobs:
    """Three times half a minute of 4 jobs a second, log-normal around 5 s."""
    jobs: Jobs = []
    for start in (0.0, 150.0, 300.0):
        at = start
        while (at := at + chance.expovariate(4)) < start + 30:
            jobs.append((at, 5 * chance.lognormvariate(0, 0.6)))
    return jobs


def step(chance: random.Random) -> Jobs:
    """Two minutes of one job of 4 s in two seconds, then two of eight times as many."""
    jobs: Jobs = []
    at = 0.0
    while (at := at + chance.expovariate(0.5 if at < 120 else 4)) < 240:
        jobs.append((at, 4.0))
    return jobs


WORKLOADS: dict[str, Callable[[random.Random], Jobs]] = {"bulks": bulks, "bursts": bursts, "step": step}


async def run(at: Place, name: str) -> Lives:
    """One workload on the cluster, until its last pod is gone."""
    async with at.followed(name) as lives:
        await at.apply(at.manifest(name, slots=SLOTS, most=MOST_PODS))
        ready = ("wait", f"workerpool/{name}", "--for=condition=Ready", "--timeout=60s")
        await asyncio.to_thread(at.site.kubectl, *ready)
        await at.add(name, WORKLOADS[name](random.Random(name)))
        await until(lambda: lives.ended, f"end of the pods of {name}", within=PATIENCE_SECONDS)
    print(f"{name}: {len(lives.created)} pods, {lives.seconds:.0f} s", file=sys.stderr, flush=True)
    return lives


def replayed(at: Place, name: str, start_seconds: float, folder: Path) -> dict[str, dict[str, Any]]:
    """What `bullpen replay` says of the jobs that the queue keeps: a row for each policy."""
    pool = folder / f"{name}.json"
    pool.write_text(json.dumps(at.manifest(name, slots=SLOTS, most=MOST_PODS)))
    words = ["-f", str(pool), "--queue", QUEUE, "--redis", at.url, "--prefix", name]
    program = str(Path(sys.executable).parent / "bullpen")
    command = [program, "replay", *words, "--pod-start", str(start_seconds), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    print(done.stderr, end="", file=sys.stderr)
    return {row["policy"]: row for row in map(json.loads, done.stdout.splitlines())}


def within(name: str, lives: Lives, rows: dict[str, dict[str, Any]]) -> bool:
    """Print a line; whether both figures are within what is allowed."""
    real, model = rows["as it really was"], rows["bullpen"]
    seconds = model["podHours"] * 3600
    waits, pods = model["p95"] / real["p95"], seconds / lives.seconds
    print(
        f"{name:8} wait p50 {real['p50']:.2f} / {model['p50']:.2f} s, p95 {real['p95']:.2f} / {model['p95']:.2f} s"
        f" ({waits:.2f}); pod-seconds {lives.seconds:.0f} / {seconds:.0f} ({pods:.2f})",
        flush=True,
    )
    return abs(waits - 1) <= ALLOWED and abs(pods - 1) <= ALLOWED


async def measure(options: argparse.Namespace) -> int:
    """All of it; the exit code."""
    log = Path(options.log)
    async with place(options.namespace, log) as at:
        lives = {name: await run(at, name) for name in options.only.split(",")}
        starts = [each for one in lives.values() for each in one.starts]
        print(f"{len(starts)} pods were ready {fmean(starts):.2f} s after their creation in the mean; real / model:")
        rows = {name: replayed(at, name, round(fmean(starts), 2), log.parent) for name in lives}
    good = [within(name, one, rows[name]) for name, one in lives.items()]
    return 0 if all(good) else 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--namespace", default="bullpen-calibration")
    parser.add_argument("--log", default="calibration-operator.log", help="where the operator's output goes")
    parser.add_argument("--only", default=",".join(WORKLOADS))
    sys.exit(asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
