"""The harness proves itself: a planted fault in our Lua does not pass."""

from __future__ import annotations

from contextlib import suppress

import pytest

from bullpen.protocol.scripts import Script
from tests.conformance.arena import Arena, compare_steps, run
from tests.conformance.checklist import SCENARIOS
from tests.conformance.mutations import MUTATIONS, Mutation
from tests.conformance.sides import Refused

# One generation is enough here: what is on trial is the comparison.
pytestmark = pytest.mark.parametrize("driver", [5], indirect=True, ids=["bullmq5"])


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.fault.replace(" ", "-"))
async def test_a_planted_fault_is_caught(mutation: Mutation, arena: Arena) -> None:
    planted: set[str] = set()
    checked = SCENARIOS[mutation.item]

    theirs = await run(checked.scenario, arena.node())
    faulty = arena.ours(alter=lambda script: _note(mutation.alter(script), script, planted))
    # The scenario's own assertions may end it early. What is on trial is the comparison, up to there.
    with suppress(AssertionError, KeyError, Refused):
        await run(checked.scenario, faulty)
    found = compare_steps(theirs[: len(faulty.steps)], faulty.steps, generation=arena.generation, item=checked.number)
    assert planted, f"no script of this scenario holds {mutation.find!r}: the mutation has lost its place"
    assert found.unexpected, f"{mutation.fault}: nothing differed in {mutation.item}"


def _note(altered: Script, script: Script, planted: set[str]) -> Script:
    if altered.text != script.text:
        planted.add(script.name)
    return altered
