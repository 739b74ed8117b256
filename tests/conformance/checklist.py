"""All scenarios of the checklist, loaded, and which of its items have to be covered."""

from __future__ import annotations

from typing import Final

from tests.conformance import test_add, test_dedup, test_fetch, test_finish, test_job, test_retry, test_stalled
from tests.conformance.arena import REGISTRY, ItemTest

MODULES: Final = (test_add, test_dedup, test_fetch, test_finish, test_retry, test_stalled, test_job)
SCENARIOS: Final = dict(REGISTRY)

# Items driven with running workers and listeners on the machine's clock, which no scenario replays step by step.
LIVE: Final = {28, 42, 43, 95}

COVERED: Final = frozenset({*range(1, 14), *range(15, 19), *range(20, 29), *range(30, 70), 91, 94, *LIVE})


def scenarios_of(number: int) -> list[ItemTest]:
    """Return every scenario of one item."""
    return [test for test in SCENARIOS.values() if test.number == number]
