"""`status` and `explain` of pools."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from bullpen.cli.output import Column, Output
from bullpen.cli.target import as_json
from bullpen.durations import spoken
from bullpen.errors import ConfigurationError
from bullpen_operator.cli.apiserver import Access, ApiServer, on_cluster, pool_argument, pool_names

Raw = dict[str, Any]

everywhere = click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="The pools of all namespaces.")


def _age(value: float | None) -> str:
    return "-" if value is None else spoken(value)


COLUMNS: Final = (
    Column("pool", "POOL"),
    Column("queue", "QUEUE"),
    Column("ready", "READY"),
    Column("desired", "DESIRED", right=True),
    Column("waiting", "WAITING", right=True),
    Column("active", "ACTIVE", right=True),
    Column("oldestWaitSeconds", "OLDEST", right=True, show=_age),
    Column("arrivals", "IN/s", right=True),
    Column("serviceSeconds", "JOB", right=True, show=_age),
    Column("reason", "REASON"),
    Column("limitedBy", "LIMITED BY"),
    Column("trouble", "TROUBLE"),
)


@click.command()
@click.argument("pool", required=False, metavar="[POOL]", shell_complete=pool_names)
@everywhere
@as_json
@on_cluster
def status(pool: str | None, everywhere: bool, as_json: bool, access: Access) -> None:
    """Explain POOL in words: what it sees, what it decided, what limits it, what it waits for; or list all pools.

    Numbers of the queue are those of the pool's status: two significant digits, at most a minute old.
    """
    from bullpen_operator.cli.words import described

    output = Output(as_json)

    async def look(server: ApiServer) -> None:
        if pool is not None:
            found = await server.pool(pool)
            output.record(record(found), described(found, now=time.time()))
            return
        pools = await server.pools(everywhere=everywhere)
        where = "the cluster" if everywhere else f"namespace {server.namespace!r}"
        output.rows(COLUMNS, [row(each) for each in pools], none=f"no WorkerPool in {where}")

    if pool is not None and everywhere:
        raise ConfigurationError("a pool and --all-namespaces: name its namespace with -n instead")
    access.run(look)


@click.command()
@pool_argument
@as_json
@on_cluster
def explain(pool: str, as_json: bool, access: Access) -> None:
    """Show the arithmetic of the last decision of POOL: the formula with its numbers, and each limit's say.

    It is `status.decision`, made when the number or its reason last changed; docs/design/scaling.md has the formula.
    """
    from bullpen_operator.api.pool import WorkerPoolSpec
    from bullpen_operator.cli.arithmetic import explained

    async def look(server: ApiServer) -> None:
        found = await server.pool(pool)
        spec = WorkerPoolSpec.model_validate(found["spec"])
        decision = (found.get("status") or {}).get("decision")
        values = {"pool": found["metadata"]["name"], "namespace": found["metadata"]["namespace"], "decision": decision}
        Output(as_json).record(values, explained(found, spec, now=time.time()))

    access.run(look)


def record(pool: Raw) -> Raw:
    """One pool for JSON: its spec's scaling and its whole status."""
    metadata, spec = pool["metadata"], pool.get("spec") or {}
    return {
        "pool": metadata["name"],
        "namespace": metadata["namespace"],
        "queue": spec.get("queue"),
        "replicas": spec.get("replicas"),
        "scaling": spec.get("scaling"),
        "status": pool.get("status"),
    }


def row(pool: Raw) -> Raw:
    """One pool as a line."""
    from bullpen_operator.cli.words import full_name, troubled

    status: Raw = pool.get("status") or {}
    queue, rates, decision = (status.get(name) or {} for name in ("queue", "rates", "decision"))
    return {
        "pool": full_name(pool),
        "queue": (pool.get("spec") or {}).get("queue"),
        "ready": status.get("ready"),
        "desired": status.get("desiredReplicas"),
        "waiting": queue.get("waiting"),
        "active": queue.get("active"),
        "oldestWaitSeconds": queue.get("oldestWaitSeconds"),
        "arrivals": rates.get("arrivals"),
        "serviceSeconds": rates.get("serviceSeconds"),
        "reason": decision.get("reason"),
        "limitedBy": decision.get("limitedBy"),
        "trouble": next((reason for reason, _ in troubled(pool)), None),
    }
