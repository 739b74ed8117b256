"""When a Deployment as seen still is the one intended."""

from __future__ import annotations

from typing import Any

import pytest

from bullpen_operator.engine.difference import differences

ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "the same": ({"a": {"b": 1}}, {"a": {"b": 1}}, set()),
    "more is seen than intended": ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, set()),
    "another value": ({"a": {"b": 1}}, {"a": {"b": 2}}, {"/a/b"}),
    "a missing value": ({"a": {"b": 1}}, {"a": {}}, {"/a/b"}),
    "an empty object that the API server leaves out": ({"a": {"b": {}}}, {"a": {}}, set()),
    "an empty list that the API server leaves out": ({"a": []}, {}, set()),
    "false that turned to missing": ({"a": False}, {}, {"/a"}),
    "false that turned to true": ({"a": False}, {"a": True}, {"/a"}),
    "the number of replicas": ({"spec": {"replicas": 1}}, {"spec": {"replicas": 7}}, set()),
    "replicas elsewhere": ({"spec": {"x": {"replicas": 1}}}, {"spec": {"x": {"replicas": 7}}}, {"/spec/x/replicas"}),
    "kind and apiVersion, which lists leave out": ({"kind": "Deployment", "apiVersion": "apps/v1"}, {}, set()),
    "named items in another order": (
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]},
        set(),
    ),
    "an injected sidecar": (
        {"containers": [{"name": "worker"}]},
        {"containers": [{"name": "mesh"}, {"name": "worker", "image": "x"}]},
        set(),
    ),
    "an edited container": (
        {"containers": [{"name": "worker", "image": "a"}]},
        {"containers": [{"name": "worker", "image": "b"}]},
        {"/containers/worker/image"},
    ),
    "a removed container": (
        {"containers": [{"name": "worker", "image": "a"}]},
        {"containers": []},
        {"/containers/worker"},
    ),
    "plain items by their place": ({"drop": ["ALL"]}, {"drop": ["NET_RAW"]}, {"/drop/0"}),
    "a removed plain item": ({"args": ["a", "b"]}, {"args": ["a"]}, {"/args/1"}),
    "a quantity said otherwise": ({"cpu": "0.5"}, {"cpu": "500m"}, {"/cpu"}),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_differences(row: tuple[dict[str, Any], dict[str, Any], set[str]]) -> None:
    intended, seen, paths = row
    assert {path for path, _ in differences(intended, seen)} == paths


def test_a_tolerated_difference_that_changes_again_is_a_difference() -> None:
    tolerated = differences({"cpu": "0.5"}, {"cpu": "500m"})
    assert not differences({"cpu": "0.5"}, {"cpu": "500m"}) - tolerated
    assert differences({"cpu": "0.5"}, {"cpu": "600m"}) - tolerated
