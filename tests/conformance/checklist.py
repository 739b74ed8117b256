"""All scenarios of the checklist, loaded, and which of its items have to be covered."""

from __future__ import annotations

from typing import Final

from tests.conformance import (
    test_add,
    test_children,
    test_dedup,
    test_fetch,
    test_finish,
    test_flow,
    test_job,
    test_parent,
    test_parting,
    test_pause,
    test_queries,
    test_removal,
    test_removal_family,
    test_retry,
    test_schedules,
    test_stalled,
    test_upkeep,
)
from tests.conformance.arena import REGISTRY, ItemTest

MODULES: Final = (
    test_add,
    test_dedup,
    test_fetch,
    test_finish,
    test_retry,
    test_stalled,
    test_job,
    test_queries,
    test_upkeep,
    test_removal,
    test_removal_family,
    test_flow,
    test_children,
    test_parent,
    test_parting,
    test_pause,
    test_schedules,
)
SCENARIOS: Final = dict(REGISTRY)

# Items driven with running workers and listeners on the machine's clock, which no scenario replays step by step.
LIVE: Final = {28, 42, 43, 95, 96}

COVERED: Final = frozenset({*range(1, 95), *LIVE})


def scenarios_of(number: int) -> list[ItemTest]:
    """Return every scenario of one item."""
    return [test for test in SCENARIOS.values() if test.number == number]
