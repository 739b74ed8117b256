from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bullpen.runtime.slots import Slots


def test_claims_under_way_count() -> None:
    slots = Slots(10)
    assert slots.ask(64) == 10
    assert slots.ask(64) == 0
    slots.answered(asked=10, got=3)
    assert (slots.running, slots.free) == (3, 7)
    slots.leave()
    assert slots.free == 8


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 64), st.floats(0, 1)), max_size=50))
def test_never_more_than_there_are(total: int, turns: list[tuple[int, float]]) -> None:
    slots = Slots(total)
    for limit, share in turns:
        asked = slots.ask(limit)
        assert 0 <= asked <= limit
        assert slots.running + slots.claiming <= total
        slots.answered(asked=asked, got=int(asked * share))
        if slots.running and share < 0.5:
            slots.leave()
        assert 0 <= slots.free <= total
