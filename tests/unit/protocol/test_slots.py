from __future__ import annotations

import pytest

from bullpen.errors import ConfigurationError
from bullpen.protocol import QueueKeys
from bullpen.protocol.slots import slot_of


@pytest.mark.parametrize(
    ("prefix", "queue", "slot"),
    [
        pytest.param("{bull}", "videos", 9263, id="the prefix has the tag"),
        pytest.param("{bull}", "emails", 9263, id="and so all its queues share a slot"),
        pytest.param("bull", "{videos}", 3973, id="the name has the tag"),
        pytest.param("my{bull}s", "videos", 9263, id="a part of the prefix"),
        pytest.param("{bull}", "{videos}", 9263, id="the first tag counts"),
    ],
)
def test_the_slot_of_a_queue(prefix: str, queue: str, slot: int) -> None:
    assert slot_of(QueueKeys(prefix, queue)) == slot


@pytest.mark.parametrize(
    ("prefix", "queue"),
    [
        pytest.param("bull", "videos", id="no tag"),
        pytest.param("{}bull", "videos", id="an empty tag, after which Redis looks for no other"),
        pytest.param("{}", "{videos}", id="an empty tag before another"),
        pytest.param("bull}", "{videos", id="a tag that does not end"),
    ],
)
def test_keys_that_would_be_in_many_slots_are_refused(prefix: str, queue: str) -> None:
    with pytest.raises(ConfigurationError, match="put a hash tag into the prefix") as told:
        slot_of(QueueKeys(prefix, queue))
    assert repr(queue) in str(told.value)
