from __future__ import annotations

import pytest

from bullpen import ConfigurationError, Dedup
from bullpen.protocol import Deduplication


def test_durations_become_milliseconds() -> None:
    assert Dedup("a", ttl="5m", extend=True).stored() == Deduplication("a", ttl=300_000, extend=True)
    assert Dedup("a", keep_last=True).stored() == Deduplication("a", keep_last=True)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        pytest.param({"id": ""}, "deduplication id is empty", id="no id"),
        pytest.param({"id": "a", "ttl": 0}, "ttl of deduplication id 'a' is 0", id="no time"),
        pytest.param({"id": "a", "ttl": "soon"}, "'soon' is no duration", id="no duration"),
        pytest.param({"id": "a", "extend": True}, "extend=True needs a ttl", id="nothing to extend"),
        pytest.param({"id": "a", "ttl": 5, "keep_last": True}, "leave out ttl", id="a ttl that would be ignored"),
        pytest.param({"id": "a", "replace": True, "reschedule": True}, "choose one", id="to go and to stay"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Dedup(**given)  # type: ignore[arg-type]
