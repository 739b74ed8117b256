from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.errors import ProtocolError
from bullpen.protocol import QueueKeys
from bullpen.protocol.heartbeat import Heartbeat, read_beats

amounts = st.integers(min_value=0, max_value=2**53)
heartbeats = st.builds(
    Heartbeat,
    instance=st.text(),
    boot=st.text(),
    slots=amounts,
    busy=amounts,
    done=amounts,
    failed=amounts,
    pod=st.text(),
    version=st.text(),
    oldest=st.none() | st.floats(min_value=0, max_value=1e12),
    cpu=st.floats(min_value=0, max_value=1e9),
    rss=amounts,
    draining=st.booleans(),
    drained=st.booleans(),
)

PLAIN = Heartbeat(instance="uid", boot="b1", slots=4, busy=1, done=7, failed=2)


@given(heartbeats)
def test_a_heartbeat_survives_a_round_trip(original: Heartbeat) -> None:
    assert Heartbeat.parse(original.dump()) == original


def test_the_time_is_read_in_seconds_as_redis_stamped_it() -> None:
    stamped = '{"at":1700000000123,' + PLAIN.dump()[1:]
    assert Heartbeat.parse(stamped).at == 1700000000.123


def test_a_newer_workers_fields_are_ignored() -> None:
    stored = json.loads(PLAIN.dump()) | {"mood": [1, 2, 3]}
    assert Heartbeat.parse(json.dumps(stored)) == PLAIN


@pytest.mark.parametrize("text", ["", "nope", "[]", "{}", '{"instance":"uid"}', '{"at":"x","instance":"uid"}'])
def test_what_is_no_heartbeat_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError, match="heartbeat"):
        Heartbeat.parse(text)


def test_one_unreadable_field_does_not_hide_the_others() -> None:
    beats = read_beats(QueueKeys("bull", "videos")).parse([b"uid", PLAIN.dump().encode(), b"odd", b"?"])
    assert beats.alive == {"uid": PLAIN}
    assert beats.unreadable == ("odd",)
