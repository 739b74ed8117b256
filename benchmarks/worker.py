"""The worker beside its peers on one private Redis: PyPI bullmq, Node BullMQ, dramatiq, taskiq, SAQ.

    python benchmarks/worker.py [--rounds 3] [--quick] [--json] [--only noop,rtt,io,latency,cpu,redis] [--peers …]

The peers take turns, so that a busy machine is busy for all of them; the tables show medians, and ratios are what to
compare. Each run times itself from the first tenth of its jobs to the last. Peers from PyPI are installed into the
cache, each into an environment of its own. `--quick` takes a tenth of the jobs: whether it runs, not how fast. Exits 1
when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from delayed_network import delayed
from figures import Figure, show
from peer_environments import PROGRAMS, Peer, find
from private_redis import redis_server
from worker_runs import Bench, Result, RunFailed, plain_rate

# Jobs a run, by slots: one to three seconds for each peer on two quiet cores.
JOBS = {
    "bullpen": {1: 8_000, 10: 30_000, 100: 50_000},
    "node": {1: 8_000, 10: 30_000, 100: 50_000},
    "bullmq-py": {1: 3_000, 10: 4_000, 100: 4_000},
    "dramatiq": {1: 1_500, 10: 4_000, 100: 6_000},
    "taskiq": {1: 3_000, 10: 4_000, 100: 4_000},
    "saq": {1: 2_000, 10: 3_000, 100: 3_000},
}
RTT_JOBS = {"bullpen": 20_000, "node": 15_000, "bullmq-py": 2_000, "dramatiq": 3_000, "taskiq": 2_000, "saq": 1_500}
IO_JOBS, LATENCY_JOBS, CPU_JOBS, SHARED_JOBS = 4_000, 300, 400, 30_000
ROUND_TRIP = 0.0005
NOOP_AT_LEAST = {1: 2.0, 10: 4.5, 100: 9.0}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, with whom, and where."""

    port: int
    rounds: int
    share: float
    peers: tuple[Peer, ...]

    @property
    def bench(self) -> Bench:
        return Bench(self.port, self.port)

    @property
    def bullmq(self) -> tuple[Peer, ...]:
        return tuple(peer for peer in self.peers if peer.bullmq)

    def jobs(self, count: int) -> int:
        return max(100, int(count * self.share))


Results = dict[str, list[Result]]


def rounds(plan: Plan, peers: Iterable[Peer], run: Callable[[Peer], Result], what: str) -> Results:
    """So many runs of each peer, in turns; a peer that fails says so and is left out."""
    found: Results = defaultdict(list)
    failed: set[str] = set()
    for number in range(plan.rounds):
        for peer in peers:
            if peer.name in failed:
                continue
            try:
                found[peer.name].append(run(peer))
            except RunFailed as error:
                print(f"{what}: {error}", file=sys.stderr, flush=True)
                failed.add(peer.name)
        print(f"{what}: round {number + 1}", file=sys.stderr, flush=True)
    return {name: results for name, results in found.items() if name not in failed}


def median(results: Results, field: str) -> dict[str, float]:
    return {name: statistics.median(getattr(each, field) for each in found) for name, found in results.items()}


def ratio(measure: str, medians: dict[str, float], to: str, *, least: float) -> list[Figure]:
    """How many times a peer's figure ours is; nothing where one of them was not measured."""
    if "bullpen" not in medians or to not in medians:
        return []
    times = medians["bullpen"] / medians[to]
    return [Figure(f"{measure}, to {to}", f"{times:.2f}x", f">= {least:g}x", times >= least)]


def said(medians: dict[str, float], form: str) -> str:
    return ", ".join(f"{name} {format(value, form)}" for name, value in medians.items())


def noop(plan: Plan) -> list[Figure]:
    """Rates, CPU and memory with jobs that do nothing."""
    figures = []
    for slots, least in NOOP_AT_LEAST.items():

        def run(peer: Peer, slots: int = slots) -> Result:
            return plan.bench.run(peer, kind="noop", slots=slots, jobs=plan.jobs(JOBS[peer.name][slots]))

        results = rounds(plan, plan.peers, run, f"noop at {slots} slots")
        rates, cpu, rss = (median(results, field) for field in ("rate", "cpu", "rss"))
        title = f"no-op jobs, {slots} slots"
        figures.append(Figure(f"{title}, jobs/s", said(rates, ",.0f")))
        figures += ratio(title, rates, "bullmq-py", least=least)
        if slots == 100:
            figures += ratio(title, rates, "node", least=1.0)
        figures.append(Figure(f"{title}, CPU s per 1,000", said(cpu, ".3f")))
        if slots == 100 and {"bullpen", "bullmq-py"} <= cpu.keys():
            part = cpu["bullpen"] / cpu["bullmq-py"]
            figures.append(Figure(f"{title}, CPU to bullmq-py", f"{part:.3f}x", "<= 0.1x", part <= 0.1))
        met = rss["bullpen"] <= 55 if slots == 100 and "bullpen" in rss else None
        figures.append(Figure(f"{title}, RSS MB", said(rss, ".0f"), "<= 55" if met is not None else "", met))
    return figures


