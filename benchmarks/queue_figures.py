"""The queue layer beside its peers, PyPI bullmq and Node BullMQ, on one private Redis: adding, finishing, large queues.

    python benchmarks/queue_figures.py [--rounds 5] [--quick] [--json] [--only enqueue,cpu,active,delayed,memory]

The peers take turns, so that a busy machine is busy for all of them; the tables show medians, and ratios are what to
compare. `--quick` takes a tenth of the jobs: whether it runs, not how fast. Exits 1 when a target is missed.
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
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from figures import Figure, show
from private_redis import redis_server
from queue_redis import Bench, cpu_per_job, delayed_costs, fill_delayed, finish_rate

from bullpen.protocol import QueueKeys

HERE = Path(__file__).resolve().parent
NODE_MODULES = HERE.parent / "tests" / "conformance" / "node" / "node_modules"
MODES = {"one": 5_000, "hundred": 20_000, "bulk": 50_000}
PRODUCERS = {
    "bullpen": [sys.executable, str(HERE / "producer_ours.py")],
    "bullmq-py": [sys.executable, str(HERE / "producer_bullmq.py")],
    "node": ["node", str(HERE / "producer_node.mjs")],
}
RUN_SECONDS = 900
BATCH = 100


@dataclass(frozen=True, slots=True)
class Run:
    """How much is measured, on which server."""

    port: int
    rounds: int
    share: float

    def jobs(self, count: int) -> int:
        """So many, or in a quick run a tenth; always whole hundreds."""
        return max(1000, int(count * self.share) // 1000 * 1000)

    def environment(self, **settings: object) -> dict[str, str]:
        return os.environ | {
            "REDIS_URL": f"redis://127.0.0.1:{self.port}",
            "BENCH_PORT": str(self.port),
            "BENCH_NODE_MODULES": str(NODE_MODULES),
            **{f"BENCH_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def produce(self, peer: str, mode: str, jobs: int) -> dict[str, float]:
        """What a producer says of its own run, on an empty database."""
        environment = self.environment(mode=mode, jobs=jobs)
        subprocess.run(["redis-cli", "-p", str(self.port), "FLUSHALL"], check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run(
            PRODUCERS[peer], env=environment, stdout=subprocess.PIPE, text=True, timeout=RUN_SECONDS, check=True
        )
        result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return result


def enqueue(run: Run, peers: list[str]) -> list[Figure]:
    """Rates of adding, one after the other, a hundred in flight, and in bulks of a thousand."""
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(run.rounds):
        for mode, jobs in MODES.items():
            for peer in peers:
                rates[mode, peer].append(run.produce(peer, mode, run.jobs(jobs))["rate"])
        print(f"enqueue: round {number + 1}", file=sys.stderr, flush=True)
    figures = []
    titles = {"one": "one at a time", "hundred": "100 in flight", "bulk": "bulk of 1,000"}
    for mode, title in titles.items():
        medians = {peer: statistics.median(rates[mode, peer]) for peer in peers}
        better = max((rate for peer, rate in medians.items() if peer != "bullpen"), default=None)
        said = ", ".join(f"{peer} {rate:,.0f}/s" for peer, rate in medians.items())
        least = 1.0 if mode == "one" else 1.5
        if better is None:
            figures.append(Figure(f"enqueue {title}", said))
        else:
            ratio = medians["bullpen"] / better
            figures.append(Figure(f"enqueue {title}", f"{ratio:.2f}x ({said})", f">= {least}x", ratio >= least))
    return figures


async def node_finishes(run: Run, bench: Bench, *, active: int, jobs: int) -> tuple[float, float]:
    """BullMQ's scripts: µs of Redis CPU for a job that is finished and fetches the next, and jobs a second."""
    await bench.empty()
    await bench.fill(active + jobs + 10)
    environment = run.environment(active=active, jobs=jobs)
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "finisher_node.mjs"),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    json.loads(await process.stdout.readline())  # it is ready
    before = await bench.cpu()
    process.stdin.write(b"go\n")
    result = json.loads(await process.stdout.readline())
    used = (await bench.cpu() - before) / jobs * 1e6
    await process.wait()
    return used, float(result["rate"])


