"""What the operator costs, and how that grows with the number of pools, on a real API server and a real Redis.

    python benchmarks/operator_figures [--pools 10,100,1000,5000] [--seconds 120] [--wakes 100] [--starts 3] [--json]

Without BULLPEN_KUBECONFIG it takes the kind cluster of `hack/cluster up`. One pool in ten is active: jobs keep coming
to it and end at a steady rate, and its pods run on fake nodes (kwok, built when it is first needed). The operator is a
process of this machine and watches one namespace. What it writes is counted by what changes in the API server, what it
asks by a proxy; CPU and memory are the process's own. All of it is removed in the end. Exits 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
sys.path.insert(2, str(Path(__file__).resolve().parents[2]))

from hack.stage.kubectl import Kubectl
from operator_figures.bench import Plan, opened
from operator_figures.report import missed, table


def counts(text: str) -> list[int]:
    """Numbers of pools, rising; raises what argparse turns into a usage error."""
    try:
        numbers = sorted({int(each) for each in text.split(",")})
    except ValueError:
        numbers = [0]
    if numbers[0] < 2:
        raise argparse.ArgumentTypeError(f"{text!r} has something else than whole numbers from 2 on: give 10,100,1000")
    return numbers


async def measure(kubectl: Kubectl, numbers: list[int], plan: Plan) -> dict[int, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bullpen-figures-") as folder:
        async with opened(kubectl, Path(folder), plan) as bench:
            return {count: await bench.measure(count) for count in numbers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=counts, default=counts("10,100,1000,5000"))
    parser.add_argument("--seconds", type=float, default=120, help="of the steady time (default: 120)")
    parser.add_argument("--request-seconds", type=float, default=60, help="behind the proxy (default: 60)")
    parser.add_argument("--wakes", type=int, default=100, help="at each number of pools; 0: none (default: 100)")
    parser.add_argument("--starts", type=int, default=3, help="at each number of pools (default: 3)")
    parser.add_argument("--json", action="store_true", help="all figures, instead of the table")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminated)
    kubectl = Kubectl.connect(f"bullpen-figures-{secrets.token_hex(3)}")
    plan = Plan(chosen.seconds, chosen.request_seconds, chosen.wakes, max(1, chosen.starts))
    figures = asyncio.run(measure(kubectl, chosen.pools, plan))
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))
    trouble = missed(figures)
    for line in trouble:
        print(f"missed: {line}", file=sys.stderr)
    sys.exit(1 if trouble else 0)


def _terminated(number: int, frame: FrameType | None) -> None:
    """End by exception, so that what was made is removed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
