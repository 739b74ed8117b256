from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullpen.client.payload import dump
from bullpen.errors import ConfigurationError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_json_can_say_survives(value: Any) -> None:
    assert json.loads(dump(value, what="data")) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True]}, '{"a":[1,null,true]}'),
        ("ü€😀", '"ü€😀"'),
        ('a"\\\n\x01/', '"a\\"\\\\\\n\\u0001/"'),
        ("\ud83d", '"\\ud83d"'),
        ("\u2028", '"\u2028"'),
        (None, "null"),
    ],
)
def test_text_is_what_json_stringify_prints(value: Any, text: str) -> None:
    assert dump(value, what="data") == text


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(math.nan, id="NaN"),
        pytest.param({"a": [math.inf]}, id="infinity inside"),
        pytest.param({1, 2}, id="a set"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param({(1, 2): 3}, id="a tuple for a key"),
        pytest.param(cycle(), id="a cycle"),
        pytest.param(object(), id="an object"),
    ],
)
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="data of job 'render' cannot be written as JSON"):
        dump(value, what="data of job 'render'")


def test_nesting_beyond_the_stack_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        dump(deep(), what="data")
