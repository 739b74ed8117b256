"""Whether two sides agree after a sequence: up to the first step at which they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.conformance.compare import ABSENT, Difference, differences
from tests.conformance.fuzz.invariants import sleeping, violations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.conformance.sides import Step

# 5 writes `nrjid`. 6 tells of no `debounced`, keeps paused jobs in `wait`, counts them there, and does not call such a
# queue drained (§12).
V6: Final = 6


def disagreement(theirs: Sequence[Step], ours: Sequence[Step], *, generation: int) -> str | None:
    """The first difference or broken invariant, with the steps that led to it; None when there is none."""
    for number, (their, our) in enumerate(zip(theirs, ours, strict=False), 1):
        told = list(_differences(their, our, generation=generation))
        told += [f"invariant: {broken}" for broken in violations(our.content)]
        if our.operation == "fetch":
            told += [f"invariant: {asleep}" for asleep in sleeping(our.content)]
        if told:
            return "\n".join([*_story(ours[:number]), *told])
    if len(theirs) != len(ours):
        return "the sides took different ways without a difference in the data"
    return None


def _story(steps: Sequence[Step]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        yield f"{number}. {step.operation}{dict(step.arguments)} → {step.reply!r}"


def _differences(their: Step, our: Step, *, generation: int) -> Iterator[str]:
    if their.operation != our.operation:
        yield f"BullMQ did {their.operation}, we did {our.operation}"
        return
    if their.operation != "counts" or generation != V6:
        yield from (str(found) for found in differences(their.reply, our.reply, ("reply",)))
    left, right = (_alike(step.content, generation=generation) for step in (their, our))
    yield from (str(found) for found in differences(left, right) if not _more_wakeful(found))


def _alike(content: Mapping[str, Any], *, generation: int) -> dict[str, Any]:
    """The content without what the generations do differently; the intended differences of §12."""
    plain: dict[str, Any] = {name: _without(key, "nrjid") for name, key in content.items()}
    if generation == V6:
        waiting = [*plain.pop("paused", {"value": []})["value"], *plain.pop("wait", {"value": []})["value"]]
        if waiting:
            plain["wait"] = {"type": "list", "value": waiting}
        if "events" in plain:
            told = [entry for entry in plain["events"]["value"] if entry[0][1] not in ("debounced", "drained")]
            kept = [[["prev", "wait"] if part == ["prev", "paused"] else part for part in entry] for entry in told]
            plain["events"] = plain["events"] | {"value": kept}
    return plain


def _without(key: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    if key["type"] != "hash" or field not in key["value"]:
        return key
    return {**key, "value": {name: value for name, value in key["value"].items() if name != field}}


def _more_wakeful(found: Difference) -> bool:
    """A marker that only ours has, or that comes earlier: it costs one look, a missing one is a job that sleeps.

    A release of a prioritized job sets one (§6.3, §12); a resume of 5 puts off a stale one.
    """
    if found.path == ("marker", "value", "1") and ABSENT not in (found.theirs, found.ours):
        return bool(found.ours < found.theirs)
    return found.path in {("marker",), ("marker", "value", "0")} and found.theirs is ABSENT
