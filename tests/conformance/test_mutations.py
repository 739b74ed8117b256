"""The harness proves itself: a planted fault in our Lua does not pass."""

from __future__ import annotations

import pytest

from tests.conformance.arena import Arena
from tests.conformance.mutants import GENERATION, tried
from tests.conformance.mutations import MUTATIONS, Mutation

pytestmark = pytest.mark.parametrize("driver", [GENERATION], indirect=True, ids=["bullmq5"])


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.fault.replace(" ", "-"))
async def test_a_planted_fault_is_caught(mutation: Mutation, arena: Arena) -> None:
    trial = await tried(mutation, arena)
    assert trial.planted, f"no script of this scenario holds {mutation.find!r}: the mutation has lost its place"
    assert trial.differences, f"{mutation.fault}: nothing differed in {mutation.item}"
