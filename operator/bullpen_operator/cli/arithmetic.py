"""The arithmetic of a decision (scaling.md §4) with its numbers, from `status.decision`. Pure.

Numbers that were decided are taken from the decision; what it does not hold (z, σ, the time before help arrives) is
computed from its inputs by the functions that decided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from bullpen.durations import spoken
from bullpen_operator.api.reasons import Reason
from bullpen_operator.cli.words import full_name, past
from bullpen_operator.scaling.rules import Rules
from bullpen_operator.scaling.sizing import Objective, budgets, quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.api.pool import WorkerPoolSpec

Raw = dict[str, Any]


_DEMANDS: Final = frozenset(
    {Reason.BACKLOG, Reason.ARRIVALS, Reason.QUEUE_LENGTH, Reason.WAIT_TIME, Reason.CPU, Reason.IDLE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The letters of the formula; the decision's inputs and the rules of the spec."""

    inputs: Mapping[str, float]
    rules: Rules

    @classmethod
    def of(cls, decision: Raw, spec: WorkerPoolSpec) -> Self:
        return cls(inputs=decision.get("inputs") or {}, rules=Rules.of(spec))

    def __getitem__(self, name: str) -> float:
        return float(self.inputs.get(name, 0.0))

    @property
    def whole(self) -> bool:
        """Whether it holds all that the formula takes: not while the queue cannot be read, or from an old operator."""
        return "slots" in self.inputs and "deadlineSlots" in self.inputs

    @property
    def ahead(self) -> float:
        """D, from now until pods that are asked for can help."""
        return self["leadSeconds"] + self.rules.tick_seconds

    @property
    def objective(self) -> Objective:
        rules = self.rules
        return Objective(wait=rules.objective_seconds, percentile=rules.objective_percentile, tick=rules.tick_seconds)

    @property
    def z(self) -> float:
        return quantile(self.objective.late)

    @property
    def jobs(self) -> float:
        """A + L."""
        return self["waiting"] + self["due"] + self["dueSoon"] + self["active"]

    @property
    def sigma(self) -> float:
        """σ = √(λ·D + A·(1 − e^(−D/S)))."""
        service = max(self["serviceSeconds"], 1e-3)
        return math.sqrt(self["arrivalsPerSecond"] * self.ahead + self["active"] * -math.expm1(-self.ahead / service))

    @property
    def planned(self) -> float:
        """b in good time."""
        return budgets(
            self.objective,
            lead=self["leadSeconds"],
            oldest=self["oldestWaitSeconds"],
            newest=self["newestWaitSeconds"],
        )[0]


def explained(pool: Raw, spec: WorkerPoolSpec, *, now: float) -> str:
    """The decision in the status of a pool, step by step."""
    decision = (pool.get("status") or {}).get("decision")
    if not decision:
        return f"{full_name(pool)}: no decision yet; the operator has not written one to the status"
    terms = Terms.of(decision, spec)
    head = f"{full_name(pool)}: {decision.get('message', '')}"
    lines = [head, f"decided {past(decision.get('time'), now)}, {decision.get('reason')}", ""]
    if not terms.whole:
        return "\n".join(
            [*lines, "It holds no arithmetic: the queue was not read for it, or an older operator made it."]
        )
    for title, steps in (
        ("Jobs", _jobs(terms)),
        ("Learned", _learned(terms)),
        ("Budget", _budget(terms)),
        ("Slots", _slots(terms)),
        ("Pods", _pods(terms, str(decision.get("reason")))),
        ("Limits", _limits(decision)),
    ):
        lines += [f"{title if number == 0 else '':<9}{step}" for number, step in enumerate(steps)]
    return "\n".join(line.rstrip() for line in lines)


