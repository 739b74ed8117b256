"""`pause`, `resume`, `pin`, `unpin` of a pool, and `drain` of one of its pods."""

from __future__ import annotations

from typing import Any

import click

from bullpen.cli.output import Output
from bullpen.cli.target import as_json
from bullpen.errors import WrongState
from bullpen_operator.cli.apiserver import Access, ApiServer, on_cluster, pod_names, pool_argument


@click.command()
@pool_argument
@click.option("--in", "direction", flag_value="In", help="Only no scale-down.")
@click.option("--out", "direction", flag_value="Out", help="Only no scale-up.")
@as_json
@on_cluster
def pause(pool: str, direction: str | None, as_json: bool, access: Access) -> None:
    """Hold the size of POOL (scaling.paused); its jobs go on. To pause a queue instead: bullpen pause QUEUE."""
    paused = direction or "Both"
    held = {"In": "it does not shrink", "Out": "it does not grow", "Both": "it neither grows nor shrinks"}[paused]
    _patch(pool, {"scaling": {"paused": paused}}, {"paused": paused}, f"{held} until it is resumed", as_json, access)


@click.command()
@pool_argument
@as_json
@on_cluster
def resume(pool: str, as_json: bool, access: Access) -> None:
    """End the pause of the scaling of POOL. A pin stays."""
    _patch(pool, {"scaling": {"paused": None}}, {"paused": "None"}, "its scaling is not paused", as_json, access)


@click.command()
@pool_argument
@click.argument("pods", type=click.IntRange(0, 10_000), metavar="PODS")
@as_json
@on_cluster
def pin(pool: str, pods: int, as_json: bool, access: Access) -> None:
    """Fix POOL to PODS and switch autoscaling off (spec.replicas), at most scaling.maxReplicas.

    It overrides the minimum, a pause and a schedule; pods that go are drained as always. kubectl scale does the same.
    """
    _patch(pool, {"replicas": pods}, {"pinned": pods}, f"pinned to {pods}", as_json, access)


@click.command()
@pool_argument
@as_json
@on_cluster
def unpin(pool: str, as_json: bool, access: Access) -> None:
    """Let POOL scale again (spec.replicas is removed)."""
    _patch(pool, {"replicas": None}, {"pinned": None}, "not pinned", as_json, access)


def _patch(pool: str, spec: dict[str, Any], values: dict[str, Any], said: str, as_json: bool, access: Access) -> None:
    async def do(server: ApiServer) -> None:
        changed = await server.patch_pool(pool, spec)
        paused = ((changed["spec"].get("scaling") or {}).get("paused") or "None") != "None"
        pinned = changed["spec"].get("replicas")
        still = ""
        if "paused" in values and pinned is not None:
            still = f"; but it is pinned to {pinned}, and a pin overrides that"
        elif values.get("pinned", 0) is None and paused:
            still = f"; but its scaling is paused ({changed['spec']['scaling']['paused']})"
        name = {"pool": pool, "namespace": server.namespace}
        Output(as_json).record({**name, **values}, f"{server.namespace}/{pool}: {said}{still}")

    access.run(do)


@click.command()
@click.argument("pod", metavar="POD", shell_complete=pod_names)
@click.option("--undo", is_flag=True, help="Let it take jobs again.")
@as_json
@on_cluster
def drain(pod: str, undo: bool, as_json: bool, access: Access) -> None:
    """Let POD, a pod of a pool, take no more jobs and finish those it has; it is then the first to go.

    It sets the annotation bullpen.dev/drain, which the operator honours. The pool keeps its size: another pod takes its
    place only once this one is gone (kubectl delete pod, which interrupts nothing once the pod is drained).
    """
    from bullpen_operator.api.pods import DRAIN_ANNOTATION, POOL_LABEL

    async def do(server: ApiServer) -> None:
        found = await server.pod(pod)
        pool = (found["metadata"].get("labels") or {}).get(POOL_LABEL)
        if pool is None:
            raise WrongState(f"pod {pod!r} in namespace {server.namespace!r} belongs to no WorkerPool")
        await server.annotate_pod(pod, {DRAIN_ANNOTATION: None if undo else "true"})
        said = "takes jobs again" if undo else "takes no more jobs and finishes those it has"
        values = {"pod": pod, "namespace": server.namespace, "pool": pool, "drain": not undo}
        Output(as_json).record(values, f"{server.namespace}/{pod} of {pool}: {said}")

    access.run(do)
