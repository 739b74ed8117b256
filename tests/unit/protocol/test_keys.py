from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.errors import ConfigurationError
from bullpen.protocol import QueueKeys

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
names = texts.filter(lambda text: ":" not in text)

KEYS = QueueKeys("bull", "video-generation")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("base", "bull:video-generation:"),
        ("wait", "bull:video-generation:wait"),
        ("paused", "bull:video-generation:paused"),
        ("active", "bull:video-generation:active"),
        ("prioritized", "bull:video-generation:prioritized"),
        ("delayed", "bull:video-generation:delayed"),
        ("waiting_children", "bull:video-generation:waiting-children"),
        ("completed", "bull:video-generation:completed"),
        ("failed", "bull:video-generation:failed"),
        ("meta", "bull:video-generation:meta"),
        ("marker", "bull:video-generation:marker"),
        ("events", "bull:video-generation:events"),
        ("limiter", "bull:video-generation:limiter"),
        ("workers", "bull:video-generation:bullpen:workers"),
        ("drain", "bull:video-generation:bullpen:drain"),
    ],
)
def test_queue_keys_are_those_of_the_protocol(name: str, key: str) -> None:
    assert getattr(KEYS, name) == key


def test_job_keys_are_those_of_the_protocol() -> None:
    assert KEYS.job("7") == "bull:video-generation:7"
    assert KEYS.lock("7") == "bull:video-generation:7:lock"
    assert KEYS.logs("7") == "bull:video-generation:7:logs"


@pytest.mark.parametrize(
    ("prefix", "queue", "message"),
    [
        pytest.param("bull", "", "queue name is empty", id="an empty name"),
        pytest.param("bull", "a:b", "queue name 'a:b' contains ':'", id="a name with a colon"),
        pytest.param("", "videos", "queue prefix is empty", id="an empty prefix"),
    ],
)
def test_bad_names_are_refused(prefix: str, queue: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        QueueKeys(prefix, queue)


def test_a_prefix_may_be_a_hash_tag_with_colons() -> None:
    assert QueueKeys("{team:bull}", "videos").wait == "{team:bull}:videos:wait"


@given(prefix=texts, queue=names)
def test_every_key_of_a_queue_starts_with_its_base(prefix: str, queue: str) -> None:
    keys = QueueKeys(prefix, queue)
    assert keys.base == f"{prefix}:{queue}:"
    assert all(key.startswith(keys.base) for key in (keys.wait, keys.job("1"), keys.lock("1"), keys.workers))


@given(queue=names)
def test_the_client_name_is_what_get_workers_matches(queue: str) -> None:
    named = base64.b64encode(queue.encode()).decode()
    assert QueueKeys("bull", queue).client_name() == f"bull:{named}"
    assert QueueKeys("bull", queue).client_name("pod-1") == f"bull:{named}:w:pod-1"


@pytest.mark.parametrize("worker", ["a b", "a\nb", "wörker"])
def test_a_worker_name_that_redis_refuses_is_refused(worker: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a Redis client name"):
        KEYS.client_name(worker)
