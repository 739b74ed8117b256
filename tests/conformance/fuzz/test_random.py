"""Random sequences of operations leave the same in Redis whoever runs them.

`make test` plays FUZZ_SEQUENCES (100 with each generation) that are the same in every run; `make fuzz` plays many, of
new chance each time, and prints the shortest one that disagrees.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.conformance.arena import Arena
from tests.conformance.fuzz.agreement import disagreement
from tests.conformance.fuzz.moves import sequences
from tests.conformance.fuzz.play import Player

if TYPE_CHECKING:
    from tests.conformance.fuzz.moves import Move
    from tests.conformance.sides import Side, Step

GIVEN: Final = os.environ.get("FUZZ_SEQUENCES")
SEQUENCES: Final = int(GIVEN or 100)


@pytest.mark.timeout(0 if GIVEN else 400)
@settings(
    max_examples=SEQUENCES,
    derandomize=GIVEN is None,
    # Shortening takes minutes, and is for those who look for faults; the steps to the first difference are told anyway.
    phases=[Phase.generate] if GIVEN is None else [Phase.generate, Phase.shrink],
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(moves=sequences())
async def test_random_sequences_agree(moves: list[Move], arena: Arena) -> None:
    theirs = await _played(arena.node(), moves, arena.generation)
    ours = await _played(arena.ours(), moves, arena.generation)
    assert (told := disagreement(theirs, ours, generation=arena.generation)) is None, told


async def _played(side: Side, moves: list[Move], generation: int) -> list[Step]:
    async with side.opened():
        await Player(side, generation).play(moves)
    return side.steps
