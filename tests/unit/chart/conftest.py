"""The programs of the chart's tests; the first run on a machine may have to get them."""

from __future__ import annotations

import os

import pytest

from hack import promtool as prometheus
from hack.cluster.places import Places
from hack.cluster.steps import Steps
from hack.stage.kubectl import harness


@pytest.fixture(scope="session")
def helm() -> str:
    return harness("tool", "helm")


@pytest.fixture(scope="session")
def kubectl() -> str:
    return harness("tool", "kubectl")


@pytest.fixture(scope="session")
def promtool() -> str:
    return str(prometheus.ensure(Steps.begin(Places.of(os.environ), "promtool")))
