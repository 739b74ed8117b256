"""The demo: 300 jobs from a Node program, run by Python workers that the operator starts and stops.

`python -m hack.demo up` (make demo) and `down` (make demo-down). Both are safe to repeat.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time

from hack.demo.board import Frame, board
from hack.demo.queue import watched
from hack.stage.kubectl import CLUSTER, ROOT, CommandFailed, Kubectl
from hack.stage.ledger import Account
from hack.stage.producer import produce
from hack.stage.site import Site

NAMESPACE = "bullpen-demo"
POOL = "video"
QUEUE = "video-generation"
JOBS = 300
PATIENCE_SECONDS = 600.0


def say(text: str) -> None:
    print(text, flush=True)


def harness(*words: str) -> None:
    """One command of hack/cluster: it tells on stderr what it does and how long that takes, or why it cannot."""
    command = [sys.executable, str(CLUSTER), *words]
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit(1)


def up() -> None:
    say(
        f"Bullpen demo: a Node BullMQ program adds {JOBS} jobs; Python workers run them; the operator sizes the pool.\n"
    )
    say("1/5  A Kubernetes cluster (first time up to 20 min, to compile its tools; later 1 min; at once if it runs)")
    harness("up")
    say("2/5  Images of operator, worker, example app and Redis (first time about 3 min, later seconds)")
    harness("build")
    harness("load")
    kubectl = Kubectl.connect(NAMESPACE)
    site = Site(kubectl)
    say(f"3/5  Redis, the ledger, and the operator by Helm, in namespace {NAMESPACE} (about 20 s)")
    site.open()
    site.install_operator()
    say("4/5  kubectl apply -f examples/workerpool.yaml")
    kubectl("apply", "-f", str(ROOT / "examples/workerpool.yaml"))
    kubectl("wait", "--for=condition=QueueReachable", f"workerpool/{POOL}", "--timeout=60s")
    with site.redis.reached() as url:
        say(f"5/5  node examples/quickstart/producer/add.mjs --queue {QUEUE} --count {JOBS}\n")
        began = time.time()
        added, peak = asyncio.run(run(kubectl, url, began=began))
    summarise(kubectl, site.ledger(f"bull:{QUEUE}", since=began), added, peak=peak)


async def run(kubectl: Kubectl, url: str, *, began: float) -> tuple[dict[str, float], int]:
    """Add the jobs and show the pool until they are done and its pods gone.

    Returns when each job was added, by id, and the most replicas that were ready at once.
    """
    peak = 0
    async with watched(url, QUEUE) as look:
        before = (await look()).completed
        added = await asyncio.to_thread(produce, url, "--queue", QUEUE, "--count", str(JOBS), "--seconds", "2")
        with board(total=JOBS) as shown:
            while time.time() - began < PATIENCE_SECONDS:
                pool, reading = await asyncio.gather(asyncio.to_thread(kubectl.get, "workerpool", POOL), look())
                frame = Frame.of(pool, reading, since=began, before=before)
                shown.show(frame)
                peak = max(peak, frame.ready)
                if frame.done >= JOBS and frame.ready == frame.desired == 0:
                    return added, peak
                await asyncio.sleep(0.5)
    sys.exit(
        f"demo: not finished after {PATIENCE_SECONDS:.0f} s; look around with\n  " + "\n  ".join(look_around(kubectl))
    )


def summarise(kubectl: Kubectl, account: Account, added: dict[str, float], *, peak: int) -> None:
    completed = sum(job in account.ended for job in added)
    took = account.last_end - min(added.values())
    repeated = sum(account.starts.get(job, 0) > 1 for job in added)
    say(
        f"\n  jobs completed      {completed} of {len(added)} in {took:.0f} s, {repeated} of them in more than one try"
        f"\n  worst wait          {account.worst_wait(added):.1f} s from added to started"
        f"\n  peak replicas       {peak}, and 0 now"
        f"\n  jobs interrupted    {len(account.interrupted)} (starts that their pod never ended; the ledger knows)"
        "\n\nLook around:"
    )
    for command in look_around(kubectl):
        say(f"  {command}")
    say("  make demo-down                       # removes everything but the caches")
    if completed != len(added) or account.interrupted:
        sys.exit("demo: not every job was completed without an interruption; the commands above show why")


def look_around(kubectl: Kubectl) -> list[str]:
    head = f"{kubectl.kubectl} --kubeconfig {kubectl.kubeconfig} -n {kubectl.namespace}"
    return [
        f"alias k='{head}'",
        "k get wp                             # the pool: queue, pods, waiting, active, reason",
        f"k describe wp {POOL}                  # conditions, the last decision, Events",
        "k logs -l app.kubernetes.io/name=bullpen-operator --tail=-1  # each decision as one line",
        "k logs deploy/ledger                 # each start and end of a job",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    try:
        if command == "up":
            up()
        else:
            harness("down")
    except (CommandFailed, TimeoutError, ConnectionError) as failure:
        sys.exit(f"demo: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