async def cpu(run: Run, peers: list[str]) -> list[Figure]:
    """Redis CPU for each job."""
    ours, theirs = [], []
    async with Bench(run.port) as bench:
        for _ in range(run.rounds):
            ours.append(await cpu_per_job(bench, batch=BATCH, jobs=run.jobs(20_000)))
            if "node" in peers:
                theirs.append((await node_finishes(run, bench, active=0, jobs=run.jobs(20_000)))[0])
    used = statistics.median(ours)
    said = f"{used:.1f} µs" + (f" (Node BullMQ {statistics.median(theirs):.1f} µs)" if theirs else "")
    return [Figure(f"finish and claim in calls of {BATCH}, Redis CPU a job", said, "<= 26 µs", used <= 26)]


async def active(run: Run, peers: list[str]) -> list[Figure]:
    """How long jobs in `active` slow down the finish of short ones."""
    many, jobs = run.jobs(10_000), run.jobs(10_000)
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    async with Bench(run.port) as bench:
        for _ in range(run.rounds):
            for long in (10, many):
                rates["bullpen", long].append(await finish_rate(bench, active=long, jobs=jobs))
                if "node" in peers:
                    rates["node", long].append((await node_finishes(run, bench, active=long, jobs=jobs))[1])
    ratio = {peer: statistics.median(rates[peer, many]) / statistics.median(rates[peer, 10]) for peer, _ in rates}
    said = f"{ratio['bullpen']:.2f}x" + (f" (Node BullMQ {ratio['node']:.2f}x)" if "node" in ratio else "")
    title = f"finishing beside {many:,} long jobs, to that beside 10"
    return [Figure(title, said, ">= 0.8x", ratio["bullpen"] >= 0.8)]


async def delayed(run: Run) -> list[Figure]:
    """How many delayed jobs slow down another one, and the promotion of those that are due."""
    many = run.jobs(1_000_000)
    few, full = [], []
    async with Bench(run.port) as empty, Bench(run.port, QueueKeys("bull", "large")) as large:
        await empty.empty()
        await fill_delayed(large, many)
        for _ in range(run.rounds):
            few.append(await delayed_costs(empty, waiting=0))
            full.append(await delayed_costs(large, waiting=many))
    figures = []
    for what, title in (("add", f"adding into {many:,} delayed"), ("promote", f"promoting 1,000 due of {many:,}")):
        least, most = (statistics.median(each[what] for each in found) for found in (few, full))
        said = f"{most / least:.2f}x ({most:,.0f} µs of Redis CPU, in an empty queue {least:,.0f} µs)"
        figures.append(Figure(title, said, "<= 1.5x", most <= 1.5 * least))
    return figures


def memory(run: Run) -> list[Figure]:
    """How much a producer grows while it adds from an iterator."""
    jobs = run.jobs(1_000_000)
    result = run.produce("bullpen", "memory", jobs)
    said = f"{result['grown']:.1f} MiB, {result['rate']:,.0f}/s"
    return [Figure(f"client memory for {jobs:,} jobs of an iterator", said, "<= 60 MiB", result["grown"] <= 60)]


def measure(run: Run, peers: list[str], wanted: list[str]) -> list[Figure]:
    sections: dict[str, Any] = {
        "enqueue": lambda: enqueue(run, peers),
        "cpu": lambda: asyncio.run(cpu(run, peers)),
        "active": lambda: asyncio.run(active(run, peers)),
        "delayed": lambda: asyncio.run(delayed(run)),
        "memory": lambda: memory(run),
    }
    if unknown := set(wanted) - set(sections):
        raise SystemExit(f"--only {','.join(sorted(unknown))}: unknown; there are {', '.join(sections)}")
    figures: list[Figure] = []
    for name in wanted or sections:
        for figure in sections[name]():
            figures.append(figure)
            print(f"{figure.measure}: {figure.value}", file=sys.stderr, flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--peers", default="bullpen,bullmq-py,node")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    peers = options.peers.split(",")
    if "node" in peers and (shutil.which("node") is None or not (NODE_MODULES / "bullmq5").is_dir()):
        print(f"no Node peer: it needs node, and `npm ci` in {NODE_MODULES.parent}", file=sys.stderr)
        peers.remove("node")
    with redis_server() as port:
        run = Run(port=port, rounds=options.rounds, share=0.1 if options.quick else 1.0)
        figures = measure(run, peers, [name for name in options.only.split(",") if name])
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2, ensure_ascii=False))
    else:
        print(show(figures))
    if any(figure.met is False for figure in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
