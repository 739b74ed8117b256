"""How long it takes until another operator leads: after kill -9 of the leader, and after SIGTERM.

    python benchmarks/failover.py [--kills 20] [--stops 20] [--kubeconfig PATH]

Without --kubeconfig (or BULLPEN_KUBECONFIG) it takes the kind cluster of `hack/cluster up`. The operators are processes
of this machine; each death waits for a standby whose caches are filled. Measured is from before the signal to the API
server's answer that made the standby the holder of the Lease.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from hack.stage.kubectl import ROOT, Kubectl, until
from hack.stage.operators import Operator, operators


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--kubeconfig")
    chosen = parser.parse_args()
    if chosen.kubeconfig:
        os.environ["BULLPEN_KUBECONFIG"] = chosen.kubeconfig
    kubectl = Kubectl.connect(f"bullpen-failover-{secrets.token_hex(3)}")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    kubectl("create", "namespace", kubectl.namespace)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            operators(kubectl.kubeconfig, kubectl.namespace, Path(folder)) as start,
        ):
            leader = start("operator-0")
            leader.await_says(" leading ")
            for number, count, words in (
                (signal.SIGKILL, chosen.kills, "kill -9 → another leads"),
                (signal.SIGTERM, chosen.stops, "SIGTERM → another leads"),
            ):
                leader, seconds = failovers(leader, start, number, count)
                if seconds:
                    shown = f"p50 {statistics.median(seconds):.2f}, worst {max(seconds):.2f} s of {len(seconds)}"
                    print(f"{words}: {shown} ({' '.join(f'{each:.2f}' for each in sorted(seconds))})", flush=True)
    finally:
        kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def failovers(
    leader: Operator, start: Callable[[str], Operator], number: signal.Signals, count: int
) -> tuple[Operator, list[float]]:
    """Let the leader die `count` times; who leads at the end, and the seconds that each took."""
    seconds: list[float] = []
    for index in range(count):
        standby = start(f"operator-{number.name.lower()}-{index}")
        standby.await_says("standing by: ")
        # At any moment of the two seconds between renewals.
        time.sleep(random.uniform(0.5, 2.5))
        before = time.monotonic()
        leader.signal(number)
        seconds.append(until(standby.door.led_at, "another leader", within=60, every=0.02) - before)
        leader.await_end()
        leader = standby
    return leader, seconds


if __name__ == "__main__":
    main()