def num(value: float) -> str:
    """Three significant digits, whole numbers whole."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def _jobs(terms: Terms) -> list[str]:
    parts = (
        (terms["waiting"], "waiting"),
        (terms["due"], "due"),
        (terms["dueSoon"], "due soon"),
        (terms["active"], "active"),
    )
    said = " + ".join(f"{num(value)} {what}" for value, what in parts)
    oldest = f", the oldest has waited {spoken(terms['oldestWaitSeconds'])}" if terms["waiting"] else ""
    return [f"A + L = {said} = {num(terms.jobs)}{oldest}"]


def _learned(terms: Terms) -> list[str]:
    lead, tick = terms["leadSeconds"], terms.rules.tick_seconds
    burst = terms["arrivalsPerSecond"] > terms["sustainedPerSecond"]
    usual = f" (a burst; {num(terms['sustainedPerSecond'])} over a longer time)" if burst else ""
    return [
        f"λ = {num(terms['arrivalsPerSecond'])} jobs/s come{usual}, S = {num(terms['serviceSeconds'])} s a job",
        f"D = {num(lead)} s for a pod to start + {num(tick)} s until the next look = {num(terms.ahead)} s",
    ]


def _budget(terms: Terms) -> list[str]:
    wait, budget = terms.rules.objective_seconds, terms["budgetSeconds"]
    planned = terms.planned
    lines = [f"b = max(T − D, 0.2·T) = max({num(wait)} − {num(terms.ahead)}, {num(wait / 5)}) = {num(planned)} s"]
    if budget < planned - 1e-3:
        lines.append(
            f"  but the oldest job has waited {num(terms['oldestWaitSeconds'])} s, "
            f"the newest {num(terms['newestWaitSeconds'])} s: b = {num(budget)} s to catch up"
        )
    return lines


def _slots(terms: Terms) -> list[str]:
    need = terms.jobs + terms.z * terms.sigma
    service, budget = terms["serviceSeconds"], terms["budgetSeconds"]
    deadline, steady, work = terms["deadlineSlots"], terms["steadySlots"], terms["workSlots"]
    lines = [
        (
            f"σ = √(λ·D + A·(1 − e^(−D/S))) = {num(terms.sigma)}, z = {terms.z:.2f} for "
            f"{num(terms.rules.objective_percentile)} %: A + L + z·σ = {num(need)}"
        )
    ]
    if terms["presentSlots"]:
        lines += _with_present(terms)
    else:
        lines.append(
            f"n₁ = (A + L + z·σ) ÷ (1 + b/S) = {num(need)} ÷ (1 + {num(budget)}/{num(service)}) = {num(deadline)}"
        )
    lines.append(
        f"n₂ = {num(steady)}: slots at which Erlang C lets {100 * terms.objective.late:g} % wait longer than b"
        if steady
        else "n₂ = 0: no steady state to keep (S ≥ b, or n₁ does all there is)"
    )
    lines.append(
        f"n  = min(max(n₁, n₂), work) = min(max({num(deadline)}, {num(steady)}), {num(work)}) = {num(terms['slots'])}"
    )
    return lines


def _with_present(terms: Terms) -> list[str]:
    """n₁ when slots are there already, which have more time than the budget: they need not be waited for."""
    service, budget, present = terms["serviceSeconds"], terms["budgetSeconds"], terms["presentSlots"]
    deadline, jobs = terms["deadlineSlots"], terms.jobs
    if deadline <= present:
        kept = (jobs / deadline - 1) * service if deadline else budget
        return [
            f"n₁ = (A + L) ÷ (1 + k/S) = {num(jobs)} ÷ (1 + {num(kept)}/{num(service)}) = {num(deadline)}",
            f"     k = {num(kept)} s is the budget of slots that are there already, of which there are {num(present)}",
        ]
    rest = (deadline - present) * (1 + budget / service)
    unserved = rest / (1 + terms.z * terms.sigma / jobs)
    shared = f"{num(rest)} ÷ (1 + {num(budget)}/{num(service)})"
    return [
        f"n₁ = P + (u + z·σ·u/(A + L)) ÷ (1 + b/S) = {num(present)} + {shared} = {num(deadline)}",
        f"     P slots are there already and start all but u = {num(unserved)} in time",
    ]


def _pods(terms: Terms, reason: str) -> list[str]:
    rules, slots = terms.rules, terms["slots"]
    objective = int(terms["podsForObjective"])
    plain = math.ceil(slots / terms["concurrency"] - 1e-9) if terms["concurrency"] else 0
    if objective == 0 and plain:
        how = "nothing is there, and nothing is likely to come before a pod could start"
    elif objective == plain:
        how = f"⌈n ÷ concurrency⌉ = ⌈{num(slots)} ÷ {num(terms['concurrency'])}⌉"
    else:
        how = f"⌈n ÷ concurrency⌉, where busy CPUs make {num(terms['concurrency'])} jobs a pod fewer"
    lines = [f"{objective:>4}  wait objective: {how}"]
    length, wait, cpu = (int(terms[name]) for name in ("podsForQueueLength", "podsForWaitSeconds", "podsForCpu"))
    if rules.queue_length is not None:
        what = (
            f"⌈{num(terms['waiting'])} ÷ {rules.queue_length}⌉"
            if length
            else f"not more than {rules.queue_length} wait"
        )
        lines.append(f"{length:>4}  thresholds.queueLength: {what}")
    if rules.wait_seconds is not None:
        over = f"{num(terms['oldestWaitSeconds'])} of {num(rules.wait_seconds)} s"
        lines.append(
            f"{wait:>4}  thresholds.waitSeconds: {'the oldest has waited ' + over if wait else 'not reached, ' + over}"
        )
    if cpu or rules.cpu_percent is not None:
        lines.append(f"{cpu:>4}  thresholds.cpuPercent: {'their CPU is above' if cpu else 'not above, or unknown'}")
    largest = f"the largest: {reason}" if reason in _DEMANDS else "the largest"
    lines.append(f"{max(objective, length, wait, cpu):>4}  {largest}")
    return lines


def _limits(decision: Raw) -> list[str]:
    before, after, limit = decision.get("from"), decision.get("to"), decision.get("limitedBy")
    moved = f"{before} → {after}" if before != after else f"stays at {after}"
    if limit is None and decision.get("reason") not in _DEMANDS:
        limit = decision.get("reason")
    return [
        f"{after:>4}  {moved}, {'no limit changed it' if limit is None else f'the last limit that changed it: {limit}'}"
    ]
