"""A decision in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen_operator.api.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.scaling.proposal import Proposal
    from bullpen_operator.scaling.rules import Rules
    from bullpen_operator.scaling.sizing import Demand, Load


def explained(asked: Demand, load: Load, rules: Rules) -> str:
    """What the demand follows from."""
    if asked.reason is Reason.IDLE:
        return "nothing waits, is due or runs" if not load.jobs else "nothing needs a pod"
    if asked.reason is Reason.QUEUE_LENGTH:
        return f"{load.waiting} waiting at {rules.queue_length} a pod (queueLength)"
    if asked.reason is Reason.WAIT_TIME:
        waited = f"{load.oldest_wait_seconds:.0f} s of {rules.wait_seconds:g} s"
        return f"the oldest job has waited {waited} (waitSeconds)"
    if asked.reason is Reason.CPU:
        return f"the workers' CPU use is above {rules.cpu_percent:g} % (cpuPercent)"
    parts = ((load.waiting, "waiting"), (load.due, "due"), (load.soon, "due soon"), (load.active, "active"))
    jobs = " + ".join(f"{number} {what}" for number, what in parts if number) or "no job"
    if asked.reason is Reason.ARRIVALS:
        jobs += f" and {load.arrivals:.3g}/s more"
    return f"{jobs} × {_span(load.service_seconds)} s, budget {_span(asked.slots.budget)} s"


def _span(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"


def sentence(before: int, proposal: Proposal) -> str:
    """The move and its reasons, as Events and the status tell them."""
    move = f"stays at {before}" if proposal.replicas == before else f"{before} → {proposal.replicas}"
    return f"{move}: " + ", ".join(proposal.clauses)


def inputs(load: Load | None, asked: Demand | None, rules: Rules) -> Mapping[str, float]:
    """The numbers of the decision, under the names they have in the status."""
    if load is None or asked is None:
        return {"concurrency": rules.concurrency}
    return {
        "concurrency": rules.concurrency,
        "waiting": load.waiting,
        "due": load.due,
        "dueSoon": load.soon,
        "active": load.active,
        "oldestWaitSeconds": load.oldest_wait_seconds,
        "newestWaitSeconds": load.newest_wait_seconds,
        "arrivalsPerSecond": load.arrivals,
        "sustainedPerSecond": load.sustained,
        "serviceSeconds": load.service_seconds,
        "leadSeconds": load.lead_seconds,
        "budgetSeconds": asked.slots.budget,
        "slots": asked.slots.needed,
        "presentSlots": load.present,
        "deadlineSlots": asked.slots.deadline,
        "steadySlots": asked.slots.steady,
        "workSlots": asked.slots.work,
        "podsForObjective": asked.for_objective,
        "podsForQueueLength": asked.for_length,
        "podsForWaitSeconds": asked.for_wait,
        "podsForCpu": asked.for_cpu,
    }
