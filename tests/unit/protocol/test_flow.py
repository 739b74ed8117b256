from __future__ import annotations

import json

import pytest

from bullpen.errors import ConfigurationError, JobMissing, LockLost, ProtocolError, WrongState
from bullpen.protocol import JobOptions, QueueKeys
from bullpen.protocol.calls import add, children, flow
from bullpen.protocol.calls.flow import FlowJob, OnFailure, Parent, Waited
from bullpen.protocol.replies import Added

VIDEOS, IMAGES = QueueKeys("bull", "videos"), QueueKeys("{bull}", "images")
CHILD = FlowJob(
    keys=IMAGES,
    job_id="a",
    name="draw",
    data="{}",
    options=JobOptions(priority=2),
    parent=Parent(VIDEOS, "whole"),
    on_failure=OnFailure.IGNORE,
)


def test_a_child_names_its_parent_in_its_options_and_beside_them() -> None:
    base, job_id, _, _, opts, timestamp, delay, priority, lifo, parent, key, family = CHILD.arguments(17)
    assert (base, job_id, timestamp, delay, priority, lifo, parent) == ("{bull}:images:", "a", 17, 0, 2, 0, 0)
    assert key == "bull:videos:whole"
    assert json.loads(str(opts)) == {
        "attempts": 0,
        "priority": 2,
        "idof": True,
        "parent": {"id": "whole", "queue": "bull:videos"},
    }
    assert json.loads(str(family)) == {"id": "whole", "queueKey": "bull:videos", "idof": True}


def test_what_a_flow_replies() -> None:
    call = flow.add_flow([CHILD], now=17)
    assert call.parse([b"a", 1]) == (Added(job_id="a", duplicated=True),)
    with pytest.raises(JobMissing, match=r"job 'a' of queue 'images' was not added: its parent bull:videos:whole"):
        call.parse([-5, 0, b"bull:videos:whole"])
    with pytest.raises(WrongState, match="belongs to the parent bull:videos:other; give it another id"):
        call.parse([-7, 0, b"bull:videos:other"])
    with pytest.raises(ProtocolError, match="unknown status -99"):
        call.parse([-99, 0, b""])


def test_what_waiting_for_children_replies() -> None:
    call = flow.wait_for_children(VIDEOS, job_id="whole", token="t", now=17)
    assert [call.parse(code) for code in (0, 1, -9)] == [*Waited]
    for code in (-2, -3, -6):
        with pytest.raises(LockLost):
            call.parse(code)
    with pytest.raises(JobMissing):
        call.parse(-1)


def test_a_parent_among_the_options_of_a_plain_add_is_refused() -> None:
    options = JobOptions(extra={"parent": {"id": "whole", "queue": "bull:videos"}})
    with pytest.raises(ConfigurationError, match="use add_child"):
        add.add(IMAGES, name="draw", data="{}", now=17, options=options)


def test_values_of_children() -> None:
    call = children.values(VIDEOS, job_id="whole")
    assert call.parse([b"bull:images:a", b'{"\xc3\xbc":null}']) == {"bull:images:a": {"ü": None}}
    with pytest.raises(ProtocolError, match="job whole: the value of its child bull:images:a is no JSON"):
        call.parse([b"bull:images:a", b"{"])
