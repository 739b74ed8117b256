"""Every row of intended differences is still needed, and the prose tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.arena import Arena
from tests.conformance.checklist import scenarios_of
from tests.conformance.intended import INTENDED, Intended

COMPATIBILITY = Path(__file__).parents[2] / "docs" / "bullmq-compatibility.md"


@pytest.mark.parametrize("row", INTENDED, ids=lambda row: row.topic.replace(" ", "-"))
async def test_an_intended_difference_shows_in_each_of_its_items(row: Intended, arena: Arena) -> None:
    if arena.generation not in row.generations:
        for number in row.items:
            for scenario in scenarios_of(number):
                assert row not in (await arena.compare(scenario)).used
        return
    for number in sorted(row.items):
        used = [row in (await arena.compare(scenario)).used for scenario in scenarios_of(number)]
        assert any(used), f"item {number} shows no such difference any more: take it out of the row"


@pytest.mark.parametrize("row", INTENDED, ids=lambda row: row.topic.replace(" ", "-"))
def test_an_intended_difference_is_documented(row: Intended) -> None:
    assert f"| {row.topic} |" in COMPATIBILITY.read_text()
