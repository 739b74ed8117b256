from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bullpen.client.pauses import Pauses


@given(failures=st.integers(min_value=0, max_value=10_000))
def test_a_pause_is_never_longer_than_the_longest_nor_half_its_nominal(failures: int) -> None:
    pauses = Pauses(first=0.05, longest=5.0, failures=failures)
    nominal = min(5.0, 0.05 * 2.0 ** min(failures, 30))
    assert nominal / 2 <= pauses.next() <= nominal


def test_pauses_grow_and_start_over_after_a_success() -> None:
    pauses = Pauses(first=1.0, longest=64.0)
    assert [pauses.next() <= 2**n for n in range(5)] == [True] * 5
    assert pauses.failures == 5
    pauses.reset()
    assert pauses.next() <= 1.0