def rtt(plan: Plan) -> list[Figure]:
    """Rates with a network in between."""
    with delayed(plan.port, round_trip=ROUND_TRIP) as port:
        far = Bench(port, plan.port)
        results = rounds(
            plan,
            plan.peers,
            lambda peer: far.run(peer, kind="noop", slots=100, jobs=plan.jobs(RTT_JOBS[peer.name])),
            "rtt",
        )
    rates = median(results, "rate")
    title = "no-op jobs, 100 slots, 0.5 ms round trip"
    return [Figure(f"{title}, jobs/s", said(rates, ",.0f")), *ratio(title, rates, "node", least=1.5)]


def io(plan: Plan) -> list[Figure]:
    """Jobs that wait for 50 ms: at 100 slots 2,000/s would be ideal."""
    results = rounds(
        plan, plan.peers, lambda peer: plan.bench.run(peer, kind="io", slots=100, jobs=plan.jobs(IO_JOBS)), "io"
    )
    shares = {name: rate / 2000 for name, rate in median(results, "rate").items()}
    met = shares["bullpen"] >= 0.97 if "bullpen" in shares else None
    return [Figure("I/O jobs of 50 ms, 100 slots, of 2,000/s", said(shares, ".1%"), ">= 97 %", met)]


def latency(plan: Plan) -> list[Figure]:
    """From before the add to the start of the job, in a worker that waits."""
    results = rounds(
        plan,
        plan.bullmq,
        lambda peer: plan.bench.run(peer, kind="latency", slots=10, jobs=plan.jobs(LATENCY_JOBS)),
        "latency",
    )
    figures = []
    for share, limit in ((0.5, 1.1), (0.99, 2.0)):
        waits = {
            name: statistics.median(run.waits[int(share * len(run.waits))] for run in found) * 1000
            for name, found in results.items()
        }
        met = waits["bullpen"] <= limit if "bullpen" in waits else None
        figures.append(Figure(f"idle pick-up p{share * 100:g}, ms", said(waits, ".2f"), f"<= {limit:g}", met))
    return figures


def cpu(plan: Plan) -> list[Figure]:
    """Jobs that only compute, in processes: how much of what plain processes do on the same cores."""
    title = "CPU jobs in processes, of plain processes"
    ours = next((peer for peer in plan.peers if peer.name == "bullpen"), None)
    if ours is None:
        return []
    shares = []
    jobs = plan.jobs(CPU_JOBS)
    for _ in range(plan.rounds):
        before = plain_rate(jobs)
        try:
            rate = plan.bench.burn(ours, slots=2, jobs=jobs)
        except RunFailed as error:
            return [Figure(title, str(error), ">= 95 %")]
        shares.append(rate * 2 / (before + plain_rate(jobs)))
    share = statistics.median(shares)
    return [Figure(title, f"{share:.1%}", ">= 95 %", share >= 0.95)]


def redis(plan: Plan) -> list[Figure]:
    """What a job costs Redis's one core while two workers share a queue: so many fit into its second."""
    costs: dict[str, list[float]] = defaultdict(list)
    peers = [peer for peer in plan.bullmq if peer.name != "bullmq-py"]  # it runs BullMQ's scripts too, only slower
    for _ in range(plan.rounds):
        for peer in peers:
            try:
                costs[peer.name].append(plan.bench.share(peer, workers=2, slots=100, jobs=plan.jobs(SHARED_JOBS)))
            except RunFailed as error:
                print(f"redis: {error}", file=sys.stderr, flush=True)
    fits = {name: 1e6 / statistics.median(found) for name, found in costs.items()}
    met = fits["bullpen"] >= 38_000 if "bullpen" in fits else None
    return [Figure("jobs a second of Redis's core, 2 workers", said(fits, ",.0f"), ">= 38,000", met)]


SECTIONS: dict[str, Callable[[Plan], list[Figure]]] = {
    "noop": noop,
    "rtt": rtt,
    "io": io,
    "latency": latency,
    "cpu": cpu,
    "redis": redis,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs, one round")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--peers", default=",".join(PROGRAMS), help="default: %(default)s")
    parser.add_argument("--only", default="", help=f"some of {','.join(SECTIONS)}")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"--only {','.join(sorted(unknown))}: unknown; there are {', '.join(SECTIONS)}")
    peers = tuple(peer for peer in map(find, options.peers.split(",")) if peer is not None)
    figures: list[Figure] = []
    with redis_server() as port:
        rounds_ = 1 if options.quick else options.rounds
        plan = Plan(port=port, rounds=rounds_, share=0.1 if options.quick else 1.0, peers=peers)
        for name in wanted:
            found = SECTIONS[name](plan)
            figures += found
            for figure in found:
                print(f"{figure.measure}: {figure.value}", file=sys.stderr, flush=True)
    print(
        json.dumps([asdict(each) for each in figures], indent=2, ensure_ascii=False) if options.json else show(figures)
    )
    if any(figure.met is False for figure in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
